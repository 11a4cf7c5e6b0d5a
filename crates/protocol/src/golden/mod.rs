//! Recorded bytes that must read and write the same for ever.
//!
//! `vectors.json` holds frames that released SDKs exchanged with a server, identifiers, and a
//! signature. Every frame is decoded, compared field by field with what was recorded, and encoded
//! again to the same bytes.

mod show;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use prost::Message;
use serde_json::Value;

use crate::id;
use crate::service::frame::{self, Decoder, Frame, ty};
use crate::service::identity::Signer;
use crate::service::message as m;
use show::Show;

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap()
}

/// The fields of a frame's body, and the frame encoded again.
fn reread(frame: &Frame, protocol_version: u64) -> (Value, BytesMut) {
    fn through<M: Message + Default + Show>(frame: &Frame) -> (Value, BytesMut) {
        let message = M::decode(frame.body.clone()).unwrap();
        let mut out = BytesMut::new();
        frame::put(&mut out, frame.ty, frame.flags, &message);
        (message.show(), out)
    }
    match frame.ty {
        ty::START => through::<m::Start>(frame),
        ty::SUSPENSION if protocol_version < 7 => through::<m::Suspension>(frame),
        ty::SUSPENSION => through::<m::SuspensionV7>(frame),
        ty::ERROR => through::<m::Error>(frame),
        ty::END => through::<m::End>(frame),
        ty::COMMAND_ACK => through::<m::CommandAck>(frame),
        ty::PROPOSE_RUN_COMPLETION => through::<m::ProposeRunCompletion>(frame),
        ty::AWAITING_ON => through::<m::AwaitingOn>(frame),
        ty::PROPOSE_RUN_COMPLETION_ACK => through::<m::ProposeRunCompletionAck>(frame),
        ty::INPUT => through::<m::Input>(frame),
        ty::OUTPUT => through::<m::Output>(frame),
        ty::GET_LAZY_STATE => through::<m::GetLazyState>(frame),
        ty::SET_STATE => through::<m::SetState>(frame),
        ty::CLEAR_STATE => through::<m::ClearState>(frame),
        ty::CLEAR_ALL_STATE => through::<m::ClearAllState>(frame),
        ty::GET_LAZY_STATE_KEYS => through::<m::GetLazyStateKeys>(frame),
        ty::GET_EAGER_STATE => through::<m::GetEagerState>(frame),
        ty::GET_EAGER_STATE_KEYS => through::<m::GetEagerStateKeys>(frame),
        ty::GET_PROMISE => through::<m::GetPromise>(frame),
        ty::PEEK_PROMISE => through::<m::PeekPromise>(frame),
        ty::COMPLETE_PROMISE => through::<m::CompletePromise>(frame),
        ty::SLEEP => through::<m::Sleep>(frame),
        ty::CALL => through::<m::Call>(frame),
        ty::ONE_WAY_CALL => through::<m::OneWayCall>(frame),
        ty::SEND_SIGNAL => through::<m::SendSignal>(frame),
        ty::RUN => through::<m::Run>(frame),
        ty::ATTACH_INVOCATION => through::<m::AttachInvocation>(frame),
        ty::GET_INVOCATION_OUTPUT => through::<m::GetInvocationOutput>(frame),
        ty::COMPLETE_AWAKEABLE => through::<m::CompleteAwakeable>(frame),
        ty if ty::is_notification(ty) => through::<m::Notification>(frame),
        ty => panic!("no message has type {ty:#06x}"),
    }
}

/// Without empty lists, which the recording writes for some messages and not for others.
fn without_empty_lists(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, member)| member.as_array().is_none_or(|list| !list.is_empty()))
            .map(|(name, member)| (name.clone(), without_empty_lists(member)))
            .collect(),
        Value::Array(items) => items.iter().map(without_empty_lists).collect(),
        other => other.clone(),
    }
}

#[test]
fn recorded_frames_read_and_write_the_same() {
    let mut count = 0;
    for vector in vectors() {
        if vector["kind"] != "frame" {
            continue;
        }
        count += 1;
        let name = text(&vector, "name");
        let recorded = bytes(text(&vector, "hex"));
        let mut decoder = Decoder::new(1 << 20);
        decoder.push(Bytes::from(recorded.clone()));
        let frame = decoder.next().unwrap().unwrap();
        assert!(decoder.is_between_frames(), "{name}");

        let known = ty::name(frame.ty).unwrap();
        let message = text(&vector, "message")
            .replace("NotificationMessage", "")
            .replace("CommandMessage", "")
            .replace("Message", "");
        assert_eq!(message, known, "{name}");
        let version = vector["protocol_version"].as_u64().unwrap();
        let (shown, written) = reread(&frame, version);
        assert_eq!(
            without_empty_lists(&shown),
            without_empty_lists(&vector["decoded"]),
            "{name}"
        );
        assert_eq!(written, recorded, "{name}");
    }
    assert_eq!(count, 614);
}

#[test]
fn recorded_futures_are_read() {
    let mut count = 0;
    for vector in vectors() {
        let name = text(&vector, "name");
        if !name.starts_with("future/") {
            continue;
        }
        count += 1;
        let future = m::Future::decode(&bytes(text(&vector, "hex"))[..]).unwrap();
        assert_eq!(
            without_empty_lists(&future.show()),
            without_empty_lists(&vector["decoded"]["future"]),
            "{name}"
        );
    }
    assert_eq!(count, 21);
}

#[test]
fn recorded_ids_are_written_and_read() {
    let mut count = 0;
    for vector in vectors() {
        let name = text(&vector, "name");
        let decoded = &vector["decoded"];
        if name.starts_with("id/invocation/") {
            count += 1;
            let binary: [u8; 24] = bytes(text(decoded, "binary")).try_into().unwrap();
            let written = text(decoded, "text");
            assert_eq!(id::invocation_text(&binary), written);
            assert_eq!(id::parse_invocation(written), Ok(binary));
        } else if name.starts_with("id/awakeable/") {
            count += 1;
            let invocation: [u8; 24] = bytes(text(decoded, "invocation")).try_into().unwrap();
            let index = u32::try_from(decoded["signal_index"].as_u64().unwrap()).unwrap();
            let written = text(decoded, "text");
            assert_eq!(id::awakeable_text(&invocation, index), written);
            assert_eq!(
                id::parse_awakeable(written),
                Ok(id::Awakeable::Signal { invocation, index })
            );
        }
    }
    assert_eq!(count, 10);
}

#[test]
fn the_recorded_token_is_reproduced() {
    let vectors = vectors();
    let vector = vectors
        .iter()
        .find(|vector| vector["name"] == "identity/jwt-v1")
        .unwrap();
    let decoded = &vector["decoded"];
    // The fixed part of a PKCS#8 document around an Ed25519 seed.
    let mut document = bytes("302e020100300506032b657004220420");
    document.extend(bytes(text(decoded, "seed_hex")));
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(document)
    );
    let signer = Signer::from_pem(&pem).unwrap();
    assert_eq!(signer.public_key(), text(decoded, "kid"));
    let token = signer.token(text(decoded, "aud"), decoded["iat"].as_u64().unwrap());
    assert_eq!(token, text(decoded, "jwt"));
}

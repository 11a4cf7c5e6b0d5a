//! What an endpoint may send: frames, a whole conversation, a manifest.

use bytes::Bytes;
use latchwork_protocol::service::frame::{Decoder, Frame, HEADER_LEN, put_raw, ty};
use latchwork_protocol::service::manifest::{self, Service};
use latchwork_protocol::service::message as wire;
use prost::Message;
use std::fmt::Debug;

/// The longest frame that is let pass: an input is never longer.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Frames, in chunks as long as the first byte says: the same come out as in one piece, and each
/// is what was sent.
pub(crate) fn frames(data: &[u8]) {
    let Some((length, stream)) = data.split_first() else {
        return;
    };
    let stream = Bytes::copy_from_slice(stream);
    let whole = decode(std::iter::once(stream.clone()));
    let length = usize::from(*length).max(1);
    let chunks = stream.chunks(length).map(Bytes::copy_from_slice);
    assert_eq!(whole, decode(chunks), "chunks make no difference");
    let mut at = 0;
    for frame in &whole.0 {
        let mut again = bytes::BytesMut::new();
        put_raw(&mut again, frame.ty, frame.flags, &frame.body);
        assert_eq!(again, stream[at..at + HEADER_LEN + frame.body.len()]);
        at += again.len();
        message(frame);
    }
}

/// The frames of a stream, and whether it broke.
fn decode(chunks: impl Iterator<Item = Bytes>) -> (Vec<Frame>, bool) {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let mut frames = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

/// Reads the body as what its type says, and again what it is written as.
fn message(frame: &Frame) {
    fn twice<M: Message + Default + PartialEq + Debug>(body: &Bytes) {
        if let Ok(message) = M::decode(body.clone()) {
            let written = Bytes::from(message.encode_to_vec());
            assert!(
                M::decode(written).is_ok_and(|again| again == message),
                "{message:?}"
            );
        }
    }
    let body = &frame.body;
    match frame.ty {
        ty::START => twice::<wire::Start>(body),
        ty::SUSPENSION => {
            twice::<wire::Suspension>(body);
            twice::<wire::SuspensionV7>(body);
        }
        ty::ERROR => twice::<wire::Error>(body),
        ty::INPUT => twice::<wire::Input>(body),
        ty::OUTPUT => twice::<wire::Output>(body),
        ty::CALL => twice::<wire::Call>(body),
        ty::ONE_WAY_CALL => twice::<wire::OneWayCall>(body),
        ty::SEND_SIGNAL => twice::<wire::SendSignal>(body),
        ty::RUN => twice::<wire::Run>(body),
        ty::PROPOSE_RUN_COMPLETION => twice::<wire::ProposeRunCompletion>(body),
        ty::COMPLETE_PROMISE => twice::<wire::CompletePromise>(body),
        ty::ATTACH_INVOCATION => twice::<wire::AttachInvocation>(body),
        _ => twice::<wire::Notification>(body),
    }
}

/// A conversation in which the SDK lies.
pub(crate) fn session(data: &[u8]) {
    latchwork_runtime::fuzz::session(data);
}

/// The answer to discovery: what is accepted is stored, and read again as it was.
pub(crate) fn manifest(data: &[u8]) {
    let content_type = manifest::ACCEPT.split(", ").next().unwrap_or_default();
    let Ok(manifest) = manifest::parse(content_type, data) else {
        return;
    };
    manifest.protocol_range(Some("restate-sdk-typescript/1.1.0"));
    let Ok(services) = manifest.validate() else {
        return;
    };
    let stored = serde_json::to_vec(&services).expect("it can be stored");
    let again: Vec<Service> = serde_json::from_slice(&stored).expect("it can be read again");
    assert_eq!(again, services);
    latchwork_server::fuzz::registered(services);
}

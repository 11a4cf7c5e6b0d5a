//! Framing: chunks of a body in, whole messages out; messages in, bytes out.
//!
//! A frame is 8 bytes of header (type, flags, length of the body; big-endian) and the body, a
//! protobuf message of [`super::message`]. Chunks may cut a stream anywhere. A body that lies
//! within one chunk is a slice of it, never a copy.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Length of a frame's header in bytes.
pub const HEADER_LEN: usize = 8;

/// Flag: the sender wants to be told when this message is durable.
pub const ACK: u16 = 0x8000;

/// One message as it travelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the body is, see [`ty`].
    pub ty: u16,
    /// [`ACK`] and bits without meaning.
    pub flags: u16,
    /// The encoded message.
    pub body: Bytes,
}

/// Why a stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A header announces a body over the limit.
    #[error(
        "message 0x{ty:04X} announces {length} bytes, the limit is {limit}. \
         Pass a reference to large data instead, or raise the message size limit."
    )]
    TooLarge {
        /// The type of the message.
        ty: u16,
        /// The announced length in bytes.
        length: usize,
        /// The longest body accepted, in bytes.
        limit: usize,
    },
}

/// Cuts a stream of chunks into frames.
///
/// Push a chunk, then take frames until there is none. After an error the stream has lost its
/// place: drop the decoder with it.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    chunks: VecDeque<Bytes>,
    buffered: usize,
    header: Option<Header>,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    ty: u16,
    flags: u16,
    length: usize,
}

impl Decoder {
    /// A decoder that refuses bodies longer than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            chunks: VecDeque::new(),
            buffered: 0,
            header: None,
        }
    }

    /// Takes the next chunk of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.buffered += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// The next whole frame, or nothing until more is pushed.
    ///
    /// # Errors
    /// As soon as a header announces too long a body, before any of the body is waited for.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would end where this only waits for more"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let header = match self.header {
            Some(header) => header,
            None if self.buffered < HEADER_LEN => return Ok(None),
            None => {
                let mut bytes = self.take(HEADER_LEN);
                let header = Header {
                    ty: bytes.get_u16(),
                    flags: bytes.get_u16(),
                    length: bytes.get_u32() as usize,
                };
                if header.length > self.limit {
                    return Err(FrameError::TooLarge {
                        ty: header.ty,
                        length: header.length,
                        limit: self.limit,
                    });
                }
                *self.header.insert(header)
            }
        };
        if self.buffered < header.length {
            return Ok(None);
        }
        self.header = None;
        Ok(Some(Frame {
            ty: header.ty,
            flags: header.flags,
            body: self.take(header.length),
        }))
    }

    /// Whether the stream may end here: nothing of a frame is left over.
    pub fn is_between_frames(&self) -> bool {
        self.header.is_none() && self.buffered == 0
    }

    /// The next `len` bytes, which must be buffered.
    fn take(&mut self, len: usize) -> Bytes {
        self.buffered -= len;
        let taken = match self.chunks.front_mut() {
            Some(front) if front.len() >= len => front.split_to(len),
            _ => {
                let mut joined = BytesMut::with_capacity(len);
                while joined.len() < len
                    && let Some(front) = self.chunks.front_mut()
                {
                    let part = front.split_to(front.len().min(len - joined.len()));
                    joined.put(part);
                    self.drop_empty_front();
                }
                joined.freeze()
            }
        };
        self.drop_empty_front();
        taken
    }

    fn drop_empty_front(&mut self) {
        if self.chunks.front().is_some_and(Bytes::is_empty) {
            self.chunks.pop_front();
        }
    }
}

/// The header of a frame whose body follows separately, so that a large body need not be copied.
///
/// # Panics
/// When the body has 4 GiB or more, which no message limit allows.
pub fn header(ty: u16, flags: u16, body_len: usize) -> [u8; HEADER_LEN] {
    let length = u32::try_from(body_len).expect("a body is limited far below 4 GiB");
    let mut bytes = [0; HEADER_LEN];
    bytes[..2].copy_from_slice(&ty.to_be_bytes());
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[4..].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Appends a frame with the encoding of `message`.
pub fn put(out: &mut BytesMut, ty: u16, flags: u16, message: &impl prost::Message) {
    let length = message.encoded_len();
    out.reserve(HEADER_LEN + length);
    out.put_slice(&header(ty, flags, length));
    message.encode_raw(out);
}

/// Appends a frame with a body that is encoded already.
pub fn put_raw(out: &mut BytesMut, ty: u16, flags: u16, body: &[u8]) {
    out.reserve(HEADER_LEN + body.len());
    out.put_slice(&header(ty, flags, body.len()));
    out.put_slice(body);
}

/// Message types. Commands are `0x04NN`; the completion of one is `0x80NN`.
pub mod ty {
    /// Server to SDK, first of every attempt.
    pub const START: u16 = 0x0000;
    /// SDK to server, last of an attempt: the handler waits.
    pub const SUSPENSION: u16 = 0x0001;
    /// SDK to server, last of an attempt: it failed.
    pub const ERROR: u16 = 0x0002;
    /// SDK to server, last of an attempt: the output stands.
    pub const END: u16 = 0x0003;
    /// Server to SDK: a command is durable. Only in answer to [`super::ACK`].
    pub const COMMAND_ACK: u16 = 0x0004;
    /// SDK to server: the outcome of a run.
    pub const PROPOSE_RUN_COMPLETION: u16 = 0x0005;
    /// SDK to server: what the handler is blocked on.
    pub const AWAITING_ON: u16 = 0x0006;
    /// Server to SDK: a run's outcome is durable.
    pub const PROPOSE_RUN_COMPLETION_ACK: u16 = 0x0007;

    /// The first entry of a journal, written by the server.
    pub const INPUT: u16 = 0x0400;
    /// The result of the invocation.
    pub const OUTPUT: u16 = 0x0401;
    /// Ask the server for one state entry.
    pub const GET_LAZY_STATE: u16 = 0x0402;
    /// Write one state entry.
    pub const SET_STATE: u16 = 0x0403;
    /// Delete one state entry.
    pub const CLEAR_STATE: u16 = 0x0404;
    /// Delete all state of the key.
    pub const CLEAR_ALL_STATE: u16 = 0x0405;
    /// Ask the server for the names of all state entries.
    pub const GET_LAZY_STATE_KEYS: u16 = 0x0406;
    /// A state entry that the SDK read from the start message.
    pub const GET_EAGER_STATE: u16 = 0x0407;
    /// The names of state entries that the SDK read from the start message.
    pub const GET_EAGER_STATE_KEYS: u16 = 0x0408;
    /// Wait for a promise.
    pub const GET_PROMISE: u16 = 0x0409;
    /// Look at a promise.
    pub const PEEK_PROMISE: u16 = 0x040A;
    /// Complete a promise.
    pub const COMPLETE_PROMISE: u16 = 0x040B;
    /// Wait for a point in time.
    pub const SLEEP: u16 = 0x040C;
    /// Call a handler and wait.
    pub const CALL: u16 = 0x040D;
    /// Call a handler, perhaps later, and do not wait.
    pub const ONE_WAY_CALL: u16 = 0x040E;
    /// Signal another invocation.
    pub const SEND_SIGNAL: u16 = 0x0410;
    /// Run user code whose outcome is remembered.
    pub const RUN: u16 = 0x0411;
    /// Wait for another invocation's result.
    pub const ATTACH_INVOCATION: u16 = 0x0412;
    /// Look at another invocation's result.
    pub const GET_INVOCATION_OUTPUT: u16 = 0x0413;
    /// Complete an awakeable.
    pub const COMPLETE_AWAKEABLE: u16 = 0x0414;

    /// Completes [`GET_LAZY_STATE`].
    pub const GET_LAZY_STATE_COMPLETION: u16 = 0x8002;
    /// Completes [`GET_LAZY_STATE_KEYS`].
    pub const GET_LAZY_STATE_KEYS_COMPLETION: u16 = 0x8006;
    /// Completes [`GET_PROMISE`].
    pub const GET_PROMISE_COMPLETION: u16 = 0x8009;
    /// Completes [`PEEK_PROMISE`].
    pub const PEEK_PROMISE_COMPLETION: u16 = 0x800A;
    /// Completes [`COMPLETE_PROMISE`].
    pub const COMPLETE_PROMISE_COMPLETION: u16 = 0x800B;
    /// Completes [`SLEEP`].
    pub const SLEEP_COMPLETION: u16 = 0x800C;
    /// The result of a [`CALL`].
    pub const CALL_COMPLETION: u16 = 0x800D;
    /// The invocation id of a [`CALL`] or [`ONE_WAY_CALL`].
    pub const CALL_INVOCATION_ID_COMPLETION: u16 = 0x800E;
    /// Completes [`RUN`].
    pub const RUN_COMPLETION: u16 = 0x8011;
    /// Completes [`ATTACH_INVOCATION`].
    pub const ATTACH_INVOCATION_COMPLETION: u16 = 0x8012;
    /// Completes [`GET_INVOCATION_OUTPUT`].
    pub const GET_INVOCATION_OUTPUT_COMPLETION: u16 = 0x8013;
    /// A signal; completes no command.
    pub const SIGNAL: u16 = 0xFBFF;

    /// Whether the type lies among commands, known or not.
    pub const fn is_command(ty: u16) -> bool {
        matches!(ty, 0x0400..=0x7FFF)
    }

    /// Whether the type lies among notifications, known or not.
    pub const fn is_notification(ty: u16) -> bool {
        matches!(ty, 0x8000..=0xFBFF)
    }

    /// The name of a known type, for journals and error messages.
    pub const fn name(ty: u16) -> Option<&'static str> {
        Some(match ty {
            START => "Start",
            SUSPENSION => "Suspension",
            ERROR => "Error",
            END => "End",
            COMMAND_ACK => "CommandAck",
            PROPOSE_RUN_COMPLETION => "ProposeRunCompletion",
            AWAITING_ON => "AwaitingOn",
            PROPOSE_RUN_COMPLETION_ACK => "ProposeRunCompletionAck",
            INPUT => "Input",
            OUTPUT => "Output",
            GET_LAZY_STATE => "GetLazyState",
            SET_STATE => "SetState",
            CLEAR_STATE => "ClearState",
            CLEAR_ALL_STATE => "ClearAllState",
            GET_LAZY_STATE_KEYS => "GetLazyStateKeys",
            GET_EAGER_STATE => "GetEagerState",
            GET_EAGER_STATE_KEYS => "GetEagerStateKeys",
            GET_PROMISE => "GetPromise",
            PEEK_PROMISE => "PeekPromise",
            COMPLETE_PROMISE => "CompletePromise",
            SLEEP => "Sleep",
            CALL => "Call",
            ONE_WAY_CALL => "OneWayCall",
            SEND_SIGNAL => "SendSignal",
            RUN => "Run",
            ATTACH_INVOCATION => "AttachInvocation",
            GET_INVOCATION_OUTPUT => "GetInvocationOutput",
            COMPLETE_AWAKEABLE => "CompleteAwakeable",
            GET_LAZY_STATE_COMPLETION => "GetLazyStateCompletion",
            GET_LAZY_STATE_KEYS_COMPLETION => "GetLazyStateKeysCompletion",
            GET_PROMISE_COMPLETION => "GetPromiseCompletion",
            PEEK_PROMISE_COMPLETION => "PeekPromiseCompletion",
            COMPLETE_PROMISE_COMPLETION => "CompletePromiseCompletion",
            SLEEP_COMPLETION => "SleepCompletion",
            CALL_COMPLETION => "CallCompletion",
            CALL_INVOCATION_ID_COMPLETION => "CallInvocationIdCompletion",
            RUN_COMPLETION => "RunCompletion",
            ATTACH_INVOCATION_COMPLETION => "AttachInvocationCompletion",
            GET_INVOCATION_OUTPUT_COMPLETION => "GetInvocationOutputCompletion",
            SIGNAL => "Signal",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> (Bytes, Vec<Frame>) {
        let frames: Vec<Frame> = [
            (ty::RUN, 0, "run"),
            (ty::END, ACK, ""),
            (ty::OUTPUT, 1, "out"),
        ]
        .into_iter()
        .map(|(ty, flags, body)| Frame {
            ty,
            flags,
            body: Bytes::from_static(body.as_bytes()),
        })
        .collect();
        let mut out = BytesMut::new();
        for frame in &frames {
            put_raw(&mut out, frame.ty, frame.flags, &frame.body);
        }
        (out.freeze(), frames)
    }

    #[test]
    fn frames_survive_every_way_to_cut_the_stream() {
        let (bytes, frames) = stream();
        for size in 1..=bytes.len() {
            let mut decoder = Decoder::new(16);
            let mut found = Vec::new();
            let mut rest = bytes.clone();
            while !rest.is_empty() {
                decoder.push(rest.split_to(size.min(rest.len())));
                while let Some(frame) = decoder.next().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames, "chunks of {size}");
            assert!(decoder.is_between_frames());
        }
    }

    #[test]
    fn a_body_within_a_chunk_is_not_copied() {
        let (bytes, _) = stream();
        let mut decoder = Decoder::new(16);
        decoder.push(bytes.clone());
        let frame = decoder.next().unwrap().unwrap();
        assert_eq!(frame.body.as_ptr(), bytes[HEADER_LEN..].as_ptr());
    }

    #[test]
    fn the_limit_acts_on_the_header_alone() {
        let mut decoder = Decoder::new(16);
        decoder.push(Bytes::copy_from_slice(&header(ty::RUN, 0, 16)));
        assert_eq!(decoder.next(), Ok(None));
        assert!(!decoder.is_between_frames());

        let mut decoder = Decoder::new(16);
        decoder.push(Bytes::copy_from_slice(&header(ty::RUN, 0, 17)));
        assert_eq!(
            decoder.next(),
            Err(FrameError::TooLarge {
                ty: ty::RUN,
                length: 17,
                limit: 16
            })
        );
    }
}

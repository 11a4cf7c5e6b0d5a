//! The messages of the service protocol, versions 5 to 7, as protobuf structs.
//!
//! ```text
//!   server ── Start, Input, stored commands, Notification, acks ──▶ SDK
//!   server ◀── commands, ProposeRunCompletion, AwaitingOn,
//!              Suspension | Error | End ─────────────────────────── SDK
//! ```
//!
//! A frame's type says which struct its body is, see [`super::frame::ty`]. Payloads are slices of
//! the frame they arrived in. A field that is an `Option` has presence on the wire: absent and
//! empty differ, and the difference counts when an SDK compares a replayed command with the one
//! it produces. An alternative of which exactly one must be present is an `Option` of an enum:
//! whether its absence is an error, the receiver decides.
//!
//! Start at `control` for an attempt, `command` for what a handler does, `notification` for what
//! the server answers. Stored commands are replayed as the bytes that arrived, not re-encoded from
//! here: fields that these structs do not know would be lost.

mod about;
mod command;
mod control;
mod notification;
mod shared;

pub use about::{called, name};
pub use command::{
    AttachInvocation, AttachTarget, Call, ClearAllState, ClearState, CompleteAwakeable,
    CompletePromise, Completion, EagerState, GetEagerState, GetEagerStateKeys, GetInvocationOutput,
    GetLazyState, GetLazyStateKeys, GetPromise, Input, OneWayCall, Outcome, Output, PeekPromise,
    PromiseCompletion, Run, SendSignal, SetState, SignalIdentity, SignalResult, Sleep,
};
pub use control::{
    AwaitingOn, CommandAck, End, Error, ErrorBehavior, ProposeRunCompletion,
    ProposeRunCompletionAck, RunOutcome, Start, Suspension, SuspensionV7,
};
pub use notification::{Notification, NotificationIdentity, NotificationResult};
pub use shared::{
    Combinator, Failure, FailureMetadata, Future, Header, IdempotentRequestTarget, StateEntry,
    StateKeys, Value, Void, WorkflowTarget,
};

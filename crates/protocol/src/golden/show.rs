//! Messages as JSON in the recording's terms: only what is on the wire, bytes as `utf8:…` or
//! `hex:…`, enums by name.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::service::message as m;

/// A value in the recording's terms.
pub(super) trait Show {
    fn show(&self) -> Value;
}

/// A field in the recording's terms; nothing when it is not on the wire.
trait Field {
    fn field(&self) -> Option<Value>;
}

/// The alternative of a field that is present: its name and value.
trait Choice {
    fn choice(&self) -> (&'static str, Value);
}

macro_rules! scalars {
    ($($kind:ty),*) => {$(
        impl Show for $kind {
            fn show(&self) -> Value {
                json!(self)
            }
        }

        impl Field for $kind {
            fn field(&self) -> Option<Value> {
                (*self != Self::default()).then(|| self.show())
            }
        }
    )*};
}
scalars!(bool, u32, u64, String);

impl Show for Bytes {
    fn show(&self) -> Value {
        let printable = std::str::from_utf8(self)
            .ok()
            .filter(|text| !text.chars().any(char::is_control));
        match printable {
            Some(text) => json!(format!("utf8:{text}")),
            None => {
                let hex: String = self.iter().map(|byte| format!("{byte:02x}")).collect();
                json!(format!("hex:{hex}"))
            }
        }
    }
}

impl Field for Bytes {
    fn field(&self) -> Option<Value> {
        (!self.is_empty()).then(|| self.show())
    }
}

impl<T: Show> Field for Option<T> {
    fn field(&self) -> Option<Value> {
        self.as_ref().map(Show::show)
    }
}

impl<T: Show> Field for Vec<T> {
    fn field(&self) -> Option<Value> {
        Some(self.iter().map(Show::show).collect())
    }
}

/// A number of an enum, by name unless it is the first, which is never sent.
fn enumerated<E: TryFrom<i32> + std::fmt::Debug>(number: i32) -> Option<Value> {
    let name = format!("{:?}", E::try_from(number).ok()?);
    let mut constant = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !constant.is_empty() {
            constant.push('_');
        }
        constant.push(letter.to_ascii_uppercase());
    }
    (number != 0).then(|| json!(constant))
}

/// `Message { fields, one choice field; choice, enum field: enum }`, the last two where there are.
macro_rules! messages {
    ($($message:ident {
        $($field:ident),* $(; $($choice:ident),+)? $(=> $number:ident: $kind:ident)?
    })*) => {$(
        impl Show for m::$message {
            fn show(&self) -> Value {
                let mut shown: Vec<(&str, Option<Value>)> =
                    vec![$((stringify!($field), self.$field.field())),*];
                $($(shown.extend(self.$choice.iter().map(|choice| {
                    let (name, value) = choice.choice();
                    (name, Some(value))
                }));)+)?
                $(shown.push((
                    stringify!($number),
                    enumerated::<m::$kind>(self.$number),
                ));)?
                shown
                    .drain(..)
                    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                    .collect::<Map<_, _>>()
                    .into()
            }
        }
    )*};
}

messages! {
    Value { content }
    Failure { code, message, metadata }
    FailureMetadata { key, value }
    Void {}
    Header { key, value }
    StateKeys { keys }
    StateEntry { key, value }
    WorkflowTarget { workflow_name, workflow_key, scope }
    IdempotentRequestTarget { service_name, service_key, handler_name, idempotency_key, scope }
    Future {
        waiting_completions, waiting_signals, waiting_named_signals, nested_futures
        => combinator_type: Combinator
    }
    Start {
        id, debug_id, known_entries, state_map, partial_state, key,
        retry_count_since_last_stored_entry, duration_since_last_stored_entry, random_seed,
        scope, limit_key, idempotency_key
    }
    Suspension { waiting_completions, waiting_signals, waiting_named_signals }
    SuspensionV7 { awaiting_on }
    Error {
        code, message, stacktrace, related_command_index, related_command_name,
        related_command_type, next_retry_delay => behavior: ErrorBehavior
    }
    End {}
    CommandAck { command_index }
    ProposeRunCompletion { result_completion_id; result }
    AwaitingOn { awaiting_on, executing_side_effects }
    ProposeRunCompletionAck { completion_id }
    Input { headers, name, value }
    Output { name; result }
    GetLazyState { key, result_completion_id, name }
    SetState { key, value, name }
    ClearState { key, name }
    ClearAllState { name }
    GetLazyStateKeys { result_completion_id, name }
    GetEagerState { key, name; result }
    GetEagerStateKeys { value, name }
    GetPromise { key, result_completion_id, name }
    PeekPromise { key, result_completion_id, name }
    CompletePromise { key, result_completion_id, name; completion }
    Sleep { wake_up_time, result_completion_id, name }
    Call {
        service_name, handler_name, parameter, headers, key, idempotency_key, scope, limit_key,
        invocation_id_notification_idx, result_completion_id, name
    }
    OneWayCall {
        service_name, handler_name, parameter, invoke_time, headers, key, idempotency_key, scope,
        limit_key, invocation_id_notification_idx, name
    }
    SendSignal { target_invocation_id, entry_name; identity, result }
    Run { result_completion_id, name }
    AttachInvocation { result_completion_id, name; target }
    GetInvocationOutput { result_completion_id, name; target }
    CompleteAwakeable { awakeable_id, name; result }
    Notification {; identity, result }
}

macro_rules! choices {
    ($($choice:ident { $($variant:ident = $name:literal),* })*) => {$(
        impl Choice for m::$choice {
            fn choice(&self) -> (&'static str, Value) {
                match self {
                    $(Self::$variant(value) => ($name, value.show()),)*
                }
            }
        }
    )*};
}

choices! {
    RunOutcome { Value = "value", Failure = "failure" }
    Outcome { Value = "value", Failure = "failure" }
    EagerState { Void = "void", Value = "value" }
    PromiseCompletion { Value = "completion_value", Failure = "completion_failure" }
    SignalIdentity { Index = "idx", Name = "name" }
    SignalResult { Void = "void", Value = "value", Failure = "failure" }
    AttachTarget {
        InvocationId = "invocation_id", Idempotent = "idempotent_request_target",
        Workflow = "workflow_target"
    }
    Completion { Value = "value", Failure = "failure" }
    NotificationIdentity { CompletionId = "completion_id", SignalIndex = "idx", SignalName = "name" }
    NotificationResult {
        Void = "void", Value = "value", Failure = "failure", InvocationId = "invocation_id",
        StateKeys = "state_keys"
    }
}

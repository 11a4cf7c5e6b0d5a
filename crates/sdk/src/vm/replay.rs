//! Commands of the handler against commands of the journal.
//!
//! While stored commands are left, each command of the handler must be the next of them; the stored
//! one is what counts then. After the last one, commands are sent.

use std::collections::VecDeque;

use bytes::Bytes;
use latchwork_protocol::service::frame::{self, ty};
use latchwork_protocol::service::message as wire;
use prost::Message;

use super::{AttemptError, CommandRef, Vm, code};

/// The commands of the journal that the handler has not come to yet.
#[derive(Debug, Default)]
pub(super) struct Replay {
    left: VecDeque<(u16, Bytes)>,
    /// Commands stored, the input included.
    stored: u32,
    /// Commands passed, the input included.
    passed: u32,
}

impl Replay {
    pub(super) fn input(&mut self) {
        self.stored += 1;
        self.passed += 1;
    }

    pub(super) fn push(&mut self, ty: u16, body: Bytes) {
        self.stored += 1;
        self.left.push_back((ty, body));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stored == 0
    }

    pub(super) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// The index that the handler's next command has.
    pub(super) fn next_index(&self) -> u32 {
        self.passed
    }

    /// The type of the next stored command.
    pub(super) fn peek(&self) -> Option<u16> {
        self.left.front().map(|(ty, _)| *ty)
    }
}

/// A command that a handler can make.
pub(super) trait Command: Message + Default + PartialEq {
    const TYPE: u16;

    fn label(&self) -> &str;

    /// Takes over from the stored command what need not be equal: what depends on when the handler
    /// ran, and what was read then.
    fn adopt(&mut self, _recorded: &Self) {}

    /// Its fields by name, for people.
    fn fields(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

impl Vm {
    /// Passes a command: compares it with the journal, or sends it. Gives the command that counts,
    /// or nothing once the machine is closed.
    pub(super) fn pass<C: Command>(&mut self, mut command: C) -> Option<C> {
        if self.is_closed() {
            return None;
        }
        let index = self.replay.passed;
        self.replay.passed += 1;
        let Some((recorded_type, body)) = self.replay.left.pop_front() else {
            frame::put(&mut self.out, C::TYPE, 0, &command);
            // No earlier attempt has been here, whatever else it may have been told.
            self.queue_replayed = 0;
            return Some(command);
        };
        let recorded = if recorded_type == C::TYPE {
            C::decode(body.clone()).ok()
        } else {
            None
        };
        if let Some(recorded) = recorded {
            command.adopt(&recorded);
            if command == recorded {
                return Some(recorded);
            }
            let error = mismatch(index, &command, &describe(&recorded), &recorded.fields());
            self.fail(error);
        } else {
            let error = mismatch(index, &command, &describe_stored(recorded_type, &body), &[]);
            self.fail(error);
        }
        None
    }

    /// The handler waits for something that no stored notification answers, though the journal
    /// goes on: an earlier attempt did not wait here.
    pub(super) fn fail_blocked_in_replay(&mut self, waits_for: &str) {
        let index = self.replay.passed;
        let Some((ty, body)) = self.replay.left.front() else {
            return;
        };
        let recorded = describe_stored(*ty, body);
        self.fail(mismatch_error(
            index,
            &recorded,
            &format!("wait for {waits_for}"),
            "",
            None,
        ));
    }

    /// The command that was passed last, to blame an error on.
    pub(super) fn command_ref<C: Command>(&self, command: &C) -> CommandRef {
        CommandRef {
            index: self.replay.passed.saturating_sub(1),
            ty: C::TYPE,
            name: command.label().to_owned(),
        }
    }

    /// Whether the command passed last came from the journal.
    pub(super) fn was_stored(&self) -> bool {
        self.replay.passed <= self.replay.stored
    }
}

fn mismatch<C: Command>(
    index: u32,
    attempted: &C,
    recorded: &str,
    recorded_fields: &[(&'static str, String)],
) -> AttemptError {
    let mut difference = String::new();
    for ((name, now), (_, before)) in attempted.fields().iter().zip(recorded_fields) {
        if now != before {
            difference += &format!("\n   {name}: {before} != {now}");
        }
    }
    let command = CommandRef {
        index,
        ty: C::TYPE,
        name: attempted.label().to_owned(),
    };
    mismatch_error(
        index,
        recorded,
        &describe(attempted),
        &difference,
        Some(command),
    )
}

/// The anchors around both texts are those that servers look for to show them side by side.
fn mismatch_error(
    index: u32,
    recorded: &str,
    attempted: &str,
    difference: &str,
    command: Option<CommandRef>,
) -> AttemptError {
    let difference = match difference {
        "" => String::new(),
        lines => format!("\n Difference:{lines}"),
    };
    let message = format!(
        "The handler left the path of its journal at command {index} (index '{index}').\n \
         - An earlier attempt recorded the following: '{recorded}'\n \
         - This attempt attempts to perform the following: '{attempted}'{difference}"
    );
    let mut error = AttemptError::new(code::JOURNAL_MISMATCH, message);
    error.details = "Either the code was changed while this invocation was in flight: bring the old code \
        back, or register the new code under another address so that only new invocations use it. \
        Or the handler does not always do the same: what comes from a clock, a random source, a map \
        without order, a file or the network belongs into ctx.run, ctx.now or ctx.random."
        .to_owned();
    error.command = command;
    error
}

/// A command in a few words, without single quotes: they delimit it in the message above.
fn describe<C: Command>(command: &C) -> String {
    let name = ty::name(C::TYPE).unwrap_or("command");
    let label = command.label();
    let detail = if label.is_empty() {
        command.fields().into_iter().map(|(_, value)| value).next()
    } else {
        Some(format!("{label:?}"))
    };
    match detail {
        Some(detail) => format!("{name} {}", detail.replace('\'', "’")),
        None => name.to_owned(),
    }
}

fn describe_stored(command: u16, body: &Bytes) -> String {
    fn of<C: Command>(body: &Bytes) -> Option<String> {
        C::decode(body.clone())
            .ok()
            .map(|command| describe(&command))
    }
    let described = match command {
        ty::OUTPUT => of::<wire::Output>(body),
        ty::GET_LAZY_STATE => of::<wire::GetLazyState>(body),
        ty::SET_STATE => of::<wire::SetState>(body),
        ty::CLEAR_STATE => of::<wire::ClearState>(body),
        ty::GET_EAGER_STATE => of::<wire::GetEagerState>(body),
        ty::GET_PROMISE => of::<wire::GetPromise>(body),
        ty::PEEK_PROMISE => of::<wire::PeekPromise>(body),
        ty::COMPLETE_PROMISE => of::<wire::CompletePromise>(body),
        ty::SLEEP => of::<wire::Sleep>(body),
        ty::CALL => of::<wire::Call>(body),
        ty::ONE_WAY_CALL => of::<wire::OneWayCall>(body),
        ty::SEND_SIGNAL => of::<wire::SendSignal>(body),
        ty::RUN => of::<wire::Run>(body),
        ty::COMPLETE_AWAKEABLE => of::<wire::CompleteAwakeable>(body),
        _ => None,
    };
    described.unwrap_or_else(|| match ty::name(command) {
        Some(name) => name.to_owned(),
        None => format!("an unknown command 0x{command:04X}"),
    })
}

/// A value in the text of an error: short, and never bytes.
fn show(value: &[u8]) -> String {
    const SHOWN_MAX: usize = 80;
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().count() <= SHOWN_MAX => text.replace('\'', "’"),
        Ok(text) => {
            let start: String = text.chars().take(SHOWN_MAX).collect();
            format!("{}… ({} bytes)", start.replace('\'', "’"), value.len())
        }
        Err(_) => format!("{} bytes", value.len()),
    }
}

fn target(service: &str, key: &str, handler: &str) -> String {
    match key {
        "" => format!("{service}/{handler}"),
        key => format!("{service}/{key}/{handler}"),
    }
}

macro_rules! commands {
    ($($message:ident, $ty:ident, $label:ident, |$it:ident| $fields:expr;)*) => {$(
        impl Command for wire::$message {
            const TYPE: u16 = ty::$ty;
            fn label(&self) -> &str { &self.$label }
            fn fields(&self) -> Vec<(&'static str, String)> {
                let $it = self;
                $fields
            }
        }
    )*};
}

commands! {
    Output, OUTPUT, name, |it| vec![("result", match &it.result {
        Some(wire::Outcome::Value(value)) => show(&value.content),
        Some(wire::Outcome::Failure(failure)) => format!("failure {}", show(failure.message.as_bytes())),
        None => "nothing".to_owned(),
    })];
    GetLazyState, GET_LAZY_STATE, name, |it| vec![
        ("key", show(&it.key)), ("completion id", it.result_completion_id.to_string())];
    SetState, SET_STATE, name, |it| vec![
        ("key", show(&it.key)), ("value", show(it.value.as_ref().map_or(&[], |value| &value.content)))];
    ClearState, CLEAR_STATE, name, |it| vec![("key", show(&it.key))];
    ClearAllState, CLEAR_ALL_STATE, name, |_it| Vec::new();
    GetLazyStateKeys, GET_LAZY_STATE_KEYS, name, |it| vec![
        ("completion id", it.result_completion_id.to_string())];
    GetPromise, GET_PROMISE, name, |it| vec![
        ("key", show(it.key.as_bytes())), ("completion id", it.result_completion_id.to_string())];
    PeekPromise, PEEK_PROMISE, name, |it| vec![
        ("key", show(it.key.as_bytes())), ("completion id", it.result_completion_id.to_string())];
    CompletePromise, COMPLETE_PROMISE, name, |it| vec![
        ("key", show(it.key.as_bytes())),
        ("completion", match &it.completion {
            Some(wire::PromiseCompletion::Value(value)) => show(&value.content),
            Some(wire::PromiseCompletion::Failure(failure)) => show(failure.message.as_bytes()),
            None => "nothing".to_owned(),
        }),
        ("completion id", it.result_completion_id.to_string())];
    SendSignal, SEND_SIGNAL, entry_name, |it| vec![
        ("target", show(it.target_invocation_id.as_bytes())),
        ("signal", match &it.identity {
            Some(wire::SignalIdentity::Index(index)) => index.to_string(),
            Some(wire::SignalIdentity::Name(name)) => show(name.as_bytes()),
            None => "none".to_owned(),
        })];
    Run, RUN, name, |it| vec![("name", show(it.name.as_bytes())),
        ("completion id", it.result_completion_id.to_string())];
    AttachInvocation, ATTACH_INVOCATION, name, |it| vec![("target", attach_target(it.target.as_ref()))];
    GetInvocationOutput, GET_INVOCATION_OUTPUT, name, |it| vec![("target", attach_target(it.target.as_ref()))];
    CompleteAwakeable, COMPLETE_AWAKEABLE, name, |it| vec![
        ("awakeable", show(it.awakeable_id.as_bytes()))];
}

impl Command for wire::GetEagerState {
    const TYPE: u16 = ty::GET_EAGER_STATE;

    fn label(&self) -> &str {
        &self.name
    }

    fn adopt(&mut self, recorded: &Self) {
        self.result.clone_from(&recorded.result);
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![("key", show(&self.key))]
    }
}

impl Command for wire::GetEagerStateKeys {
    const TYPE: u16 = ty::GET_EAGER_STATE_KEYS;

    fn label(&self) -> &str {
        &self.name
    }

    fn adopt(&mut self, recorded: &Self) {
        self.value.clone_from(&recorded.value);
    }
}

impl Command for wire::Sleep {
    const TYPE: u16 = ty::SLEEP;

    fn label(&self) -> &str {
        &self.name
    }

    fn adopt(&mut self, recorded: &Self) {
        self.wake_up_time = recorded.wake_up_time;
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", show(self.name.as_bytes())),
            ("completion id", self.result_completion_id.to_string()),
        ]
    }
}

impl Command for wire::Call {
    const TYPE: u16 = ty::CALL;

    fn label(&self) -> &str {
        &self.name
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "target",
                target(&self.service_name, &self.key, &self.handler_name),
            ),
            ("parameter", show(&self.parameter)),
            ("idempotency key", optional(self.idempotency_key.as_ref())),
            ("headers", headers(&self.headers)),
            ("scope", optional(self.scope.as_ref())),
            ("limit key", optional(self.limit_key.as_ref())),
            ("completion id", self.result_completion_id.to_string()),
        ]
    }
}

impl Command for wire::OneWayCall {
    const TYPE: u16 = ty::ONE_WAY_CALL;

    fn label(&self) -> &str {
        &self.name
    }

    fn adopt(&mut self, recorded: &Self) {
        self.invoke_time = recorded.invoke_time;
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "target",
                target(&self.service_name, &self.key, &self.handler_name),
            ),
            ("parameter", show(&self.parameter)),
            ("idempotency key", optional(self.idempotency_key.as_ref())),
            ("headers", headers(&self.headers)),
            ("scope", optional(self.scope.as_ref())),
            ("limit key", optional(self.limit_key.as_ref())),
            (
                "completion id",
                self.invocation_id_notification_idx.to_string(),
            ),
        ]
    }
}

fn optional(text: Option<&String>) -> String {
    text.map_or("none".to_owned(), |text| show(text.as_bytes()))
}

fn headers(headers: &[wire::Header]) -> String {
    let lines: Vec<String> = headers
        .iter()
        .map(|header| format!("{}={}", header.key, show(header.value.as_bytes())))
        .collect();
    lines.join(", ")
}

fn attach_target(target: Option<&wire::AttachTarget>) -> String {
    match target {
        Some(wire::AttachTarget::InvocationId(id)) => show(id.as_bytes()),
        Some(wire::AttachTarget::Idempotent(it)) => format!(
            "{} with idempotency key {}",
            self::target(
                &it.service_name,
                it.service_key.as_deref().unwrap_or_default(),
                &it.handler_name
            ),
            it.idempotency_key
        ),
        Some(wire::AttachTarget::Workflow(it)) => {
            format!("workflow {}/{}", it.workflow_name, it.workflow_key)
        }
        None => "none".to_owned(),
    }
}

//! Commands: all that may enter the engine, and their bytes in the log.
//!
//! Time, ids and every setting that changes a decision arrive inside a command: the
//! engine mints and looks up nothing. The bytes are protobuf: fields can be added for
//! ever, and a field number is never used again.

use crate::future::Future;
use crate::id::InvocationId;
use crate::table::audit::Deed;
use crate::table::timer::TimerKey;
use crate::value::{Answer, Failure, Identity, Input, Pin, Settled, Span, Target, Trace, Waiter};
use bytes::Bytes;

/// One place in the log.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    /// Milliseconds since 1970, stamped by whoever appends.
    #[prost(uint64, tag = "1")]
    pub time: u64,
    /// What is asked.
    #[prost(oneof = "Command", tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
    pub command: Option<Command>,
}

/// What a record asks of the engine.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Command {
    /// Something addressed to one invocation, from outside.
    #[prost(message, tag = "2")]
    Message(Message),
    /// What an attempt has recorded.
    #[prost(message, tag = "3")]
    Progress(Progress),
    /// Timers that are due.
    #[prost(message, tag = "4")]
    FireTimers(FireTimers),
    /// An operator's wish for one invocation.
    #[prost(message, tag = "5")]
    Operate(Operate),
    /// A new invocation from the journal of an old one.
    #[prost(message, tag = "6")]
    Restart(Restart),
    /// Replaces the state of one key.
    #[prost(message, tag = "7")]
    PatchState(PatchState),
    /// Remembers or forgets a deployment.
    #[prost(message, tag = "8")]
    Register(Register),
    /// A message from another partition.
    #[prost(message, tag = "9")]
    Deliver(Deliver),
    /// Another partition has our messages up to here.
    #[prost(message, tag = "10")]
    Delivered(Delivered),
    /// An end to what waits for a key in vain.
    #[prost(message, tag = "11")]
    BreakDeadlock(BreakDeadlock),
    /// What an operator does, noted.
    #[prost(message, tag = "12")]
    Audit(Audit),
}

/// Something addressed to one invocation: by a caller, or by another invocation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    /// What it is.
    #[prost(oneof = "Letter", tags = "1, 2, 3, 4, 5, 6")]
    pub letter: Option<Letter>,
}

/// The kinds of messages.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Letter {
    /// Create the invocation, or find it.
    #[prost(message, tag = "1")]
    Invoke(Box<Invoke>),
    /// The answer to one of its commands.
    #[prost(message, tag = "2")]
    Complete(Complete),
    /// A signal.
    #[prost(message, tag = "3")]
    Signal(Signal),
    /// Somebody wants its result when there is one.
    #[prost(message, tag = "4")]
    Attach(Attach),
    /// Somebody wants its result if there is one.
    #[prost(message, tag = "5")]
    GetOutput(Attach),
    /// End it now, and all that it called.
    #[prost(message, tag = "6")]
    Kill(Kill),
}

impl Letter {
    /// The invocation it is addressed to.
    pub fn to(&self) -> InvocationId {
        match self {
            Self::Invoke(invoke) => invoke.id,
            Self::Complete(complete) => complete.id,
            Self::Signal(signal) => signal.id,
            Self::Attach(attach) | Self::GetOutput(attach) => attach.id,
            Self::Kill(kill) => kill.id,
        }
    }
}

impl From<Letter> for Message {
    fn from(letter: Letter) -> Self {
        Self {
            letter: Some(letter),
        }
    }
}

impl From<Letter> for Command {
    fn from(letter: Letter) -> Self {
        Self::Message(letter.into())
    }
}

/// Creates an invocation, or finds the one that has this identity.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Invoke {
    /// Minted at the rim: random, or derived from the workflow or idempotency key.
    #[prost(message, required, tag = "1")]
    pub id: InvocationId,
    /// What is called.
    #[prost(message, required, tag = "2")]
    pub target: Target,
    /// With what.
    #[prost(message, required, tag = "3")]
    pub input: Input,
    /// By whom; absent: through the ingress.
    #[prost(message, optional, tag = "4")]
    pub caller: Option<Caller>,
    /// The caller's idempotency key.
    #[prost(string, optional, tag = "5")]
    pub idempotency_key: Option<String>,
    /// Not to start before this time, in ms since 1970.
    #[prost(uint64, optional, tag = "6")]
    pub execution_time: Option<u64>,
    /// How long the result is kept, in ms. 0: not at all.
    #[prost(uint64, tag = "7")]
    pub completion_retention_ms: u64,
    /// How long the journal is kept, in ms.
    #[prost(uint64, tag = "8")]
    pub journal_retention_ms: u64,
    /// Who waits for the result inside the system.
    #[prost(message, optional, tag = "9")]
    pub waiter: Option<Waiter>,
    /// Limit key within the scope.
    #[prost(string, optional, tag = "10")]
    pub limit_key: Option<String>,
    /// Drawn at random at the rim: tells this bearer of the id from an earlier one that was
    /// forgotten. Ids that are random themselves need none.
    #[prost(fixed32, tag = "11")]
    pub incarnation: u32,
    /// What led to it, if that is traced.
    #[prost(message, optional, tag = "16")]
    pub trace: Option<Trace>,
}

/// The invocation that made a call.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Caller {
    /// Its id.
    #[prost(message, required, tag = "1")]
    pub id: InvocationId,
    /// Its target.
    #[prost(message, required, tag = "2")]
    pub target: Target,
}

/// The answer to one command of an invocation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Complete {
    /// Whose command.
    #[prost(message, required, tag = "1")]
    pub id: InvocationId,
    /// Which.
    #[prost(uint32, tag = "2")]
    pub completion: u32,
    /// The answer.
    #[prost(oneof = "Answer", tags = "4, 5, 6, 7, 8")]
    pub answer: Option<Answer>,
    /// Of the invocation that waits; what was meant for an earlier bearer of its id is dropped.
    #[prost(fixed32, tag = "9")]
    pub incarnation: u32,
}

/// A signal to an invocation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Signal {
    /// To whom.
    #[prost(message, required, tag = "9")]
    pub id: InvocationId,
    /// Which.
    #[prost(oneof = "Identity", tags = "1, 2, 3")]
    pub identity: Option<Identity>,
    /// With what.
    #[prost(oneof = "Answer", tags = "4, 5, 6, 7, 8")]
    pub answer: Option<Answer>,
}

/// A wish for the result of an invocation.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Attach {
    /// Whose result.
    #[prost(message, required, tag = "1")]
    pub id: InvocationId,
    /// Who waits.
    #[prost(message, required, tag = "2")]
    pub waiter: Waiter,
}

/// Ends an invocation from above: its caller was killed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Kill {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub id: InvocationId,
    /// The caller that is killed; an invocation that somebody else made is spared.
    #[prost(message, required, tag = "2")]
    pub by: InvocationId,
}

/// What an attempt has recorded since it last did: entries, and perhaps its end.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Progress {
    /// The invocation.
    #[prost(message, required, tag = "1")]
    pub id: InvocationId,
    /// The attempt. What an older one says is refused.
    #[prost(uint32, tag = "2")]
    pub epoch: u32,
    /// What it runs on; kept from the first progress on.
    #[prost(message, optional, tag = "3")]
    pub pin: Option<Pin>,
    /// In the order in which they came.
    #[prost(message, repeated, tag = "4")]
    pub entries: Vec<Entry>,
    /// How the attempt ended, if it did.
    #[prost(oneof = "End", tags = "5, 6, 7")]
    pub end: Option<End>,
    /// Of the invocation that the attempt belongs to.
    #[prost(fixed32, tag = "8")]
    pub incarnation: u32,
}

/// How an attempt ended.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum End {
    /// The invocation is over; its result is the last output.
    #[prost(bool, tag = "5")]
    Completed(bool),
    /// It waits, without an attempt.
    #[prost(message, tag = "6")]
    Suspended(Suspended),
    /// The attempt failed.
    #[prost(message, tag = "7")]
    Failed(Failed),
}

/// What a suspended invocation waits for.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Suspended {
    /// Done: a new attempt starts.
    #[prost(message, required, tag = "1")]
    pub future: Future,
    /// How many journal entries the attempt was started with. The SDK has seen all of
    /// them, so a signal among them is not what it waits for.
    #[prost(uint32, tag = "2")]
    pub replayed: u32,
}

/// A failed attempt, and what its retry policy says should follow.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Failed {
    /// What went wrong.
    #[prost(message, required, tag = "1")]
    pub failure: AttemptFailure,
    /// Counts against the retries that the SDK is told of.
    #[prost(bool, tag = "2")]
    pub counts: bool,
    /// Uses up an attempt of the policy.
    #[prost(bool, tag = "3")]
    pub uses_policy: bool,
    /// What follows.
    #[prost(oneof = "Next", tags = "4, 5, 6")]
    pub next: Option<Next>,
}

/// Why an invocation is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum PauseReason {
    /// An operator wished it.
    Operator = 0,
    /// The attempts of the retry policy are used up.
    RetriesExhausted = 1,
    /// The handler's SDK asked for it.
    Handler = 2,
    /// The handler took another path than its journal.
    JournalMismatch = 3,
    /// Its journal has outgrown its budget.
    OverBudget = 4,
}

impl PauseReason {
    /// How it is written for people and their tools.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::RetriesExhausted => "retries_exhausted",
            Self::Handler => "handler",
            Self::JournalMismatch => "journal_mismatch",
            Self::OverBudget => "over_budget",
        }
    }
}

/// What follows a failed attempt.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Next {
    /// Another attempt at this time, in ms since 1970.
    #[prost(uint64, tag = "4")]
    RetryAt(u64),
    /// None, until an operator resumes it; for this reason.
    #[prost(enumeration = "PauseReason", tag = "5")]
    Pause(i32),
    /// The invocation ends with this failure.
    #[prost(bool, tag = "6")]
    End(bool),
}

/// Why an attempt failed, for people.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AttemptFailure {
    /// In the style of HTTP.
    #[prost(uint32, tag = "1")]
    pub code: u32,
    /// What went wrong.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Stack trace of user code; may be empty.
    #[prost(string, tag = "3")]
    pub stacktrace: String,
    /// The command it belongs to, counted from the input, which is 0.
    #[prost(uint32, optional, tag = "4")]
    pub command_index: Option<u32>,
    /// Its name.
    #[prost(string, optional, tag = "5")]
    pub command_name: Option<String>,
    /// Its wire type.
    #[prost(uint32, optional, tag = "6")]
    pub command_type: Option<u32>,
    /// The handler took another path than its journal: both commands side by side.
    #[prost(message, optional, tag = "7")]
    pub mismatch: Option<Mismatch>,
}

/// Where a handler left the path that its journal remembers; for people.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Mismatch {
    /// The command in the journal.
    #[prost(string, tag = "1")]
    pub expected: String,
    /// What the handler did in its place.
    #[prost(string, tag = "2")]
    pub found: String,
}

/// One message of an attempt: the bytes as they came, and what they ask for.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// Wire type of the message.
    #[prost(uint32, tag = "1")]
    pub ty: u32,
    /// Its body, replayed as it is.
    #[prost(bytes = "bytes", tag = "2")]
    pub raw: Bytes,
    /// The sender wants to be told when this is durable.
    #[prost(bool, tag = "3")]
    pub ack: bool,
    /// What it does. Absent: it is only remembered.
    #[prost(
        oneof = "Op",
        tags = "4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20"
    )]
    pub op: Option<Op>,
}

/// What an entry does when it is applied.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Op {
    /// The result of the invocation.
    #[prost(message, tag = "4")]
    Output(Output),
    /// Reads state.
    #[prost(message, tag = "5")]
    GetState(GetState),
    /// Lists the keys of state.
    #[prost(message, tag = "6")]
    GetStateKeys(Awaited),
    /// Writes state.
    #[prost(message, tag = "7")]
    SetState(SetState),
    /// Deletes one key of state.
    #[prost(bytes = "bytes", tag = "8")]
    ClearState(Bytes),
    /// Deletes all state of the object.
    #[prost(bool, tag = "9")]
    ClearAllState(bool),
    /// Waits for a promise.
    #[prost(message, tag = "10")]
    GetPromise(PromiseRead),
    /// Looks at a promise.
    #[prost(message, tag = "11")]
    PeekPromise(PromiseRead),
    /// Completes a promise.
    #[prost(message, tag = "12")]
    CompletePromise(CompletePromise),
    /// Waits until a time.
    #[prost(message, tag = "13")]
    Sleep(Sleep),
    /// Calls and waits.
    #[prost(message, tag = "14")]
    Call(Box<Call>),
    /// Calls and goes on.
    #[prost(message, tag = "15")]
    Send(Box<Call>),
    /// Signals another invocation.
    #[prost(message, tag = "16")]
    Signal(SendSignal),
    /// Announces user code whose result will be proposed.
    #[prost(message, tag = "17")]
    Run(Awaited),
    /// The result of announced user code: stored as a notification.
    #[prost(message, tag = "18")]
    ProposeRun(ProposeRun),
    /// Waits for the result of another invocation.
    #[prost(message, tag = "19")]
    Attach(AttachTo),
    /// Looks for the result of another invocation.
    #[prost(message, tag = "20")]
    GetOutput(AttachTo),
}

/// The result of the invocation.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Output {
    /// Value or failure.
    #[prost(oneof = "Settled", tags = "20, 21, 22")]
    pub settled: Option<Settled>,
}

/// A command that only has a completion.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Awaited {
    /// Its completion id.
    #[prost(uint32, tag = "1")]
    pub completion: u32,
}

/// Reads one key of state.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetState {
    /// The key.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// Where the value goes.
    #[prost(uint32, tag = "2")]
    pub completion: u32,
}

/// Writes one key of state.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SetState {
    /// The key.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// The value, within the entry.
    #[prost(message, required, tag = "2")]
    pub value: Span,
}

/// Reads a promise.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PromiseRead {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Where the value goes.
    #[prost(uint32, tag = "2")]
    pub completion: u32,
}

/// Completes a promise.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CompletePromise {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Where the confirmation goes.
    #[prost(uint32, tag = "2")]
    pub completion: u32,
    /// With what.
    #[prost(oneof = "Settled", tags = "20, 21, 22")]
    pub settled: Option<Settled>,
}

/// Waits until a time.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Sleep {
    /// In ms since 1970.
    #[prost(uint64, tag = "1")]
    pub wake_up_time: u64,
    /// What is completed then.
    #[prost(uint32, tag = "2")]
    pub completion: u32,
}

/// A call of another handler, resolved by the rim.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Call {
    /// The child; the body of its input is `parameter`.
    #[prost(message, required, tag = "1")]
    pub invoke: Invoke,
    /// The input, within the entry.
    #[prost(message, required, tag = "2")]
    pub parameter: Span,
    /// Where the id of the child goes.
    #[prost(uint32, tag = "3")]
    pub id_completion: u32,
    /// Where the result goes; not used by a send.
    #[prost(uint32, tag = "4")]
    pub completion: u32,
}

/// A signal to another invocation.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SendSignal {
    /// To whom.
    #[prost(message, required, tag = "9")]
    pub to: InvocationId,
    /// Which.
    #[prost(oneof = "Identity", tags = "1, 2, 3")]
    pub identity: Option<Identity>,
    /// With what.
    #[prost(oneof = "Settled", tags = "20, 21, 22")]
    pub settled: Option<Settled>,
}

/// The outcome of user code.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProposeRun {
    /// Completion id of the run.
    #[prost(uint32, tag = "1")]
    pub completion: u32,
    /// Value or failure.
    #[prost(oneof = "Settled", tags = "20, 21, 22")]
    pub settled: Option<Settled>,
}

/// A wish for the result of another invocation.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct AttachTo {
    /// Whose.
    #[prost(message, required, tag = "1")]
    pub to: InvocationId,
    /// Where it goes.
    #[prost(uint32, tag = "2")]
    pub completion: u32,
}

/// Timers that are due, in order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FireTimers {
    /// Each is fired if it still exists.
    #[prost(message, repeated, tag = "1")]
    pub timers: Vec<TimerKey>,
}

/// An operator's wish.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Operate {
    /// For which invocation.
    #[prost(message, required, tag = "1")]
    pub id: InvocationId,
    /// What to do.
    #[prost(enumeration = "Operation", tag = "2")]
    pub operation: i32,
    /// Only for resume: go on here.
    #[prost(string, optional, tag = "3")]
    pub deployment: Option<String>,
}

/// What an operator can do to one invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Operation {
    /// Ask it to stop.
    Cancel = 0,
    /// End it now, with all that it called.
    Kill = 1,
    /// No further attempt until resumed.
    Pause = 2,
    /// Go on.
    Resume = 3,
    /// Forget a completed one.
    Purge = 4,
    /// Forget the journal of a completed one, keep its result.
    PurgeJournal = 5,
}

/// Starts a new invocation with the first entries of an old one's journal.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Restart {
    /// The old one.
    #[prost(message, required, tag = "1")]
    pub from: InvocationId,
    /// The new one, in the same partition.
    #[prost(message, required, tag = "2")]
    pub id: InvocationId,
    /// Index of the last command to keep; 0 keeps the input only.
    #[prost(uint32, tag = "3")]
    pub last_command: u32,
    /// Where to run it; absent: the newest.
    #[prost(message, optional, tag = "4")]
    pub pin: Option<Pin>,
}

/// Ends an invocation that waits for a key which can never become free: its holder waits,
/// through calls, for this very invocation. Found outside, by following who waits for whom.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BreakDeadlock {
    /// The one that waits.
    #[prost(message, required, tag = "1")]
    pub id: InvocationId,
    /// Tells it from another bearer of its id.
    #[prost(fixed32, tag = "2")]
    pub incarnation: u32,
    /// What its caller is told.
    #[prost(message, required, tag = "3")]
    pub failure: Failure,
}

/// Replaces the state of one key: after what already waits for the key, or only if nobody has
/// changed it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PatchState {
    /// Service of the object or workflow.
    #[prost(string, tag = "1")]
    pub service: String,
    /// Its scope.
    #[prost(string, optional, tag = "2")]
    pub scope: Option<String>,
    /// Its key.
    #[prost(string, tag = "3")]
    pub key: String,
    /// All of the new state.
    #[prost(message, repeated, tag = "4")]
    pub state: Vec<StateEntry>,
    /// Partition key of the object.
    #[prost(fixed64, tag = "5")]
    pub partition_key: u64,
    /// Replaces it only under these conditions, and then at once.
    #[prost(message, optional, tag = "6")]
    pub only_if: Option<Unchanged>,
}

/// What must hold of a state for it to be replaced.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Unchanged {
    /// All of the state as it was seen, in the order of its keys.
    #[prost(message, repeated, tag = "1")]
    pub seen: Vec<StateEntry>,
    /// Nobody holds the key, and this invocation, which would be the run of the workflow, is
    /// not there or over.
    #[prost(message, required, tag = "2")]
    pub run: InvocationId,
}

/// One entry of state.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StateEntry {
    /// Key.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// Value.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// Remembers or forgets deployments; the documents are opaque to the engine.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Register {
    /// Each replaces or removes the document of that name.
    #[prost(message, repeated, tag = "1")]
    pub documents: Vec<Document>,
}

/// A named document of the registry.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Document {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its bytes; absent: forget it.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub body: Option<Bytes>,
}

/// A message from another partition, numbered by it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Deliver {
    /// The sender.
    #[prost(uint32, tag = "1")]
    pub from: u32,
    /// Its number among those to us.
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    /// The message.
    #[prost(message, required, tag = "3")]
    pub message: Message,
}

/// The receiver has all messages up to a number.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Delivered {
    /// The receiver.
    #[prost(uint32, tag = "1")]
    pub to: u32,
    /// The last number that is durable there.
    #[prost(uint64, tag = "2")]
    pub up_to: u64,
}

/// A line in the list of what operators did.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Audit {
    /// What is noted.
    #[prost(oneof = "AuditStep", tags = "1, 2")]
    pub step: Option<AuditStep>,
    /// Rows that are kept; of those that were refused, as many again.
    #[prost(uint64, tag = "3")]
    pub rows_max: u64,
    /// How long they are kept, in ms.
    #[prost(uint64, tag = "4")]
    pub age_max_ms: u64,
}

/// What is noted of a request.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum AuditStep {
    /// It is about to be done, or was refused.
    #[prost(message, tag = "1")]
    Deed(Box<Deed>),
    /// It was answered.
    #[prost(message, tag = "2")]
    Answered(Answered),
}

/// What a request that was noted came to.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Answered {
    /// Its place in the list.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// The status of the answer.
    #[prost(uint32, tag = "2")]
    pub status: u32,
    /// What it was about, besides what was noted before.
    #[prost(string, repeated, tag = "3")]
    pub targets: Vec<String>,
}

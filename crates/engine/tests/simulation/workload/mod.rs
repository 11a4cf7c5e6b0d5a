//! Handlers that nobody wrote: drawn from a seed and the id of their invocation.
//!
//! A handler of depth 0 is called from outside and calls only handlers of depth 1, and
//! so on: so no two can wait for each other. [`interpret`] plays the SDK.

mod interpret;

pub(crate) use interpret::{Node, Player, Stop, evaluate, interpret};

use latchwork_engine::seeded::{Random, mix, mix_bytes};
use latchwork_engine::{Combinator, Input, InvocationId, Invoke, Target, TargetKind};

/// Handlers of this depth call nobody.
const DEPTH_MAX: u64 = 2;

/// Longer than any simulation: kept until the end.
pub(crate) const FOR_EVER_MS: u64 = 1 << 40;

/// One thing that a handler does.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Set(u8),
    Clear(u8),
    ClearAll,
    Get(u8),
    Keys,
    Sleep(u64),
    Call(Child),
    Send(Child, u64),
    Run,
    Awakeable,
    Named,
    SignalChild,
    AttachChild,
    OutputOfChild,
    Promise,
    Peek,
    Resolve,
    /// Awaits this many of the latest that are open.
    Await(Combinator, usize),
}

/// Whom a handler calls.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) target: Target,
    /// All who call with the same number mean the same invocation.
    pub(crate) idempotency: Option<u64>,
    pub(crate) completion_retention_ms: u64,
    pub(crate) journal_retention_ms: u64,
}

/// What one invocation does.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) steps: Vec<Step>,
    /// Ends with a failure.
    pub(crate) fails: bool,
}

/// The program of the invocation that began as `origin`.
pub(crate) fn program(seed: u64, origin: &InvocationId, target: &Target) -> Program {
    let mut random = Random::new(mix(&[seed, origin.high, origin.low]));
    let mut steps = Vec::new();
    if target.handler == "resolve" || target.kind() == TargetKind::WorkflowRun {
        steps.push(Step::Resolve);
    }
    if target.handler != "resolve" {
        for _ in 0..1 + random.below(5) {
            steps.push(step(&mut random, target));
            if random.percent(40) {
                steps.push(await_some(&mut random));
            }
        }
        steps.push(await_some(&mut random));
    }
    let fails = random.percent(15);
    Program { steps, fails }
}

fn await_some(random: &mut Random) -> Step {
    let combinator = match random.below(5) {
        0 => Combinator::Unknown,
        1 => Combinator::FirstCompleted,
        2 => Combinator::AllCompleted,
        3 => Combinator::FirstSucceededOrAllFailed,
        _ => Combinator::AllSucceededOrFirstFailed,
    };
    Step::Await(combinator, 1 + random.below(4) as usize)
}

fn step(random: &mut Random, target: &Target) -> Step {
    let kind = target.kind();
    let writes = matches!(kind, TargetKind::Exclusive | TargetKind::WorkflowRun);
    let is_workflow = matches!(kind, TargetKind::WorkflowShared | TargetKind::WorkflowRun);
    let depth = depth(target);
    loop {
        return match random.below(16) {
            0 if writes => Step::Set(random.below(3) as u8),
            1 if writes && random.percent(50) => Step::Clear(random.below(3) as u8),
            1 if writes => Step::ClearAll,
            2 if kind != TargetKind::Plain => Step::Get(random.below(3) as u8),
            3 if kind != TargetKind::Plain => Step::Keys,
            4 | 5 => Step::Sleep(random.below(4) * 700),
            6..=8 if depth < DEPTH_MAX => Step::Call(child(random, depth + 1)),
            9 if depth < DEPTH_MAX => Step::Send(child(random, depth + 1), random.below(3) * 900),
            10 | 11 => Step::Run,
            12 => Step::Awakeable,
            13 => Step::Named,
            14 if depth < DEPTH_MAX => match random.below(3) {
                0 => Step::SignalChild,
                1 => Step::AttachChild,
                _ => Step::OutputOfChild,
            },
            15 if is_workflow => match random.below(3) {
                0 => Step::Promise,
                1 => Step::Peek,
                _ => Step::Resolve,
            },
            _ => continue,
        };
    }
}

fn depth(target: &Target) -> u64 {
    let last = target.service.as_bytes().last().copied();
    u64::from(last.unwrap_or(b'0') - b'0')
}

/// Whom somebody of the depth above calls.
pub(crate) fn child(random: &mut Random, depth: u64) -> Child {
    let (service, handler, kind) = match random.below(10) {
        0..=3 => ("P", "plain", TargetKind::Plain),
        4..=6 => ("O", "exclusive", TargetKind::Exclusive),
        7 => ("O", "shared", TargetKind::Shared),
        8 => ("W", "run", TargetKind::WorkflowRun),
        _ => ("W", "shared", TargetKind::WorkflowShared),
    };
    let key = (kind != TargetKind::Plain).then(|| format!("k{}", random.below(2)));
    let idempotency = random.percent(20).then(|| random.below(3));
    // What can be called again under its id must not be forgotten: what then arrives
    // late would meet a stranger.
    let stays = idempotency.is_some() || kind == TargetKind::WorkflowRun;
    let completion_retention_ms = match random.below(3) {
        0 if !stays => 0,
        1 if !stays => 3_000,
        _ => FOR_EVER_MS,
    };
    Child {
        target: Target {
            service: format!("{service}{depth}"),
            handler: handler.to_owned(),
            key,
            kind: kind as i32,
            scope: None,
        },
        idempotency,
        completion_retention_ms,
        journal_retention_ms: [0, 1_000, FOR_EVER_MS][random.below(3) as usize],
    }
}

impl Child {
    /// The call as the rim would resolve it; `nonce` is what makes its id unique.
    pub(crate) fn invoke(&self, nonce: &[u64], execution_time: Option<u64>) -> Invoke {
        let target = &self.target;
        let name = mix_bytes(target.service.as_bytes());
        let key = target.key.as_deref().map(|key| mix_bytes(key.as_bytes()));
        let unique = match (target.kind(), self.idempotency) {
            (TargetKind::WorkflowRun, _) => mix(&[name, key.unwrap_or(0)]),
            (_, Some(number)) => mix(&[
                name,
                key.unwrap_or(0),
                mix_bytes(target.handler.as_bytes()),
                number,
            ]),
            _ => mix(nonce),
        };
        Invoke {
            id: InvocationId {
                partition_key: mix(&[key.map_or(unique, |key| mix(&[name, key]))]),
                high: unique,
                low: mix(&[unique, 1]),
            },
            target: target.clone(),
            input: Input::default(),
            idempotency_key: self.idempotency.map(|number| number.to_string()),
            execution_time,
            completion_retention_ms: self.completion_retention_ms,
            journal_retention_ms: self.journal_retention_ms,
            incarnation: mix(nonce) as u32,
            ..Invoke::default()
        }
    }
}

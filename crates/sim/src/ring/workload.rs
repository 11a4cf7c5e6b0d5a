//! What clients call and what handlers do: drawn from a seed.
//!
//! A handler of depth 0 is called by clients and calls only handlers of depth 1, and so on: so no
//! two can wait for each other.

use super::random::{Random, mix, mix_bytes};

/// Handlers of this depth call nobody.
pub(super) const DEPTHS: u64 = 3;

/// How a handler is called, and what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Object,
    Workflow,
    /// Beside the run of a workflow.
    Beside,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Plain, Self::Object, Self::Workflow, Self::Beside];

    /// Name of the service, at a depth.
    pub(super) fn service(self, depth: u64) -> String {
        let name = match self {
            Self::Plain => "Plain",
            Self::Object => "Object",
            Self::Workflow | Self::Beside => "Workflow",
        };
        format!("{name}{depth}")
    }

    pub(super) fn handler(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Object => "exclusive",
            Self::Workflow => "run",
            Self::Beside => "beside",
        }
    }

    pub(super) fn of(handler: &str) -> Self {
        let found = Self::ALL.into_iter().find(|it| it.handler() == handler);
        found.unwrap_or(Self::Plain)
    }
}

/// A call, without the number that its caller gives it.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) kind: Kind,
    pub(super) depth: u64,
    pub(super) key: Option<String>,
    pub(super) idempotency_key: Option<String>,
}

impl Order {
    /// What all calls of the same have in common; nothing if it is like no other.
    pub(super) fn identity(&self) -> Option<String> {
        let service = self.kind.service(self.depth);
        let (handler, key) = (self.kind.handler(), self.key.as_deref().unwrap_or_default());
        match &self.idempotency_key {
            Some(idempotency) => Some(format!("{service}/{key}/{handler}#{idempotency}")),
            None if self.kind == Kind::Workflow => Some(format!("{service}/{key}/{handler}")),
            None => None,
        }
    }

    pub(super) fn draw(random: &mut Random, depth: u64) -> Self {
        let kind = match random.below(10) {
            0..4 => Kind::Plain,
            4..8 => Kind::Object,
            8 => Kind::Workflow,
            _ => Kind::Beside,
        };
        let keys = if matches!(kind, Kind::Workflow | Kind::Beside) {
            4
        } else {
            2
        };
        let key = (kind != Kind::Plain).then(|| format!("k{}", random.below(keys)));
        let repeats = random.chance(250) && kind != Kind::Workflow;
        Self {
            kind,
            depth,
            key,
            idempotency_key: repeats.then(|| format!("i{}", random.below(3))),
        }
    }
}

/// One thing that a handler does.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Code with a result, which takes so many ms.
    Run(u64),
    Sleep(u64),
    Call(Order),
    Send(Order, u64),
    /// Somebody is asked, who answers or never does.
    Awakeable {
        answered: bool,
    },
    Promise,
    Resolve,
    /// Of these, the first.
    Race(Vec<Self>),
    /// All of these.
    All(Vec<Self>),
}

/// What one invocation does.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) fails: bool,
}

impl Script {
    /// The script of the invocation with this number.
    pub(super) fn of(seed: u64, service: &str, handler: &str, invocation: u64) -> Self {
        let mut random = Random::new(mix(&[seed, mix_bytes(service.as_bytes()), invocation]));
        let kind = Kind::of(handler);
        let depth = service.bytes().last().map_or(0, |digit| digit - b'0');
        let mut steps: Vec<_> = (0..1 + random.below(4))
            .map(|_| step(&mut random, kind, u64::from(depth)))
            .collect();
        if kind == Kind::Workflow {
            // Whoever waits beside it is to be told.
            steps.push(Step::Resolve);
        }
        Self {
            steps,
            fails: random.chance(80),
        }
    }
}

fn step(random: &mut Random, kind: Kind, depth: u64) -> Step {
    match random.below(12) {
        0 | 1 => {
            let some = 2 + random.below(2);
            let leaves = (0..some).map(|_| leaf(random, depth)).collect();
            match random.chance(500) {
                true => Step::Race(leaves),
                false => Step::All(leaves),
            }
        }
        2 if depth + 1 < DEPTHS => {
            let delay_ms = random.below(3) * 900;
            Step::Send(Order::draw(random, depth + 1), delay_ms)
        }
        3 | 4 if matches!(kind, Kind::Workflow | Kind::Beside) => match random.chance(500) {
            true if kind == Kind::Beside => Step::Promise,
            _ => Step::Resolve,
        },
        _ => leaf(random, depth),
    }
}

fn leaf(random: &mut Random, depth: u64) -> Step {
    match random.below(8) {
        0 | 1 => Step::Sleep([0, 40, 700, 5_000, 120_000][random.below(5) as usize]),
        2 | 3 if depth + 1 < DEPTHS => Step::Call(Order::draw(random, depth + 1)),
        4 => Step::Awakeable {
            answered: random.chance(970),
        },
        _ => Step::Run([0, 0, 20, 400][random.below(4) as usize]),
    }
}

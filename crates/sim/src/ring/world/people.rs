//! Who is around a node: clients, somebody who answers, and an operator.

use super::{Shared, pause};
use crate::ring::random::{Random, mix};
use crate::ring::script::{Input, Stage};
use crate::ring::workload::{Kind, Order};
use latchwork_engine::{
    Answer, Identity, InvocationId, Invoke, Operation, Outcome, Reply, Target, TargetKind,
};
use latchwork_protocol::derive;
use latchwork_protocol::id::{Awakeable, parse_awakeable};
use latchwork_runtime::{Clock, OutputState};

/// All of them begin.
pub(super) fn come(shared: &Shared) {
    clients(shared);
    tokio::spawn(answerer(shared.clone()));
    tokio::spawn(operator(shared.clone()));
}

/// Clients, each with one thing to ask for.
fn clients(shared: &Shared) {
    let mut random = Random::new(mix(&[shared.stage.seed, 0xC11E]));
    let count = 8 + random.below(16);
    *shared.waiting.lock().expect("one thread") = count as usize;
    for number in 0..count {
        let client = Client {
            shared: shared.clone(),
            order: Order::draw(&mut random, 0),
            number: mix(&[shared.stage.seed, number]),
            begins_ms: random.below(40_000),
            delay_ms: match random.below(4) {
                0 => Some(random.below(5_000)),
                _ => None,
            },
            calls: random.chance(500),
        };
        tokio::spawn(client.run());
    }
}

/// Somebody outside who wants one call made, whatever happens.
struct Client {
    shared: Shared,
    order: Order,
    number: u64,
    begins_ms: u64,
    delay_ms: Option<u64>,
    /// Waits for the result in the same request.
    calls: bool,
}

impl Client {
    async fn run(self) {
        pause(self.begins_ms).await;
        let Stage { fates, auditor, .. } = &self.shared.stage;
        let identity = self.order.identity();
        let text = identity.clone().unwrap_or(format!("{:x}", self.number));
        let until = self.delay_ms.map(|delay| fates.counted_ms() + delay);
        let clock = &self.shared.clock;
        let execution_time = self.delay_ms.map(|delay| clock.now_ms() + delay);
        let invoke = self.invoke(execution_time);
        let id = invoke.id;
        self.shared.known.lock().expect("one thread").push(id);
        if let (Some(until), None) = (until, &identity) {
            auditor.delayed(self.number, until);
        }
        if identity.is_none() && execution_time.is_none() && self.order.kind == Kind::Object {
            auditor.sends(self.number);
        }
        let (mut accepted, mut known) = (false, None);
        loop {
            let handle = self.shared.door.handle().await;
            if self.calls && !accepted {
                if let Ok(end) = handle.call(invoke.clone()).await {
                    known = Some(end.ending.outcome);
                    break;
                }
            } else if !accepted {
                if let Ok(Reply::Accepted { .. }) = handle.invoke(invoke.clone()).await {
                    fates.say(format_args!("{text} is accepted"));
                    auditor.accepted(self.number);
                    accepted = true;
                    continue;
                }
            } else {
                match handle.attach(id).await {
                    Ok(Some(ending)) => {
                        known = Some(ending.outcome);
                        break;
                    }
                    Ok(None) => {
                        auditor.wrong(format!("{text} was accepted, and is not there"));
                        break;
                    }
                    Err(_) => {}
                }
            }
            pause(50 + fates.below(400)).await;
        }
        let Some(outcome) = known else {
            return;
        };
        self.heard(&text, identity.is_none(), &outcome);
        // Whoever looks again later is told the same.
        for _ in 0..2 {
            pause(fates.below(20_000)).await;
            let handle = self.shared.door.handle().await;
            match handle.output(id).await {
                Ok(OutputState::Ready(ending)) => {
                    self.heard(&text, identity.is_none(), &ending.outcome);
                }
                Ok(other) => auditor.wrong(format!("{text} was over, and is {other:?}")),
                Err(_) => {}
            }
        }
        *self.shared.waiting.lock().expect("one thread") -= 1;
    }

    fn heard(&self, text: &str, is_unique: bool, outcome: &Outcome) {
        let Stage { fates, auditor, .. } = &self.shared.stage;
        let told = match outcome {
            Outcome::Value(value) => String::from_utf8_lossy(value).into_owned(),
            Outcome::Failure(failure) => format!("failed: {}", failure.message),
        };
        fates.say(format_args!("{text} ended: {told}"));
        auditor.ended(text, is_unique.then_some(self.number), &told);
    }

    fn invoke(&self, execution_time: Option<u64>) -> Invoke {
        let Order {
            kind,
            depth,
            key,
            idempotency_key,
        } = &self.order;
        let (service, handler) = (kind.service(*depth), kind.handler());
        let dice = mix(&[self.number, 7]);
        let unique = (u128::from(dice) << 64) | u128::from(self.number);
        let id = match (key, idempotency_key) {
            (Some(key), _) if *kind == Kind::Workflow => derive::workflow_run(None, &service, key),
            (key, Some(idempotency_key)) => {
                derive::idempotent(None, &service, key.as_deref(), handler, idempotency_key)
            }
            (Some(key), None) => derive::join(derive::partition_key(None, &service, key), unique),
            (None, None) => derive::join(mix(&[self.number, 9]), unique),
        };
        let kind = match kind {
            Kind::Plain => TargetKind::Plain,
            Kind::Object => TargetKind::Exclusive,
            Kind::Workflow => TargetKind::WorkflowRun,
            Kind::Beside => TargetKind::WorkflowShared,
        };
        let input = serde_json::to_vec(&Input {
            invocation: self.number,
        });
        let mut invoke = Invoke {
            id: InvocationId::from_bytes(id),
            target: Target {
                service,
                handler: handler.into(),
                key: key.clone(),
                kind: kind.into(),
                scope: None,
            },
            idempotency_key: idempotency_key.clone(),
            execution_time,
            completion_retention_ms: 1 << 40,
            journal_retention_ms: 5_000,
            incarnation: self.number as u32,
            ..Invoke::default()
        };
        invoke.input.body = input.unwrap_or_default().into();
        invoke
    }
}

/// Completes the awakeables that handlers have given away, each twice: the first counts.
async fn answerer(shared: Shared) {
    let Stage { fates, auditor, .. } = shared.stage;
    loop {
        pause(100).await;
        let Some(text) = auditor.asked() else {
            continue;
        };
        let Ok(Awakeable::Signal { invocation, index }) = parse_awakeable(&text) else {
            auditor.wrong(format!("{text} is no awakeable"));
            return;
        };
        let (door, fates) = (shared.door.clone(), fates.clone());
        tokio::spawn(async move {
            pause(fates.below(3_000)).await;
            let id = InvocationId::from_bytes(invocation);
            for answer in [fates.below(1_000), 5_000] {
                loop {
                    let value = Answer::Value(answer.to_string().into());
                    let handle = door.handle().await;
                    let told = handle.signal(id, Identity::Signal(index), value).await;
                    // Before its attempt has recorded anything it may be unknown; it is not.
                    if told.is_ok() {
                        break;
                    }
                    pause(200).await;
                }
            }
        });
    }
}

/// Somebody who interferes with what clients have asked for.
async fn operator(shared: Shared) {
    let Stage { fates, .. } = shared.stage;
    loop {
        pause(500).await;
        if !fates.strikes(|rates| rates.operate) {
            continue;
        }
        let known = shared.known.lock().expect("one thread").clone();
        if known.is_empty() {
            continue;
        }
        let id = known[fates.below(known.len() as u64) as usize];
        let operation = match fates.below(6) {
            0 => Operation::Cancel,
            1 => Operation::Kill,
            2 | 3 => Operation::Pause,
            4 => Operation::PurgeJournal,
            _ => Operation::Resume,
        };
        fates.say(format_args!("{operation:?} {id:?}"));
        let handle = shared.door.handle().await;
        // Whether it was done does not matter to an operator like this.
        let done = handle.operate(id, operation, None);
        if operation == Operation::Pause && fates.chance(500) {
            // One who has second thoughts, before the attempt has heard of the first.
            let again = handle.operate(id, Operation::Resume, None);
            drop(tokio::join!(biased; done, again));
        } else {
            drop(done.await);
        }
    }
}

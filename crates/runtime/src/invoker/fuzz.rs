//! A session without an attempt around it: what an endpoint sends goes in, what would be proposed
//! comes out. For the fuzzing targets.

use super::Start;
use super::session::{Ended, Session};
use crate::clock::SystemClock;
use crate::dice::SeededDice;
use crate::registry::Registry;
use bytes::{Bytes, BytesMut};
use latchwork_engine::{
    AttemptFailure, End, Failed, InvocationId, Next, Pin, Progress, Suspended, View, read,
};
use latchwork_protocol::service::version::Version;
use std::sync::Arc;

fn end(ended: Ended, replayed: u32) -> End {
    match ended {
        Ended::Completed => End::Completed(true),
        Ended::Suspended(future) => End::Suspended(Suspended { future, replayed }),
        Ended::Failed { failure, next, .. } => failed(failure, next),
    }
}

fn failed(failure: AttemptFailure, next: Option<Next>) -> End {
    End::Failed(Failed {
        failure,
        next: Some(next.unwrap_or(Next::End(true))),
        ..Failed::default()
    })
}

/// One conversation.
pub(crate) struct Conversation {
    session: Session,
    id: InvocationId,
    epoch: u32,
    incarnation: u32,
    pin: Option<Pin>,
}

impl Conversation {
    /// Says hello to an endpoint, in the name of an invocation that runs.
    pub(crate) fn begin(
        registry: Arc<Registry>,
        view: &dyn View,
        id: InvocationId,
        version: Version,
    ) -> Self {
        let row = read::invocation(view, &id)
            .expect("a row")
            .expect("an invocation");
        let start = Start {
            id,
            epoch: row.epoch,
            journal: read::journal(view, &id, row.journal_len).expect("a journal"),
            serving: registry.serving(&row.target, None),
            row,
            state: Vec::new(),
            partial_state: true,
            bytes_max: u64::MAX,
            trace: None,
            inactivity_max: None,
        };
        let mut session = Session::new(
            registry,
            Arc::new(SeededDice::new(1)),
            Arc::new(SystemClock),
            &start,
            version,
        );
        session.opening(&start, 0);
        Self {
            session,
            id,
            epoch: start.epoch,
            incarnation: start.row.incarnation,
            pin: Some(Pin {
                deployment: "dp_a".to_owned(),
                version: version.number(),
            }),
        }
    }

    /// What is to be proposed after so many bytes more, and whether it may send more.
    pub(crate) fn hear(&mut self, bytes: Bytes) -> (Option<Progress>, bool) {
        let received = self.session.receive(bytes);
        let end = match received {
            Ok(()) => self
                .session
                .take_end()
                .map(|ended| end(ended, self.session.replayed())),
            // What it said before it broke the protocol is stored all the same.
            Err(violation) => Some(failed(
                AttemptFailure {
                    message: violation.to_string(),
                    ..AttemptFailure::default()
                },
                None,
            )),
        };
        let goes_on = end.is_none();
        let entries = self.session.take_entries();
        let mut told = BytesMut::new();
        for entry in entries.iter().filter(|entry| entry.ack) {
            self.session.acknowledge(entry.ty, &mut told);
        }
        if entries.is_empty() && end.is_none() {
            return (None, goes_on);
        }
        let progress = Progress {
            id: self.id,
            epoch: self.epoch,
            incarnation: self.incarnation,
            pin: self.pin.take(),
            entries,
            end,
        };
        (Some(progress), goes_on)
    }
}

//! Where handlers report to the witness: lines of JSON over a socket, from whatever process and
//! language they run in.
//!
//! ```text
//!   {"id":7,"say":"begin","invocation":"inv_1…"}  ──▶  {"id":7,"number":2}
//! ```
//!
//! One connection for each endpoint process. When it ends, whoever was inside of an object through
//! it is outside: a killed process runs nothing.

use crate::witness::Witness;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a handler says to the witness; the answer is a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "lowercase")]
pub(crate) enum Report {
    /// It was entered. The answer is the number of the attempt.
    Begin { invocation: String },
    /// It executes a run. The answer is the number of the execution.
    Execute {
        invocation: String,
        attempt: u32,
        step: u32,
    },
    /// It was given this value for a run.
    Observe {
        invocation: String,
        step: u32,
        value: u64,
    },
    /// It is this child of a task.
    Child {
        task: String,
        index: u32,
        invocation: String,
    },
    /// It waits for this awakeable.
    Publish { task: String, awakeable: String },
    /// A delayed task was started at this time, in ms since 1970.
    Start { task: String, time: u64 },
    /// It is inside of an object. The answer is a ticket.
    Enter { object: String, invocation: String },
    /// It has left, with the ticket.
    Leave { ticket: u64 },
}

/// A report on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) report: Report,
}

/// The answer to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) id: u64,
    pub(crate) number: u64,
}

/// Listens to handlers.
pub(crate) struct Desk {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    witness: Arc<Mutex<Arc<Witness>>>,
}

impl Desk {
    /// Listens on behalf of this witness.
    pub(crate) async fn open(witness: Arc<Witness>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let desk = Self {
            address: listener.local_addr()?,
            witness: Arc::new(Mutex::new(witness)),
        };
        let witness = desk.witness.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let witness = witness.lock().unwrap_or_else(PoisonError::into_inner);
                tokio::spawn(listen(stream, witness.clone()));
            }
        });
        Ok(desk)
    }

    /// Whoever connects from here on reports to this witness.
    pub(crate) fn hand_to(&self, witness: Arc<Witness>) {
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = witness;
    }
}

async fn listen(mut stream: TcpStream, witness: Arc<Witness>) {
    let mut tickets = Vec::new();
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(Question { id, report }) = serde_json::from_str(&line) else {
            eprintln!("an endpoint reports what the witness does not understand: {line}");
            break;
        };
        let enters = matches!(report, Report::Enter { .. });
        let number = witness.hear(report);
        if enters {
            tickets.push(number);
        }
        let mut line = serde_json::to_vec(&Answer { id, number }).unwrap_or_default();
        line.push(b'\n');
        if writer.write_all(&line).await.is_err() {
            break;
        }
    }
    for ticket in tickets {
        witness.leave(ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::Reporter;

    #[tokio::test]
    async fn a_process_that_is_gone_is_inside_of_nothing() {
        let witness = Arc::new(Witness::default());
        let desk = Desk::open(witness.clone()).await.unwrap();
        let enter = |invocation: &str| Report::Enter {
            object: "o".into(),
            invocation: invocation.into(),
        };
        let reporter = Reporter::connect(desk.address).await.unwrap();
        assert_eq!(reporter.report(enter("i1")).await, 1);
        drop(reporter);
        // Its end is noticed by another task.
        while witness.is_inside("o") {
            tokio::task::yield_now().await;
        }
        let next = Reporter::connect(desk.address).await.unwrap();
        assert_eq!(next.report(enter("i2")).await, 2);
        assert_eq!(witness.violations(), []);
        next.report(enter("i3")).await;
        assert_eq!(witness.violations().len(), 1);
    }
}

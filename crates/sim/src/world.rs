//! Everything that outlives the server: the clients, and what everybody has seen.

use crate::auditor::{Auditor, Counts, Known, Outcome, Violation};
use crate::client::{Client, Lost, Reply};
use crate::handlers::now_ms;
use crate::witness::Witness;
use crate::workload::{CONTRADICTION, Task, Work};
use bytes::Bytes;
use http::StatusCode;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A client that was not answered asks again after this long, if the server is up.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Everything that outlives the server.
pub(crate) struct World {
    pub(crate) client: Client,
    ingress: SocketAddr,
    pub(crate) witness: Arc<Witness>,
    auditor: Mutex<Auditor>,
    /// Whether the server is there to be asked.
    pub(crate) up: watch::Sender<bool>,
    /// Requests that were not answered.
    cut_off: AtomicU64,
}

impl World {
    /// Clients of the server at `ingress`, which is not up yet, and who watches them.
    pub(crate) fn new(ingress: SocketAddr, witness: Arc<Witness>, auditor: Auditor) -> Self {
        Self {
            client: Client::new(),
            ingress,
            witness,
            auditor: Mutex::new(auditor),
            up: watch::Sender::new(false),
            cut_off: AtomicU64::new(0),
        }
    }

    pub(crate) fn auditor(&self) -> MutexGuard<'_, Auditor> {
        self.auditor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that were not answered so far.
    pub(crate) fn cut_off(&self) -> u64 {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> Counts {
        self.auditor().heard()
    }

    /// Takes what was found since the last time.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut violations = self.witness.violations();
        violations.extend(self.auditor().violations());
        violations
    }

    /// One task: submitted until it is accepted, then read in every way there is.
    pub(crate) async fn task(&self, task: &Task) {
        tokio::time::sleep(task.submit_after).await;
        self.auditor().submitted(task, now_ms());
        tokio::join!(self.submit_and_read(task), self.resolve(task));
    }

    /// A task that something is known of already: what was acknowledged must be there without
    /// being asked for again, and the rest is gone on with.
    pub(crate) async fn go_on(&self, known: &Known) {
        let task = &known.task;
        let read = async {
            match (&known.outcome, &known.invocation) {
                (Some(_), Some(invocation)) => self.read(task, "output", invocation).await,
                (None, Some(invocation)) => self.read(task, "attach", invocation).await,
                (_, None) => self.submit_and_read(task).await,
            }
        };
        let resolve = async {
            if !known.is_resolved && known.outcome.is_none() {
                self.resolve(task).await;
            }
        };
        tokio::join!(read, resolve);
    }

    async fn submit_and_read(&self, task: &Task) {
        if task.waits && !self.call(task).await {
            return;
        }
        // After a call this asks with a known key: it must find the same invocation.
        if let Some(invocation) = self.send(task).await {
            self.read(task, "attach", &invocation).await;
        }
    }

    /// Calls and waits for the outcome.
    async fn call(&self, task: &Task) -> bool {
        let input = Some((task.key.as_str(), task.input()));
        let reply = self.ask(&task.path(), input).await;
        if reply.status != StatusCode::OK && !reply.from_invocation {
            self.auditor().refused(&task.key, "call", outcome(reply));
            return false;
        }
        if let Some(invocation) = &reply.invocation {
            self.auditor().accepted(task, invocation);
        }
        let mut auditor = self.auditor();
        auditor.answered(task, outcome(reply), &self.witness);
        true
    }

    /// Sends, and returns the invocation.
    async fn send(&self, task: &Task) -> Option<String> {
        let delay = match task.work {
            Work::Late { delay_ms } => format!("?delay={delay_ms}ms"),
            _ => String::new(),
        };
        let path = format!("{}/send{delay}", task.path());
        let input = Some((task.key.as_str(), task.input()));
        let reply = self.ask(&path, input).await;
        let accepted = serde_json::from_slice::<serde_json::Value>(&reply.body).ok();
        let invocation = accepted.and_then(|body| Some(body["invocationId"].as_str()?.to_owned()));
        let mut auditor = self.auditor();
        match invocation {
            Some(invocation) if reply.status == StatusCode::ACCEPTED => {
                auditor.accepted(task, &invocation);
                Some(invocation)
            }
            _ => {
                auditor.refused(&task.key, "send", outcome(reply));
                None
            }
        }
    }

    /// Reads the outcome of an invocation: `attach` waits for it, `output` does not.
    async fn read(&self, task: &Task, how: &str, invocation: &str) {
        let path = format!("/restate/{how}/{invocation}");
        let reply = self.ask(&path, None).await;
        let mut auditor = self.auditor();
        let lost = reply.status == StatusCode::NOT_FOUND;
        if reply.status == StatusCode::OK || (reply.from_invocation && !lost) {
            auditor.answered(task, outcome(reply), &self.witness);
        } else {
            auditor.refused(&task.key, how, outcome(reply));
        }
    }

    /// Resolves the awakeable of a task that waits for one.
    async fn resolve(&self, task: &Task) {
        let Work::Wait {
            value,
            contradicted,
        } = &task.work
        else {
            return;
        };
        let awakeable = self.witness.awakeable(&task.key).await;
        let path = format!("/restate/awakeables/{awakeable}/resolve");
        let values = [Some(value.as_str()), contradicted.then_some(CONTRADICTION)];
        for value in values.into_iter().flatten() {
            let body = Bytes::from(serde_json::json!(value).to_string());
            let reply = self.ask(&path, Some(("", body))).await;
            match reply.status {
                StatusCode::ACCEPTED => self.auditor().resolved(task),
                _ => self.auditor().refused(&task.key, "resolve", outcome(reply)),
            }
        }
    }

    /// Reads what was submitted since then once more, and all counters: nothing may have
    /// changed.
    pub(crate) async fn reread(&self, since: u64) {
        let (finished, objects) = {
            let auditor = self.auditor();
            (auditor.finished(since), auditor.objects())
        };
        for (task, invocation) in finished {
            self.read(&task, "output", &invocation).await;
        }
        for object in objects {
            let path = format!("/{object}/get");
            let reply = self.ask(&path, None).await;
            match serde_json::from_slice(&reply.body) {
                Ok(count) => self.auditor().counted(&object, count),
                Err(_) => self.auditor().refused(&object, "get", outcome(reply)),
            }
        }
    }

    /// Asks until there is an answer: over every kill, and while the server is busy.
    async fn ask(&self, path: &str, post: Option<(&str, Bytes)>) -> Reply {
        let mut up = self.up.subscribe();
        loop {
            // The sender lives as long as we do, so this cannot fail.
            let _ = up.wait_for(|up| *up).await;
            let reply = match &post {
                Some((key, body)) => {
                    let key = Some(*key).filter(|key| !key.is_empty());
                    let post = self.client.post(self.ingress, path, key, body.clone());
                    post.await
                }
                None => self.client.get(self.ingress, path).await,
            };
            match reply {
                Ok(reply) if reply.from_invocation || !is_busy(reply.status) => return reply,
                Ok(_) | Err(Lost) => {
                    self.cut_off.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE
}

fn outcome(reply: Reply) -> Outcome {
    Outcome {
        status: reply.status,
        body: reply.body,
    }
}

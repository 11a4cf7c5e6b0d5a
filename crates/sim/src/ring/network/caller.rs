//! Somebody outside who wants one call made over HTTP, whatever happens.

use super::Shared;
use super::line::{Answer, INGRESS_PORT, Line, Question};
use crate::ring::script::{Input, Stage};
use crate::ring::workload::{Kind, Order};
use http::StatusCode;
use latchwork_protocol::ingress::NOT_READY;
use serde::Deserialize;
use std::time::Duration;

/// How long a caller waits for an answer before it asks again.
const PATIENCE: Duration = Duration::from_secs(40);
/// What failures there may be: of scripts, and by operators.
const FAILURES: [&str; 4] = ["the script says so", "killed", "canceled", "Cancelled"];

#[derive(Deserialize)]
struct Sent {
    #[serde(rename = "invocationId")]
    invocation_id: String,
}

#[derive(Deserialize)]
struct Failed {
    message: String,
}

/// One call, and how it is made.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) shared: Shared,
    pub(super) order: Order,
    pub(super) number: u64,
    pub(super) begins_ms: u64,
    pub(super) delay_ms: Option<u64>,
    /// Waits for the result in the same request.
    pub(super) calls: bool,
    pub(super) http2: bool,
    /// Spaces before the input, so that there is something to cut.
    pub(super) padding: usize,
    /// Has nothing that a second request would be known by, and so makes none.
    pub(super) asks_once: bool,
}

/// What is known after a request.
enum Progress {
    /// Nothing new.
    Unknown,
    /// The call is durable, and this is its id if it was said.
    Accepted(Option<String>),
    /// It goes on.
    Pending,
    /// It is over.
    Ended { outcome: String, id: Option<String> },
}

impl Caller {
    pub(super) async fn run(self) {
        super::pause(self.begins_ms).await;
        self.note_begin();
        let rates = &self.shared.rates;
        let fates = &self.shared.stage.fates;
        if !self.asks_once && fates.strikes(|_| rates.client) {
            tokio::spawn(self.clone().repeat());
        }
        let mut line = Line::new(&self.shared.fabric, INGRESS_PORT, self.http2);
        self.see_through(&mut line).await;
        *self.shared.waiting.lock().expect("one thread") -= 1;
    }

    /// Until the outcome is known, and then some.
    async fn see_through(&self, line: &mut Line) {
        let fates = &self.shared.stage.fates;
        let mut accepted: Option<Option<String>> = None;
        let (outcome, id) = loop {
            let question = match &accepted {
                None => self.submission(),
                Some(Some(id)) if fates.chance(300) => Self::look(id),
                Some(id) => self.attachment(id.as_deref()),
            };
            match self.ask(line, &question).await {
                Progress::Ended { outcome, id } => break (outcome, id),
                Progress::Accepted(id) => {
                    self.shared.stage.auditor.accepted(self.number);
                    if self.asks_once {
                        // It is forgotten when it is over.
                        return;
                    }
                    accepted = Some(id);
                    continue;
                }
                Progress::Unknown if self.asks_once => return,
                Progress::Unknown | Progress::Pending => {}
            }
            super::pause(50 + fates.below(400)).await;
        };
        self.heard(&outcome);
        let Some(id) = id.filter(|_| !self.asks_once) else {
            return;
        };
        // Whoever looks again later is told the same.
        for _ in 0..2 {
            super::pause(fates.below(20_000)).await;
            match self.ask(line, &Self::look(&id)).await {
                Progress::Ended { outcome, .. } => self.heard(&outcome),
                Progress::Pending => self.wrong("was over, and is not"),
                Progress::Accepted(_) | Progress::Unknown => {}
            }
        }
    }

    /// The same request once more, by somebody who does not know of the first.
    async fn repeat(self) {
        super::pause(self.shared.stage.fates.below(300)).await;
        let mut line = Line::new(&self.shared.fabric, INGRESS_PORT, !self.http2);
        if let Progress::Ended { outcome, .. } = self.ask(&mut line, &self.submission()).await {
            self.heard(&outcome);
        }
    }

    fn note_begin(&self) {
        let Stage { fates, auditor, .. } = &self.shared.stage;
        if self.order.identity().is_some() {
            return;
        }
        match self.delay_ms {
            Some(delay) => auditor.delayed(self.number, fates.counted_ms() + delay),
            None if self.order.kind == Kind::Object => auditor.sends(self.number),
            None => {}
        }
    }

    fn text(&self) -> String {
        let identity = self.order.identity();
        identity.unwrap_or_else(|| format!("{:x}", self.number))
    }

    fn target(&self) -> String {
        let Order {
            kind, depth, key, ..
        } = &self.order;
        let (service, handler) = (kind.service(*depth), kind.handler());
        match key {
            Some(key) => format!("{service}/{key}/{handler}"),
            None => format!("{service}/{handler}"),
        }
    }

    /// What the call is known by beside its target.
    pub(super) fn idempotency_key(&self) -> Option<String> {
        if self.order.kind == Kind::Workflow || self.asks_once {
            return None;
        }
        let own = || Some(self.text());
        self.order.idempotency_key.clone().or_else(own)
    }

    fn submission(&self) -> Question {
        let (verb, delay) = match (self.calls, self.delay_ms) {
            (true, _) => ("call", String::new()),
            (false, None) => ("send", String::new()),
            (false, Some(delay)) => ("send", format!("?delay={delay}ms")),
        };
        let input = Input {
            invocation: self.number,
        };
        Question {
            idempotency_key: self.idempotency_key(),
            ..Question::post(
                format!("/restate/{verb}/{}{delay}", self.target()),
                " ".repeat(self.padding) + &serde_json::to_string(&input).unwrap_or_default(),
            )
        }
    }

    fn look(id: &str) -> Question {
        Question::get(format!("/restate/output/{id}"))
    }

    fn attachment(&self, id: Option<&str>) -> Question {
        Question::get(match (id, &self.order.key) {
            (None, Some(key)) => {
                let service = self.order.kind.service(self.order.depth);
                format!("/restate/workflow/{service}/{key}/attach")
            }
            (id, _) => format!("/restate/attach/{}", id.unwrap_or_default()),
        })
    }

    async fn ask(&self, line: &mut Line, question: &Question) -> Progress {
        let fates = &self.shared.stage.fates;
        let patience = match fates.strikes(|_| self.shared.rates.client) {
            true => Duration::from_millis(fates.below(3_000)),
            false => PATIENCE,
        };
        match line.ask(question, patience).await {
            Err(error) => {
                fates.say(format_args!("{}: {error}", self.text()));
                Progress::Unknown
            }
            Ok(answer) => self.understand(question, answer),
        }
    }

    fn understand(&self, question: &Question, answer: Answer) -> Progress {
        let header = |name| {
            let value = answer.headers.get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let id = header("x-restate-id");
        let path = &question.path;
        match answer.status {
            StatusCode::OK => Progress::Ended {
                outcome: answer.body,
                id,
            },
            StatusCode::ACCEPTED => match serde_json::from_str::<Sent>(&answer.body) {
                Ok(sent) => {
                    let fates = &self.shared.stage.fates;
                    fates.say(format_args!("{} is accepted", self.text()));
                    Progress::Accepted(Some(sent.invocation_id))
                }
                Err(error) => self.defect(path, &error.to_string()),
            },
            status if status.as_u16() == NOT_READY => Progress::Pending,
            _ if header("x-restate-error-source").as_deref() == Some("invocation") => {
                match serde_json::from_str::<Failed>(&answer.body) {
                    Ok(Failed { message }) if message.starts_with("the workflow was started") => {
                        Progress::Accepted(None)
                    }
                    Ok(Failed { message }) => Progress::Ended {
                        outcome: format!("failed: {message}"),
                        id,
                    },
                    Err(error) => self.defect(path, &error.to_string()),
                }
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Progress::Unknown,
            // Nothing is registered yet.
            StatusCode::NOT_FOUND if question.method == http::Method::POST => Progress::Unknown,
            status => self.defect(path, &format!("{status}: {}", answer.body)),
        }
    }

    fn defect(&self, path: &str, what: &str) -> Progress {
        self.wrong(&format!("was answered at {path} with {what}"));
        Progress::Unknown
    }

    fn wrong(&self, what: &str) {
        let text = self.text();
        self.shared.stage.auditor.wrong(format!("{text} {what}"));
    }

    fn heard(&self, outcome: &str) {
        let Stage { fates, auditor, .. } = &self.shared.stage;
        let text = self.text();
        fates.say(format_args!("{text} ended: {outcome}"));
        if let Some(failure) = outcome.strip_prefix("failed: ")
            && !FAILURES.contains(&failure)
        {
            self.wrong(&format!(
                "failed with {failure:?}, as nothing in its script does"
            ));
        }
        let is_unique = self.order.identity().is_none();
        auditor.ended(&text, is_unique.then_some(self.number), outcome);
    }
}

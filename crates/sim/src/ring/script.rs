//! Plays scripts through the SDK, as a handler that somebody wrote would.

use super::auditor::Auditor;
use super::faults::Fates;
use super::random::mix;
use super::workload::{DEPTHS, Kind, Order, Script, Step};
use latchwork::handler::{Invocation, Output, Service, output};
use latchwork::manifest::{Description, HandlerDescription, Settings};
use latchwork::{
    Context, Endpoint, Error, Failure, ObjectContext, SharedWorkflowContext, Target, join_all, race,
};
use latchwork_runtime::Clock;
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// What every handler is called with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Input {
    /// What the auditor knows the invocation by.
    pub(super) invocation: u64,
}

/// What every handler returns.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Returned {
    pub(super) invocation: u64,
    pub(super) key: String,
    /// The object's counter, as it was found.
    pub(super) n: Option<u64>,
    /// All that was seen on the way.
    pub(super) digest: u64,
}

/// What handlers share with the world.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) seed: u64,
    pub(super) fates: Arc<Fates>,
    pub(super) auditor: Arc<Auditor>,
}

/// All services, in an endpoint.
pub(super) fn endpoint(stage: &Stage, request_response: bool) -> Endpoint {
    let fates = stage.fates.clone();
    let mut endpoint =
        Endpoint::builder().clock(move || UNIX_EPOCH + Duration::from_millis(fates.now_ms()));
    for depth in 0..DEPTHS {
        for kind in [Kind::Plain, Kind::Object, Kind::Workflow] {
            endpoint = endpoint.bind(Scripted {
                stage: stage.clone(),
                name: kind.service(depth),
                kind,
            });
        }
    }
    if request_response {
        endpoint = endpoint.request_response();
    }
    endpoint.build()
}

/// A service whose handlers play scripts.
struct Scripted {
    stage: Stage,
    name: String,
    kind: Kind,
}

impl Service for Scripted {
    fn describe(&self) -> Description {
        let of = |it: HandlerDescription| it.input::<Input>(None).output::<Returned>(None);
        let settings = Settings {
            inactivity_timeout: Some(Duration::from_secs(2)),
            abort_timeout: Some(Duration::from_secs(2)),
            idempotency_retention: Some(Duration::from_secs(1 << 30)),
            journal_retention: Some(Duration::from_secs(60)),
            retry_initial_delay: Some(Duration::from_millis(20)),
            retry_factor: Some(2.0),
            retry_max_delay: Some(Duration::from_millis(700)),
            ..Settings::default()
        };
        let retention = Duration::from_secs(1 << 30);
        match self.kind {
            Kind::Plain => Description::service(&self.name)
                .handler(of(HandlerDescription::shared(Kind::Plain.handler()))),
            Kind::Object => Description::object(&self.name)
                .handler(of(HandlerDescription::exclusive(Kind::Object.handler()))),
            Kind::Workflow | Kind::Beside => Description::workflow(&self.name)
                .handler(
                    of(HandlerDescription::run(Kind::Workflow.handler()))
                        .workflow_retention(retention),
                )
                .handler(of(HandlerDescription::shared(Kind::Beside.handler()))),
        }
        .settings(settings)
    }

    fn handle<'a>(&'a self, handler: &'a str, invocation: Invocation) -> Output<'a> {
        Box::pin(async move {
            let input: Input = invocation.input()?;
            let kind = Kind::of(handler);
            let ctx = Context::new(&invocation);
            let object = (kind == Kind::Object).then(|| ObjectContext::new(&invocation));
            let workflow = matches!(kind, Kind::Workflow | Kind::Beside)
                .then(|| SharedWorkflowContext::new(&invocation));
            let key = match (&object, &workflow) {
                (Some(ctx), _) => format!("{}/{}", self.name, ctx.key()),
                (_, Some(ctx)) => format!("{}/{}", self.name, ctx.key()),
                _ => String::new(),
            };
            let player = Player {
                stage: &self.stage,
                ctx: &ctx,
                workflow: workflow.as_ref(),
                key,
                invocation: input.invocation,
                exclusive: kind == Kind::Object,
            };
            let script = Script::of(self.stage.seed, &self.name, handler, input.invocation);
            let returned = player.play(&script, object.as_ref()).await?;
            let bytes = output(&returned)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            self.stage.auditor.returned(input.invocation, &text);
            Ok(bytes)
        })
    }
}

/// One attempt at a script.
struct Player<'a> {
    stage: &'a Stage,
    ctx: &'a Context,
    workflow: Option<&'a SharedWorkflowContext>,
    /// Of the object or workflow; empty if there is none.
    key: String,
    invocation: u64,
    exclusive: bool,
}

type Leaf<'a> = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send + 'a>>;

impl Player<'_> {
    async fn play(
        &self,
        script: &Script,
        object: Option<&ObjectContext>,
    ) -> Result<Returned, Error> {
        let Stage { fates, auditor, .. } = self.stage;
        auditor.begins(self.invocation);
        if auditor.is_recorded(self.invocation) && fates.strikes(|rates| rates.stream / 8) {
            // What a deployment with other code would do.
            fates.say(format_args!("{:x} has other code", self.invocation));
            let other: Result<u64, _> = self.ctx.run("other code", || async { Ok(0) }).await;
            other?;
        }
        let mut digest = 0;
        let mut n = None;
        if let Some(object) = object {
            let found: Option<u64> = object.get("n").await?;
            n = Some(found.unwrap_or(0));
            self.observe(1000, false, &format!("n is {found:?}"));
        }
        for (step, at) in script.steps.iter().zip(0..) {
            let seen = self.step(step, at * 10).await?;
            digest = mix(&[digest, super::random::mix_bytes(seen.as_bytes())]);
        }
        if let (Some(object), Some(n)) = (object, n) {
            object.set("n", n + 1);
        }
        if script.fails {
            return Err(Failure::new("the script says so").code(418).into());
        }
        Ok(Returned {
            invocation: self.invocation,
            key: self.key.clone(),
            n,
            digest,
        })
    }

    fn observe(&self, at: u32, firm: bool, what: &str) {
        let key = self.exclusive.then_some(&*self.key);
        let place = (self.invocation, at);
        self.stage.auditor.observed(place, firm, key, what);
    }

    async fn step(&self, step: &Step, at: u32) -> Result<String, Failure> {
        match step {
            Step::Send(order, delay_ms) => {
                let number = self.number(at);
                let call = self.call(order, number);
                if *delay_ms > 0 {
                    if order.identity().is_none() {
                        let until = self.stage.fates.counted_ms() + delay_ms;
                        // A later attempt may be the one that counts, but none is earlier.
                        self.stage.auditor.delayed(number, until);
                    }
                    call.delay(Duration::from_millis(*delay_ms)).send();
                } else {
                    call.send();
                }
                Ok(String::new())
            }
            Step::Race(steps) => {
                let leaves = steps.iter().zip(at + 1..).map(|(it, at)| self.leaf(it, at));
                let (first, seen) = race(leaves).await;
                let seen = seen?;
                self.observe(at, true, &format!("first {first}: {seen}"));
                Ok(seen)
            }
            Step::All(steps) => {
                let leaves = steps.iter().zip(at + 1..).map(|(it, at)| self.leaf(it, at));
                let all: Result<Vec<_>, _> = join_all(leaves).await.into_iter().collect();
                Ok(all?.concat())
            }
            leaf => self.leaf(leaf, at).await,
        }
    }

    fn number(&self, at: u32) -> u64 {
        mix(&[self.invocation, u64::from(at)])
    }

    fn call(&self, order: &Order, number: u64) -> latchwork::Call<'_, Returned> {
        let (service, handler) = (order.kind.service(order.depth), order.kind.handler());
        let target = match &order.key {
            Some(key) => Target::keyed(service, key, handler),
            None => Target::service(service, handler),
        };
        let call = self.ctx.call(target, &Input { invocation: number });
        match &order.idempotency_key {
            Some(key) => call.idempotency_key(key),
            None => call,
        }
    }

    fn leaf<'s>(&'s self, step: &'s Step, at: u32) -> Leaf<'s> {
        let place = (self.invocation, at);
        let Stage { fates, auditor, .. } = self.stage;
        Box::pin(async move {
            let seen = match step {
                Step::Run(takes_ms) => {
                    let run = self.ctx.run(format!("run {at}"), || async {
                        let value = auditor.executes(place);
                        if *takes_ms > 0 {
                            tokio::time::sleep(Duration::from_millis(*takes_ms)).await;
                        }
                        if fates.strikes(|rates| rates.run) {
                            return Err(Error::retryable("the code fails"));
                        }
                        Ok(value)
                    });
                    let value = run.await?;
                    auditor.ran(place, value);
                    format!("ran {value}")
                }
                Step::Sleep(ms) => {
                    auditor.sleeps(place, fates.counted_ms() + ms);
                    self.ctx.sleep(Duration::from_millis(*ms)).await?;
                    auditor.slept(place);
                    "slept".into()
                }
                Step::Call(order) => {
                    let number = self.number(at);
                    let outcome = match self.call(order, number).await {
                        Ok(value) => serde_json::to_string(&value).unwrap_or_default(),
                        Err(failure) if failure.is_cancelled() => return Err(failure),
                        Err(failure) => format!("failed: {failure}"),
                    };
                    self.heard(order, number, &outcome);
                    outcome
                }
                Step::Awakeable { answered } => {
                    let awakeable = self.ctx.awakeable::<u64>();
                    if *answered {
                        auditor.asks(awakeable.id().to_owned());
                    }
                    format!("answered {}", awakeable.await?)
                }
                Step::Promise => match self.workflow {
                    Some(workflow) => {
                        let value = workflow.promise::<u64>("p").await?;
                        auditor.promised(&self.key, value);
                        format!("promised {value}")
                    }
                    None => String::new(),
                },
                Step::Resolve => match self.workflow {
                    Some(workflow) => {
                        let value = self.number(at);
                        match workflow.promise("p").resolve(value).await {
                            Ok(()) => {
                                auditor.resolved(&self.key, self.invocation, value);
                                "resolved".into()
                            }
                            Err(failure) if failure.is_cancelled() => return Err(failure),
                            Err(failure) => format!("not resolved: {failure}"),
                        }
                    }
                    None => String::new(),
                },
                Step::Send(..) | Step::Race(_) | Step::All(_) => String::new(),
            };
            // An awakeable has no command: its answer may be all that the journal has.
            if !matches!(step, Step::Awakeable { .. }) {
                auditor.recorded(self.invocation);
            }
            self.observe(at, true, &seen);
            Ok(seen)
        })
    }

    /// What came of a call, as its caller heard.
    fn heard(&self, order: &Order, number: u64, outcome: &str) {
        let refused = outcome.contains("already") || outcome.contains("once for each key");
        if order.kind == Kind::Workflow && refused {
            return;
        }
        let auditor = &self.stage.auditor;
        match order.identity() {
            Some(identity) => auditor.ended(&identity, None, outcome),
            None => auditor.ended(&format!("{number:x}"), Some(number), outcome),
        }
    }
}

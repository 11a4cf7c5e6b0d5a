//! What a handler can do, one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use latchwork::{
    Context, Error, Failure, ObjectContext, Result, RetryPolicy, SharedWorkflowContext, Target,
    WorkflowContext,
};
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::message as wire;
use latchwork_protocol::service::version::Version;
use wire::NotificationIdentity::{SignalIndex, SignalName};

use super::world::{Ended, cancel, everywhere, read, signal};

fn output(json: &str) -> Ended {
    Ended::Output(json.to_owned())
}

#[derive(Default)]
struct Steps {
    executed: Arc<AtomicU32>,
}

#[latchwork::service]
impl Steps {
    #[handler]
    async fn three(&self, ctx: &Context, n: u32) -> Result<Vec<u32>> {
        let mut seen = Vec::new();
        for i in 0..n {
            let step = ctx.run("step", || async {
                self.executed.fetch_add(1, Ordering::Relaxed);
                Ok(i * 10)
            });
            seen.push(step.await?);
            ctx.sleep(Duration::from_secs(3600)).await?;
        }
        Ok(seen)
    }

    /// The code of the run waits for another thread.
    #[handler]
    async fn outside(&self, ctx: &Context) -> Result<String> {
        let slow = ctx.run("slow", || async {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || sender.send("from a thread".to_owned()));
            Ok(receiver.await?)
        });
        Ok(slow.await?)
    }

    #[handler]
    async fn flaky(&self, ctx: &Context, failures: u32) -> Result<String> {
        let step = ctx.run("flaky", || async {
            let attempt = self.executed.fetch_add(1, Ordering::Relaxed) + 1;
            if attempt <= failures {
                return Err(Error::retryable(format!("no {attempt}")));
            }
            Ok(attempt)
        });
        let policy = RetryPolicy::default().max_attempts(3);
        match step.retry(policy).await {
            Ok(attempt) => Ok(format!("{attempt}")),
            Err(failure) => Ok(format!("gave up: {failure}")),
        }
    }

    #[handler]
    async fn refused(&self, ctx: &Context) -> Result<()> {
        let step = ctx.run("refused", || async {
            Err::<(), _>(Failure::new("never").code(418).into())
        });
        Ok(step.await?)
    }
}

#[test]
fn a_recorded_step_never_runs_again() {
    everywhere(|world| {
        let steps = Steps::default();
        let executed = Arc::clone(&steps.executed);
        let mut world = world.bind(steps);
        assert_eq!(world.invoke("Steps/three", "3"), output("[0,10,20]"));
        assert_eq!(executed.load(Ordering::Relaxed), 3, "{}", world.name());
    });
}

#[test]
fn a_step_may_wait_for_anything() {
    everywhere(|world| {
        let mut world = world.bind(Steps::default());
        // Nothing happens in the journal meanwhile: the request ends, and the step goes on.
        assert_eq!(
            world.invoke("Steps/outside", ""),
            output("\"from a thread\"")
        );
        assert!(world.errors.is_empty(), "{:?}", world.errors);
    });
}

/// Hours since 1970, as its steps say.
struct Hours(Arc<AtomicU32>);

#[latchwork::service]
impl Hours {
    /// A step that takes two hours, and may take one.
    #[handler]
    async fn two(&self, ctx: &Context) -> Result<()> {
        let step = ctx.run("slow", || async {
            self.0.fetch_add(2, Ordering::Relaxed);
            Err::<(), _>(std::io::Error::other("too slow").into())
        });
        let policy = RetryPolicy::default().max_duration(Duration::from_secs(3600));
        Ok(step.retry(policy).await?)
    }
}

#[test]
fn how_long_a_step_takes_is_measured_by_the_clock_of_the_endpoint() {
    everywhere(|world| {
        let hours = Arc::new(AtomicU32::new(0));
        let clock = Arc::clone(&hours);
        let now = move || UNIX_EPOCH + Duration::from_secs(3600) * clock.load(Ordering::Relaxed);
        let mut world = world.bind_with_clock(Hours(Arc::clone(&hours)), now);
        let ended = world.invoke("Hours/two", "");
        assert_eq!(ended, Ended::Failure(500, "too slow".to_owned()));
        assert_eq!(hours.load(Ordering::Relaxed), 2, "{}", world.name());
    });
}

#[test]
fn a_step_is_retried_by_its_policy_and_then_fails() {
    everywhere(|world| {
        let mut world = world.bind(Steps::default());
        assert_eq!(world.invoke("Steps/flaky", "2"), output("\"3\""));
        let delays: Vec<_> = world.errors.iter().map(|it| it.next_retry_delay).collect();
        assert_eq!(delays, [Some(100), Some(200)]);
        let error = &world.errors[0];
        assert_eq!(error.related_command_name.as_deref(), Some("flaky"));
        assert_eq!(error.related_command_index, Some(1));
        assert_eq!(error.related_command_type, Some(u32::from(ty::RUN)));
    });
    everywhere(|world| {
        let mut world = world.bind(Steps::default());
        let ended = world.invoke("Steps/flaky", "9");
        assert_eq!(ended, output("\"gave up: no 3\""), "{}", world.name());
        assert_eq!(world.errors.len(), 2);
    });
}

#[test]
fn a_failure_of_a_step_is_its_outcome() {
    everywhere(|world| {
        let mut world = world.bind(Steps::default());
        let ended = world.invoke("Steps/refused", "");
        assert_eq!(ended, Ended::Failure(418, "never".to_owned()));
        assert!(world.errors.is_empty());
    });
}

struct Account;

#[latchwork::object]
impl Account {
    #[handler]
    async fn add(&self, ctx: &ObjectContext, n: i64) -> Result<i64> {
        let now = ctx.get::<i64>("n").await?.unwrap_or(0) + n;
        ctx.set("n", now);
        ctx.sleep(Duration::from_secs(1)).await?;
        ctx.set("other", "x");
        let keys = ctx.state_keys().await?;
        assert_eq!(keys, ["n", "other"]);
        ctx.sleep(Duration::from_secs(1)).await?;
        ctx.clear("other");
        assert_eq!(ctx.get::<String>("other").await?, None);
        assert_eq!(ctx.key(), "the-key");
        Ok(ctx.get::<i64>("n").await?.unwrap_or_default())
    }

    #[handler]
    async fn wipe(&self, ctx: &ObjectContext) -> Result<Option<i64>> {
        ctx.clear_all();
        ctx.sleep(Duration::from_secs(1)).await?;
        assert!(ctx.state_keys().await?.is_empty());
        Ok(ctx.get("n").await?)
    }
}

#[test]
fn state_is_read_as_it_was_at_that_step() {
    for lazy in [false, true] {
        everywhere(|world| {
            let mut world = world.bind(Account);
            world.lazy_state = lazy;
            world.state.insert("n".into(), "41".into());
            let ended = world.invoke("Account/add", "1");
            assert_eq!(ended, output("42"), "{}, lazy: {lazy}", world.name());
            assert_eq!(world.state.len(), 1);
            let asked = world.journaled(ty::GET_LAZY_STATE).len();
            assert_eq!(asked > 0, lazy, "{}", world.name());
        });
        everywhere(|world| {
            let mut world = world.bind(Account);
            world.lazy_state = lazy;
            world.state.insert("n".into(), "41".into());
            assert_eq!(world.invoke("Account/wipe", ""), output("null"));
            assert!(world.state.is_empty());
        });
    }
}

struct Talk;

#[latchwork::service]
impl Talk {
    #[handler]
    async fn greet(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(format!("Hello {name}"))
    }

    #[handler]
    async fn ask(&self, ctx: &Context, name: String) -> Result<String> {
        let other = TalkClient::new(ctx).greet(name).start();
        let id = other.id().await?;
        let answer = other.await?;
        Ok(format!("{id} said {answer}"))
    }

    #[handler]
    async fn post(&self, ctx: &Context) -> Result<Vec<String>> {
        let talk = TalkClient::new(ctx);
        let now = talk.greet("a").idempotency_key("k").header("x", "y").send();
        let later = talk.greet("b").delay(Duration::from_secs(60)).send();
        let by_name = ctx.call::<String, _>(Target::keyed("Other", "key", "do"), &7);
        let (now, later) = (now.id().await?, later.id().await?);
        Ok(vec![now, later, by_name.await?])
    }

    #[handler]
    async fn wait(&self, ctx: &Context) -> Result<String> {
        let awakeable = ctx.awakeable::<u32>();
        assert_eq!(
            awakeable.id(),
            "sign_1BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHAAAAEQ"
        );
        let number = awakeable.await?;
        let first = ctx.signal::<String>("word").await?;
        let second = ctx.signal::<String>("word").await?;
        Ok(format!("{number} {first} {second}"))
    }

    #[handler]
    async fn stop(&self, ctx: &Context) -> Result<String> {
        let child = TalkClient::new(ctx).wait().start();
        let Err(failure) = child.await else {
            return Ok("not cancelled".to_owned());
        };
        assert!(failure.is_cancelled());
        // Cleaning up goes on in peace.
        ctx.sleep(Duration::from_secs(1)).await?;
        ctx.run("undo", || async { Ok(()) }).await?;
        Err(failure.into())
    }
}

#[test]
fn a_call_gives_the_id_and_the_answer() {
    everywhere(|world| {
        let mut world = world.bind(Talk);
        world.answers.insert("greet".to_owned(), Ok("\"hi\""));
        let ended = world.invoke("Talk/ask", "\"Ada\"");
        assert_eq!(ended, output("\"inv_child1 said hi\""));
        let call: wire::Call = read(world.journaled(ty::CALL)[0]);
        assert_eq!(
            (&*call.service_name, &call.parameter[..]),
            ("Talk", &b"\"Ada\""[..])
        );
    });
    everywhere(|world| {
        let mut world = world.bind(Talk);
        world
            .answers
            .insert("greet".to_owned(), Err((404, "nobody")));
        let ended = world.invoke("Talk/ask", "\"Ada\"");
        assert_eq!(ended, Ended::Failure(404, "nobody".to_owned()));
    });
}

#[test]
fn sends_carry_their_options() {
    everywhere(|world| {
        let mut world = world.bind(Talk);
        world.answers.insert("do".to_owned(), Ok("\"done\""));
        let ended = world.invoke("Talk/post", "");
        assert_eq!(ended, output("[\"inv_sent1\",\"inv_sent2\",\"done\"]"));
        let sent = world.journaled(ty::ONE_WAY_CALL);
        let (now, later): (wire::OneWayCall, wire::OneWayCall) = (read(sent[0]), read(sent[1]));
        assert_eq!(now.idempotency_key.as_deref(), Some("k"));
        assert_eq!((&*now.headers[0].key, now.invoke_time), ("x", 0));
        assert!(later.invoke_time > 60_000 && later.idempotency_key.is_none());
        let call: wire::Call = read(world.journaled(ty::CALL)[0]);
        assert_eq!((&*call.key, &call.parameter[..]), ("key", &b"7"[..]));
    });
}

#[test]
fn awakeables_and_signals_come_in_their_order() {
    everywhere(|world| {
        let mut world = world.bind(Talk);
        // The second word comes before anybody waits for it.
        world.signals.extend([
            signal(SignalName("word".to_owned()), "\"one\""),
            signal(SignalIndex(17), "7"),
            signal(SignalName("word".to_owned()), "\"two\""),
        ]);
        let ended = world.invoke("Talk/wait", "");
        assert_eq!(ended, output("\"7 one two\""), "{}", world.name());
    });
}

#[test]
fn a_cancellation_is_an_error_at_the_await_and_reaches_calls() {
    everywhere(|world| {
        let mut world = world.bind(Talk);
        world.signals.push_back(cancel());
        let ended = world.invoke("Talk/stop", "");
        assert_eq!(ended, Ended::Failure(409, "Cancelled".to_owned()));
        let told: wire::SendSignal = read(world.journaled(ty::SEND_SIGNAL)[0]);
        assert_eq!(told.target_invocation_id, "inv_child1");
        assert_eq!(world.journaled(ty::RUN_COMPLETION).len(), 1);
    });
}

struct Approval;

#[latchwork::workflow]
impl Approval {
    #[handler]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String> {
        let promise = ctx.promise::<String>("answer");
        assert_eq!(promise.peek().await?, None);
        promise.resolve("yes".to_owned()).await?;
        ctx.set("state", 1);
        Ok(promise.await?)
    }

    #[shared]
    async fn fail(&self, ctx: &SharedWorkflowContext) -> Result<String> {
        let promise = ctx.promise::<String>("answer");
        promise.reject(Failure::new("no").code(400)).await?;
        Ok(promise.await?)
    }
}

#[test]
fn promises_are_completed_and_awaited() {
    everywhere(|world| {
        let mut world = world.bind(Approval);
        assert_eq!(world.invoke("Approval/run", ""), output("\"yes\""));
    });
    everywhere(|world| {
        let mut world = world.bind(Approval);
        let ended = world.invoke("Approval/fail", "");
        assert_eq!(ended, Ended::Failure(400, "no".to_owned()));
    });
}

#[test]
fn what_a_version_lacks_is_said() {
    struct Scoped;

    #[latchwork::service]
    impl Scoped {
        #[handler]
        async fn call(&self, ctx: &Context) -> Result<()> {
            ScopedClient::new(ctx).call().scope("tenant").await?;
            Ok(())
        }
    }

    everywhere(|world| {
        let mut world = world.bind(Scoped);
        world.errors_max = 1;
        world.answers.insert("call".to_owned(), Ok(""));
        let ended = world.invoke("Scoped/call", "");
        if world.version() == Version::V7 {
            assert_eq!(ended, output(""));
        } else {
            let Ended::Error(573, message) = ended else {
                panic!("{ended:?}");
            };
            assert!(message.contains("Scoped/call has a scope"), "{message}");
        }
    });
}

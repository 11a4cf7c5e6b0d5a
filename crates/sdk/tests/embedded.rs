//! The server and its handlers in this process, on a directory that is opened again and again.

use std::time::Duration;

use latchwork::client::{ClientError, Status};
use latchwork::embedded::{Builder, Latchwork, StartError};
use latchwork::{
    Context, Failure, ObjectContext, Result, SharedObjectContext, SharedWorkflowContext, Target,
    WorkflowContext, try_join_all,
};

struct Greeter;

#[latchwork::service]
impl Greeter {
    #[handler]
    async fn greet(&self, ctx: &Context, name: String) -> Result<String> {
        let step = ctx.run("step", || async { Ok(name.len()) }).await?;
        ctx.sleep(Duration::from_millis(5)).await?;
        Ok(format!("Hello {name}, {step}"))
    }

    #[handler]
    async fn refuse(&self, _ctx: &Context) -> Result<()> {
        Err(Failure::new("no").code(418).metadata("a", "b").into())
    }

    #[handler]
    async fn wait(&self, ctx: &Context, key: String) -> Result<String> {
        let answer = ctx.awakeable::<String>();
        CounterClient::new(ctx, key).keep(answer.id()).await?;
        Ok(answer.await?)
    }

    #[handler]
    async fn many(&self, ctx: &Context, n: u64) -> Result<u64> {
        let adds = (0..n).map(|i| CounterClient::new(ctx, format!("many-{}", i % 5)).add(1));
        Ok(try_join_all(adds).await?.len() as u64)
    }

    #[handler(private)]
    async fn hidden(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
}

struct Counter;

#[latchwork::object]
impl Counter {
    #[handler]
    async fn add(&self, ctx: &ObjectContext, n: u64) -> Result<u64> {
        let now = ctx.get::<u64>("n").await?.unwrap_or(0) + n;
        ctx.set("n", now);
        Ok(now)
    }

    #[handler]
    async fn keep(&self, ctx: &ObjectContext, id: String) -> Result<()> {
        ctx.set("id", id);
        Ok(())
    }

    #[shared]
    async fn kept(&self, ctx: &SharedObjectContext) -> Result<Option<String>> {
        Ok(ctx.get("id").await?)
    }
}

struct Gate;

#[latchwork::workflow]
impl Gate {
    #[handler]
    async fn run(&self, ctx: &WorkflowContext, who: String) -> Result<String> {
        let word: String = ctx.promise("word").await?;
        Ok(format!("{who}: {word}"))
    }

    #[shared]
    async fn say(&self, ctx: &SharedWorkflowContext, word: String) -> Result<()> {
        ctx.promise("word").resolve(word).await?;
        Ok(())
    }
}

fn bound(directory: &std::path::Path) -> Builder {
    let builder = Latchwork::embedded(directory).bind(Greeter);
    builder.bind(Counter).bind(Gate)
}

async fn open(directory: &std::path::Path) -> Latchwork {
    bound(directory).start().await.unwrap()
}

#[tokio::test]
async fn handlers_are_called_without_a_socket() {
    let data = tempfile::tempdir().unwrap();
    use_all(open(data.path()).await).await;
}

#[tokio::test]
async fn handlers_do_the_same_when_all_is_repeated_at_every_wait() {
    let data = tempfile::tempdir().unwrap();
    let latchwork = bound(data.path()).always_replay().start().await;
    use_all(latchwork.unwrap()).await;
}

async fn use_all(latchwork: Latchwork) {
    let client = latchwork.client();
    let greeter = GreeterClient::new(client);
    assert_eq!(greeter.greet("Ada").await.unwrap(), "Hello Ada, 3");
    assert_eq!(greeter.many(50).await.unwrap(), 50);
    let refused = greeter.refuse().await.unwrap_err();
    let failure = refused.failure().unwrap();
    assert_eq!((failure.status(), failure.message()), (418, "no"));
    assert_eq!(failure.pairs().collect::<Vec<_>>(), [("a", "b")]);

    let once = |n| {
        CounterClient::new(client, "k")
            .add(n)
            .idempotency_key("once")
    };
    assert_eq!(once(5).await.unwrap(), 5);
    let again = once(6).send().await.unwrap();
    assert!(again.was_known());
    assert_eq!(again.attach().await.unwrap(), 5);
    let target = Target::keyed("Counter", "k", "add");
    let by_key = client.idempotent::<u64>(target, "once");
    assert_eq!(by_key.output().await.unwrap(), Status::Done(5));

    let gate = GateClient::new(client, "g");
    let run = gate.run("me").send().await.unwrap();
    assert_eq!(run.output().await.unwrap(), Status::Running);
    gate.say("open").await.unwrap();
    assert_eq!(run.attach().await.unwrap(), "me: open");
    let second = gate.run("you").await.unwrap_err();
    assert_eq!(second.failure().map(|it| it.status()), Some(409));
    let by_name = client.workflow::<String>("Gate", "g");
    assert_eq!(by_name.attach().await.unwrap(), "me: open");
    latchwork.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_was_accepted_goes_on_when_the_directory_is_opened_again() {
    let data = tempfile::tempdir().unwrap();
    let latchwork = open(data.path()).await;
    let busy = Latchwork::embedded(data.path()).bind(Greeter).start().await;
    assert!(matches!(busy, Err(StartError::Open(_))), "{busy:?}");

    let client = latchwork.client();
    let waiting = GreeterClient::new(client).wait("a").send().await.unwrap();
    let later = GreeterClient::new(client).greet("Grace");
    let later = later
        .delay(Duration::from_millis(300))
        .send()
        .await
        .unwrap();
    let kept = CounterClient::new(client, "a");
    let awakeable = loop {
        if let Some(id) = kept.kept().await.unwrap() {
            break id;
        }
    };
    let ids = [waiting.id(), later.id()];
    latchwork.shutdown().await.unwrap();

    let latchwork = open(data.path()).await;
    let client = latchwork.client();
    let [waiting, later] = ids.map(|id| client.invocation::<String>(id));
    assert_eq!(waiting.output().await.unwrap(), Status::Running);
    client
        .resolve_awakeable(&awakeable, &"at last")
        .await
        .unwrap();
    assert_eq!(waiting.attach().await.unwrap(), "at last");
    assert_eq!(later.attach().await.unwrap(), "Hello Grace, 5");
    latchwork.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_wait_is_cancelled_or_rejected() {
    let data = tempfile::tempdir().unwrap();
    let latchwork = open(data.path()).await;
    let client = latchwork.client();
    let gate = GateClient::new(client, "shut").run("me");
    let gate = gate.send().await.unwrap();
    gate.cancel().await.unwrap();
    let cancelled = gate.attach().await.unwrap_err();
    assert_eq!(cancelled.failure().map(|it| it.status()), Some(409));

    let waiting = GreeterClient::new(client).wait("b").send().await.unwrap();
    let kept = CounterClient::new(client, "b");
    let awakeable = loop {
        if let Some(id) = kept.kept().await.unwrap() {
            break id;
        }
    };
    client.reject_awakeable(&awakeable, "lost").await.unwrap();
    let rejected = waiting.attach().await.unwrap_err();
    assert_eq!(rejected.failure().map(|it| it.message()), Some("lost"));
    latchwork.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() {
    struct Other;

    #[latchwork::service(name = "Counter")]
    impl Other {
        #[handler]
        async fn add(&self, _ctx: &Context, n: u64) -> Result<u64> {
            Ok(n)
        }
    }

    let data = tempfile::tempdir().unwrap();
    let latchwork = open(data.path()).await;
    let client = latchwork.client();
    let status = |error: ClientError| match error {
        ClientError::Refused { status, .. } => status,
        other => panic!("{other}"),
    };
    let missing = client.call::<(), _>(Target::service("Greeter", "nothing"), &());
    assert_eq!(status(missing.await.unwrap_err()), 404);
    let private = GreeterClient::new(client).hidden().await;
    assert_eq!(status(private.unwrap_err()), 400);
    let keyless = client.call::<u64, _>(Target::service("Counter", "add"), &1);
    assert_eq!(status(keyless.await.unwrap_err()), 400);
    let keyed_run = GateClient::new(client, "x").run("y").idempotency_key("k");
    assert_eq!(status(keyed_run.await.unwrap_err()), 400);
    let no_id = client.invocation::<()>("inv_nonsense");
    assert_eq!(status(no_id.attach().await.unwrap_err()), 400);
    assert!(client.resolve_awakeable("sign_1x", &1).await.is_err());
    let unknown = client.workflow::<String>("Gate", "never");
    assert_eq!(status(unknown.output().await.unwrap_err()), 404);
    assert!(unknown.cancel().await.is_err());
    latchwork.shutdown().await.unwrap();

    let other = Latchwork::embedded(data.path()).bind(Other).start().await;
    assert!(
        matches!(other, Err(StartError::KindChange { .. })),
        "{other:?}"
    );
}

#[tokio::test]
async fn a_directory_stays_taken_until_it_is_shut_down() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path()).await);
    let busy = bound(data.path()).start().await;
    assert!(matches!(busy, Err(StartError::Open(_))), "{busy:?}");
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let data = tempfile::tempdir().unwrap();
    let mut start = Box::pin(Latchwork::embedded(data.path()).bind(Greeter).start());
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    let started = start.as_mut().poll(&mut task);
    assert!(
        matches!(started, std::task::Poll::Ready(Err(StartError::NoRuntime))),
        "{started:?}"
    );
}

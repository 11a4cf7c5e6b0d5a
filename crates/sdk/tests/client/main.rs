//! The client towards servers that are away, busy or break off, and in TLS.

mod server;
mod tls;

use std::net::TcpListener;
use std::time::Duration;

use latchwork::client::{Client, ClientError, SetupError};
use latchwork::{Result, RetryPolicy, Target, WorkflowContext};

use server::Act::{Answer, HangUp};
use server::{Server, nobody};

#[latchwork::workflow]
trait Job {
    #[handler]
    async fn run(&self, ctx: &WorkflowContext, input: u32) -> Result<u32>;
}

/// Without pauses that one would notice, and longer than any test.
fn quickly() -> RetryPolicy {
    RetryPolicy::default()
        .initial_delay(Duration::from_millis(1))
        .max_delay(Duration::from_millis(5))
        .max_duration(Duration::from_secs(20))
}

fn client(server: &Server) -> Client {
    let builder = Client::builder(&server.url()).admin(&server.url());
    builder.retry(quickly()).build().unwrap()
}

fn add() -> Target {
    Target::keyed("Sum", "a", "add")
}

fn lines(server: Server) -> Vec<String> {
    server.seen().into_iter().map(|seen| seen.line).collect()
}

#[tokio::test]
async fn a_call_with_an_identity_is_made_again_when_the_connection_breaks() {
    let server = Server::plays(&[HangUp, HangUp, Answer(200, "", "7")]);
    let client = client(&server);
    let call = client.call::<u32, _>(add(), &3).idempotency_key("k");
    assert_eq!(call.await.unwrap(), 7);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(
            (&*request.line, &*request.body),
            ("POST /restate/call/Sum/a/add", "3")
        );
        let key = "idempotency-key: k".to_owned();
        assert!(request.headers.contains(&key), "{:?}", request.headers);
    }
}

#[tokio::test]
async fn a_call_without_one_is_not() {
    let server = Server::plays(&[HangUp]);
    let error = client(&server).call::<u32, _>(add(), &3).await.unwrap_err();
    assert!(matches!(error, ClientError::Unanswered { .. }), "{error}");
    assert_eq!(lines(server).len(), 1);
}

#[tokio::test]
async fn what_the_server_has_not_taken_is_asked_again() {
    const BUSY: &str = "x-restate-error-source: ingress\r\nretry-after: 0\r\n";
    let server = Server::plays(&[
        Answer(503, BUSY, r#"{"message": "busy"}"#),
        Answer(429, BUSY, r#"{"message": "busy"}"#),
        Answer(200, "", "7"),
    ]);
    let client = client(&server);
    let call = client.call::<u32, _>(add(), &3);
    assert_eq!(call.await.unwrap(), 7);
    assert_eq!(lines(server).len(), 3);
}

#[tokio::test]
async fn a_server_that_stops_is_asked_again_where_that_does_no_harm() {
    const STOPPED: &str = "x-restate-error-source: ingress\r\nx-restate-id: inv_1\r\n";
    let stopped = Answer(503, STOPPED, r#"{"message": "the server stopped"}"#);
    let server = Server::plays(&[
        stopped,
        Answer(200, "", "7"),
        stopped,
        Answer(
            202,
            "",
            r#"{"invocationId": "inv_1", "status": "PreviouslyAccepted"}"#,
        ),
        stopped,
        Answer(200, "", "8"),
        stopped,
    ]);
    let client = client(&server);
    let invocation = client.invocation::<u32>("inv_1");
    assert_eq!(invocation.attach().await.unwrap(), 7);
    assert_eq!(JobClient::new(&client, "a").run(3).await.unwrap(), 8);
    let error = client.call::<u32, _>(add(), &3).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Refused { status: 503, .. }),
        "{error}"
    );
    assert_eq!(lines(server).len(), 7);
}

#[tokio::test]
async fn refusals_and_failures_are_answers() {
    let failed = "x-restate-error-source: invocation\r\nretry-after: 0\r\n";
    let server = Server::plays(&[
        Answer(404, "", r#"{"message": "no such service"}"#),
        Answer(503, failed, r#"{"code": 503, "message": "no room"}"#),
        // Of something before the server, which may have passed it on.
        Answer(502, "", "bad gateway"),
        Answer(502, "", "bad gateway"),
        Answer(200, "", "7"),
    ]);
    let client = client(&server);
    let call = || client.call::<u32, _>(add(), &3);
    let refused = call().idempotency_key("k").await.unwrap_err();
    assert!(
        matches!(refused, ClientError::Refused { status: 404, .. }),
        "{refused}"
    );
    let failure = call().idempotency_key("k").await.unwrap_err();
    assert_eq!(failure.failure().map(|it| it.message()), Some("no room"));
    let unclear = call().await.unwrap_err();
    assert!(
        matches!(unclear, ClientError::Refused { status: 502, .. }),
        "{unclear}"
    );
    assert_eq!(call().idempotency_key("k").await.unwrap(), 7);
    assert_eq!(lines(server).len(), 5);
}

#[tokio::test]
async fn the_run_of_a_workflow_is_found_again() {
    let server = Server::plays(&[
        HangUp,
        HangUp,
        Answer(
            202,
            "",
            r#"{"invocationId": "inv_1", "status": "PreviouslyAccepted"}"#,
        ),
        HangUp,
        Answer(200, "", "7"),
    ]);
    let job = client(&server);
    let job = JobClient::new(&job, "a b");
    assert_eq!(job.run(3).await.unwrap(), 7);
    let expected = [
        "POST /restate/call/Job/a%20b/run",
        "POST /restate/send/Job/a%20b/run",
        "POST /restate/send/Job/a%20b/run",
        "GET /restate/attach/inv_1",
        "GET /restate/attach/inv_1",
    ];
    assert_eq!(lines(server), expected);
}

#[tokio::test]
async fn results_completions_and_cancellations_are_asked_for_again() {
    let server = Server::plays(&[
        HangUp,
        Answer(200, "", "7"),
        HangUp,
        Answer(202, "", ""),
        HangUp,
        Answer(202, "", ""),
    ]);
    let client = client(&server);
    let invocation = client.invocation::<u32>("inv_1");
    assert_eq!(invocation.attach().await.unwrap(), 7);
    client.resolve_awakeable("sign_1", &1).await.unwrap();
    invocation.cancel().await.unwrap();
    assert_eq!(lines(server).len(), 6);
}

#[tokio::test]
async fn a_server_that_comes_back_is_waited_for() {
    let address = nobody();
    let client = Client::builder(&format!("http://{address}")).retry(quickly());
    let client = client.build().unwrap();
    let asking = tokio::spawn(async move { client.call::<u32, _>(add(), &3).await });
    // Whenever it comes: the call was made once, and nothing was sent before.
    let server = Server::on(
        TcpListener::bind(address).unwrap(),
        None,
        &[Answer(200, "", "7")],
    );
    assert_eq!(asking.await.unwrap().unwrap(), 7);
    assert_eq!(lines(server).len(), 1);
}

#[tokio::test]
async fn patience_ends_as_the_policy_says() {
    let address = format!("http://{}", nobody());
    for policy in [RetryPolicy::never(), quickly().max_attempts(3)] {
        let client = Client::builder(&address).retry(policy).build().unwrap();
        let error = client.call::<u32, _>(add(), &3).await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    }
    let server = Server::plays(&[HangUp]);
    let once = Client::builder(&server.url()).retry(RetryPolicy::never());
    let once = once.build().unwrap();
    let error = JobClient::new(&once, "a").run(3).await.unwrap_err();
    assert!(matches!(error, ClientError::Unanswered { .. }), "{error}");
    assert_eq!(lines(server).len(), 1);
}

#[tokio::test]
async fn the_token_is_shown_with_every_request() {
    let server = Server::plays(&[Answer(200, "", "7"), Answer(202, "", "")]);
    let client = Client::builder(&server.url())
        .admin(&server.url())
        .token("lw_1");
    let client = client.build().unwrap();
    client.call::<u32, _>(add(), &3).await.unwrap();
    client.invocation::<u32>("inv_1").cancel().await.unwrap();
    for request in server.seen() {
        let shown = "authorization: Bearer lw_1".to_owned();
        assert!(request.headers.contains(&shown), "{:?}", request.headers);
    }
    let broken = Client::builder("http://localhost")
        .token("two\nlines")
        .build();
    assert_eq!(broken.unwrap_err(), SetupError::Token);
}

#[test]
fn addresses_say_how_to_connect() {
    for wrong in ["localhost:8080", "http://", "ftp://localhost", ""] {
        let error = Client::new(wrong).unwrap_err();
        assert!(matches!(error, SetupError::Address { .. }), "{error}");
    }
}

//! An endpoint's answers: discovery, refusals, and requests that break.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version as HttpVersion};
use http_body_util::{BodyExt, Full};
use latchwork::{Context, Endpoint, Raw, ResponseBody, Result, SharedObjectContext};
use latchwork_protocol::service::frame::ty;
use latchwork_protocol::service::identity::{SCHEME, SCHEME_HEADER, Signer, TOKEN_HEADER};
use latchwork_protocol::service::manifest::{self, HandlerKind, InputRule};
use latchwork_protocol::service::message as wire;

use super::world::Feed;

/// Says hello.
struct Hello;

/// Set when the handler of an attempt is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Waiting(Arc<AtomicBool>);

#[latchwork::service]
impl Waiting {
    #[handler]
    async fn long(&self, ctx: &Context) -> Result<()> {
        let _dropped = Dropped(Arc::clone(&self.0));
        ctx.sleep(Duration::from_secs(1000)).await?;
        Ok(())
    }
}

/// Says hello.
#[latchwork::service(
    name = "my.Hello",
    private,
    journal_retention = "2h",
    retry(max_attempts = 7, then = "kill")
)]
impl Hello {
    /// To one.
    #[handler(inactivity_timeout = "5s")]
    async fn greet(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(name)
    }

    #[handler(name = "maybeGreet")]
    async fn maybe(&self, _ctx: &Context, name: Option<String>) -> Result<()> {
        drop(name);
        Ok(())
    }

    #[handler]
    async fn bytes(&self, _ctx: &Context, bytes: Raw) -> Result<Raw> {
        Ok(bytes)
    }
}

struct Thing;

#[latchwork::object(lazy_state)]
impl Thing {
    #[handler]
    async fn change(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }

    #[shared]
    async fn look(&self, _ctx: &SharedObjectContext) -> Result<()> {
        Ok(())
    }
}

const V4: &str = "application/vnd.restate.endpointmanifest.v4+json";
const V3: &str = "application/vnd.restate.endpointmanifest.v3+json";

fn endpoint() -> Endpoint {
    Endpoint::builder().bind(Hello).bind(Thing).build()
}

fn get(
    endpoint: &Endpoint,
    path: &str,
    accept: &str,
    version: HttpVersion,
) -> Response<ResponseBody> {
    let request = Request::builder()
        .uri(path)
        .version(version)
        .header("accept", accept)
        .body(Full::<Bytes>::default())
        .unwrap();
    endpoint.handle(request)
}

/// The body of a response that needs no waiting.
fn body(response: Response<ResponseBody>) -> Bytes {
    let collected = futures_util::FutureExt::now_or_never(response.into_body().collect());
    let Ok(collected) = collected.expect("no wait");
    collected.to_bytes()
}

#[test]
fn the_manifest_passes_the_checks_of_a_server() {
    let accept = format!("{V3}, {V4}");
    let response = get(&endpoint(), "/base/discover", &accept, HttpVersion::HTTP_2);
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], V4);
    let body = body(response);
    let parsed = manifest::parse(V4, &body).unwrap();
    let services = parsed.validate().unwrap();
    let [thing, hello] = &services[..] else {
        panic!("{services:?}");
    };
    assert_eq!(hello.name, "my.Hello");
    assert_eq!(hello.documentation.as_deref(), Some("Says hello."));
    assert_eq!(hello.journal_retention, Some(7_200_000));
    assert_eq!(hello.retry_policy_max_attempts, Some(7));
    assert_eq!(hello.ingress_private, Some(true));
    let [greet, maybe, bytes] = &hello.handlers[..] else {
        panic!("{:?}", hello.handlers);
    };
    assert_eq!(greet.documentation.as_deref(), Some("To one."));
    assert_eq!(greet.inactivity_timeout, Some(5000));
    let typed = |rule: &InputRule| match rule {
        InputRule::Typed {
            content_type,
            required,
            ..
        } => (content_type.clone(), *required),
        other => panic!("{other:?}"),
    };
    assert_eq!(typed(&greet.input), ("application/json".to_owned(), true));
    assert_eq!(maybe.name, "maybeGreet");
    assert_eq!(typed(&maybe.input), ("application/json".to_owned(), false));
    assert_eq!(typed(&bytes.input), ("*/*".to_owned(), false));
    assert_eq!(
        bytes.output.content_type(false),
        Some("application/octet-stream")
    );
    assert_eq!(thing.enable_lazy_state, Some(true));
    let kinds: Vec<_> = thing.handlers.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [HandlerKind::Exclusive, HandlerKind::Shared]);
}

#[test]
fn the_manifest_says_how_the_endpoint_converses() {
    for (version, mode) in [
        (HttpVersion::HTTP_2, "BIDI_STREAM"),
        (HttpVersion::HTTP_11, "REQUEST_RESPONSE"),
    ] {
        let response = get(&endpoint(), "/discover", V4, version);
        let json: serde_json::Value = serde_json::from_slice(&body(response)).unwrap();
        assert_eq!(json["protocolMode"], mode);
    }
    let closed = Endpoint::builder().bind(Thing).request_response().build();
    let response = get(&closed, "/discover", V4, HttpVersion::HTTP_2);
    let json: serde_json::Value = serde_json::from_slice(&body(response)).unwrap();
    assert_eq!(json["protocolMode"], "REQUEST_RESPONSE");
}

#[test]
fn a_manifest_that_cannot_say_all_is_not_given() {
    let response = get(&endpoint(), "/discover", V3, HttpVersion::HTTP_2);
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = body(response);
    let text = std::str::from_utf8(&body).unwrap();
    assert!(
        text.contains("my.Hello") && text.contains("retry policies"),
        "{text}"
    );
    let other = Endpoint::builder().bind(Thing).build();
    let response = get(&other, "/discover", V3, HttpVersion::HTTP_2);
    assert_eq!(response.status(), StatusCode::OK);
    let response = get(&other, "/discover", "text/html", HttpVersion::HTTP_2);
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn what_is_not_here_is_said_with_what_is() {
    let invoke = |path: &str, content_type: &str| {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("content-type", content_type)
            .body(Full::<Bytes>::default())
            .unwrap();
        let response = endpoint().handle(request);
        let status = response.status().as_u16();
        (status, String::from_utf8(body(response).to_vec()).unwrap())
    };
    const V7: &str = "application/vnd.restate.invocation.v7";
    for (path, content_type, status, word) in [
        ("/invoke/Nobody/greet", V7, 404, "my.Hello"),
        (
            "/invoke/my.Hello/nothing",
            V7,
            404,
            "no handler \"nothing\"",
        ),
        ("/invoke/my.Hello/greet", "text/plain", 415, "v5 to v7"),
        ("/elsewhere", V7, 404, "/discover"),
    ] {
        let (found, text) = invoke(path, content_type);
        assert_eq!(found, status, "{path}: {text}");
        assert!(text.contains(word), "{path}: {text}");
    }
    let health = get(&endpoint(), "/health", "", HttpVersion::HTTP_11);
    assert_eq!(health.status(), StatusCode::OK);
}

#[test]
fn only_a_known_server_is_let_in() {
    let pem = latchwork_protocol::service::identity::private_key_pem([9; 32]).unwrap();
    let signer = Signer::from_pem(&pem).unwrap();
    let endpoint = Endpoint::builder()
        .bind(Thing)
        .identity_key(signer.public_key())
        .unwrap()
        .build();
    let response = get(&endpoint, "/discover", V4, HttpVersion::HTTP_2);
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let signed = Request::builder()
        .uri("/discover")
        .header("accept", V4)
        .header(SCHEME_HEADER, SCHEME)
        .header(TOKEN_HEADER, signer.token("/discover", now))
        .body(Full::<Bytes>::default())
        .unwrap();
    assert_eq!(endpoint.handle(signed).status(), StatusCode::OK);
    // Whoever only wants to know whether it is there need not sign.
    let health = get(&endpoint, "/health", "", HttpVersion::HTTP_11);
    assert_eq!(health.status(), StatusCode::OK);
    assert!(Endpoint::builder().identity_key("nonsense").is_err());
}

#[test]
fn a_broken_attempt_drops_its_handler() {
    let dropped = Arc::new(AtomicBool::new(false));
    let endpoint = Endpoint::builder()
        .bind(Waiting(Arc::clone(&dropped)))
        .build();
    let feed = Feed::default();
    let request = Request::builder()
        .method("POST")
        .uri("/invoke/Waiting/long")
        .header("content-type", "application/vnd.restate.invocation.v6")
        .body(feed.clone())
        .unwrap();
    let mut response = endpoint.handle(request).into_body();
    let start = wire::Start {
        id: Bytes::from_static(&[1; 24]),
        known_entries: 1,
        ..wire::Start::default()
    };
    feed.push(ty::START, 0, &start);
    feed.push(ty::INPUT, 0, &wire::Input::default());
    let first = futures_util::FutureExt::now_or_never(response.frame());
    assert!(first.flatten().is_some(), "the sleep is sent");
    assert!(!dropped.load(Ordering::Relaxed));
    drop(response);
    assert!(dropped.load(Ordering::Relaxed));
}

#[test]
fn bad_input_is_the_callers_mistake_and_nonsense_from_a_server_is_said() {
    let request = |frames: &[(u16, Bytes)]| {
        let feed = Feed::default();
        for (ty, body) in frames {
            feed.push_bytes(*ty, body.clone());
        }
        feed.end();
        let request = Request::builder()
            .method("POST")
            .uri("/invoke/my.Hello/greet")
            .header("content-type", "application/vnd.restate.invocation.v6")
            .body(feed)
            .unwrap();
        let endpoint = Endpoint::builder().bind(Hello).build();
        let out = body(endpoint.handle(request));
        let mut decoder = latchwork_protocol::service::frame::Decoder::new(1 << 20);
        decoder.push(out);
        decoder.next().unwrap().unwrap()
    };
    use prost::Message;
    let start = wire::Start {
        id: Bytes::from_static(&[1; 24]),
        known_entries: 1,
        ..wire::Start::default()
    };
    let input = wire::Input {
        value: Some(wire::Value {
            content: Bytes::from_static(b"{broken"),
        }),
        ..wire::Input::default()
    };
    let start: Bytes = start.encode_to_vec().into();
    let frame = request(&[
        (ty::START, start.clone()),
        (ty::INPUT, input.encode_to_vec().into()),
    ]);
    assert_eq!(frame.ty, ty::OUTPUT);
    let output = wire::Output::decode(frame.body).unwrap();
    let Some(wire::Outcome::Failure(failure)) = output.result else {
        panic!("{output:?}");
    };
    assert_eq!(failure.code, 400);
    assert!(failure.message.contains("bad input"), "{}", failure.message);

    for (frames, word) in [
        (vec![], "before its first message"),
        (vec![(ty::INPUT, Bytes::new())], "where a start belongs"),
        (
            vec![(ty::START, Bytes::from_static(b"\xff"))],
            "cannot be read",
        ),
        (vec![(ty::START, start.clone())], "1 entries before the end"),
        (
            vec![(ty::START, start.clone()), (ty::RUN, Bytes::new())],
            "where the input belongs",
        ),
        (
            vec![(ty::START, wire::Start::default().encode_to_vec().into())],
            "at least the input",
        ),
    ] {
        let frame = request(&frames);
        assert_eq!(frame.ty, ty::ERROR, "{word}");
        let error = wire::Error::decode(frame.body).unwrap();
        assert_eq!(error.code, 571, "{}", error.message);
        assert!(error.message.contains(word), "{}", error.message);
    }
}

#[test]
fn events_of_a_lambda_function_are_answered() {
    let event = serde_json::json!({
        "path": "/discover",
        "httpMethod": "GET",
        "headers": {"accept": V4},
        "body": null,
        "isBase64Encoded": false,
    });
    let answered = futures_util::FutureExt::now_or_never(endpoint().lambda(event));
    let answer = answered.expect("no wait");
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["headers"]["content-type"], V4);
    assert_eq!(answer["isBase64Encoded"], true);

    let bad = serde_json::json!({"path": "/invoke/my.Hello/greet", "httpMethod": "POST",
        "body": "%%%", "isBase64Encoded": true});
    let answered = futures_util::FutureExt::now_or_never(endpoint().lambda(bad));
    assert_eq!(answered.expect("no wait")["statusCode"], 400);
}

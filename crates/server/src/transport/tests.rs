//! The transport against servers in the same process.

use super::*;
use ::h2::Reason;
use ::h2::server::SendResponse;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use latchwork_runtime::SystemClock;
use latchwork_runtime::registry::Deployment;
use latchwork_runtime::transport::{ReceiveBody, ResponseHead};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SECONDS_10: Duration = Duration::from_secs(10);
const MANIFEST: &str =
    r#"{"protocolMode":"BIDI_STREAM","minProtocolVersion":5,"maxProtocolVersion":6,"services":[]}"#;

fn transport() -> HttpTransport {
    HttpTransport::new(None, Arc::new(SystemClock))
}

fn deployment(uri: &str, http1: bool) -> Arc<Deployment> {
    Arc::new(Deployment {
        id: "dp_1".into(),
        uri: uri.into(),
        http1,
        request_response: http1,
        min_protocol_version: 5,
        max_protocol_version: 7,
        sdk_version: None,
        additional_headers: BTreeMap::from([("x-extra".into(), "1".into())]),
        metadata: BTreeMap::new(),
        created_at: 0,
        services: Vec::new(),
    })
}

async fn open(transport: &HttpTransport, to: &Arc<Deployment>) -> Result<Stream, TransportError> {
    transport
        .open(OpenRequest {
            deployment: to.clone(),
            path: "/invoke/S/h".into(),
            headers: HeaderMap::new(),
        })
        .await
}

async fn head(stream: &mut Stream) -> Result<ResponseHead, TransportError> {
    poll_fn(|cx| stream.receive.poll_head(cx)).await
}

async fn data(receive: &mut dyn ReceiveBody) -> Option<Result<Bytes, TransportError>> {
    poll_fn(|cx| receive.poll_data(cx)).await
}

type Incoming2 = http::Request<::h2::RecvStream>;

/// Serves HTTP/2, each stream by `handle`; counts connections.
async fn serve<F>(
    streams_max: u32,
    handle: impl Fn(Incoming2, SendResponse<Bytes>) -> F + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("http://{}", listener.local_addr().expect("an address"));
    let connections = Arc::new(AtomicUsize::new(0));
    let (counted, handle) = (connections.clone(), Arc::new(handle));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let handle = handle.clone();
            tokio::spawn(async move {
                let mut builder = ::h2::server::Builder::new();
                builder.max_concurrent_streams(streams_max);
                let mut connection = builder.handshake(socket).await.expect("HTTP/2");
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(handle(request, respond));
                }
            });
        }
    });
    (uri, connections)
}

/// Answers at once, sends back what it gets as it gets it, and says "end" when that ends.
async fn echo(request: Incoming2, mut respond: SendResponse<Bytes>) {
    let mut response = Response::new(());
    let path = request.uri().path().parse().expect("a header value");
    response.headers_mut().insert("x-path", path);
    if let Some(extra) = request.headers().get("x-extra") {
        response.headers_mut().insert("x-extra", extra.clone());
    }
    let mut send = respond.send_response(response, false).expect("open");
    let mut body = request.into_body();
    while let Some(Ok(chunk)) = body.data().await {
        if !chunk.is_empty() {
            send.send_data(chunk, false).expect("open");
        }
    }
    send.send_data(Bytes::from_static(b"end"), true)
        .expect("open");
}

#[tokio::test]
async fn both_directions_flow_at_once_and_the_half_close_is_seen() {
    let (uri, _) = serve(100, echo).await;
    let to = deployment(&format!("{uri}/base/"), false);
    let mut stream = open(&transport(), &to).await.expect("a stream");
    let answer = head(&mut stream).await.expect("a head");
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["x-path"], "/base/invoke/S/h");
    assert_eq!(answer.headers["x-extra"], "1");
    for word in ["one", "two"] {
        stream.send.send(word.into(), false).expect("open");
        assert_eq!(data(&mut *stream.receive).await, Some(Ok(word.into())));
    }
    stream.send.send(Bytes::new(), true).expect("open");
    assert_eq!(data(&mut *stream.receive).await, Some(Ok("end".into())));
    assert_eq!(data(&mut *stream.receive).await, None);
}

#[tokio::test]
async fn a_reset_tells_the_other_side_to_stop() {
    let (told, mut heard) = mpsc::unbounded_channel();
    let (uri, _) = serve(100, move |request, mut respond| {
        let told = told.clone();
        async move {
            let send = respond.send_response(Response::new(()), false);
            let mut body = request.into_body();
            let mut chunk = body.data().await;
            while matches!(chunk, Some(Ok(_))) {
                chunk = body.data().await;
            }
            let reason = chunk.map(|end| end.expect_err("a reset").reason());
            told.send(reason).expect("heard");
            drop(send);
        }
    })
    .await;
    let mut stream = open(&transport(), &deployment(&uri, false))
        .await
        .expect("a stream");
    head(&mut stream).await.expect("a head");
    stream.send.reset();
    assert_eq!(heard.recv().await, Some(Some(Some(Reason::CANCEL))));
}

#[tokio::test]
async fn resets_end_a_response_cleanly_only_without_error() {
    for (reason, clean) in [(Reason::NO_ERROR, true), (Reason::INTERNAL_ERROR, false)] {
        let (uri, _) = serve(100, move |_, mut respond| async move {
            let mut send = respond
                .send_response(Response::new(()), false)
                .expect("open");
            send.send_data(Bytes::from_static(b"all"), false)
                .expect("open");
            // Data that waits to be written is dropped by a reset.
            poll_fn(|cx| {
                send.reserve_capacity(1);
                send.poll_capacity(cx)
            })
            .await;
            tokio::task::yield_now().await;
            send.send_reset(reason);
        })
        .await;
        let mut stream = open(&transport(), &deployment(&uri, false))
            .await
            .expect("a stream");
        head(&mut stream).await.expect("a head");
        let mut last = data(&mut *stream.receive).await;
        while matches!(last, Some(Ok(_))) {
            last = data(&mut *stream.receive).await;
        }
        assert_eq!(last.is_none(), clean, "{last:?}");
    }
}

#[tokio::test]
async fn full_connections_are_joined_by_another() {
    let (uri, connections) = serve(1, echo).await;
    let (transport, to) = (transport(), deployment(&uri, false));
    let mut first = open(&transport, &to).await.expect("a stream");
    // The other side's limit is known with its first answer.
    head(&mut first).await.expect("a head");
    let mut second = open(&transport, &to).await.expect("a stream");
    head(&mut second).await.expect("a head");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    for stream in [&mut first, &mut second] {
        stream.send.send(Bytes::new(), true).expect("open");
        while data(&mut *stream.receive).await.is_some() {}
    }
    drop((first, second));
    let mut third = open(&transport, &to).await.expect("a stream");
    head(&mut third).await.expect("a head");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn where_nobody_listens_the_text_says_what_to_look_at() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for http1 in [false, true] {
        let stream = open(&transport(), &deployment(&uri, http1)).await;
        let mut result = stream.map(drop);
        if let Ok(()) = result {
            let mut stream = open(&transport(), &deployment(&uri, http1))
                .await
                .expect("a stream");
            result = head(&mut stream).await.map(drop);
        }
        let text = result.expect_err("nobody listens").to_string();
        assert!(text.contains(&uri), "{text}");
        assert!(text.contains("refused"), "{text}");
        assert!(text.contains("Is the process"), "{text}");
    }
}

/// Serves manifests and echoes over HTTP/1.1 only, or over whatever the client speaks.
async fn serve_any(http1_only: bool, status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        if http1_only {
            builder = builder.http1_only();
        }
        while let Ok((socket, _)) = listener.accept().await {
            let connection = builder
                .serve_connection(
                    TokioIo::new(socket),
                    service_fn(move |request| any(request, status)),
                )
                .into_owned();
            tokio::spawn(async move {
                // Clients that speak something else are part of the test.
                drop(connection.await);
            });
        }
    });
    uri
}

async fn any(
    request: http::Request<hyper::body::Incoming>,
    status: u16,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let manifest = request.uri().path() == "/discover";
    let length = request.headers().get("content-length").cloned();
    let body = request.into_body().collect().await.expect("a body");
    let mut response = Response::builder()
        .status(status)
        .header(
            "content-type",
            "application/vnd.restate.endpointmanifest.v2+json",
        )
        .header("x-restate-server", "restate-sdk-test/1");
    if let Some(length) = length {
        response = response.header("x-length", length);
    }
    let body = if manifest {
        Bytes::from_static(MANIFEST.as_bytes())
    } else {
        body.to_bytes()
    };
    Ok(response.body(Full::new(body)).expect("a response"))
}

#[tokio::test]
async fn over_http1_a_whole_body_has_a_length_and_a_growing_one_has_none() {
    let uri = serve_any(true, 200).await;
    let (transport, to) = (transport(), deployment(&uri, true));
    for (parts, length) in [(&["all"][..], Some("3")), (&["a", "ll"], None)] {
        let mut stream = open(&transport, &to).await.expect("a stream");
        for (at, part) in parts.iter().enumerate() {
            let end = at + 1 == parts.len();
            stream.send.send((*part).into(), end).expect("open");
        }
        let answer = head(&mut stream).await.expect("a head");
        let found = answer
            .headers
            .get("x-length")
            .map(|l| l.to_str().expect("ASCII"));
        assert_eq!(found, length);
        assert_eq!(data(&mut *stream.receive).await, Some(Ok("all".into())));
        assert_eq!(data(&mut *stream.receive).await, None);
    }
}

#[tokio::test]
async fn a_body_that_is_given_up_does_not_look_like_one_that_ended() {
    let uri = serve_any(true, 200).await;
    let mut stream = open(&transport(), &deployment(&uri, true))
        .await
        .expect("a stream");
    stream.send.send("half".into(), false).expect("open");
    stream.send.reset();
    assert!(head(&mut stream).await.is_err());
}

#[tokio::test]
async fn discovery_reads_manifests_over_both_versions() {
    for http1 in [false, true] {
        let uri = serve_any(http1, 200).await;
        let found = transport()
            .discover(&uri, http1, &BTreeMap::new(), SECONDS_10)
            .await
            .expect("a manifest");
        assert_eq!(found.manifest.max_protocol_version, 6);
        assert_eq!(found.sdk_version.as_deref(), Some("restate-sdk-test/1"));
        assert_eq!(found.http1, http1);
    }
}

#[tokio::test]
async fn failed_discovery_says_what_was_answered_and_what_to_do() {
    let old = serve_any(true, 200).await;
    let busy = serve_any(false, 502).await;
    for (uri, words) in [
        (old, ["use_http_11", "HTTP/1.1"]),
        (busy, ["status 502", "BIDI_STREAM"]),
        ("http://h:1:2".into(), ["no URI", "http://host:9080"]),
    ] {
        let refused = transport()
            .discover(&uri, false, &BTreeMap::new(), SECONDS_10)
            .await
            .expect_err("no manifest");
        let text = refused.to_string();
        assert_eq!(refused.code(), "META0003");
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}

#[tokio::test]
async fn discovery_gives_up_on_an_endpoint_that_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("http://{}", listener.local_addr().expect("an address"));
    let refused = transport()
        .discover(&uri, false, &BTreeMap::new(), Duration::from_millis(50))
        .await;
    assert!(matches!(refused, Err(DiscoveryError::Silent { .. })));
}

/// Answers each connection with these bytes, and then with more of the last for ever.
async fn raw(begin: &'static [u8], again: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 1024];
                drop(socket.read(&mut asked).await);
                let mut sent = socket.write_all(begin).await;
                while sent.is_ok() && !again.is_empty() {
                    sent = socket.write_all(again).await;
                }
                drop(socket.read(&mut asked).await);
            });
        }
    });
    uri
}

#[tokio::test]
async fn malicious_endpoints_are_given_up_with_words() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n\
        content-type: application/vnd.restate.endpointmanifest.v2+json\r\n";
    const CHUNK: &[u8] = b"10\r\n                \r\n";
    let body = |head: &'static str| -> &'static [u8] {
        Box::leak([HEAD, head.as_bytes()].concat().into_boxed_slice())
    };
    for (begin, again, words) in [
        // A body, a head, a line, a header that never end; a body that never comes.
        (
            body("transfer-encoding: chunked\r\n\r\n"),
            CHUNK,
            "larger than 8 MiB",
        ),
        (HEAD, b"x-a: b\r\n", "too large"),
        (b"HTTP/1.1 200 ", b"OK", "too large"),
        (HEAD, b"x", "too large"),
        (
            body("content-length: 4000000000\r\n\r\n"),
            b"",
            "did not answer",
        ),
        (b"", b"", "did not answer"),
        // Nothing is unpacked: a bomb stays small.
        (
            body("content-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x7f"),
            b"",
            "discovery of",
        ),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
            b"",
            "Redirects are not followed",
        ),
    ] {
        let uri = raw(begin, again).await;
        let limit = Duration::from_millis(if words == "did not answer" {
            100
        } else {
            60_000
        });
        let refused = transport()
            .discover(&uri, true, &BTreeMap::new(), limit)
            .await
            .expect_err("no manifest");
        let text = refused.to_string();
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn where_clouds_tell_secrets_nothing_is_dialled() {
    for uri in [
        "http://169.254.169.254",
        "http://[::ffff:169.254.169.254]:80/latest",
        "http://[fd00:ec2::254]",
        "http://2852039166",
        "http://0xa9fea9fe",
    ] {
        for http1 in [false, true] {
            let refused = transport()
                .discover(uri, http1, &BTreeMap::new(), SECONDS_10)
                .await
                .expect_err("denied");
            let text = refused.to_string();
            assert!(text.contains("deployments_allow"), "{uri}: {text}");
        }
    }
}

/// What a name leads to is looked at whenever it is dialled: a name that led elsewhere when the
/// deployment was registered is of no use.
#[tokio::test]
async fn a_name_is_judged_by_the_address_that_is_dialled() {
    let (uri, connections) = serve(100, echo).await;
    let by_name = uri.replace("127.0.0.1", "localhost");
    let denied = Reach::new(
        &Ranges::default(),
        &Ranges::parse("127.0.0.0/8, ::1").expect("ranges"),
    );
    let refused = open(&transport().within(denied), &deployment(&by_name, false)).await;
    let text = refused.map(drop).expect_err("denied").to_string();
    assert!(
        text.contains("127.0.0.0/8") || text.contains("::1"),
        "{text}"
    );
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    open(&transport(), &deployment(&by_name, false))
        .await
        .map(drop)
        .expect("loopback is allowed by default");
}

/// Connections that lead to a server which answers, or into nothing.
#[derive(Debug, Default)]
struct Lanes {
    dialled: AtomicUsize,
    answered: bool,
    nothing: std::sync::Mutex<Vec<tokio::io::DuplexStream>>,
}

impl Network for Lanes {
    fn resolve(&self, _: &str, port: u16) -> BoxFuture<std::io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(vec![SocketAddr::from(([10, 0, 0, 1], port))]) })
    }

    fn connect(&self, _: SocketAddr) -> BoxFuture<std::io::Result<Box<dyn Io>>> {
        self.dialled.fetch_add(1, Ordering::SeqCst);
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        if self.answered {
            tokio::spawn(async move {
                let mut connection = ::h2::server::handshake(theirs).await.expect("HTTP/2");
                let mut streams = Vec::new();
                while let Some(Ok(stream)) = connection.accept().await {
                    streams.push(stream);
                }
            });
        } else {
            self.nothing.lock().expect("whole").push(theirs);
        }
        Box::pin(async move { Ok(Box::new(ours) as Box<dyn Io>) })
    }
}

/// Time stands still but for waiting.
#[tokio::test(start_paused = true)]
async fn a_silent_connection_takes_no_more_streams_and_keeps_those_it_has() {
    for (answered, dialled) in [(true, 1), (false, 2)] {
        let lanes = Arc::new(Lanes {
            answered,
            ..Lanes::default()
        });
        let transport = transport().through(lanes.clone());
        let to = deployment("http://endpoint:9080", false);
        let mut first = open(&transport, &to).await.expect("a stream");
        let _second = open(&transport, &to).await.expect("a stream");
        assert_eq!(lanes.dialled.load(Ordering::SeqCst), 1);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let _third = open(&transport, &to).await.expect("a stream");
        assert_eq!(lanes.dialled.load(Ordering::SeqCst), dialled, "{answered}");
        // Whoever computes for a minute is not cut off.
        first
            .send
            .send(Bytes::from_static(b"x"), false)
            .expect("open");
        let answer = poll_fn(|cx| Poll::Ready(first.receive.poll_head(cx))).await;
        assert!(answer.is_pending(), "{answered}");
    }
}

//! Clients that are slow, greedy or many, against a port that answers "ok".

use super::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Longer than any limit of a connection.
const LONG: Duration = Duration::from_secs(600);

/// A port, until it is dropped.
struct Served {
    at: SocketAddr,
    _stop: oneshot::Sender<()>,
}

/// Reads the body, and answers with its length; with so many bytes at `/large`.
async fn port(connections_max: usize) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let port = Port {
        name: "test",
        connections_max,
        door: tls::Door::none(),
        drain_limit: Duration::ZERO,
        dated: true,
    };
    let service = service_fn(async |request: Request<Paced>| {
        let is_large = request.uri().path() == "/large";
        let body = match request.into_body().collect().await {
            Ok(_) if is_large => Bytes::from(vec![b'x'; 64 << 20]),
            Ok(body) => format!("{} bytes", body.to_bytes().len()).into(),
            Err(error) => error.to_string().into(),
        };
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    tokio::spawn(serve(listener, port, service, async {
        drop(stopped.await);
    }));
    Served { at, _stop: stop }
}

async fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.at).await.expect("a connection")
}

/// Sends a request, and gives everything that is answered until the connection ends.
async fn ask(served: &Served, request: &[u8]) -> String {
    let mut socket = connect(served).await;
    // It may be refused before all of it is sent.
    drop(socket.write_all(request).await);
    rest(&mut socket).await
}

async fn rest(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = socket.read(&mut piece).await {
        all.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Sends a text byte by byte, one a second; if `goes_on`, its last byte again and again. Returns
/// when nothing more can be sent.
async fn dribble(socket: &mut (impl AsyncWrite + Unpin), text: &[u8], goes_on: bool) {
    let last = text.last().filter(|_| goes_on).copied();
    for byte in text.iter().copied().chain(last.into_iter().cycle()) {
        if socket.write_all(&[byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    std::future::pending().await
}

/// Time stands still but for waiting: a minute passes at once.
#[tokio::test(start_paused = true)]
async fn whoever_dribbles_is_cut_off() {
    let served = port(10).await;
    for (begun, goes_on) in [
        ("", false),
        ("PRI * HT", false),
        ("GET / HTTP/1.1\r\nhost: a\r\nx-a: aaaaa", true),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\naaaaa",
            true,
        ),
    ] {
        let (mut reading, mut writing) = connect(&served).await.into_split();
        let began = Instant::now();
        let mut answer = Vec::new();
        tokio::select! {
            // The end of the answer, or of the connection.
            _ = reading.read_to_end(&mut answer) => {}
            () = dribble(&mut writing, begun.as_bytes(), goes_on) => {}
            () = tokio::time::sleep(LONG) => panic!("{begun:?} is served for ever"),
        }
        assert!(
            began.elapsed() >= HEAD_TIME_MAX,
            "{begun:?} was cut off early"
        );
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(
            answer.contains("too slowly"),
            begun.starts_with("POST"),
            "{answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_read_the_answer_is_cut_off() {
    let served = port(10).await;
    let mut socket = connect(&served).await;
    let request = b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n";
    socket.write_all(request).await.expect("sent");
    tokio::time::sleep(LONG).await;
    let answer = rest(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.100}");
    assert!(answer.len() < 64 << 20, "all of it was kept for the client");
}

#[tokio::test]
async fn heads_have_a_size() {
    let served = port(10).await;
    let large = "x".repeat(HEAD_BYTES_MAX);
    let many: String = (0..200).map(|at| format!("x-{at}: 1\r\n")).collect();
    for (head, status) in [
        (
            format!("GET /{large} HTTP/1.1\r\nhost: a\r\n\r\n"),
            "414 431",
        ),
        (format!("GET / HTTP/1.1\r\nx-a: {large}\r\n\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
    ] {
        let answer = ask(&served, head.as_bytes()).await;
        let found = answer.get(9..12).unwrap_or_default();
        assert!(found.len() == 3 && status.contains(found), "{answer:.200}");
    }
}

/// Requests of which two servers could think differently where they end, or that are none.
#[tokio::test]
async fn what_is_ambiguous_is_refused() {
    let served = port(10).await;
    for wrong in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\na",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\na",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\na",
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nx-a: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nx-a: b\0c\r\n\r\n",
        "GET /\0 HTTP/1.1\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0",
    ] {
        let answer = ask(&served, wrong.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{wrong:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{wrong:?}: {answer}"
        );
    }
}

/// A length beside chunks is not looked at, and whatever follows the last chunk neither.
#[tokio::test]
async fn chunks_count_where_both_are_given() {
    let served = port(10).await;
    let both = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 60\r\ntransfer-encoding: chunked\r\n\r\n\
        3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = ask(&served, both.as_bytes()).await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with("3 bytes"), "{answer}");
}

#[tokio::test]
async fn beyond_the_limit_a_client_is_told_and_let_in_later() {
    let served = port(2).await;
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut within = Vec::new();
    for _ in 0..2 {
        let mut socket = connect(&served).await;
        socket.write_all(request).await.expect("sent");
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.expect("answered");
        assert_eq!(&answer, b"HTTP/1.1 200");
        within.push(socket);
    }
    let refused = ask(&served, request).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    for word in ["retry-after: 1", "connections_max"] {
        assert!(refused.contains(word), "{refused}");
    }
    // Those that there are live on.
    within[0].write_all(request).await.expect("sent");
    within.pop();
    let closing = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let let_in = async {
        while !ask(&served, closing).await.starts_with("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(LONG, let_in).await;
    waited.expect("there is room again");
}

/// A connection over HTTP/2, and what it ends with.
async fn http2(
    served: &Served,
) -> (
    h2::client::SendRequest<Bytes>,
    tokio::task::JoinHandle<Result<(), h2::Error>>,
) {
    let socket = connect(served).await;
    let (requests, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
    (requests, tokio::spawn(connection))
}

fn get() -> Request<()> {
    Request::get("http://a/").body(()).expect("a request")
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_end_the_connection() {
    let served = port(10).await;
    let (requests, connection) = http2(&served).await;
    let flood = async {
        while let Ok(mut ready) = requests.clone().ready().await {
            let Ok((_, mut stream)) = ready.send_request(get(), false) else {
                break;
            };
            stream.send_reset(h2::Reason::CANCEL);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, flood)
        .await
        .expect("it is ended");
    assert!(connection.await.expect("no panic").is_err());
}

#[tokio::test]
async fn heads_over_http2_have_a_size_too() {
    let served = port(10).await;
    let (requests, _connection) = http2(&served).await;
    let mut ready = requests.ready().await.expect("ready");
    let mut request = get();
    let value = "x".repeat(8 << 10);
    for at in 0..20 {
        let name = http::HeaderName::try_from(format!("x-{at}")).expect("a name");
        let value = value.parse().expect("a value");
        request.headers_mut().insert(name, value);
    }
    let (response, _) = ready.send_request(request, true).expect("sent");
    if let Ok(response) = response.await {
        assert_eq!(response.status(), 431);
    }
}

/// What HTTP/2 answers at once, whatever else is asked for.
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0abcdefgh";
const SETTINGS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64";

/// Frames that must be answered are not read faster than the answers are, and whoever does not read
/// those is cut off.
#[tokio::test(start_paused = true)]
async fn whoever_floods_with_pings_or_settings_and_does_not_listen_is_cut_off() {
    let served = port(10).await;
    for frame in [PING, SETTINGS] {
        let mut socket = connect(&served).await;
        let greeting = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SETTINGS].concat();
        socket.write_all(&greeting).await.expect("sent");
        let frames = frame.repeat(1000);
        let mut sent = 0;
        let flood = async {
            while socket.write_all(&frames).await.is_ok() {
                sent += frames.len();
            }
        };
        let flooded = tokio::time::timeout(LONG, flood).await;
        flooded.expect("it is cut off");
        assert!(sent < 64 << 20, "{sent} bytes were taken");
    }
}

/// Gives one connection.
struct Once(Option<tokio::io::DuplexStream>);

impl Listener for Once {
    type Io = tokio::io::DuplexStream;

    async fn accept(&mut self) -> std::io::Result<(Self::Io, SocketAddr)> {
        match self.0.take() {
            Some(io) => Ok((io, ([127, 0, 0, 1], 0).into())),
            None => std::future::pending().await,
        }
    }
}

/// Time stands still, and all that was sent has come before it is looked at.
#[tokio::test(start_paused = true)]
async fn a_body_that_its_client_cancels_is_not_taken_for_whole() {
    let reasons = [h2::Reason::CANCEL, h2::Reason::NO_ERROR];
    for (announced, sent, reason) in reasons.into_iter().flat_map(|reason| {
        [(None, "half"), (None, ""), (Some(8), "half"), (Some(8), "")]
            .map(|(announced, sent)| (announced, sent, reason))
    }) {
        let (io, theirs) = tokio::io::duplex(1 << 16);
        let whole = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let taken = whole.clone();
        let service = service_fn(move |request: Request<Paced>| {
            let taken = taken.clone();
            async move {
                if request.body().is_end_stream() {
                    taken.lock().expect("whole").push(Bytes::new());
                }
                if let Ok(body) = request.into_body().collect().await {
                    taken.lock().expect("whole").push(body.to_bytes());
                }
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
            }
        });
        let port = Port {
            name: "test",
            connections_max: 1,
            door: tls::Door::none(),
            drain_limit: Duration::ZERO,
            dated: true,
        };
        tokio::spawn(serve(
            Once(Some(theirs)),
            port,
            service,
            std::future::pending(),
        ));
        let (mut requests, connection) = h2::client::handshake(io).await.expect("HTTP/2");
        tokio::spawn(connection);
        let request = |length: Option<usize>| {
            let mut request = Request::post("http://server/");
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            request.body(()).expect("a request")
        };
        let cancelled = requests.send_request(request(announced), false);
        let (_, mut stream) = cancelled.expect("a stream");
        if !sent.is_empty() {
            stream.send_data(sent.into(), false).expect("open");
        }
        // Now the head and what follows it leave together.
        stream.send_reset(reason);
        let (answer, mut stream) = requests
            .send_request(request(None), false)
            .expect("a stream");
        stream.send_data("whole".into(), true).expect("open");
        answer.await.expect("an answer");
        let whole = whole.lock().expect("whole").clone();
        assert_eq!(whole, ["whole"], "{announced:?} {sent:?} {reason:?}");
    }
}

//! An endpoint behind a real socket: alone, and within an axum router.

use std::time::Duration;

use latchwork::{Context, Endpoint, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

struct Greeter;

#[latchwork::service]
impl Greeter {
    #[handler]
    async fn greet(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(format!("Hello {name}"))
    }
}

/// The answer to a request over HTTP/1.1, head and body.
async fn discover(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         accept: application/vnd.restate.endpointmanifest.v4+json\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn an_endpoint_serves_a_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Endpoint::builder().bind(Greeter).build();
    let serving = tokio::spawn(async move { endpoint.serve_on(listener).await });
    let answer = discover(address, "/discover").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"name\":\"Greeter\""), "{answer}");
    assert!(
        answer.contains("x-restate-server: latchwork-sdk/"),
        "{answer}"
    );
    serving.abort();
}

#[tokio::test]
async fn an_endpoint_is_mounted_in_a_router() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Endpoint::builder().bind(Greeter).build();
    let router = axum::Router::new().nest_service("/durable", endpoint);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let answer = discover(address, "/durable/discover").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"name\":\"Greeter\""), "{answer}");
    let answer = discover(address, "/elsewhere").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    serving.abort();
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::builder().bind(Greeter).build();
    let error = endpoint.serve(taken.local_addr().unwrap()).await;
    assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}

//! HTTP/1.1 as bytes: what no client library would send can be sent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends bytes and gives what is answered until the connection ends.
pub(crate) fn ask(to: &str, bytes: &[u8]) -> String {
    let mut socket = connect(to);
    // It may be refused before all of it is sent.
    drop(socket.write_all(bytes));
    rest(&mut socket)
}

/// A connection that does not wait for ever.
pub(crate) fn connect(to: &str) -> TcpStream {
    let socket = TcpStream::connect(to).expect("a connection");
    let patience = Some(Duration::from_secs(60));
    socket.set_read_timeout(patience).expect("a timeout");
    socket
}

/// What comes until the connection ends.
pub(crate) fn rest(socket: &mut impl Read) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has been cut off.
    drop(socket.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request with these lines after the first and this body.
pub(crate) fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

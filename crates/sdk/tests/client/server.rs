//! A server that answers by a list, one connection after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// It is read, and the connection closed.
    HangUp,
    /// It is answered: status, more header lines, body.
    Answer(u16, &'static str, &'static str),
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Verb and path.
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Plays the list, and then listens no longer.
    pub(crate) fn plays(acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, None, acts)
    }

    pub(crate) fn on(listener: TcpListener, tls: Option<ServerConfig>, acts: &[Act]) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (acts, noted) = (acts.to_vec(), Arc::clone(&seen));
        let tls = tls.map(Arc::new);
        let thread = std::thread::spawn(move || {
            let mut acts = acts.into_iter().peekable();
            while acts.peek().is_some() {
                let (stream, _) = listener.accept().unwrap();
                let noted = |request| noted.lock().unwrap().push(request);
                match &tls {
                    None => serve(stream, &mut acts, noted),
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        serve(StreamOwned::new(connection, stream), &mut acts, noted);
                    }
                }
            }
        });
        Self {
            address,
            seen,
            thread,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests, once the list is played.
    pub(crate) fn seen(self) -> Vec<Seen> {
        self.thread.join().unwrap();
        let seen = self.seen.lock().unwrap();
        seen.clone()
    }
}

/// One request. A connection on which none comes, as when TLS fails, counts as none.
fn serve(
    stream: impl Read + Write,
    acts: &mut impl Iterator<Item = Act>,
    noted: impl FnOnce(Seen),
) {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line.trim_end().is_empty() => break,
            Ok(_) => head.push(line.trim_end().to_owned()),
        }
    }
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    let line = head.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    noted(Seen {
        line,
        headers: head,
        body: String::from_utf8(body).unwrap(),
    });
    let Some(Act::Answer(status, headers, body)) = acts.next() else {
        return;
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(answer.as_bytes()).unwrap();
    stream.get_mut().flush().unwrap();
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

//! Which attempts the server still listens to. A network can bring an attempt's request long after
//! the server has given the attempt up; what it does then counts for nothing, and nobody can keep
//! it from running.

use http::HeaderValue;
use latchwork_runtime::transport::{
    BoxFuture, OpenRequest, ReceiveBody, ResponseHead, Stream, Transport, TransportError,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;

/// The header with an attempt's number.
pub(super) const ATTEMPT: &str = "x-attempt";

/// The attempts that were begun.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    begun: Mutex<u64>,
    listened_to: Mutex<BTreeSet<u64>>,
}

impl Attempts {
    fn begin(self: &Arc<Self>) -> Listening {
        let mut begun = self.begun.lock().expect("one thread");
        *begun += 1;
        self.listened_to.lock().expect("one thread").insert(*begun);
        Listening {
            attempts: self.clone(),
            number: *begun,
        }
    }

    /// Whether the server has given an attempt up.
    pub(super) fn is_given_up(&self, number: u64) -> bool {
        let listened_to = self.listened_to.lock().expect("one thread");
        !listened_to.contains(&number)
    }

    /// The server has crashed.
    pub(super) fn give_all_up(&self) {
        self.listened_to.lock().expect("one thread").clear();
    }
}

/// Dropped by whoever listens no more.
struct Listening {
    attempts: Arc<Attempts>,
    number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listened_to = self.attempts.listened_to.lock().expect("one thread");
        listened_to.remove(&self.number);
    }
}

/// Numbers attempts on their way to the transport.
pub(super) struct Numbered<T> {
    pub(super) transport: Arc<T>,
    pub(super) attempts: Arc<Attempts>,
}

impl<T: Transport> Transport for Numbered<T> {
    fn open(&self, mut request: OpenRequest) -> BoxFuture<Result<Stream, TransportError>> {
        let listening = self.attempts.begin();
        let number = HeaderValue::from(listening.number);
        request.headers.insert(ATTEMPT, number);
        let opened = self.transport.open(request);
        Box::pin(async move {
            let Stream { send, receive } = opened.await?;
            let receive = Box::new(Heard {
                receive,
                _listening: listening,
            });
            Ok(Stream { send, receive })
        })
    }
}

struct Heard {
    receive: Box<dyn ReceiveBody>,
    _listening: Listening,
}

impl ReceiveBody for Heard {
    fn poll_head(&mut self, task: &mut Context<'_>) -> Poll<Result<ResponseHead, TransportError>> {
        self.receive.poll_head(task)
    }

    fn poll_data(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        self.receive.poll_data(task)
    }
}

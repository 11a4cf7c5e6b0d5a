//! The way of a handler to the witness: see `desk.rs`.

use crate::desk::{Answer, Question, Report};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// A connection to the witness. Cheap to clone; closed with the last clone.
#[derive(Clone)]
pub(crate) struct Reporter {
    lines: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    _tasks: Arc<JoinSet<()>>,
}

#[derive(Default)]
struct Waiting {
    last_id: u64,
    answers: HashMap<u64, oneshot::Sender<u64>>,
}

impl Reporter {
    /// Connects to the witness.
    pub(crate) async fn connect(desk: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(desk).await?;
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let (lines, mut outgoing) = mpsc::unbounded_channel::<Vec<u8>>();
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Some(line) = outgoing.recv().await {
                if writer.write_all(&line).await.is_err() {
                    break;
                }
            }
        });
        let heard = waiting.clone();
        tasks.spawn(async move {
            let mut answers = BufReader::new(reader).lines();
            while let Ok(Some(line)) = answers.next_line().await {
                if let Ok(Answer { id, number }) = serde_json::from_str(&line)
                    && let Some(answer) = locked(&heard).answers.remove(&id)
                {
                    // Whoever asked may have been cut off.
                    let _ = answer.send(number);
                }
            }
        });
        Ok(Self {
            lines,
            waiting,
            _tasks: Arc::new(tasks),
        })
    }

    /// Reports, and waits until the witness has heard it.
    pub(crate) async fn report(&self, report: Report) -> u64 {
        let answer = self.say(report);
        match answer.await {
            Ok(number) => number,
            // Without a witness there is no test: whoever runs us is about to end us.
            Err(_) => std::future::pending().await,
        }
    }

    /// Reports, and does not wait.
    pub(crate) fn say(&self, report: Report) -> oneshot::Receiver<u64> {
        let (answer, heard) = oneshot::channel();
        let mut waiting = locked(&self.waiting);
        waiting.last_id += 1;
        let id = waiting.last_id;
        waiting.answers.insert(id, answer);
        let mut line = serde_json::to_vec(&Question { id, report }).unwrap_or_default();
        line.push(b'\n');
        // A writer that is gone takes nothing, and then nothing is answered either.
        let _ = self.lines.send(line);
        heard
    }
}

fn locked(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

//! One attempt, driven: chunks of the request in, chunks of the response out.
//!
//! ```text
//!   request ─▶ vm.push ─▶ journal whole? start the handler
//!                │
//!   ┌────────────┴──────────────────────────────────────────────┐
//!   │ poll the handler ─▶ blocked ─▶ vm.advance                 │
//!   │   ▲                              │ ready: wake, poll again │
//!   │   └── execute runs ◀── nothing ──┘                        │
//!   └──────── block: tell the server, or suspend ───────────────┘
//!                │
//!   response ◀─ vm.take_output
//! ```
//!
//! Start at [`Attempt`]. The handler is polled as a whole, each time after exactly one thing it
//! waited for became ready; so any combinator that polls its children in a fixed order is
//! deterministic. Nothing is spawned: whoever polls the stream drives the handler, and dropping it
//! drops the handler.

mod shared;
mod waits;
mod waker;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use latchwork_protocol::service::version::Version;

pub use shared::is_replaying;
pub(crate) use shared::{Place, Polled, RunUnderWay, Shared};
pub(crate) use waker::run_waker;

use crate::clock::Clock;
use crate::error::Error;
use crate::handler::{BoundHandler, Invocation};
use crate::vm::{AttemptError, Vm, code};
use shared::Entered;
use waker::Root;

type HandlerFuture = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>>;

/// A stream of the response's chunks, driven by the request's.
///
/// It ends when the request has ended, as the protocol asks for. An error of the request breaks the
/// attempt off: the stream ends, and the handler is dropped.
pub(crate) struct Attempt<R> {
    request: R,
    request_ended: bool,
    root: Arc<Root>,
    stage: Stage,
}

enum Stage {
    /// The journal is arriving.
    Arriving {
        vm: Box<Vm>,
        handler: BoundHandler,
        clock: Clock,
    },
    /// The handler runs.
    Running {
        shared: Arc<Shared>,
        handler: HandlerFuture,
        span: tracing::Span,
    },
    /// The last message is written; the request has yet to end.
    Draining { last: Option<Bytes> },
    /// Between two stages, and after the request broke.
    Over,
}

impl<R, E> Attempt<R>
where
    R: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    pub(crate) fn new(request: R, version: Version, handler: BoundHandler, clock: Clock) -> Self {
        Self {
            request,
            request_ended: false,
            root: Arc::new(Root::default()),
            stage: Stage::Arriving {
                vm: Box::new(Vm::new(version)),
                handler,
                clock,
            },
        }
    }

    /// Takes what has arrived of the request. `false` when the request broke.
    fn receive(&mut self, task: &mut Task<'_>) -> bool {
        while !self.request_ended {
            match Pin::new(&mut self.request).poll_next(task) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(chunk))) => {
                    self.with_vm(|vm| vm.push(chunk));
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "the server broke an attempt off");
                    return false;
                }
                Poll::Ready(None) => {
                    self.request_ended = true;
                    self.with_vm(Vm::end_input);
                }
            }
        }
        true
    }

    fn with_vm(&mut self, act: impl FnOnce(&mut Vm)) {
        match &mut self.stage {
            Stage::Arriving { vm, .. } => act(vm),
            Stage::Running { shared, .. } => act(&mut shared.lock().vm),
            Stage::Draining { .. } | Stage::Over => {}
        }
    }

    /// Goes as far as possible; gives what there is to send.
    fn drive(&mut self) -> Option<Bytes> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Arriving { mut vm, .. } if vm.is_closed() => Stage::Draining {
                last: vm.take_output(),
            },
            Stage::Arriving { vm, handler, clock } if vm.is_ready() => {
                let input = vm.input();
                let span = tracing::info_span!(
                    "invocation",
                    id = vm.invocation_id(),
                    service = handler.service_name,
                    handler = handler.handler,
                );
                let shared = Arc::new(Shared::new(*vm, Arc::clone(&self.root), clock));
                let invocation = Invocation::new(Arc::clone(&shared), input);
                self.root.set_woken();
                Stage::Running {
                    shared,
                    handler: handler.start(invocation),
                    span,
                }
            }
            stage => stage,
        };
        if let Stage::Running {
            shared,
            handler,
            span,
        } = &mut self.stage
        {
            let root = &self.root;
            span.in_scope(|| run(root, shared, handler));
            let mut inner = shared.lock();
            let out = inner.vm.take_output();
            if !inner.vm.is_closed() {
                return out;
            }
            if let Some(error) = inner.vm.error() {
                let (code, message) = (error.code, &error.message);
                span.in_scope(|| tracing::warn!(code, message, "an attempt failed"));
            }
            drop(inner);
            self.stage = Stage::Draining { last: out };
        }
        match &mut self.stage {
            Stage::Draining { last } => last.take(),
            _ => None,
        }
    }
}

/// Polls the handler until it ends or nothing more can be done for it now.
fn run(root: &Arc<Root>, shared: &Arc<Shared>, handler: &mut HandlerFuture) {
    let waker = Waker::from(Arc::clone(root));
    loop {
        if shared.lock().vm.is_closed() {
            return;
        }
        if root.is_foreign() {
            shared.fail(
                "the handler waited for something that no journal remembers: a timer, a socket, a \
                 lock or a channel outside of ctx.run. After a crash it would not be known what came \
                 of it. Put it into ctx.run(\"name\", || async { … }); use ctx.sleep to wait and \
                 latchwork::select! and latchwork::join! to wait for several things.",
            );
            return;
        }
        if root.take_woken() {
            if poll_handler(root, shared, handler, &waker) {
                return;
            }
        } else if !shared.advance() && !root_was_woken(root) {
            shared.block();
            return;
        }
    }
}

/// Whether a run went on while nothing else did.
fn root_was_woken(root: &Root) -> bool {
    let woken = root.take_woken();
    if woken {
        root.set_woken();
    }
    woken
}

/// One poll of the handler. `true` when it is over.
fn poll_handler(
    root: &Root,
    shared: &Arc<Shared>,
    handler: &mut HandlerFuture,
    waker: &Waker,
) -> bool {
    shared.begin_round();
    let polled = {
        let _entered = Entered::new(shared);
        let mut task = Task::from_waker(waker);
        root.expecting(|| catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(&mut task))))
    };
    shared.end_round();
    let mut inner = shared.lock();
    match polled {
        Ok(Poll::Pending) => return inner.vm.is_closed(),
        Ok(Poll::Ready(Ok(output))) => inner.vm.end(Ok(output)),
        Ok(Poll::Ready(Err(error))) => match error.into_outcome() {
            Ok(failure) => inner.vm.end(Err(failure.into())),
            Err(error) => inner.vm.fail(error),
        },
        Err(panic) => inner.vm.fail(AttemptError::new(
            code::INTERNAL,
            format!("the handler panicked: {}", panic_text(&*panic)),
        )),
    }
    true
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no text"
    }
}

impl<R, E> Stream for Attempt<R>
where
    R: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Bytes>> {
        self.root.set_task(task.waker());
        if !self.receive(task) {
            self.stage = Stage::Over;
            return Poll::Ready(None);
        }
        if let Some(out) = self.drive() {
            return Poll::Ready(Some(out));
        }
        match self.stage {
            Stage::Draining { .. } if self.request_ended => Poll::Ready(None),
            Stage::Over => Poll::Ready(None),
            _ => Poll::Pending,
        }
    }
}

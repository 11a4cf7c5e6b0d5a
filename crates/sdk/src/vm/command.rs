//! What a handler does, as commands of the journal, apart from state and runs.

use std::time::Duration;

use bytes::Bytes;
use latchwork_protocol::id::awakeable_text;
use latchwork_protocol::service::frame::{self, ty};
use latchwork_protocol::service::message::{
    self as wire, AttachTarget, Completion, End, Failure, Header, Outcome, PromiseCompletion,
    SignalIdentity, SignalResult, Value, Void,
};
use latchwork_protocol::service::version::Version;

use super::run::for_version;
use super::{AttemptError, Leaf, Phase, Vm, code, millis, violation};

/// A call of another handler.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// The service.
    pub service: String,
    /// The key of an object or workflow; empty for a plain service.
    pub key: String,
    /// The handler.
    pub handler: String,
    /// The payload.
    pub parameter: Bytes,
    /// Headers that the called handler sees, in order.
    pub headers: Vec<Header>,
    /// A later call with the same key gets the outcome of this one.
    pub idempotency_key: Option<String>,
    /// The scope to call in (protocol 7).
    pub scope: Option<String>,
    /// The limit key within the scope (protocol 7).
    pub limit_key: Option<String>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLeaves {
    /// Becomes the invocation id of the called handler.
    pub invocation_id: Leaf,
    /// Becomes its result.
    pub result: Leaf,
}

impl Vm {
    /// Waits until `wake_up_time`, in time since 1970.
    pub fn sleep(&mut self, name: &str, wake_up_time: Duration) -> Leaf {
        let id = self.next_completion_id();
        self.pass(wire::Sleep {
            wake_up_time: millis(wake_up_time),
            result_completion_id: id,
            name: name.to_owned(),
        });
        Leaf::CompletionId(id)
    }

    /// Calls a handler.
    pub fn call(&mut self, request: CallRequest) -> CallLeaves {
        let id = self.next_completion_id();
        let result = self.next_completion_id();
        if self.can_scope(&request) {
            self.pass(wire::Call {
                service_name: request.service,
                handler_name: request.handler,
                parameter: request.parameter,
                headers: request.headers,
                key: request.key,
                idempotency_key: request.idempotency_key,
                scope: request.scope,
                limit_key: request.limit_key,
                invocation_id_notification_idx: id,
                result_completion_id: result,
                name: String::new(),
            });
        }
        self.calls.push(id);
        CallLeaves {
            invocation_id: Leaf::CompletionId(id),
            result: Leaf::CompletionId(result),
        }
    }

    /// Calls a handler without waiting, at `invoke_time` (time since 1970) if there is one. The
    /// leaf becomes its invocation id.
    pub fn send(&mut self, request: CallRequest, invoke_time: Option<Duration>) -> Leaf {
        let id = self.next_completion_id();
        if self.can_scope(&request) {
            self.pass(wire::OneWayCall {
                service_name: request.service,
                handler_name: request.handler,
                parameter: request.parameter,
                invoke_time: invoke_time.map_or(0, millis),
                headers: request.headers,
                key: request.key,
                idempotency_key: request.idempotency_key,
                scope: request.scope,
                limit_key: request.limit_key,
                invocation_id_notification_idx: id,
                name: String::new(),
            });
        }
        Leaf::CompletionId(id)
    }

    /// Waits for the result of another invocation.
    pub fn attach(&mut self, target: AttachTarget) -> Leaf {
        let id = self.next_completion_id();
        self.pass(wire::AttachInvocation {
            target: Some(target),
            result_completion_id: id,
            name: String::new(),
        });
        Leaf::CompletionId(id)
    }

    /// Looks at the result of another invocation. Void while there is none.
    pub fn invocation_output(&mut self, target: AttachTarget) -> Leaf {
        let id = self.next_completion_id();
        self.pass(wire::GetInvocationOutput {
            target: Some(target),
            result_completion_id: id,
            name: String::new(),
        });
        Leaf::CompletionId(id)
    }

    /// Makes an awakeable: its id for whoever is to complete it, and the leaf to await.
    pub fn awakeable(&mut self) -> (String, Leaf) {
        let index = self.next_signal;
        self.next_signal += 1;
        let mut invocation = [0; 24];
        match self.start.id.get(..24) {
            Some(id) if self.start.id.len() == 24 => invocation.copy_from_slice(id),
            _ => {
                let len = self.start.id.len();
                self.fail(violation(format!(
                    "the server gave an invocation id of {len} bytes; awakeables need one of 24"
                )));
            }
        }
        (awakeable_text(&invocation, index), Leaf::SignalIndex(index))
    }

    /// Completes an awakeable of any invocation.
    pub fn complete_awakeable(&mut self, id: &str, outcome: Result<Bytes, Failure>) {
        let result = match outcome {
            Ok(content) => Completion::Value(Value { content }),
            Err(failure) => Completion::Failure(for_version(failure, self.version)),
        };
        self.pass(wire::CompleteAwakeable {
            awakeable_id: id.to_owned(),
            result: Some(result),
            name: String::new(),
        });
    }

    /// Sends a signal to another invocation. No outcome at all is a signal without content.
    pub fn send_signal(
        &mut self,
        invocation_id: &str,
        name: &str,
        outcome: Option<Result<Bytes, Failure>>,
    ) {
        let result = match outcome {
            None => SignalResult::Void(Void {}),
            Some(Ok(content)) => SignalResult::Value(Value { content }),
            Some(Err(failure)) => SignalResult::Failure(for_version(failure, self.version)),
        };
        self.pass(wire::SendSignal {
            target_invocation_id: invocation_id.to_owned(),
            identity: Some(SignalIdentity::Name(name.to_owned())),
            result: Some(result),
            entry_name: String::new(),
        });
    }

    /// Asks another invocation to stop.
    pub fn cancel(&mut self, invocation_id: &str) {
        self.pass(wire::SendSignal {
            target_invocation_id: invocation_id.to_owned(),
            identity: Some(SignalIdentity::Index(1)),
            result: Some(SignalResult::Void(Void {})),
            entry_name: String::new(),
        });
    }

    /// Waits for a promise of this workflow.
    pub fn get_promise(&mut self, key: &str) -> Leaf {
        let id = self.next_completion_id();
        self.pass(wire::GetPromise {
            key: key.to_owned(),
            result_completion_id: id,
            name: String::new(),
        });
        Leaf::CompletionId(id)
    }

    /// Looks at a promise of this workflow. Void while it is open.
    pub fn peek_promise(&mut self, key: &str) -> Leaf {
        let id = self.next_completion_id();
        self.pass(wire::PeekPromise {
            key: key.to_owned(),
            result_completion_id: id,
            name: String::new(),
        });
        Leaf::CompletionId(id)
    }

    /// Completes a promise of this workflow. Fails with 409 if it is complete.
    pub fn complete_promise(&mut self, key: &str, outcome: Result<Bytes, Failure>) -> Leaf {
        let id = self.next_completion_id();
        let completion = match outcome {
            Ok(content) => PromiseCompletion::Value(Value { content }),
            Err(failure) => PromiseCompletion::Failure(for_version(failure, self.version)),
        };
        self.pass(wire::CompletePromise {
            key: key.to_owned(),
            completion: Some(completion),
            result_completion_id: id,
            name: String::new(),
        });
        Leaf::CompletionId(id)
    }

    /// Ends the invocation with its result.
    pub fn end(&mut self, outcome: Result<Bytes, Failure>) {
        let result = match outcome {
            Ok(content) => Outcome::Value(Value { content }),
            Err(failure) => Outcome::Failure(for_version(failure, self.version)),
        };
        let passed = self.pass(wire::Output {
            result: Some(result),
            name: String::new(),
        });
        if passed.is_none() {
            return;
        }
        if self.replay.is_done() {
            frame::put(&mut self.out, ty::END, 0, &End {});
            self.phase = Phase::Closed;
        } else {
            self.fail_blocked_in_replay("nothing: it is at its end");
        }
    }

    pub(super) fn next_completion_id(&mut self) -> u32 {
        let id = self.next_completion;
        self.next_completion += 1;
        id
    }

    /// Whether what the call asks for exists in the version in use; if not, the attempt fails.
    fn can_scope(&mut self, request: &CallRequest) -> bool {
        if self.version >= Version::V7 || (request.scope.is_none() && request.limit_key.is_none()) {
            return true;
        }
        let message = format!(
            "the call of {}/{} has a scope or a limit key, which service protocol {} does not carry. \
             Use a server that speaks 7, or leave them out.",
            request.service, request.handler, self.version
        );
        self.fail(AttemptError::new(code::UNSUPPORTED, message));
        false
    }
}

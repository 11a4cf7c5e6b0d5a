//! A caller's request as a span: below the caller's own, above the invocation that it makes.

use super::Ingress;
use crate::metrics::RequestKind;
use http::{HeaderMap, Method, Request, StatusCode};
use latchwork_protocol::ingress::{Route, header};
use latchwork_protocol::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use latchwork_runtime::trace::{Span, SpanKind, Tracer, Value};
use std::time::Instant;

/// A request that is being answered; it is a span, if it is to be one, when this is dropped.
pub(super) struct RequestSpan<'a> {
    tracer: &'a Tracer,
    context: Option<TraceContext>,
    recorded: Option<Recorded>,
}

/// What is known of a request that will be a span.
struct Recorded {
    caller: Option<u64>,
    kind: RequestKind,
    method: Method,
    target: Option<(String, String)>,
    began_ms: u64,
    began: Instant,
    answer: Option<(StatusCode, Option<String>)>,
}

impl<'a> RequestSpan<'a> {
    /// Begins it, with what the caller says of its own.
    pub(super) fn begin<T>(
        app: &'a Ingress,
        kind: RequestKind,
        route: Option<&Route>,
        request: &Request<T>,
    ) -> Self {
        let tracer = app.handle.tracer();
        // Of these there are many, and they lead to nothing.
        if matches!(kind, RequestKind::Health | RequestKind::Unknown) {
            return Self {
                tracer,
                context: None,
                recorded: None,
            };
        }
        let headers = request.headers();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let caller = TraceContext::parse(text(TRACEPARENT), text(TRACESTATE));
        let caller_span = caller.as_ref().map(|caller| caller.span);
        let context = tracer.request(caller);
        let is_recorded = (context.as_ref()).is_some_and(|context| tracer.records(context));
        let recorded = is_recorded.then(|| Recorded {
            caller: caller_span,
            kind,
            method: request.method().clone(),
            target: match route {
                Some(Route::Call(target) | Route::Send(target)) => {
                    Some((target.service.clone(), target.handler.clone()))
                }
                _ => None,
            },
            began_ms: app.clock.now_ms(),
            began: Instant::now(),
            answer: None,
        });
        Self {
            tracer,
            context,
            recorded,
        }
    }

    /// What the invocation that the request makes is led to by.
    pub(super) fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }

    /// It was answered so.
    pub(super) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        if let Some(recorded) = &mut self.recorded {
            let id = headers.get(header::ID);
            let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
            recorded.answer = Some((status, id));
        }
    }
}

impl Drop for RequestSpan<'_> {
    fn drop(&mut self) {
        if let Some(context) = self.context.take()
            && let Some(recorded) = self.recorded.take()
        {
            self.tracer.record(recorded.span(context));
        }
    }
}

impl Recorded {
    fn span(self, context: TraceContext) -> Span {
        let took = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let began_ns = self.began_ms.saturating_mul(1_000_000);
        let route = self.kind.text();
        let mut attributes = vec![
            ("http.request.method", self.method.as_str().into()),
            ("latchwork.route", route.into()),
        ];
        let mut error = None;
        match self.answer {
            Some((status, id)) => {
                let code = i64::from(status.as_u16());
                attributes.push(("http.response.status_code", Value::Number(code)));
                attributes.extend(id.map(|id| ("latchwork.invocation.id", id.into())));
                if status.is_server_error() {
                    attributes.push(("error.type", status.as_str().into()));
                    error = Some(status.to_string());
                }
            }
            None => attributes.push(("error.type", "client_gone".into())),
        }
        let name = match self.target {
            Some((service, handler)) => {
                let name = format!("{route} {service}/{handler}");
                attributes.push(("latchwork.service", service.into()));
                attributes.push(("latchwork.handler", handler.into()));
                name
            }
            None => route.to_owned(),
        };
        Span {
            trace: context.trace,
            id: context.span,
            parent: self.caller,
            state: context.state,
            name,
            kind: SpanKind::Server,
            began_ns,
            ended_ns: began_ns.saturating_add(took),
            attributes,
            events: Vec::new(),
            link: None,
            error,
        }
    }
}

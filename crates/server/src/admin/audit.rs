//! What operators do, noted: before it is done, and again when it was answered.
//!
//! ```text
//!   request ──▶ deed ──▶ noted, durable ──▶ done ──▶ its status noted, durable ──▶ answer
//!                 └─ refused (401, 403) ──▶ noted, unless there are too many ──▶ answer
//! ```
//!
//! What reads is not noted. Nothing of a body is but the names of what it is about, and no header. The
//! notes are the table `sys_audit`.

use super::Admin;
use crate::access::{Caller, Denied};
use crate::listen::Peer;
use axum::extract::{FromRequest, RawPathParams, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, RequestExt};
use bytes::Bytes;
use latchwork_engine::table::audit::Deed;
use latchwork_engine::{Answered, Audit, AuditStep, Reply};
use latchwork_runtime::AskError;
use serde_json::{Map, Value};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bytes of one text that are kept: of a path, or of the name of something.
const TEXT_BYTES_MAX: usize = 1024;
/// Refusals of a minute that are noted; further ones are counted.
const REFUSALS_MAX: u32 = 60;
const MINUTE_MS: u64 = 60_000;

/// Members of bodies that say what a request is about.
const MEMBERS: [&str; 5] = ["uri", "arn", "object_key", "directory", "invocation_ids"];

/// How much is kept, and how many were refused of late.
pub(crate) struct Auditor {
    rows_max: u64,
    age_max_ms: u64,
    refusals: Mutex<Refusals>,
}

/// What has been refused in a minute.
#[derive(Default)]
struct Refusals {
    since_ms: u64,
    noted: u32,
    unrecorded: u64,
}

/// Put into an answer: what came of a request has this name.
#[derive(Clone)]
pub(super) struct Named(pub(super) String);

impl Auditor {
    /// Keeps so many rows, each for so long.
    pub(crate) fn new(rows_max: usize, age_max: Duration) -> Self {
        Self {
            rows_max: rows_max as u64,
            age_max_ms: u64::try_from(age_max.as_millis()).unwrap_or(u64::MAX),
            refusals: Mutex::default(),
        }
    }

    async fn note(&self, app: &Admin, step: AuditStep) -> Result<Reply, AskError> {
        let audit = Audit {
            step: Some(step),
            rows_max: self.rows_max,
            age_max_ms: self.age_max_ms,
        };
        app.handle.audit(audit).await
    }
}

impl Refusals {
    /// Whether one more is to be noted, and how many before it were not.
    fn admit(&mut self, now_ms: u64) -> Option<u64> {
        if now_ms.saturating_sub(self.since_ms) >= MINUTE_MS {
            self.since_ms = now_ms;
            self.noted = 0;
        }
        if self.noted >= REFUSALS_MAX {
            self.unrecorded += 1;
            return None;
        }
        self.noted += 1;
        Some(std::mem::take(&mut self.unrecorded))
    }
}

/// Lets a request be done by whoever it is from, and notes that.
///
/// # Errors
/// If it cannot be noted: then it is not done.
pub(super) async fn done(
    app: &Admin,
    caller: &Caller,
    route: &'static str,
    request: Request,
    next: Next,
) -> Result<Response, AskError> {
    let (mut request, named) = match named(request).await {
        Ok(read) => read,
        Err(refused) => return Ok(refused),
    };
    let mut deed = deed(route, &mut request).await;
    deed.targets.extend(named);
    if let Caller::Known(token) = caller {
        deed.who = Some(token.name.clone());
        deed.role = Some(token.role.name().to_owned());
    }
    let noted = app.audit.note(app, AuditStep::Deed(Box::new(deed))).await?;
    let response = next.run(request).await;
    if let Reply::Audited { sequence } = noted {
        let made = response.extensions().get::<Named>();
        let answered = Answered {
            sequence,
            status: response.status().as_u16().into(),
            targets: made.iter().map(|named| named.0.clone()).collect(),
        };
        // A server that stops has done it all the same: the row stays without a status.
        let answered = app.audit.note(app, AuditStep::Answered(answered)).await;
        if let Err(error) = answered {
            tracing::warn!("the outcome of an operator's request was not noted: {error}");
        }
    }
    Ok(response)
}

/// Notes that a request was refused.
pub(super) async fn refused(
    app: &Admin,
    denied: &Denied,
    route: &'static str,
    mut request: Request,
) {
    let unrecorded = {
        let refusals = app.audit.refusals.lock();
        let mut refusals = refusals.unwrap_or_else(PoisonError::into_inner);
        refusals.admit(app.clock.now_ms())
    };
    let Some(unrecorded) = unrecorded else { return };
    let mut deed = deed(route, &mut request).await;
    deed.status = Some(denied.status().as_u16().into());
    deed.unrecorded = unrecorded;
    deed.refused = true;
    if let Some((name, role)) = denied.by() {
        deed.who = Some(name.to_owned());
        deed.role = role.map(|role| role.name().to_owned());
    }
    let noted = app.audit.note(app, AuditStep::Deed(Box::new(deed))).await;
    if let Err(error) = noted {
        tracing::debug!("a refused request was not noted: {error}");
    }
}

/// All that is known of a request without its body.
async fn deed(route: &'static str, request: &mut Request) -> Deed {
    let path = match request.uri().path_and_query() {
        Some(path) => path.as_str(),
        None => request.uri().path(),
    };
    let mut deed = Deed {
        method: request.method().as_str().to_owned(),
        path: kept(path),
        route: route.to_owned(),
        ..Deed::default()
    };
    if let Some(peer) = request.extensions().get::<Peer>() {
        deed.peer = peer.address.to_string();
        deed.certificate = peer.shown.subject().map(str::to_owned);
        deed.who.clone_from(&deed.certificate);
    }
    // Which operation is in the path already.
    let parameters = request.extract_parts::<RawPathParams>().await;
    let named = parameters.iter().flatten();
    let named = named.filter(|(name, _)| *name != "operation");
    deed.targets.extend(named.map(|(_, value)| kept(value)));
    deed
}

/// Reads what a body says it is about, and puts it back.
async fn named(request: Request) -> Result<(Request, Vec<String>), Response> {
    let (head, body) = request.into_parts();
    let body = Request::from_parts(head.clone(), body);
    let body = Bytes::from_request(body, &()).await;
    let body = body.map_err(IntoResponse::into_response)?;
    let members: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    let mut named = Vec::new();
    for value in MEMBERS.iter().filter_map(|member| members.get(*member)) {
        let ids = value.as_array().map_or(&[][..], Vec::as_slice);
        let ids = ids.iter().take(super::batch::IDS_MAX);
        named.extend(ids.chain([value]).filter_map(Value::as_str).map(target));
    }
    if members.get("dry_run") == Some(&Value::Bool(true)) {
        named.push("dry_run".to_owned());
    }
    Ok((Request::from_parts(head, body.into()), named))
}

/// The name of something, without the password that an address may have.
fn target(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            kept(&format!("{}://***{}", &text[..scheme], &text[at..]))
        }
        _ => kept(text),
    }
}

fn kept(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    match end < text.len() {
        true => format!("{}…", &text[..end]),
        false => text.to_owned(),
    }
}

/// An answer that says what came of a request.
pub(super) fn naming(name: String) -> Extension<Named> {
    Extension(Named(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_refusals_some_are_noted_and_the_rest_are_counted() {
        let mut refusals = Refusals::default();
        for _ in 0..REFUSALS_MAX {
            assert_eq!(refusals.admit(MINUTE_MS), Some(0));
        }
        for late in [0, 1, MINUTE_MS - 1] {
            assert_eq!(refusals.admit(MINUTE_MS + late), None);
        }
        assert_eq!(refusals.admit(2 * MINUTE_MS), Some(3));
        assert_eq!(refusals.admit(2 * MINUTE_MS), Some(0));
    }

    #[tokio::test]
    async fn a_body_is_passed_on_as_it_came_and_only_names_are_taken_from_it() {
        let body = r#"{"uri": "http://u:p@h:1", "additional_headers": {"x-a": "secret"},
            "invocation_ids": ["inv_1", 7, "inv_2"], "object_key": "é"}"#;
        let (request, named) = named(Request::new(body.into())).await.expect("read");
        assert_eq!(named, ["http://***@h:1", "é", "inv_1", "inv_2"]);
        let dry = Request::new(r#"{"dry_run": true}"#.into());
        assert_eq!(super::named(dry).await.expect("read").1, ["dry_run"]);
        let passed_on = Bytes::from_request(request, &()).await.expect("read");
        assert_eq!(passed_on, body);
        for other in ["", "[1]", "{", "\"a\""] {
            assert!(super::named(Request::new(other.into())).await.is_ok());
        }
        assert_eq!(kept(&"é".repeat(600)).chars().count(), 513);
    }
}

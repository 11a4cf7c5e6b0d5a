//! Invocations: told what to do.

use super::choice::{Choice, chosen};
use super::error::AdminError;
use super::{Admin, audit};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use latchwork_engine::{InvocationId, Operation, Reply, View};
use latchwork_protocol::admin::RestartReply;
use latchwork_protocol::id::{invocation_text, parse_invocation};
use serde::Deserialize;
use std::sync::Arc;

/// What an operation may be asked with.
#[derive(Deserialize, Default)]
pub(super) struct Options {
    deployment: Option<String>,
    from: Option<u32>,
}

pub(super) async fn operate(
    State(app): State<Arc<Admin>>,
    Path((id, operation)): Path<(String, String)>,
    Query(options): Query<Options>,
) -> Result<Response, AdminError> {
    let parsed = parse(&id)?;
    let Some(wish) = Wish::parse(&operation) else {
        return Err(AdminError::Operation(operation));
    };
    let done = perform(
        &app,
        parsed,
        wish,
        options.deployment.as_deref(),
        options.from,
    )
    .await?;
    Ok(match done {
        Done::Now => StatusCode::OK.into_response(),
        Done::Noted => StatusCode::ACCEPTED.into_response(),
        Done::Restarted(id) => {
            let new_invocation_id = text(id);
            let named = audit::naming(new_invocation_id.clone());
            (named, Json(RestartReply { new_invocation_id })).into_response()
        }
    })
}

/// How an invocation is to be ended.
#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Cancel,
    Kill,
    Purge,
}

/// What an ending is asked with.
#[derive(Deserialize)]
pub(super) struct Ending {
    #[serde(default)]
    mode: Mode,
}

pub(super) async fn end(
    State(app): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(Ending { mode }): Query<Ending>,
) -> Result<StatusCode, AdminError> {
    let wish = Wish::Operate(match mode {
        Mode::Cancel => Operation::Cancel,
        Mode::Kill => Operation::Kill,
        Mode::Purge => Operation::Purge,
    });
    perform(&app, parse(&id)?, wish, None, None).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What an operator can wish for an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Operate(Operation),
    Restart,
}

impl Wish {
    /// From its name in a path.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(Self::Operate(match name {
            "cancel" => Operation::Cancel,
            "kill" => Operation::Kill,
            "pause" => Operation::Pause,
            "resume" => Operation::Resume,
            "purge" => Operation::Purge,
            "purge-journal" => Operation::PurgeJournal,
            "restart-as-new" => return Some(Self::Restart),
            _ => return None,
        }))
    }

    /// What it is when it is done.
    fn done(self) -> &'static str {
        match self {
            Self::Operate(Operation::Cancel) => "cancelled",
            Self::Operate(Operation::Kill) => "killed",
            Self::Operate(Operation::Pause) => "paused",
            Self::Operate(Operation::Resume) => "resumed",
            Self::Operate(Operation::Purge) => "purged",
            Self::Operate(Operation::PurgeJournal) => "relieved of its journal",
            Self::Restart => "restarted as new",
        }
    }
}

/// What came of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It is so.
    Now,
    /// It will be so when the handler sees it.
    Noted,
    /// There is a new invocation.
    Restarted(InvocationId),
}

/// The id in a path.
pub(super) fn parse(id: &str) -> Result<InvocationId, AdminError> {
    Ok(InvocationId::from_bytes(parse_invocation(id)?))
}

/// The text of an id.
pub(super) fn text(id: InvocationId) -> String {
    invocation_text(&id.to_bytes())
}

/// Does what an operator wishes. `deployment` is `keep`, `latest` or an id, and, as `from`,
/// only looked at where it has a meaning.
pub(super) async fn perform(
    app: &Admin,
    id: InvocationId,
    wish: Wish,
    deployment: Option<&str>,
    from: Option<u32>,
) -> Result<Done, AdminError> {
    let reply = match wish {
        Wish::Restart => {
            let from = from.unwrap_or(0);
            // The input alone is of no version, and goes to whatever is newest when it starts.
            let pin = match Choice::of(deployment.unwrap_or("latest")) {
                Choice::Latest if from == 0 => None,
                choice => chosen(app, id, choice, from > 0).await?,
            };
            app.handle.restart(id, from, pin).await?
        }
        Wish::Operate(Operation::Resume) => {
            let pin = match Choice::of(deployment.unwrap_or("keep")) {
                Choice::Keep => None,
                choice => chosen(app, id, choice, true).await?,
            };
            let deployment = pin.map(|pin| pin.deployment);
            app.handle
                .operate(id, Operation::Resume, deployment)
                .await?
        }
        Wish::Operate(operation) => app.handle.operate(id, operation, None).await?,
    };
    outcome(id, wish, reply)
}

/// What a reply means for a wish.
fn outcome(id: InvocationId, wish: Wish, reply: Reply) -> Result<Done, AdminError> {
    let conflict = |reason, status| {
        Err(AdminError::State {
            id: text(id),
            done: wish.done(),
            reason,
            status,
        })
    };
    match reply {
        Reply::Done => Ok(Done::Now),
        Reply::Noted => Ok(Done::Noted),
        Reply::Accepted { id, .. } => Ok(Done::Restarted(id)),
        Reply::NotFound => Err(AdminError::NoInvocation(text(id))),
        Reply::Completed => conflict("it is over", StatusCode::CONFLICT),
        Reply::NotCompleted => conflict(
            "it is not over; cancel or kill it first",
            StatusCode::CONFLICT,
        ),
        Reply::NotStarted => {
            let status = match wish {
                Wish::Operate(Operation::Pause) => StatusCode::CONFLICT,
                _ => StatusCode::TOO_EARLY,
            };
            conflict("it has not started", status)
        }
        Reply::Running => conflict(
            "it is being run, on the deployment it has; pause it first",
            StatusCode::CONFLICT,
        ),
        Reply::NotPinned => conflict(
            "it is not bound to a deployment yet and goes to the newest; leave out the deployment",
            StatusCode::CONFLICT,
        ),
        Reply::IsWorkflow => conflict(
            "a workflow runs once for its key; purge it, then submit it again",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        Reply::JournalMissing => conflict("its journal is no longer stored", StatusCode::GONE),
        // Not said of invocations.
        Reply::Changed | Reply::Audited { .. } => {
            conflict("its state was changed", StatusCode::CONFLICT)
        }
        Reply::OpenCommands => conflict(
            "its journal has fewer commands, or one of them has no result yet; give a smaller \"from\"",
            StatusCode::BAD_REQUEST,
        ),
    }
}

/// Reads something of one invocation, in the partition that owns it.
pub(super) async fn look<T, E>(
    app: &Admin,
    id: &str,
    read: fn(&dyn View, &InvocationId) -> Result<Option<T>, E>,
) -> Result<T, AdminError>
where
    T: Send + 'static,
    E: Send + 'static,
    AdminError: From<E>,
{
    let parsed = parse(id)?;
    let found = app
        .handle
        .read_at(parsed.partition_key, move |view| read(view, &parsed))
        .await??;
    found.ok_or_else(|| AdminError::NoInvocation(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    fn status(wish: &str, reply: Reply) -> u16 {
        let wish = Wish::parse(wish).unwrap();
        match outcome(InvocationId::default(), wish, reply) {
            Ok(Done::Noted) => 202,
            Ok(_) => 200,
            Err(refusal) => refusal.into_response().status().as_u16(),
        }
    }

    #[test]
    fn replies_have_the_statuses_that_clients_know() {
        for (wish, reply, expected) in [
            ("cancel", Reply::Noted, 202),
            ("cancel", Reply::Done, 200),
            ("cancel", Reply::Completed, 409),
            ("kill", Reply::NotFound, 404),
            ("pause", Reply::NotStarted, 409),
            ("resume", Reply::NotStarted, 425),
            ("resume", Reply::Running, 409),
            ("resume", Reply::NotPinned, 409),
            ("purge", Reply::NotCompleted, 409),
            ("purge-journal", Reply::Done, 200),
            ("restart-as-new", Reply::IsWorkflow, 422),
            ("restart-as-new", Reply::JournalMissing, 410),
            ("restart-as-new", Reply::OpenCommands, 400),
            ("restart-as-new", Reply::NotStarted, 425),
        ] {
            assert_eq!(status(wish, reply.clone()), expected, "{wish}: {reply:?}");
        }
        assert_eq!(Wish::parse("stop"), None);
    }
}

//! One wish for many invocations, each with an outcome of its own: an id that is none fails
//! alone.

use super::Admin;
use super::error::AdminError;
use super::invocations::{Done, Wish, parse, perform, text};
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// More ids need several requests.
pub(super) const IDS_MAX: usize = 1_000;

/// Which invocations, and where they are to go on.
#[derive(Deserialize)]
pub(super) struct Batch {
    invocation_ids: Vec<String>,
    deployment: Option<String>,
}

/// What came of it.
#[derive(Serialize)]
pub(super) struct Outcomes {
    succeeded: Vec<Value>,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct Failed {
    invocation_id: String,
    error: String,
}

pub(super) async fn operate(
    State(app): State<Arc<Admin>>,
    Path(operation): Path<String>,
    Json(batch): Json<Batch>,
) -> Result<Json<Outcomes>, AdminError> {
    let Some(wish) = Wish::parse(&operation) else {
        return Err(AdminError::Operation(operation));
    };
    if batch.invocation_ids.len() > IDS_MAX {
        return Err(AdminError::BatchTooLarge(batch.invocation_ids.len()));
    }
    let mut outcomes = Outcomes {
        succeeded: Vec::new(),
        failed: Vec::new(),
    };
    for given in batch.invocation_ids {
        let done = match parse(&given) {
            Ok(id) => perform(&app, id, wish, batch.deployment.as_deref(), None).await,
            Err(refusal) => Err(refusal),
        };
        match done {
            Ok(Done::Restarted(new)) => outcomes.succeeded.push(json!({
                "old_invocation_id": given,
                "new_invocation_id": text(new),
            })),
            Ok(_) => outcomes.succeeded.push(given.into()),
            Err(refusal) => outcomes.failed.push(Failed {
                invocation_id: given,
                error: refusal.to_string(),
            }),
        }
    }
    Ok(Json(outcomes))
}

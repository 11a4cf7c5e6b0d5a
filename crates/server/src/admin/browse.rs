//! `GET /invocations`: pages of invocations by what they are like, for who lists many.

use super::Admin;
use super::error::AdminError;
use super::invocations::parse;
use crate::query::{self, Filter, Found, Order, Page, Place, Resume};
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Rows of a page if nothing is said.
const LIMIT: usize = 50;
/// Rows of a page at most: as many as a batch takes.
const LIMIT_MAX: usize = super::batch::IDS_MAX;

/// All statuses of an invocation.
const STATUSES: [&str; 8] = [
    "scheduled",
    "pending",
    "ready",
    "running",
    "suspended",
    "backing-off",
    "paused",
    "completed",
];

/// What may be asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    status: Option<String>,
    result: Option<String>,
    service: Option<String>,
    handler: Option<String>,
    key: Option<String>,
    scope: Option<String>,
    deployment: Option<String>,
    created_from: Option<u64>,
    created_to: Option<u64>,
    text: Option<String>,
    order: Option<String>,
    older_than: Option<String>,
    resume: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(app): State<Arc<Admin>>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, AdminError> {
    let (page, filter) = asked.read()?;
    let found = query::browse(&app.handle, filter, page).await?;
    Ok(Json(shown(&found)))
}

fn shown(found: &Found) -> Value {
    json!({
        "invocations": found.rows,
        "matched": found.matched,
        "looked_at": found.looked_at,
        "resume": found.resume.as_ref().map(Resume::text),
    })
}

impl Asked {
    fn read(self) -> Result<(Page, Filter), AdminError> {
        let page = self.page()?;
        let filter = self.filter()?;
        let fits = match page.after {
            None => true,
            Some(Resume::Listed(_)) => filter.goes_by_list(),
            Some(Resume::Stored(_)) => !filter.goes_by_list(),
        };
        if !fits {
            return Err(AdminError::Asked(
                "\"resume\" is from a look with another filter: begin without it".into(),
            ));
        }
        Ok((page, filter))
    }

    fn page(&self) -> Result<Page, AdminError> {
        let limit = self.limit.unwrap_or(LIMIT);
        if limit > LIMIT_MAX {
            return Err(AdminError::Asked(format!(
                "\"limit\" is {limit}, at most {LIMIT_MAX} are given at a time"
            )));
        }
        let order = match (self.order.as_deref(), &self.older_than) {
            (None | Some("newest"), bound) => Order::Newest(
                bound
                    .as_deref()
                    .map(|it| place("older_than", it))
                    .transpose()?,
            ),
            (Some("any"), None) => Order::Any,
            (Some("any"), Some(_)) => {
                return Err(AdminError::Asked(
                    "\"older_than\" goes with the order newest; the order any goes on with \"resume\"".into(),
                ));
            }
            (Some(other), _) => {
                return Err(AdminError::Asked(format!(
                    "there is no order {other:?}: use newest or any"
                )));
            }
        };
        Ok(Page {
            order,
            after: self.resume.as_deref().map(resume).transpose()?,
            limit,
        })
    }

    fn filter(self) -> Result<Filter, AdminError> {
        let status: Vec<String> = list_of(self.status.as_deref());
        if let Some(wrong) = status.iter().find(|one| !STATUSES.contains(&one.as_str())) {
            return Err(AdminError::Asked(format!(
                "there is no status {wrong:?}: use {}",
                STATUSES.join(", ")
            )));
        }
        if let Some(result) = self.result.as_deref()
            && !["success", "failure"].contains(&result)
        {
            return Err(AdminError::Asked(format!(
                "there is no result {result:?}: use success or failure"
            )));
        }
        Ok(Filter {
            status,
            result: self.result,
            service: self.service,
            handler: self.handler,
            key: self.key,
            scope: self.scope,
            deployment: self.deployment,
            created_from: self.created_from,
            created_to: self.created_to,
            text: self.text,
        })
    }
}

fn list_of(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What an answer gave to go on from.
fn resume(text: &str) -> Result<Resume, AdminError> {
    if text.contains('.') {
        Ok(Resume::Listed(place("resume", text)?))
    } else {
        Ok(Resume::Stored(parse(text)?))
    }
}

/// A place in the order of time: `MS.ID`, when it was created and its id.
fn place(name: &str, text: &str) -> Result<Place, AdminError> {
    let parts = text.split_once('.');
    let read = parts.and_then(|(ms, id)| Some((ms.parse().ok()?, parse(id).ok()?)));
    read.ok_or_else(|| {
        AdminError::Asked(format!(
            "{name:?} is {text:?}: give when the last one was created, in ms since 1970, a dot, and its id"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_engine::InvocationId;

    fn asked(query: &str) -> Result<(Page, Filter), AdminError> {
        let uri = format!("/invocations?{query}").parse().unwrap();
        let Query(asked) = Query::<Asked>::try_from_uri(&uri).unwrap();
        asked.read()
    }

    #[test]
    fn what_is_asked_is_read_or_refused_with_words() {
        let (page, filter) = asked("status=running,%20paused&service=S&limit=7").unwrap();
        assert_eq!((page.limit, page.order), (7, Order::Newest(None)));
        assert_eq!(filter.status, ["running", "paused"]);
        assert_eq!(filter.service.as_deref(), Some("S"));
        let place = (12, InvocationId::from_bytes([7; 24]));
        let text = Resume::Listed(place).text();
        let (page, _) = asked(&format!("older_than={text}&resume={text}")).unwrap();
        assert_eq!(page.order, Order::Newest(Some(place)));
        assert_eq!(page.after, Some(Resume::Listed(place)));
        for (wrong, words) in [
            ("status=runing", "no status \"runing\""),
            ("result=good", "no result \"good\""),
            ("order=oldest", "no order \"oldest\""),
            ("older_than=12", "a dot, and its id"),
            ("order=any&older_than=12.x", "goes on with \"resume\""),
            ("limit=1001", "at most 1000"),
            ("resume=inv_x", "inv_x"),
            (&format!("resume={text}&key=k"), "with another filter"),
        ] {
            let error = asked(wrong).unwrap_err().to_string();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }
}

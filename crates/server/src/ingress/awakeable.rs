//! Awakeables: completed from outside, by the id that a handler gave away.
//!
//! The answer is 202 whether or not somebody waits: an awakeable is completed once, and a
//! repetition, or a completion that comes too late, changes nothing.

use super::reply::{self, Reply};
use super::{Ingress, body};
use crate::error::Refusal;
use crate::listen::Paced;
use http::StatusCode;
use latchwork_engine::{Answer, Failure, Identity, InvocationId};
use latchwork_protocol::id::{Awakeable, parse_awakeable};
use latchwork_runtime::AskError;

/// What a rejected awakeable fails with: its caller gives a text, and no code.
const REJECTED: u32 = 500;

/// Completes an awakeable with the body.
pub(super) async fn resolve(app: &Ingress, id: &str, body: Paced) -> Result<Reply, Refusal> {
    let awakeable = parse_awakeable(id)?;
    let body = body::read(body, app.settings.body_bytes_max, &app.receiving).await?;
    complete(app, awakeable, Answer::Value(body)).await
}

/// Fails an awakeable with the body as message.
pub(super) async fn reject(app: &Ingress, id: &str, body: Paced) -> Result<Reply, Refusal> {
    let awakeable = parse_awakeable(id)?;
    let body = body::read(body, app.settings.body_bytes_max, &app.receiving).await?;
    let message = String::from_utf8_lossy(&body);
    complete(
        app,
        awakeable,
        Answer::Failure(Failure::new(REJECTED, message)),
    )
    .await
}

async fn complete(app: &Ingress, awakeable: Awakeable, answer: Answer) -> Result<Reply, Refusal> {
    // The older kind belongs to protocols that are not spoken here: nobody can wait for one.
    if let Awakeable::Signal { invocation, index } = awakeable {
        if app.handle.is_draining() {
            return Err(Refusal::Draining);
        }
        let id = InvocationId::from_bytes(invocation);
        let told = app.handle.signal(id, Identity::Signal(index), answer).await;
        told.map_err(|error| match error {
            AskError::Overloaded => Refusal::Overloaded,
            AskError::Stopping => Refusal::Unconfirmed,
        })?;
    }
    Ok(reply::empty(StatusCode::ACCEPTED))
}

//! Backups: a directory on this machine comes in, lines of progress and a last one go out.
//!
//! A backup takes as long as its bytes take, so the answer begins when it is settled that one can be
//! made, and each line is a JSON object: `progress`, and at the end `done` or `error`. Who goes away
//! ends it.

use super::Admin;
use super::error::AdminError;
use crate::body::Told;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use latchwork_runtime::generations::Progress;
use latchwork_runtime::{BackupRefusal, BackupReport, BackupWish, BegunBackup};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Lines that may wait for a slow reader; it then misses progress, never the end.
const WAITING_MAX: usize = 8;

/// The body of `POST /backup`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MakeBackup {
    /// Where on the server's machine: an absolute path.
    directory: PathBuf,
    /// So many generations stay, the new one included; without it all do.
    #[serde(default)]
    keep: Option<usize>,
}

pub(super) async fn make(
    State(app): State<Arc<Admin>>,
    Json(MakeBackup { directory, keep }): Json<MakeBackup>,
) -> Result<Response, AdminError> {
    let wish = BackupWish { directory, keep };
    let backups = app.backups.clone();
    let begun = tokio::task::spawn_blocking(move || backups.begin(wish)).await;
    // It ends early only with the server.
    let begun = begun.unwrap_or(Err(latchwork_runtime::AskError::Stopping.into()))?;
    let (lines, waiting) = mpsc::channel(WAITING_MAX);
    tokio::spawn(tell(begun, lines));
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::new(Told(waiting))).into_response())
}

/// Makes the backup, and writes what becomes of it, line by line.
async fn tell(begun: BegunBackup, lines: mpsc::Sender<Bytes>) {
    let (told, mut progress) = mpsc::channel(WAITING_MAX);
    let mut run = pin!(begun.run(told));
    let ended = loop {
        tokio::select! {
            ended = &mut run => break ended,
            Some(progress) = progress.recv() => {
                // Who does not take it is noticed below.
                drop(lines.send(line(&json!({"progress": shown(progress)}))).await);
            }
            // With `progress` goes whoever listens, by which the backup knows.
            () = lines.closed() => {
                tracing::warn!("a backup is given up: whoever asked for it went away");
                return;
            }
        }
    };
    log(&ended);
    let last = match ended {
        Ok(report) => json!({"done": report}),
        Err(error) => json!({"error": {"message": error.to_string(), "restate_code": null}}),
    };
    // Whoever asked may have gone away.
    drop(lines.send(line(&last)).await);
}

fn log(ended: &Result<BackupReport, BackupRefusal>) {
    match ended {
        Ok(report) => {
            tracing::info!(
                directory = %report.directory.display(),
                generation = report.generation,
                written_bytes = report.written_bytes,
                reused_bytes = report.reused_bytes,
                ms = report.duration_ms,
                "a backup was made"
            );
            for remark in &report.remarks {
                tracing::warn!("backup: {remark}");
            }
        }
        Err(error) => tracing::warn!(%error, "a backup failed"),
    }
}

fn shown(progress: Progress) -> Value {
    json!({
        "partition": progress.partition,
        "rows": progress.rows,
        "row_bytes": progress.row_bytes,
        "written_bytes": progress.written_bytes,
    })
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}

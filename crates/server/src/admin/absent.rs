//! Routes of the API whose subject this server does not have: lists are empty, single things are
//! not found, and what would make one says so.

use super::error::AdminError;
use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

const KAFKA: &str =
    "Kafka is not connected by this server: call the ingress from a consumer of your own";
const RULES: &str = "concurrency rules are not kept by this server: the setting attempts_max bounds all attempts together";
const VQUEUES: &str =
    "queues cannot be paused in this server: pause invocations one by one, or in a batch";
const SERDES: &str = "payloads are not converted by this server: they are shown as they are stored";

pub(super) async fn clusters() -> Json<Value> {
    Json(json!({"clusters": []}))
}

pub(super) async fn cluster(Path(name): Path<String>) -> AdminError {
    AdminError::NoneOf("Kafka cluster", name)
}

pub(super) async fn subscriptions() -> Json<Value> {
    Json(json!({"subscriptions": []}))
}

pub(super) async fn subscription(Path(id): Path<String>) -> AdminError {
    AdminError::NoneOf("subscription", id)
}

pub(super) async fn connect() -> AdminError {
    AdminError::Absent(KAFKA)
}

/// Of no rules there are none afterwards.
pub(super) async fn set_rules(Json(rules): Json<Vec<Value>>) -> Result<Json<Value>, AdminError> {
    match rules.is_empty() {
        true => Ok(Json(json!([]))),
        false => Err(AdminError::Absent(RULES)),
    }
}

/// Rules that do not exist are skipped, and there are none.
pub(super) async fn delete_rules(Json(_): Json<Vec<Value>>) -> Json<Value> {
    Json(json!([]))
}

pub(super) async fn vqueue() -> AdminError {
    AdminError::Absent(VQUEUES)
}

pub(super) async fn serde() -> AdminError {
    AdminError::Absent(SERDES)
}

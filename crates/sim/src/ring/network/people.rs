//! Those outside who want no call made: who registers the endpoint, who answers awakeables, and an
//! operator who interferes.

use super::line::{ADMIN_PORT, INGRESS_PORT, Line, Question};
use super::{Shared, pause};
use crate::ring::script::Stage;
use http::Method;
use std::time::Duration;

/// How long they wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Registers the endpoint, until that is confirmed.
pub(super) async fn register(shared: Shared) {
    let mut line = Line::new(&shared.fabric, ADMIN_PORT, false);
    let body = r#"{"uri":"http://endpoint:9080"}"#.to_owned();
    let question = Question::post("/deployments".into(), body);
    loop {
        let answer = line.ask(&question, PATIENCE).await;
        let fates = &shared.stage.fates;
        match answer {
            Ok(answer) if answer.status.is_success() => {
                fates.say("the endpoint is registered");
                return;
            }
            Ok(answer) => fates.say(format_args!("registration: {}", answer.status)),
            Err(error) => fates.say(format_args!("registration: {error}")),
        }
        pause(50).await;
    }
}

/// Completes the awakeables that handlers have given away, each twice: the first counts.
pub(super) async fn answerer(shared: Shared) {
    loop {
        pause(100).await;
        if let Some(awakeable) = shared.stage.auditor.asked() {
            tokio::spawn(complete(shared.clone(), awakeable));
        }
    }
}

async fn complete(shared: Shared, awakeable: String) {
    let fates = &shared.stage.fates;
    let mut line = Line::new(&shared.fabric, INGRESS_PORT, fates.chance(500));
    pause(fates.below(3_000)).await;
    for answer in [fates.below(1_000), 5_000] {
        let path = format!("/restate/awakeables/{awakeable}/resolve");
        let question = Question::post(path, answer.to_string());
        loop {
            let told = line.ask(&question, PATIENCE).await;
            if told.is_ok_and(|answer| answer.status.is_success()) {
                break;
            }
            pause(200).await;
        }
    }
}

/// Interferes with what callers have asked for.
pub(super) async fn operator(shared: Shared) {
    let Stage { fates, .. } = &shared.stage;
    let mut line = Line::new(&shared.fabric, ADMIN_PORT, true);
    loop {
        pause(500).await;
        if !fates.strikes(|rates| rates.operate) {
            continue;
        }
        let known = shared.known.lock().expect("one thread").clone();
        if known.is_empty() {
            continue;
        }
        let id = &known[fates.below(known.len() as u64) as usize];
        let operation = ["cancel", "kill", "pause", "pause", "resume"];
        let operation = operation[fates.below(operation.len() as u64) as usize];
        operate(&mut line, &shared, id, operation).await;
    }
}

/// Asks for something to be done to an invocation. Whether it was, a later look shows.
pub(super) async fn operate(line: &mut Line, shared: &Shared, id: &str, operation: &str) {
    let question = Question {
        method: Method::PATCH,
        ..Question::get(format!("/invocations/{id}/{operation}"))
    };
    let fates = &shared.stage.fates;
    match line.ask(&question, PATIENCE).await {
        Ok(answer) => fates.say(format_args!("{operation} {id}: {}", answer.status)),
        Err(error) => fates.say(format_args!("{operation} {id}: {error}")),
    }
}

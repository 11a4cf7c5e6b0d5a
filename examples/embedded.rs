//! A task queue within a web application: one process, one directory, no server beside it.
//!
//!     cargo run -p latchwork-examples --bin embedded -- 127.0.0.1:3000 data
//!     curl localhost:3000/reports/2026-11 --json '{"pages": 3}'
//!     curl localhost:3000/reports/2026-11
//!
//! Kill it in between, and start it again: the report is finished, and no page is made twice.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use latchwork::client::{Client, ClientError, Status};
use latchwork::embedded::Latchwork;
use latchwork::{Result, WorkflowContext};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    pages: u32,
}

struct Report;

#[latchwork::workflow]
impl Report {
    /// Makes a report, page by page.
    #[handler]
    async fn run(&self, ctx: &WorkflowContext, order: Order) -> Result<String> {
        let name = ctx.key();
        for page in 1..=order.pages {
            ctx.run("page", || async move {
                println!("page {page} of {name}");
                Ok(())
            })
            .await?;
            ctx.sleep(Duration::from_millis(200)).await?;
        }
        Ok(format!("{name}: {} pages", order.pages))
    }
}

type Answer = Result<(StatusCode, Json<Option<String>>), (StatusCode, String)>;

/// Orders a report. It is made from now on, whatever happens.
async fn order(
    State(client): State<Client>,
    Path(name): Path<String>,
    Json(order): Json<Order>,
) -> Answer {
    let report = ReportClient::new(&client, name).run(order);
    report.send().await.map_err(failed)?;
    Ok((StatusCode::ACCEPTED, Json(None)))
}

/// The report, if it is there.
async fn look(State(client): State<Client>, Path(name): Path<String>) -> Answer {
    let report = client.workflow::<String>("Report", name);
    match report.output().await.map_err(failed)? {
        Status::Done(report) => Ok((StatusCode::OK, Json(Some(report)))),
        Status::Running => Ok((StatusCode::ACCEPTED, Json(None))),
    }
}

fn failed(error: ClientError) -> (StatusCode, String) {
    let status = match &error {
        ClientError::Refused { status, .. } => StatusCode::from_u16(*status).ok(),
        _ => None,
    };
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, error.to_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:3000".to_owned());
    let directory = arguments.next().unwrap_or("data".to_owned());
    let latchwork = Latchwork::embedded(directory).bind(Report).start().await?;
    let router = Router::new()
        .route("/reports/{name}", post(order).get(look))
        .with_state(latchwork.client().clone());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let interrupted = async {
        // Without signals there is only the hard way.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(interrupted)
        .await?;
    // Steps that run are recorded; what is not over goes on at the next start.
    latchwork.shutdown().await?;
    Ok(())
}

//! Payments whose provider answers at once, or later through a webhook.
//!
//!     cargo run -p latchwork-examples --bin payments
//!     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//!     curl localhost:8080/Payments/pay --json '{"card": "good", "cents": 1200}' -H 'idempotency-key: o1'
//!     curl localhost:8080/Payments/pay --json '{"card": "slow", "cents": 1200}' -H 'idempotency-key: o2' &
//!     # what the provider would send, with the reference that was printed:
//!     curl localhost:8080/Payments/webhook --json '{"reference": "sign_1…", "status": "paid"}'
//!
//! The caller waits in both cases, and need not know which it was. Asking again with the same
//! idempotency key waits for the same payment.

use std::time::Duration;

use latchwork::{Context, Endpoint, Failure, Result, RetryPolicy};
use serde::{Deserialize, Serialize};

/// How long a provider may take.
const WEBHOOK_LIMIT: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Serialize, Deserialize)]
struct Payment {
    card: String,
    cents: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Paid,
    Declined,
    /// The answer comes through the webhook.
    Pending,
}

#[derive(Debug, Serialize, Deserialize)]
struct Webhook {
    reference: String,
    status: Status,
}

struct Payments;

#[latchwork::service]
impl Payments {
    /// Pays, and gives a receipt.
    #[handler]
    async fn pay(&self, ctx: &Context, payment: Payment) -> Result<String> {
        // Made before the provider is asked: its answer may be faster than our next step.
        let answer = ctx.awakeable::<Status>();
        let reference = answer.id().to_owned();
        let policy = RetryPolicy::default().max_attempts(10);
        let status = ctx
            .run("ask the provider", || ask(&payment, &reference))
            .retry(policy)
            .await?;
        let status = match status {
            Status::Pending => ctx.timeout(WEBHOOK_LIMIT, answer).await?,
            known => Some(known),
        };
        match status {
            Some(Status::Paid) => Ok(format!("paid {} cents", payment.cents)),
            Some(_) => Err(Failure::new("the card was declined").code(402).into()),
            None => Err(Failure::new("the provider never answered").code(504).into()),
        }
    }

    /// Where the provider sends its answers.
    #[handler]
    async fn webhook(&self, ctx: &Context, webhook: Webhook) -> Result<()> {
        ctx.complete(webhook.reference).resolve(webhook.status);
        Ok(())
    }
}

/// Stands for the API of a payment provider.
async fn ask(payment: &Payment, reference: &str) -> Result<Status> {
    Ok(match payment.card.as_str() {
        "good" => Status::Paid,
        "slow" => {
            println!("pending {reference}");
            Status::Pending
        }
        _ => Status::Declined,
    })
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9080");
    Endpoint::builder()
        .bind(Payments)
        .build()
        .serve(address)
        .await
}

//! Fan-out and fan-in: a task is cut into pieces, all are worked on at once, and what came of them
//! is put together.
//!
//!     cargo run -p latchwork-examples --bin fan-out
//!     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//!     curl localhost:8080/WordCount/count --json '["to be or not", "to be"]'
//!
//! Each piece is a call of its own: it is retried alone, on any process, and done once.

use std::collections::BTreeMap;

use latchwork::{Context, Endpoint, Result, try_join_all};

type Counts = BTreeMap<String, u64>;

struct WordCount;

#[latchwork::service]
impl WordCount {
    /// Counts the words of many texts.
    #[handler]
    async fn count(&self, ctx: &Context, texts: Vec<String>) -> Result<Counts> {
        let pieces = texts
            .into_iter()
            .map(|text| WordCountClient::new(ctx).count_one(text));
        let mut all = Counts::new();
        for counts in try_join_all(pieces).await? {
            for (word, count) in counts {
                *all.entry(word).or_default() += count;
            }
        }
        Ok(all)
    }

    /// Counts the words of one text.
    #[handler(private)]
    async fn count_one(&self, _ctx: &Context, text: String) -> Result<Counts> {
        let mut counts = Counts::new();
        for word in text.split_whitespace() {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
        Ok(counts)
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9080");
    Endpoint::builder()
        .bind(WordCount)
        .build()
        .serve(address)
        .await
}

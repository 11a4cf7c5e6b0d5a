//! From sync to async: a client waits for a result, but not for ever; then it asks for an e-mail.
//!
//!     cargo run -p latchwork-examples --bin sync-to-async
//!     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//!     cargo run -p latchwork-examples --bin sync-to-async -- prepare ada 5      # takes 5 s: a URL
//!     cargo run -p latchwork-examples --bin sync-to-async -- prepare grace 60   # takes longer: mail
//!
//! The workflow is started by an id of the client's, so asking again finds the same one.

use std::time::Duration;

use latchwork::client::{Client, Status};
use latchwork::{Endpoint, Result, SharedWorkflowContext, WorkflowContext};

/// How long the client waits, in seconds; WAIT_SECONDS overrides it.
const WAIT_SECONDS: u64 = 30;

struct DataPreparation;

#[latchwork::workflow]
impl DataPreparation {
    /// Prepares the data, which takes so many seconds; gives its URL.
    #[handler]
    async fn run(&self, ctx: &WorkflowContext, seconds: u64) -> Result<String> {
        ctx.sleep(Duration::from_secs(seconds)).await?;
        let key = ctx.key();
        let url = ctx
            .run("upload", || async {
                Ok(format!("https://data.example.com/{key}"))
            })
            .await?;
        ctx.promise("url").resolve(url.clone()).await?;
        // Somebody who gave up waiting has left an address.
        if let Some(address) = ctx.promise::<String>("mail").peek().await? {
            ctx.run("mail", || async {
                println!("mail to {address}: your data is at {url}");
                Ok(())
            })
            .await?;
        }
        Ok(url)
    }

    /// Asks for an e-mail when the data is there; gives its URL if it is there already. The run looks
    /// at the two promises the other way round, so none of the two can miss the other.
    #[shared]
    async fn mail_instead(
        &self,
        ctx: &SharedWorkflowContext,
        address: String,
    ) -> Result<Option<String>> {
        ctx.promise("mail").resolve(address).await?;
        Ok(ctx.promise("url").peek().await?)
    }
}

/// What a web server would do for a request.
async fn prepare(user: &str, seconds: u64) -> Result<(), Box<dyn std::error::Error>> {
    let ingress = std::env::var("INGRESS").unwrap_or("http://localhost:8080".to_owned());
    let wait = std::env::var("WAIT_SECONDS").ok().map(|text| text.parse());
    let wait = Duration::from_secs(wait.transpose()?.unwrap_or(WAIT_SECONDS));
    let client = Client::new(&ingress)?;
    let preparation = DataPreparationClient::new(&client, user);
    let running = preparation.run(seconds).send().await?;
    match running.attach_for(wait).await? {
        Status::Done(url) => println!("the data is at {url}"),
        Status::Running => {
            let address = format!("{user}@example.com");
            match preparation.mail_instead(address).await? {
                Some(url) => println!("the data is at {url}"),
                None => println!("this takes longer; you will get a mail"),
            }
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, user, seconds] = &arguments[..]
        && command == "prepare"
    {
        return prepare(user, seconds.parse()?).await;
    }
    let address = arguments.first().map_or("127.0.0.1:9080", String::as_str);
    let endpoint = Endpoint::builder().bind(DataPreparation).build();
    Ok(endpoint.serve(address).await?)
}

//! The five tasks, seen from outside: how each is submitted, and how its end is awaited.
//!
//! [`submit`] runs before the crash and hands over ids, [`collect`] runs after it and turns them into
//! the [`Evidence`] that `checks` judges. Both speak to the ingress only.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use serde_json::json;

use super::checks::Evidence;
use super::handlers::{LEDGER_KEY, Receipt};
use super::print::{Row, Screen};
use super::tally::{Counts, Step, Tally};
use super::{DemoError, patiently};
use crate::cmd::throwaway::{ClientError, Ingress, Submitted};

/// Sub-tasks of the fan-out.
pub(super) const SUB_TASKS: u32 = 200;

/// The delay of the delayed task.
const DELAY: Duration = Duration::from_secs(3);

/// The idempotency key that is used more than once.
const CHARGE_KEY: &str = "order-42";

/// Who answers the webhook.
const APPROVER: &str = "Grace";

/// The rows of the five tasks.
pub(super) struct Rows {
    immediate: Row,
    delayed: Row,
    same_key: Row,
    pub(super) fan_out: Row,
    webhook: Row,
}

impl Rows {
    pub(super) fn new(screen: &Screen) -> Self {
        Self {
            immediate: screen.row("immediate"),
            delayed: screen.row("delayed"),
            same_key: screen.row("same key"),
            fan_out: screen.bar("fan-out", SUB_TASKS),
            webhook: screen.row("webhook"),
        }
    }
}

/// What is known of the tasks once they are submitted. Ids are those of invocations.
pub(super) struct Submissions {
    greeting: String,
    greeting_id: String,
    greeted_in: Duration,
    reminder: String,
    reminder_at: Instant,
    charge_ids: Vec<String>,
    fan_out: String,
    order: String,
}

/// Submits the five tasks.
pub(super) async fn submit(rows: &Rows, ingress: Ingress) -> Result<Submissions, DemoError> {
    let at_once = Duration::ZERO;

    let asked_at = Instant::now();
    let call = ingress.call("/Tasks/greet", Some(json!("Ada")));
    let (greeting_id, greeting): (_, String) = patiently("the greeting", call).await?;
    let greeted_in = asked_at.elapsed();
    rows.immediate
        .done(format!("\"{greeting}\" in {greeted_in:.1?}"));

    let reminder_at = Instant::now();
    let send = ingress.send("Tasks/remind", json!("tea"), DELAY, None);
    let reminder = patiently("the delayed submission", send).await?;
    rows.delayed
        .doing(format!("due in {DELAY:?}: {}", reminder.invocation_id));

    let first = patiently("the first submission", charge(ingress)).await?;
    let second = patiently("the second submission", charge(ingress)).await?;
    let known = match second.was_known() {
        true => "known already",
        false => "taken for a new one",
    };
    rows.same_key
        .doing(format!("submitted twice, the second was {known}"));

    let send = ingress.send("Tasks/order", json!("lamp"), at_once, None);
    let order = patiently("the order", send).await?;
    rows.webhook.doing("waiting for somebody to approve");

    let send = ingress.send("Tasks/fan_out", json!(SUB_TASKS), at_once, None);
    let fan_out = patiently("the fan-out", send).await?;
    rows.fan_out.doing("sub-tasks recorded");

    Ok(Submissions {
        greeting,
        greeting_id: greeting_id.unwrap_or_default(),
        greeted_in,
        reminder: reminder.invocation_id,
        reminder_at,
        charge_ids: vec![first.invocation_id, second.invocation_id],
        fan_out: fan_out.invocation_id,
        order: order.invocation_id,
    })
}

/// One of the submissions that share a key.
async fn charge(ingress: Ingress) -> Result<Submitted, ClientError> {
    ingress
        .send(
            "Tasks/charge",
            json!(4200),
            Duration::ZERO,
            Some(CHARGE_KEY),
        )
        .await
}

/// After the crash: calls the webhook, submits the charge once more, waits for the end of each task
/// by its invocation's id, and reads the ledger.
pub(super) async fn collect(
    rows: &Rows,
    ingress: Ingress,
    tally: &Tally,
    submitted: Submissions,
    awakeable: &str,
) -> Result<Evidence, DemoError> {
    rows.webhook.doing("calling the webhook");
    patiently("the webhook", ingress.resolve(awakeable, json!(APPROVER))).await?;
    let again = patiently("the third submission", charge(ingress)).await?;

    let reminded = async {
        let text: String =
            patiently("the delayed task", ingress.attach(&submitted.reminder)).await?;
        rows.delayed.done(format!("\"{text}\""));
        Ok::<_, DemoError>(())
    };
    let charged = async {
        let execution = patiently("the charge", ingress.attach(&again.invocation_id)).await?;
        rows.same_key
            .done("submitted a third time after the crash: still the one invocation");
        Ok::<u64, DemoError>(execution)
    };
    let collected = async {
        let receipts: Vec<Receipt> =
            patiently("the fan-out", ingress.attach(&submitted.fan_out)).await?;
        rows.fan_out.reached(tally.counts().work_recorded());
        rows.fan_out.done("collected");
        Ok::<_, DemoError>(receipts)
    };
    let shipped = async {
        let text: String = patiently("the order", ingress.attach(&submitted.order)).await?;
        rows.webhook.done(format!("\"{text}\""));
        Ok::<_, DemoError>(text)
    };
    let ((), charge_execution, receipts, order) =
        tokio::try_join!(reminded, charged, collected, shipped)?;

    let greeting = patiently("the greeting", ingress.attach(&submitted.greeting_id)).await?;
    let read = format!("/Ledger/{LEDGER_KEY}/read");
    let (_, ledger) = patiently("the ledger", ingress.call(&read, None)).await?;
    let counts = tally.counts();
    let delayed_by = counts.began_at(Step::Remind);
    let mut charge_ids = submitted.charge_ids;
    charge_ids.push(again.invocation_id);
    Ok(Evidence {
        sub_tasks: SUB_TASKS,
        greetings: [submitted.greeting, greeting],
        greeted_in: submitted.greeted_in,
        delay: DELAY,
        delayed_by: delayed_by.map(|at| at.duration_since(submitted.reminder_at)),
        charge_ids,
        charge_execution,
        receipts,
        ledger,
        order: [order, format!("lamp shipped, approved by {APPROVER}")],
        counts,
    })
}

/// Keeps the bar of the fan-out where the count is.
pub(super) async fn follow(tally: &Tally, row: &Row) -> Infallible {
    let mut shown = 0;
    loop {
        let moved = |counts: &Counts| Some(counts.work_recorded()).filter(|&now| now != shown);
        shown = tally.wait_for(moved).await;
        row.reached(shown);
    }
}

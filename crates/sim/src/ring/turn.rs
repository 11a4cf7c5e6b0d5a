//! One turn of a node, as fate has it: soon or late, and perhaps of no partition.

use super::faults::Fates;
use super::storage::SimStore;
use latchwork_runtime::{Fatal, SteppedNode};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a node without work is waited for.
const LONGEST: Duration = Duration::from_secs(1);

/// A partition that stands still while others go on, and until when.
#[derive(Default)]
pub(super) struct Stall(Option<(usize, Instant)>);

impl Stall {
    /// Turns the partition that is due, unless it stands still.
    ///
    /// # Errors
    /// If the node has to stop.
    pub(super) async fn turn(
        &mut self,
        node: &mut SteppedNode<SimStore>,
        fates: &Fates,
    ) -> Result<(), Fatal> {
        let own = node.due(LONGEST).await;
        if fates.strikes(|rates| rates.stall / 5) {
            let lasts = Duration::from_millis(fates.below(3_000));
            fates.say(format_args!("partition {own} stands still for {lasts:?}"));
            self.0 = Some((own, Instant::now() + lasts));
        }
        if let Some((stalled, until)) = self.0
            && stalled == own
            && Instant::now() < until
        {
            sleep(Duration::from_millis(5)).await;
            return Ok(());
        }
        if fates.chance(300) {
            // A sync takes its time, and more comes meanwhile.
            sleep(Duration::from_millis(fates.below(8))).await;
        }
        node.turn(own)?;
        while fates.chance(300) && node.write_tables(own)? {}
        Ok(())
    }
}

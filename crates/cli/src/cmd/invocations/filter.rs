//! Which invocations are meant: flags come in, conditions of SQL go out.

use crate::moment;
use crate::statement::Conditions;
use latchwork_protocol::ingress::parse_delay;

/// What an invocation can be.
pub(super) const STATUSES: [&str; 8] = [
    "scheduled",
    "pending",
    "ready",
    "running",
    "suspended",
    "backing-off",
    "paused",
    "completed",
];

/// Which invocations are meant; all conditions given must hold
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Filter {
    /// In one of these states
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = STATUSES)]
    pub(super) status: Vec<String>,
    /// Of one of these services
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    service: Vec<String>,
    /// Of one of these handlers
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    handler: Vec<String>,
    /// With this key of an object or workflow; may be repeated
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Bound to one of these deployments
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    deployment: Vec<String>,
    /// Submitted with this idempotency key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Called by this invocation
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// Created longer ago than this, such as 90s, 2h or 7d
    #[arg(long, value_name = "DURATION", value_parser = parse_delay)]
    older_than: Option<u64>,
    /// Created within this time, such as 90s, 2h or 7d
    #[arg(long, value_name = "DURATION", value_parser = parse_delay)]
    newer_than: Option<u64>,
    /// Whose state has not changed for this time
    #[arg(long, value_name = "DURATION", value_parser = parse_delay)]
    unchanged_for: Option<u64>,
    /// Completed with a failure
    #[arg(long, conflicts_with = "succeeded")]
    failed: bool,
    /// Completed with an output
    #[arg(long)]
    succeeded: bool,
    /// Whose last failed attempt says this
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// For which this condition of SQL over sys_invocation holds
    #[arg(long = "where", value_name = "SQL")]
    sql: Option<String>,
}

impl Filter {
    /// Whether it says itself whether completed ones are meant.
    pub(super) fn means_completed(&self) -> bool {
        !self.status.is_empty() || self.failed || self.succeeded
    }

    /// The conditions, at an instant.
    pub(super) fn conditions(&self, now: i64) -> Conditions {
        let mut all = Conditions::new();
        all.one_of("target_service_name", &self.service);
        all.one_of("target_handler_name", &self.handler);
        all.one_of("target_service_key", &self.key);
        all.one_of("pinned_deployment_id", &self.deployment);
        all.one_of("status", &self.status);
        if let Some(key) = &self.idempotency_key {
            all.equal("idempotency_key", key);
        }
        if let Some(parent) = &self.parent {
            all.equal("invoked_by_id", parent);
        }
        let before = |age: u64| moment::text(now.saturating_sub_unsigned(age));
        for (column, sign, age) in [
            ("created_at", '<', self.older_than),
            ("created_at", '>', self.newer_than),
            ("modified_at", '<', self.unchanged_for),
        ] {
            if let Some(age) = age {
                all.holds(format!("{column} {sign} '{}'", before(age)));
            }
        }
        if self.failed {
            all.equal("completion_result", "failure");
        }
        if self.succeeded {
            all.equal("completion_result", "success");
        }
        if let Some(error) = &self.error {
            all.contains("last_failure", error);
        }
        if let Some(sql) = &self.sql {
            all.holds(format!("({sql})"));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    fn conditions(arguments: &[&str]) -> Result<String, clap::Error> {
        let command = Filter::augment_args(clap::Command::new("list").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments)?;
        let filter = Filter::from_arg_matches(&matches)?;
        Ok(filter.conditions(1_795_509_072_231).to_string())
    }

    #[test]
    fn flags_become_conditions() {
        for (arguments, expected) in [
            (vec![], ""),
            (
                vec!["--service", "A,B", "--key", "a,b'"],
                " WHERE target_service_name IN ('A', 'B') AND target_service_key = 'a,b'''",
            ),
            (
                vec!["--status", "paused", "--older-than", "1s"],
                " WHERE status = 'paused' AND created_at < '2026-11-24T08:31:11.231Z'",
            ),
            (
                vec!["--failed", "--where", "1=1 OR id = 'x'"],
                " WHERE completion_result = 'failure' AND (1=1 OR id = 'x')",
            ),
            (
                vec!["--error", "50%"],
                " WHERE last_failure LIKE '%50\\%%' ESCAPE '\\'",
            ),
        ] {
            assert_eq!(conditions(&arguments).expect("they are right"), expected);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for arguments in [
            ["--status", "asleep"],
            ["--older-than", "soon"],
            ["--failed", "--succeeded"],
        ] {
            assert!(conditions(&arguments).is_err(), "{arguments:?}");
        }
    }
}

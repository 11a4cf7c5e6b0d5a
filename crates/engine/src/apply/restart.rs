//! A new invocation that begins with the first entries of a completed one.

use crate::Halt;
use crate::command::Restart;
use crate::effect::Reply;
use crate::fact::Fact;
use crate::id::InvocationId;
use crate::read;
use crate::table::invocation::{Invocation, Status};
use crate::table::journal::{Body, JournalEntry};
use crate::transition::Apply;
use crate::value::{Identity, TargetKind};
use std::collections::BTreeSet;

impl Apply<'_> {
    pub(crate) fn restart(&mut self, restart: Restart) -> Result<(), Halt> {
        let reply = self.restarted(restart)?;
        self.reply(reply);
        Ok(())
    }

    fn restarted(&mut self, restart: Restart) -> Result<Reply, Halt> {
        if self.invocation(&restart.id)?.is_some() {
            // The same wish, proposed twice.
            return Ok(accepted(restart.id, true));
        }
        let Some(old) = self.invocation(&restart.from)? else {
            return Ok(Reply::NotFound);
        };
        match old.status() {
            Status::Completed => {}
            Status::Scheduled | Status::Inboxed => return Ok(Reply::NotStarted),
            _ => return Ok(Reply::NotCompleted),
        }
        if old.target.kind() == TargetKind::WorkflowRun {
            return Ok(Reply::IsWorkflow);
        }
        if old.journal_dropped {
            return Ok(Reply::JournalMissing);
        }
        let journal = read::journal(self, &restart.from, old.journal_len)?;
        let Some(kept) = prefix(journal, restart.last_command) else {
            return Ok(Reply::OpenCommands);
        };
        let id = restart.id;
        let mut row = Invocation {
            target: old.target,
            created_at: self.now,
            completion_retention_ms: old.completion_retention_ms,
            journal_retention_ms: old.journal_retention_ms,
            restarted_from: Some(restart.from),
            limit_key: old.limit_key,
            trace: old.trace,
            pin: restart.pin,
            ..Invocation::default()
        };
        for body in kept {
            let is_output = matches!(&body, Body::Command(command) if command.settled.is_some());
            let index = self.append(&id, &mut row, body);
            if is_output {
                row.output_index = Some(index);
            }
        }
        self.admit(id, &mut row)?;
        self.save(&id, &mut row);
        let row = Box::new(row);
        self.fact(Fact::Accepted { id, row });
        Ok(accepted(id, false))
    }
}

fn accepted(id: InvocationId, existed: bool) -> Reply {
    Reply::Accepted {
        id,
        existed,
        execution_time: None,
    }
}

/// The commands up to `last` and their completions, in stored order; nothing if one of
/// the commands has no completion, or if there are not so many.
fn prefix(journal: Vec<JournalEntry>, last: u32) -> Option<Vec<Body>> {
    let mut open = BTreeSet::<u32>::new();
    let mut kept_completions = BTreeSet::new();
    let mut commands = 0;
    for body in journal.iter().filter_map(|entry| entry.body.as_ref()) {
        if !matches!(body, Body::Notification(_)) {
            if commands > last {
                break;
            }
            commands += 1;
        }
        if let Body::Command(command) = body {
            open.extend(&command.completions);
            kept_completions.extend(command.completions.iter().copied());
        }
    }
    if commands <= last {
        return None;
    }
    let mut commands = 0;
    let mut kept = Vec::new();
    for body in journal.into_iter().filter_map(|entry| entry.body) {
        match &body {
            Body::Notification(notification) => match notification.identity {
                Some(Identity::Completion(id)) if kept_completions.contains(&id) => {
                    open.remove(&id);
                    kept.push(body);
                }
                _ => {}
            },
            Body::Input(_) | Body::Command(_) => {
                if commands <= last {
                    kept.push(body);
                }
                commands += 1;
            }
        }
    }
    open.is_empty().then_some(kept)
}

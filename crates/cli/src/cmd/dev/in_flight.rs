//! Work in flight on code that is gone: what becomes of it, and who decides.

use crate::admin::Admin;
use crate::exit::Failure;
use crate::http::segment;
use crate::print;
use crate::statement::Conditions;
use serde::Deserialize;
use serde_json::Value;
use std::io::{BufRead, Write};
use ureq::http::Method;

/// What becomes of unfinished invocations when the code is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum InFlight {
    /// Hold them, and ask on the terminal
    Ask,
    /// The new code finishes them; one that takes another path than was recorded is paused
    Finish,
    /// End them, and start them again from the beginning
    Restart,
    /// Hold them until somebody resumes or kills them
    Pause,
    /// End them
    Kill,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) done: usize,
    /// Why not, in the server's words, for the others.
    pub(super) refused: Vec<String>,
}

impl InFlight {
    /// What is done if nobody says anything.
    pub(super) fn usual() -> Self {
        if print::can_ask() {
            Self::Ask
        } else {
            Self::Finish
        }
    }

    /// Whether nothing of them may run on the new code before it was settled.
    pub(super) fn holds(self) -> bool {
        self != Self::Finish
    }

    /// What became of them, to be said of so many invocations.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Finish | Self::Ask => "on the new code now",
            Self::Restart => "ended, and started again as new",
            Self::Pause => "paused; `latchwork invocations resume` or `kill` them",
            Self::Kill => "killed",
        }
    }

    /// Asks for one of the others, where this is to ask.
    pub(super) fn chosen(self, count: usize) -> Self {
        if self != Self::Ask {
            return self;
        }
        let what = print::counted(count as u64, "invocation");
        loop {
            let mut err = std::io::stderr();
            // Nobody may be listening: then the answer is the end of the input.
            let _ = write!(
                err,
                "{what} unfinished on the old code: [f]inish on the new code, [r]estart, leave \
                 [p]aused, [k]ill? [f] "
            );
            let _ = err.flush();
            let mut answer = String::new();
            match std::io::stdin().lock().read_line(&mut answer) {
                Ok(0) | Err(_) => return Self::Pause,
                Ok(_) => {}
            }
            match answer.trim().chars().next() {
                None | Some('f' | 'F') => return Self::Finish,
                Some('r' | 'R') => return Self::Restart,
                Some('p' | 'P') => return Self::Pause,
                Some('k' | 'K') => return Self::Kill,
                Some(_) => {}
            }
        }
    }

    /// Does it to these.
    pub(super) fn settle(self, admin: &Admin, ids: &[String]) -> Settled {
        let mut settled = Settled::default();
        for id in ids {
            let told = match self {
                Self::Ask | Self::Finish => operate(admin, id, "resume"),
                Self::Restart => {
                    operate(admin, id, "kill").and_then(|()| operate(admin, id, "restart-as-new"))
                }
                Self::Pause => operate(admin, id, "pause"),
                Self::Kill => operate(admin, id, "kill"),
            };
            match told {
                Ok(()) => settled.done += 1,
                Err(error) => settled.refused.push(format!("{id}: {error}")),
            }
        }
        settled
    }
}

/// The unfinished invocations that are bound to a deployment.
pub(super) fn bound_to(admin: &Admin, deployment: &str) -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    struct Bound {
        id: String,
    }
    let mut conditions = Conditions::new();
    conditions.one_of("pinned_deployment_id", &[deployment.to_owned()]);
    conditions.holds("status != 'completed'");
    let sql = format!("SELECT id FROM sys_invocation{conditions} ORDER BY created_at");
    let rows: Vec<Bound> = admin.query(&sql)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

fn operate(admin: &Admin, id: &str, operation: &str) -> Result<(), Failure> {
    let path = format!("/invocations/{}/{operation}", segment(id));
    admin.tell(Method::PATCH, &path, None::<&Value>)?;
    Ok(())
}

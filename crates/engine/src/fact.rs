//! Facts: what became of invocations when a record was applied, for those who count and trace.
//!
//! Nothing is owed by them and nothing depends on them. Whoever applies a record a second time,
//! as a recovery does, lets them go.

use crate::id::InvocationId;
use crate::table::invocation::Invocation;
use crate::value::{Failure, Outcome};

/// Something that has happened to an invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// It is there, and was not before.
    Accepted {
        /// Which.
        id: InvocationId,
        /// Its row, as it was stored.
        row: Box<Invocation>,
    },
    /// It is over.
    Completed {
        /// Which.
        id: InvocationId,
        /// Its row, as it was stored, or forgotten at once.
        row: Box<Invocation>,
        /// What it came to.
        ending: Ending,
        /// Its failure, if that is what it came to.
        failure: Option<Failure>,
    },
}

/// What an invocation came to, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// A value.
    Succeeded,
    /// A failure: the handler's own, or that of its last attempt.
    Failed,
    /// The failure of one that was asked to stop.
    Cancelled,
    /// An operator has ended it, or its caller.
    Killed,
}

/// What the failure of a cancelled invocation says: ours, and that of the SDKs.
const CANCELLED_CODE: u32 = 409;
const CANCELLED: [&str; 2] = ["canceled", "cancelled"];

impl Ending {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Succeeded, Self::Failed, Self::Cancelled, Self::Killed];

    /// How it is written in metrics and traces.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Killed => "killed",
        }
    }

    /// What an outcome says by itself. A cancelled handler ends with the failure that its SDK
    /// gives it, unless it chooses another: that failure is how it is known.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Value(_) => Self::Succeeded,
            Outcome::Failure(failure)
                if failure.code == CANCELLED_CODE
                    && (CANCELLED.iter())
                        .any(|text| failure.message.eq_ignore_ascii_case(text)) =>
            {
                Self::Cancelled
            }
            Outcome::Failure(_) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn an_outcome_says_what_it_came_to() {
        let failure = |code, message: &str| Outcome::Failure(Failure::new(code, message));
        for (outcome, ending) in [
            (Outcome::Value(Bytes::new()), Ending::Succeeded),
            (failure(409, "canceled"), Ending::Cancelled),
            (failure(409, "Cancelled"), Ending::Cancelled),
            (failure(500, "cancelled"), Ending::Failed),
            (failure(409, "out of stock"), Ending::Failed),
        ] {
            assert_eq!(Ending::of(&outcome), ending, "{outcome:?}");
        }
    }
}

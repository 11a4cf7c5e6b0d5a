//! How much was held against the model: a run that checked nothing has found nothing.

/// What was heard of the server, and held against the model.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    /// It has taken a task, and said which invocation that is.
    pub(crate) accepted: u64,
    /// It has told the outcome of a task, to a caller, by attaching or by looking.
    pub(crate) outcomes: u64,
    /// It has taken the resolution of an awakeable.
    pub(crate) resolved: u64,
    /// It has told what an object has counted.
    pub(crate) states: u64,
}

impl Counts {
    /// All of them.
    pub(crate) fn all(&self) -> u64 {
        self.accepted + self.outcomes + self.resolved + self.states
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.accepted += more.accepted;
        self.outcomes += more.outcomes;
        self.resolved += more.resolved;
        self.states += more.states;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} acknowledgements checked ({} accepted, {} outcomes, {} resolutions, {} states)",
            self.all(),
            self.accepted,
            self.outcomes,
            self.resolved,
            self.states
        )
    }
}

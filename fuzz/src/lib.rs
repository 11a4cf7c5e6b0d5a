//! What must survive any input, one target for each kind: bytes come in, nothing goes out, and a
//! panic is a finding.
//!
//! ```text
//!   corpus, findings ──▶ mutate ──▶ target      on any toolchain, from a seed (`main.rs`)
//!   corpus, findings ──▶ libFuzzer ──▶ target   guided by coverage (`fuzz/run`)
//! ```
//!
//! A target looks for more than panics: what is read must be written and read alike, what one
//! part lets through the next must understand.

pub mod corpus;
pub mod mutate;

mod callers;
mod endpoints;
mod operators;
mod stored;

/// One kind of input.
pub struct Target {
    /// What it is called, here and in `corpus/` and `findings/`.
    pub name: &'static str,
    /// Takes one input; panics if it was not survived.
    pub body: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "frames",
        body: endpoints::frames,
    },
    Target {
        name: "session",
        body: endpoints::session,
    },
    Target {
        name: "manifest",
        body: endpoints::manifest,
    },
    Target {
        name: "ingress",
        body: callers::ingress,
    },
    Target {
        name: "admin",
        body: operators::admin,
    },
    Target {
        name: "sql",
        body: operators::sql,
    },
    Target {
        name: "segment",
        body: stored::segment,
    },
    Target {
        name: "tables",
        body: stored::tables,
    },
    Target {
        name: "backup",
        body: stored::backup,
    },
];

/// A target that must be found guilty: whoever changes the runner sees by it that findings are
/// still found.
pub const CANARY: Target = Target {
    name: "canary",
    body: |data| assert!(!data.windows(3).any(|window| window == b"cat"), "miaow"),
};

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

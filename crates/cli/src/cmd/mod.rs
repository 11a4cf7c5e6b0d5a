//! One subcommand a module: each takes its parsed options and returns the process's exit code.

#[cfg(feature = "demo")]
pub(crate) mod demo;
pub(crate) mod identity;
pub(crate) mod serve;

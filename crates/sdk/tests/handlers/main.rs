//! Handlers against a server in memory, in every protocol version and mode.

mod combining;
mod contract;
mod determinism;
mod endpoint;
mod steps;
mod world;

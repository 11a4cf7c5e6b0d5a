//! wip
pub mod vm;

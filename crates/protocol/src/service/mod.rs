//! The conversation between server and SDK, as the server needs it.
//!
//! ```text
//!   GET  /discover   ── manifest ─▶ services, handlers, their rules
//!   POST /invoke/…   ◀─ frames ──▶ messages, in the version both speak
//!   every request    ◀─ signed by identity, if a key is configured
//! ```
//!
//! Bytes of an endpoint come in and leave as checked values. Start at [`frame`] for the stream of
//! an attempt, at [`manifest`] for registration. What the messages lead to is not decided here,
//! and no HTTP is spoken here.

pub mod frame;
pub mod identity;
pub mod manifest;
pub mod message;
pub mod version;

//! Bytes and meaning: everything that crosses to other people's programs.
//!
//! ```text
//!   SDK endpoint  ⇄ frames, manifests, signatures   service
//!   caller        ⇄ paths, headers, replies         ingress
//!   operator      ⇄ JSON                            admin
//!   W3C trace context ⇄ ids of spans                trace
//!        all of them name things by                 id   (derived in `derive`, grouped by `scope`)
//! ```
//!
//! What comes in is bytes and text from outside, not yet trusted; what goes out is values that
//! have been checked, or an error that says what to do. The other way round, values become bytes.
//!
//! Start at [`service`] for the conversation with handlers, at [`ingress`] for the one with
//! callers. A change to any of these is a question of compatibility; `golden/` holds recorded
//! bytes that every change must still read and write.
//!
//! Deliberately absent: sockets, async, clocks, random numbers, storage, and any decision about
//! what a message should lead to.

pub mod admin;
pub mod derive;
#[cfg(test)]
mod golden;
pub mod id;
pub mod ingress;
pub mod scope;
pub mod service;
pub mod trace;

//! The entry point of libFuzzer: the target is named by `FUZZ_TARGET`.

#![no_main]

use latchwork_fuzz::{Target, target};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static TARGET: OnceLock<&Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let chosen = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("FUZZ_TARGET is {name:?}, which is no target"))
    });
    (chosen.body)(data);
});

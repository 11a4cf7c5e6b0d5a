//! What the system says of this process.

use super::text::{Kind, Text};
use rustix::process::{Resource, getrlimit};
use std::fs;

/// Writes what is known; what the system does not say is left out.
pub(super) fn write(text: &mut Text, began_ms: u64) {
    text.family(
        "latchwork_process_start_time_seconds",
        Kind::Gauge,
        "When the server was started, in seconds since 1970.",
    );
    text.sample(&[], began_ms as f64 / 1e3);
    if let Some(resident) = resident_bytes() {
        text.family(
            "latchwork_process_resident_memory_bytes",
            Kind::Gauge,
            "Memory of the process that is in RAM.",
        );
        text.sample(&[], resident);
    }
    if let Some(seconds) = cpu_seconds() {
        text.family(
            "latchwork_process_cpu_seconds",
            Kind::Counter,
            "CPU time of the process, in user and system mode.",
        );
        text.sample(&[], seconds);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        text.family(
            "latchwork_process_open_fds",
            Kind::Gauge,
            "Files and sockets that are open.",
        );
        text.sample(&[], files.count());
    }
    if let Some(max) = getrlimit(Resource::Nofile).current {
        text.family(
            "latchwork_process_max_fds",
            Kind::Gauge,
            "Files and sockets that may be open.",
        );
        text.sample(&[], max);
    }
}

fn resident_bytes() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program is in parentheses, and may hold anything.
    let (_, after) = text.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let all = ticks()? + ticks()?;
    Some(all as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_speaks_of_us() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(cpu_seconds().unwrap() >= 0.0);
    }
}

//! Open files: how many there may be, and how many of them may be connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One of so many files may be a connection of one port. Half is left for both ports; the other
/// half is for what is stored and for connections to deployments.
const SHARE: u64 = 4;

/// Raises the number of files that the process may open to what it is allowed, and gives the
/// connections that one port may have: what is wished, or fewer if the files do not suffice.
pub(crate) fn connections_for(wished: usize) -> usize {
    let Some(files) = raised() else {
        return wished;
    };
    let share = usize::try_from(files / SHARE).unwrap_or(usize::MAX).max(1);
    if share < wished {
        tracing::info!(
            "the process may open {files} files: each port serves {share} connections, not \
             {wished}. Allow it more (ulimit -n), or set connections_max"
        );
    }
    wished.min(share)
}

/// The most files that may be open; nothing if there is no limit.
fn raised() -> Option<u64> {
    let now = getrlimit(Resource::Nofile);
    let wished = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    // Some systems allow less than they say; then it stays as it is.
    match setrlimit(Resource::Nofile, wished) {
        Ok(()) => now.maximum,
        Err(_) => now.current,
    }
}

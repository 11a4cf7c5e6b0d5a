//! What one synced write costs in a directory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const BLOCK: [u8; 4096] = [0x5a; 4096];
const WRITES: usize = 200;
/// Slow disks are not written to for longer than this.
const LONGEST: Duration = Duration::from_secs(2);

/// Whether what is in `directory` is lost with the power.
#[cfg(target_os = "linux")]
pub(super) fn is_in_memory(directory: &Path) -> bool {
    // As statfs(2) has them.
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    rustix::fs::statfs(directory)
        .is_ok_and(|found| matches!(found.f_type as u64 & 0xffff_ffff, TMPFS | RAMFS))
}

/// Whether what is in `directory` is lost with the power; not known here.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_in_memory(_directory: &Path) -> bool {
    false
}

/// The median over some writes of a block, each followed by a sync, into a file whose blocks are
/// there already, as the log does it.
pub(super) fn synced_write(directory: &Path) -> io::Result<Duration> {
    let path = directory.join("synced-write");
    let file = File::create(&path)?;
    for block in 0..WRITES {
        file.write_all_at(&BLOCK, (block * BLOCK.len()) as u64)?;
    }
    file.sync_all()?;
    let (begun, mut times) = (Instant::now(), Vec::with_capacity(WRITES));
    for block in 0..WRITES {
        if begun.elapsed() > LONGEST {
            break;
        }
        let write = Instant::now();
        file.write_all_at(&BLOCK, (block * BLOCK.len()) as u64)?;
        file.sync_data()?;
        times.push(write.elapsed());
    }
    std::fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

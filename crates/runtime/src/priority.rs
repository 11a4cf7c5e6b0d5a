//! How much a thread that is in no hurry leaves to those that serve calls.

/// Lowers the priority of the calling thread to `niceness`: what `nice` calls so, from 0 to 19.
/// A thread that cannot be lowered does its work all the same.
pub fn yield_to_others(niceness: i32) {
    // Of one thread only on Linux; elsewhere it would be the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), niceness);
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
}

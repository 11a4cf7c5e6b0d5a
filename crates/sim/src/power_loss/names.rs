//! What a first start leaves behind: every name of it must be durable before anything is accepted.
//!
//! The losses of power find a name that is not, sometimes. This looks at all of them.

use super::disk::{Directory, Disk, Inode, Node, ROOT};
use super::recorder::{Step, mount};
use latchwork_runtime::trace::Tracer;
use latchwork_runtime::transport::{BoxFuture, OpenRequest, Stream, Transport, TransportError};
use latchwork_runtime::{Node as Server, NodeLimits, NodeOptions, SystemClock};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// There are no handlers.
struct Nowhere;

impl Transport for Nowhere {
    fn open(&self, _: OpenRequest) -> BoxFuture<Result<Stream, TransportError>> {
        Box::pin(std::future::pending())
    }
}

fn first_start(data: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = NodeOptions {
        directory: data.to_owned(),
        partitions: 2,
        cache_bytes: 8 << 20,
        limits: NodeLimits {
            attempts_max: 1,
            attempts_bytes_max: 1 << 20,
            invocation_bytes_max: 1 << 20,
            metered_handlers_max: 1,
            inactivity_max: None,
        },
    };
    let (transport, clock) = (Arc::new(Nowhere), Arc::new(SystemClock));
    let (tracer, rim) = (Tracer::off(), runtime.handle());
    let node = Server::open(&options, transport, clock, tracer, rim).unwrap();
    // The last step that the recorder shows: all that a start does was done before it.
    fs::write(data.join("open"), []).unwrap();
    runtime.block_on(node.shutdown(Duration::ZERO)).unwrap();
}

/// Paths of directories whose name is not synced in the one above.
fn unsynced(disk: &Disk, inode: Inode, path: &str, found: &mut Vec<String>) {
    let Some(Node::Directory(Directory { now, synced, .. })) = disk.node(inode) else {
        return;
    };
    for (name, inode) in now {
        let path = format!("{path}/{}", name.display());
        if matches!(disk.node(*inode), Some(Node::Directory(_))) {
            if synced.get(name) != Some(inode) {
                found.push(path.clone());
            }
            unsynced(disk, *inode, &path, found);
        }
    }
}

#[test]
fn after_a_first_start_every_directory_has_a_durable_name() {
    let place = tempfile::tempdir().unwrap();
    let opened = Arc::new(Mutex::new(None));
    let shown = opened.clone();
    let watcher = Box::new(move |disk: &Disk, step| {
        let is_open = || {
            let data = disk.find(ROOT, "data".as_ref())?;
            disk.find(data, "open".as_ref())
        };
        if step == Step::Names && is_open().is_some() {
            shown.lock().unwrap().get_or_insert_with(|| disk.clone());
        }
    });
    let session = match mount(place.path(), watcher) {
        Ok(session) => session,
        Err(error) => return eprintln!("not looked at: nothing can be mounted here: {error}"),
    };
    first_start(&place.path().join("data"));
    drop(session);
    let disk = opened.lock().unwrap().take().expect("it was opened");
    let mut found = Vec::new();
    unsynced(&disk, ROOT, "", &mut found);
    assert_eq!(found, [""; 0], "a loss of power would take these away");
}

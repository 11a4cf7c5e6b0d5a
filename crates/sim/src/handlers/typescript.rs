//! The program with the TypeScript SDK: carried in this binary, laid down beside its packages.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = include_str!("typescript/package.json");
const FILES: [(&str, &str); 2] = [
    ("app.mjs", include_str!("typescript/app.mjs")),
    ("witness.mjs", include_str!("typescript/witness.mjs")),
];
/// Its contents are the package file that was installed.
const INSTALLED: &str = "installed.json";

/// The Node that runs it.
pub(crate) fn node() -> PathBuf {
    std::env::var_os("NODE").map_or_else(|| "node".into(), PathBuf::from)
}

/// Lays the program down and installs its packages, unless that was done; says where it is.
pub(crate) fn install() -> Result<PathBuf, String> {
    let folder = folder();
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    // Another loop may be about to do the same.
    let lock = File::create(folder.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    for (name, text) in FILES {
        write(&folder.join(name), text).map_err(failed)?;
    }
    let installed = folder.join(INSTALLED);
    if fs::read_to_string(&installed).is_ok_and(|text| text == PACKAGE) {
        return Ok(folder.join(FILES[0].0));
    }
    write(&folder.join("package.json"), PACKAGE).map_err(failed)?;
    let npm = Command::new("npm")
        .args([
            "install",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--loglevel=error",
        ])
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("npm cannot be started: {error}. It comes with Node."))?;
    if !npm.status.success() {
        return Err(format!(
            "npm install in {} failed: {}",
            folder.display(),
            String::from_utf8_lossy(&npm.stderr)
        ));
    }
    write(&installed, PACKAGE).map_err(failed)?;
    Ok(folder.join(FILES[0].0))
}

/// A running program may be reading the file.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

fn folder() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into()));
    cache
        .unwrap_or_else(|| home().join(".cache"))
        .join("latchwork/sim-typescript")
}

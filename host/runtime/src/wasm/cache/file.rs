//! A file of the cache: written by this user alone, and whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use nix::fcntl::OFlag;

use crate::files;

/// Begins every file of a kind; ends with the version of its form.
pub(super) type Magic = [u8; 16];

/// The largest file that is read: compiled code is several times as large as the plugin.
const MAX: u64 = 2 << 30;

const HASH: usize = blake3::OUT_LEN;

/// The content of a file that only this user can have written. The error is the reason why it may not be used.
pub(super) fn read(path: &Path, magic: &Magic) -> io::Result<Vec<u8>> {
    let file = files::open(path, OFlag::O_NOFOLLOW)?;
    let metadata = file.metadata()?;
    if !metadata.is_file()
        || metadata.uid() != nix::unistd::geteuid().as_raw()
        || metadata.mode() & 0o022 != 0
    {
        return Err(io::Error::other(
            "it is not a file that only this user can write",
        ));
    }
    let bytes = files::content(&file, MAX)?;
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
    let (head, content) = bytes
        .split_at_checked(magic.len() + HASH)
        .ok_or_else(damaged)?;
    let (begin, hash) = head.split_at(magic.len());
    if begin != magic || blake3::hash(content).as_bytes() != hash {
        return Err(damaged());
    }
    // Marks it as in use, for `prune`; without that it is only removed earlier.
    let _ = file.set_modified(SystemTime::now());
    Ok(content.to_vec())
}

/// Writes beside the file and renames, so that no other process sees a part.
pub(super) fn write(path: &Path, magic: &Magic, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!(
        "{}-{:x}.new",
        std::process::id(),
        fastrand::u64(..)
    ));
    let mut options = OpenOptions::new();
    let written = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|file| fill(file, magic, content))
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // Its own error would hide the first one.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn fill(mut file: File, magic: &Magic, content: &[u8]) -> io::Result<()> {
    file.write_all(magic)?;
    file.write_all(blake3::hash(content).as_bytes())?;
    file.write_all(content)
}

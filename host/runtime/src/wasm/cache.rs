//! Compiled code, kept from one start to the next.
//!
//! Compiled code runs as the daemon itself, so only code that this user wrote is taken: the directory and every file in it
//! must be owned by it and closed to others, and a file must be what was written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash as _, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::libc::O_NOFOLLOW;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Begins every file; ends with the version of the file's form.
const MAGIC: &[u8; 16] = b"evenkeel code 1\n";
const HASH: usize = blake3::OUT_LEN;
const EXTENSION: &str = "compiled";
/// Files that are kept. The longest unused go first.
const KEPT: usize = 256;
/// After that time a file that was never finished belongs to no living process.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// A directory that only this user can write to.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    /// What compiled code depends on besides the plugin: versions, settings and processor.
    engine: blake3::Hash,
}

impl Cache {
    /// Uses the directory, made if need be. The error is the reason why it may not be used.
    pub(super) fn open(directory: &Path, engine: &Engine) -> Result<Self, String> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        made.map_err(|error| format!("cannot be made: {error}"))?;
        let metadata = fs::symlink_metadata(directory).map_err(|error| error.to_string())?;
        if !metadata.is_dir() {
            return Err("is no directory (a symbolic link is not followed)".to_owned());
        }
        let (owner, me) = (metadata.uid(), nix::unistd::geteuid().as_raw());
        if owner != me {
            return Err(format!(
                "belongs to user {owner}, not to {me}, who runs this"
            ));
        }
        if metadata.mode() & 0o077 != 0 {
            let mode = metadata.mode() & 0o777;
            return Err(format!(
                "is open to others (mode {mode:03o}); `chmod 700` it"
            ));
        }
        let mut hasher = EngineHasher(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            directory: directory.to_owned(),
            engine: hasher.0.finalize(),
        })
    }

    fn file(&self, wasm: &[u8]) -> PathBuf {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.engine.as_bytes()).update(wasm);
        self.directory
            .join(format!("{}.{EXTENSION}", hasher.finalize().to_hex()))
    }

    /// The compiled form of these bytes, if it is here and whole.
    pub(super) fn load(&self, engine: &Engine, wasm: &[u8]) -> Option<Component> {
        let path = self.file(wasm);
        let code = match read(&path) {
            Ok(code) => code,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "compiled plugin not used; compiling it again");
                return None;
            }
        };
        #[expect(unsafe_code, reason = "the one way to take precompiled code")]
        // SAFETY: the bytes must be what `Component::serialize` gave. `store` wrote them so: the file is in a directory that
        // nobody but this user (or root) could write to and belongs to this user, and its hash, compared in `read`, shows that
        // it is whole. That the engine fits is part of the file's name, and wasmtime checks it again.
        let component = unsafe { Component::deserialize(engine, &code) };
        component
            .inspect_err(
                |error| tracing::warn!(file = %path.display(), %error, "compiled plugin not used"),
            )
            .ok()
    }

    /// Keeps the compiled form of these bytes. Failing costs time at the next start, no more.
    pub(super) fn store(&self, wasm: &[u8], component: &Component) {
        let path = self.file(wasm);
        let stored = component
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| write(&path, &code));
        if let Err(error) = stored {
            tracing::warn!(file = %path.display(), %error, "compiled plugin not kept");
        }
        if let Err(error) = self.prune() {
            tracing::debug!(directory = %self.directory.display(), %error, "old compiled plugins not removed");
        }
    }

    /// Removes what has not been used for longest, and what was never finished.
    fn prune(&self) -> io::Result<()> {
        let now = SystemTime::now();
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Ok(used) = fs::symlink_metadata(&path).and_then(|m| m.modified()) else {
                continue;
            };
            match path.extension().and_then(|e| e.to_str()) {
                Some(EXTENSION) => files.push((used, path)),
                Some("new") if now.duration_since(used).is_ok_and(|age| age > UNFINISHED) => {
                    fs::remove_file(path)?;
                }
                _ => {}
            }
        }
        files.sort();
        let surplus = files.len().saturating_sub(KEPT);
        files
            .into_iter()
            .take(surplus)
            .try_for_each(|(_, path)| fs::remove_file(path))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NOFOLLOW)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file()
        || metadata.uid() != nix::unistd::geteuid().as_raw()
        || metadata.mode() & 0o022 != 0
    {
        return Err(io::Error::other(
            "it is not a file that only this user can write",
        ));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
    let (head, code) = bytes
        .split_at_checked(MAGIC.len() + HASH)
        .ok_or_else(damaged)?;
    let (magic, hash) = head.split_at(MAGIC.len());
    if magic != MAGIC || blake3::hash(code).as_bytes() != hash {
        return Err(damaged());
    }
    // Marks it as in use, for `prune`; without that it is only removed earlier.
    let _ = file.set_modified(SystemTime::now());
    Ok(code.to_vec())
}

/// Writes beside the file and renames, so that no other process sees a part.
fn write(path: &Path, code: &[u8]) -> io::Result<()> {
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
        .and_then(|file| fill(file, code))
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // Its own error would hide the first one.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn fill(mut file: File, code: &[u8]) -> io::Result<()> {
    file.write_all(MAGIC)?;
    file.write_all(blake3::hash(code).as_bytes())?;
    file.write_all(code)
}

/// Takes the engine's hash, whose 64 bits of the standard hasher would be few and change with Rust.
struct EngineHasher(blake3::Hasher);

impl Hasher for EngineHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks for it.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests;

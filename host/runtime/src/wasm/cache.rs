//! Compiled code, kept from one start to the next, and the manifests of plugins that have none in their files.
//!
//! Compiled code runs as the daemon itself, so only code that this user wrote is taken: the directory and every file
//! in it must be owned by it and closed to others, and a file must be what was written.

mod file;

use std::fs::{self, DirBuilder};
use std::hash::{Hash as _, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::compile::Compiled;
use crate::digest::Sha256;
use file::Magic;

const CODE_MAGIC: &Magic = b"evenkeel code 1\n";
const MANIFEST_MAGIC: &Magic = b"evenkeel said 1\n";
const GOOD_MAGIC: &Magic = b"evenkeel good 1\n";
const CODE: &str = "compiled";
const MANIFEST: &str = "manifest";
const GOOD: &str = "good";
/// Files that are kept, of each kind. The longest unused go first.
const KEPT: usize = 256;
/// After that time a file that was never finished belongs to no living process.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// Whose cache it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// This process's: the directory is made if it does not exist, and what goes wrong is a warning.
    Own,
    /// Another's: the directory is used as far as it can be.
    Borrowed,
}

/// A directory that only this user can write to.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    owner: Owner,
    /// What compiled code depends on besides the plugin: versions, settings and processor.
    engine: blake3::Hash,
}

impl Cache {
    /// Uses the directory. The error is the reason why it may not be used.
    pub(super) fn open(directory: &Path, owner: Owner, engine: &Engine) -> Result<Self, String> {
        if owner == Owner::Own {
            let made = DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory);
            made.map_err(|error| format!("cannot be made: {error}"))?;
        }
        let metadata = fs::symlink_metadata(directory).map_err(|error| error.to_string())?;
        if !metadata.is_dir() {
            return Err("is no directory (a symbolic link is not followed)".to_owned());
        }
        let (user, me) = (metadata.uid(), nix::unistd::geteuid().as_raw());
        if user != me {
            return Err(format!(
                "belongs to user {user}, not to {me}, who runs this"
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
            owner,
            engine: hasher.0.finalize(),
        })
    }

    fn code_file(&self, wasm: &Sha256) -> PathBuf {
        self.file(self.engine.as_bytes(), wasm.as_bytes(), CODE)
    }

    fn manifest_file(&self, wasm: &Sha256) -> PathBuf {
        self.file(MANIFEST_MAGIC, wasm.as_bytes(), MANIFEST)
    }

    fn good_file(&self, plugin: &str) -> PathBuf {
        self.file(GOOD_MAGIC, plugin.as_bytes(), GOOD)
    }

    fn file(&self, about: &[u8], what: &[u8], extension: &str) -> PathBuf {
        let mut hasher = blake3::Hasher::new();
        hasher.update(about).update(what);
        let name = hasher.finalize().to_hex();
        self.directory.join(format!("{name}.{extension}"))
    }

    /// Whether there is something under [`Self::code`], as far as its name tells.
    pub(super) fn has_code(&self, wasm: &Sha256) -> bool {
        self.code_file(wasm).exists()
    }

    /// The compiled form of the file with this content, if it is here and whole.
    pub(super) fn code(&self, engine: &Engine, wasm: &Sha256) -> Option<Component> {
        let path = self.code_file(wasm);
        let code = Compiled::kept(self.read(&path, CODE_MAGIC)?);
        code.component(engine)
            .inspect_err(|error| self.note(&path, error, "not used"))
            .ok()
    }

    /// Keeps the compiled form of the file with this content. Failing costs time at the next start, no more.
    pub(super) fn keep_code(&self, wasm: &Sha256, code: &Compiled) {
        self.write(&self.code_file(wasm), CODE_MAGIC, code.code());
    }

    /// What the plugin whose file has this content said of itself when it was asked once.
    pub(super) fn manifest(&self, wasm: &Sha256) -> Option<Vec<u8>> {
        self.read(&self.manifest_file(wasm), MANIFEST_MAGIC)
    }

    /// Keeps what the plugin whose file has this content says of itself.
    pub(super) fn keep_manifest(&self, wasm: &Sha256, manifest: &[u8]) {
        self.write(&self.manifest_file(wasm), MANIFEST_MAGIC, manifest);
    }

    /// What was kept of the last file that worked under this name (or path).
    pub(super) fn good(&self, plugin: &str) -> Option<Vec<u8>> {
        self.read(&self.good_file(plugin), GOOD_MAGIC)
    }

    /// Keeps that this is the last file that worked under this name (or path). Written only if it is news.
    pub(super) fn keep_good(&self, plugin: &str, what: &[u8]) {
        if self.good(plugin).is_none_or(|known| known != what) {
            self.write(&self.good_file(plugin), GOOD_MAGIC, what);
        }
    }

    fn read(&self, path: &Path, magic: &Magic) -> Option<Vec<u8>> {
        match file::read(path, magic) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.note(path, &error, "not used, and made again");
                None
            }
        }
    }

    fn write(&self, path: &Path, magic: &Magic, content: &[u8]) {
        if let Err(error) = file::write(path, magic, content) {
            self.note(path, &error, "not kept");
        }
        if let Err(error) = self.prune() {
            tracing::debug!(directory = %self.directory.display(), %error, "old files of the plugin cache not removed");
        }
    }

    fn note(&self, path: &Path, error: &dyn std::fmt::Display, what: &str) {
        let file = path.display();
        match self.owner {
            Owner::Own => tracing::warn!(%file, %error, "file of the plugin cache {what}"),
            Owner::Borrowed => tracing::debug!(%file, %error, "file of the plugin cache {what}"),
        }
    }

    /// Removes what has not been used for longest, and what was never finished.
    fn prune(&self) -> io::Result<()> {
        let now = SystemTime::now();
        let (mut codes, mut manifests, mut good) = (Vec::new(), Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Ok(used) = fs::symlink_metadata(&path).and_then(|m| m.modified()) else {
                continue;
            };
            match path.extension().and_then(|e| e.to_str()) {
                Some(CODE) => codes.push((used, path)),
                Some(MANIFEST) => manifests.push((used, path)),
                Some(GOOD) => good.push((used, path)),
                Some("new") if now.duration_since(used).is_ok_and(|age| age > UNFINISHED) => {
                    fs::remove_file(path)?;
                }
                _ => {}
            }
        }
        for mut files in [codes, manifests, good] {
            files.sort();
            let surplus = files.len().saturating_sub(KEPT);
            let mut oldest = files.into_iter().take(surplus);
            oldest.try_for_each(|(_, path)| fs::remove_file(path))?;
        }
        Ok(())
    }
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

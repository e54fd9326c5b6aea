//! The file: read with care, since anything may be in its place; written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Nothing of ours is larger: some 150 bytes for each of a few hundred thousand servers.
const MAX_SIZE: u64 = 256 << 20;

/// Where it is.
#[derive(Debug)]
pub(super) struct KeptFile {
    directory: PathBuf,
    name: String,
    path: PathBuf,
}

impl KeptFile {
    pub(super) fn new(directory: &Path, name: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            name: name.to_owned(),
            path: directory.join(name),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it; `None`: there is none.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn read<T>(
        &self,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        match self.text() {
            Ok(text) => parse(&text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Does not wait, whatever is in its place.
    fn text(&self) -> io::Result<Vec<u8>> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
            .open(&self.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        if metadata.len() > MAX_SIZE {
            return Err(io::Error::other(format!(
                "it is larger than {} MiB",
                MAX_SIZE >> 20
            )));
        }
        let mut text = Vec::new();
        file.take(MAX_SIZE).read_to_end(&mut text)?;
        Ok(text)
    }

    /// Replaces it, so that there is always a whole one, even if the machine loses its power meanwhile.
    ///
    /// # Errors
    /// The system's; what was there stays.
    pub(super) fn write(&self, text: &[u8]) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)?;
        let new = self.directory.join(format!("{}.new", self.name));
        // From a write that was not finished.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written = create(&new, text).and_then(|()| fs::rename(&new, &self.path));
        if let Err(error) = written {
            // On a full disk its room is needed.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        File::open(&self.directory)?.sync_all()
    }
}

fn create(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

//! Putting a plugin file into a plugin directory: tried first, and in its place as a whole or not at all.

mod place;
#[cfg(test)]
mod tests;

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use evenkeel_runtime::signature::{self, MAX_FILE, Signature, Trust};
use evenkeel_runtime::wasm::CacheUse;
use evenkeel_runtime::{PluginRuntime as _, Sha256, files, text};
use tempfile::NamedTempFile;

pub use place::Before;

use crate::conformance::{self, Report};
use crate::{Refused, described};

/// A plugin that is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it comes from, for errors.
    pub from: PathBuf,
    /// The file's content.
    pub content: Vec<u8>,
    /// Its signature, as it stands in a `.minisig`.
    pub signature: Option<Vec<u8>>,
}

impl Source {
    /// A file, with the signature beside it if there is one.
    ///
    /// # Errors
    /// [`Refused`]: one of the two cannot be read.
    pub fn read(file: &Path) -> Result<Self, Refused> {
        let content = described::runtime()?
            .read(file)
            .map_err(|error| Refused(error.to_string()))?;
        let path = signature::file_of(file);
        let signature = match files::read(&path, MAX_FILE) {
            Ok(signature) => Some(signature),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Refused::io("read", &path, &error)),
        };
        Ok(Self {
            from: file.to_owned(),
            content,
            signature,
        })
    }
}

/// How a plugin is installed.
#[derive(Debug, Clone)]
pub struct Options {
    /// The plugin directory. Made if it is not there.
    pub into: PathBuf,
    /// Whose signatures count.
    pub trust: Trust,
    /// Whether an older version, another kind of plugin, or a file with another plugin in it is to be replaced, too.
    pub force: bool,
    /// For the test; see [`conformance::Options`].
    pub seed: u64,
    /// For the test, likewise: what it compiles, a daemon with this cache need not compile again.
    pub cache: CacheUse,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// It has failed its test; nothing has changed.
    Failed(Report),
    /// It is in its place.
    Installed(Installed),
}

/// A plugin that has been installed.
#[derive(Debug)]
pub struct Installed {
    /// Its file.
    pub file: PathBuf,
    /// The name that it gives itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Of the file's content.
    pub sha256: Sha256,
    /// Who has signed it.
    pub signature: Signature,
    /// What was in its place; the same content, if only the signature is another one.
    pub before: Option<Before>,
}

/// Tries a plugin, and puts it into a plugin directory: in the place of the file that has a plugin of this name, or as
/// `NAME.wasm`. The signature comes first and the file last, by a rename: a daemon that looks at the directory takes the
/// old one or the new one. Blocks for as long as the test takes.
///
/// # Errors
/// [`Refused`]: it is no plugin, its signature is not right, something is in its place that is to stay there, or it
/// cannot be written.
pub fn install(source: &Source, options: &Options) -> Result<Outcome, Refused> {
    let runtime = described::runtime()?;
    let info = runtime
        .describe_content(&source.from, &source.content)
        .map_err(|error| Refused(error.to_string()))?
        .info;
    let signature = judge(source, &options.trust)?;
    let into = &options.into;
    fs::create_dir_all(into).map_err(|error| Refused::io("make the directory", into, &error))?;
    let place = place::find(&runtime, into, &info, options.force)?;

    // Hidden, and no `*.wasm`: no daemon takes it for a plugin.
    let staged = stage(into, &source.content)?;
    let report = conformance::test(
        staged.path(),
        &conformance::Options {
            seed: options.seed,
            cache: options.cache.clone(),
            plugin_dirs: vec![into.clone()],
            ..conformance::Options::default()
        },
    )?;
    if !report.passed() {
        return Ok(Outcome::Failed(report));
    }
    let beside = signature::file_of(&place.file);
    match &source.signature {
        Some(signature) => put(stage(into, signature)?, &beside)?,
        // Or what was signed before would be taken for the signature of what comes now.
        None => remove(&beside)?,
    }
    put(staged, &place.file)?;
    sync(into).map_err(|error| Refused::io("write", into, &error))?;
    Ok(Outcome::Installed(Installed {
        file: place.file,
        name: info.manifest.name,
        version: info.manifest.version,
        sha256: Sha256::of(&source.content),
        signature,
        before: place.before,
    }))
}

fn judge(source: &Source, trust: &Trust) -> Result<Signature, Refused> {
    let judged = match &source.signature {
        None => Ok(Signature::None),
        Some(written) => {
            let path = signature::file_of(&source.from);
            trust.judge_with(&path, written, &source.content)
        }
    };
    let permitted = judged.and_then(|signature| trust.permit(&signature).map(|()| signature));
    permitted.map_err(|reason| Refused(format!("{}: {reason}", text::path(&source.from))))
}

/// A file beside the one that is meant, readable for all, and on the disk.
fn stage(directory: &Path, content: &[u8]) -> Result<NamedTempFile, Refused> {
    let staged = || -> io::Result<NamedTempFile> {
        let mut file = tempfile::Builder::new()
            .prefix(".install.")
            .suffix(".new")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(directory)?;
        file.write_all(content)?;
        // What the umask has taken away.
        file.as_file()
            .set_permissions(Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    staged().map_err(|error| Refused::io("make a file in", directory, &error))
}

fn put(staged: NamedTempFile, file: &Path) -> Result<(), Refused> {
    match staged.persist(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refused::io("write", file, &error.error)),
    }
}

fn remove(file: &Path) -> Result<(), Refused> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Refused::io("remove", file, &error))
        }
        _ => Ok(()),
    }
}

/// Renames are on the disk only when their directory is.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

//! Rebuilds a plugin whenever its source has changed, and puts the file where the director looks for it.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use evenkeel_author::compile;

/// How often the source is looked at. Reading a directory costs little, and works where inotify does not.
const LOOK: Duration = Duration::from_millis(300);
/// Files that are looked at, at most.
const FILES: usize = 10_000;
/// Directories that tools fill, and no source.
const NO_SOURCE: [&str; 6] = [
    "target",
    "node_modules",
    "__pycache__",
    "build",
    "dist",
    "venv",
];

/// Puts a plugin's file into a plugin directory, as a whole.
pub(super) fn put(file: &Path, plugins: &Path, name: &str) -> io::Result<()> {
    let fresh = plugins.join(format!(".{name}"));
    fs::copy(file, &fresh)?;
    fs::rename(fresh, plugins.join(name).with_extension("wasm"))
}

/// Builds what is in a directory again and again.
pub(super) struct Builder {
    source: PathBuf,
    plugins: PathBuf,
    name: String,
}

impl Builder {
    pub(super) fn new(source: PathBuf, plugins: PathBuf, name: String) -> Self {
        Self {
            source,
            plugins,
            name,
        }
    }

    /// Until it has ended; says what it does, and what is wrong.
    pub(super) fn run(&self, ended: &AtomicBool, news: &Sender<String>) {
        let mut seen = look(&self.source);
        while !ended.load(Ordering::Relaxed) {
            sleep(LOOK);
            let now = look(&self.source);
            if now == seen {
                continue;
            }
            // A build writes beside the source; whatever is written meanwhile is built next.
            seen = now;
            let line = match self.build() {
                Ok(line) => line,
                Err(error) => format!("not swapped, the one before goes on: {error}"),
            };
            // Nobody listens any more: it ends.
            if news.send(line).is_err() {
                return;
            }
        }
    }

    fn build(&self) -> anyhow::Result<String> {
        let built = compile::build(&self.source)?;
        let name = &built.info.manifest.name;
        anyhow::ensure!(
            *name == self.name,
            "it is called {name} now, and the service has {}: begin anew",
            self.name
        );
        put(&built.file, &self.plugins, &self.name)?;
        let (seconds, kib) = (built.time.as_secs_f64(), built.size.div_ceil(1024));
        Ok(format!(
            "{name} built in {seconds:.1} s, {kib} KiB: the director swaps it"
        ))
    }
}

/// The source's files, with what changes when they do.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

fn look(source: &Path) -> Seen {
    let mut seen = Seen::new();
    walk(source, &mut seen);
    seen
}

fn walk(directory: &Path, seen: &mut Seen) {
    // What cannot be read says nothing.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if is_left_out(&name, &metadata) || seen.len() >= FILES {
            continue;
        }
        if metadata.is_dir() {
            walk(&path, seen);
        } else {
            seen.insert(path, (metadata.len(), metadata.modified().ok()));
        }
    }
}

/// What is hidden, what tools make, and what is no file.
fn is_left_out(name: &str, metadata: &Metadata) -> bool {
    name.starts_with('.')
        || metadata.is_dir() && NO_SOURCE.contains(&name)
        || metadata.is_file() && (name.ends_with(".wasm") || name == "Cargo.lock")
        || !metadata.is_dir() && !metadata.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_source_is_seen_and_what_a_build_writes_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("src/deep")).unwrap();
        fs::create_dir_all(at("target")).unwrap();
        fs::write(at("src/deep/lib.rs"), "one").unwrap();
        let first = look(dir.path());
        assert_eq!(first.len(), 1);
        for made in ["target/x.o", "mine.wasm", ".plugin.wasm", "Cargo.lock"] {
            fs::write(at(made), "made").unwrap();
        }
        assert_eq!(look(dir.path()), first);
        fs::write(at("src/deep/lib.rs"), "three").unwrap();
        let second = look(dir.path());
        assert_ne!(second, first);
        fs::write(at("README.md"), "new").unwrap();
        assert_ne!(look(dir.path()), second);
    }

    #[test]
    fn a_file_is_put_as_a_whole_under_the_plugins_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("built");
        fs::write(&file, "new").unwrap();
        fs::write(dir.path().join("mine.wasm"), "old").unwrap();
        put(&file, dir.path(), "mine").unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("mine.wasm")).unwrap(),
            "new"
        );
        assert!(!dir.path().join(".mine").exists());
    }
}

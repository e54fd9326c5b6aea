//! The thread that notices new files in the plugin directories.
//!
//! What writes and replaces files does so in several steps, so a change is told once nothing has happened for a moment.
//! A directory that is not there, or was replaced, is looked for every two seconds; SIGHUP looks at the files in any
//! case.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evenkeel_runtime::signature;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::warn;

use crate::prepare::PluginPlaces;

/// A change is told when nothing else has happened for so long...
const QUIET: Duration = Duration::from_millis(250);
/// ...or so long after it, whatever else happens.
const MAX_DELAY: Duration = Duration::from_secs(3);
/// Directories that are missing are looked for this often.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long the thread waits before it looks whether it is to end, in milliseconds.
const WAIT_MS: u16 = 250;

/// The watching thread. Ends when this is dropped.
pub(crate) struct PluginWatch(Arc<Shared>);

struct Shared {
    places: Mutex<PluginPlaces>,
    changed: Notify,
    end: AtomicBool,
}

impl PluginWatch {
    /// Starts the thread. Without one, only SIGHUP looks at new files.
    pub(crate) fn start(places: PluginPlaces) -> Self {
        let shared = Arc::new(Shared {
            places: Mutex::new(places),
            changed: Notify::new(),
            end: AtomicBool::new(false),
        });
        let thread = Arc::clone(&shared);
        let started = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .map_err(std::io::Error::from)
            .and_then(|inotify| {
                std::thread::Builder::new()
                    .name("plugin-watch".into())
                    .spawn(move || Watcher::new(inotify, thread).run())
            });
        if let Err(error) = started {
            warn!(%error, "new files of plugins are not noticed; SIGHUP looks at them");
        }
        Self(shared)
    }

    /// Looks at these from now on.
    pub(crate) fn look_at(&self, places: PluginPlaces) {
        *self.0.places.lock() = places;
    }

    /// Waits for a change. Cancel-safe.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

impl Drop for PluginWatch {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::Relaxed);
    }
}

struct Watcher {
    inotify: Inotify,
    shared: Arc<Shared>,
    watched: BTreeMap<PathBuf, WatchDescriptor>,
    places: PluginPlaces,
    pending: Pending,
    looked: Option<Instant>,
}

impl Watcher {
    fn new(inotify: Inotify, shared: Arc<Shared>) -> Self {
        Self {
            inotify,
            shared,
            watched: BTreeMap::new(),
            places: PluginPlaces::default(),
            pending: Pending::default(),
            looked: None,
        }
    }

    fn run(mut self) {
        // What is there already is known.
        self.look(Instant::now());
        self.pending = Pending::default();
        while !self.shared.end.load(Ordering::Relaxed) {
            let mut waits = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
            // An interrupted wait is a short one.
            let _ = poll(&mut waits, PollTimeout::from(WAIT_MS));
            let now = Instant::now();
            self.take_events(now);
            self.look(now);
            if self.pending.is_due(now) {
                self.shared.changed.notify_one();
            }
        }
    }

    fn take_events(&mut self, now: Instant) {
        while let Ok(events) = self.inotify.read_events() {
            if events.is_empty() {
                return;
            }
            for event in events {
                if self.is_change(&event) {
                    self.pending.note(now);
                }
            }
        }
    }

    fn is_change(&mut self, event: &InotifyEvent) -> bool {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return true;
        }
        let gone = AddWatchFlags::IN_IGNORED
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_UNMOUNT;
        if event.mask.intersects(gone) {
            // It is looked for again.
            self.watched.retain(|_, watch| *watch != event.wd);
            return false;
        }
        let directories = self.watched.iter();
        let directory = directories
            .filter(|(_, it)| **it == event.wd)
            .map(|(it, _)| it);
        let name = event.name.as_deref();
        directory.zip(name).any(|(directory, name)| {
            is_plugin(&self.places, directory, name)
                // A new file is told of again when it has been written.
                && (!event.mask.contains(AddWatchFlags::IN_CREATE)
                    || is_complete(&directory.join(name)))
        })
    }

    /// Watches what is to be watched and is not yet.
    fn look(&mut self, now: Instant) {
        let places = self.shared.places.lock().clone();
        let others = places != self.places;
        let due = self
            .looked
            .is_none_or(|at| now.duration_since(at) >= LOOK_INTERVAL);
        if !others && !due {
            return;
        }
        self.places = places;
        self.looked = Some(now);
        let wanted = directories(&self.places);
        self.watched.retain(|directory, watch| {
            let stays = wanted.contains(directory);
            if !stays {
                let _ = self.inotify.rm_watch(*watch);
            }
            stays
        });
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        for directory in wanted {
            // The same one gives the same descriptor: this finds out whether another one is in its place.
            match self.inotify.add_watch(&directory, flags) {
                Ok(watch) => {
                    if self.watched.insert(directory, watch) != Some(watch) && !others {
                        self.pending.note(now);
                    }
                }
                Err(_) => {
                    self.watched.remove(&directory);
                }
            }
        }
    }
}

/// Changes that have not been told yet.
#[derive(Debug, Default)]
struct Pending {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Pending {
    fn note(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// Whether they are to be told now, which they are then.
    fn is_due(&mut self, now: Instant) -> bool {
        let (Some(first), Some(last)) = (self.first, self.last) else {
            return false;
        };
        let due = now.saturating_duration_since(last) >= QUIET
            || now.saturating_duration_since(first) >= MAX_DELAY;
        if due {
            *self = Self::default();
        }
        due
    }
}

/// The directories to be watched.
fn directories(places: &PluginPlaces) -> BTreeSet<PathBuf> {
    let parents = places.files.iter().filter_map(|file| file.parent());
    let parents = parents.map(|it| {
        if it.as_os_str().is_empty() {
            Path::new(".")
        } else {
            it
        }
    });
    let directories = places.directories.iter().map(PathBuf::as_path);
    directories.chain(parents).map(Path::to_owned).collect()
}

/// Whether a file of that name may be a plugin, or the signature of one: with a signature that comes later than its
/// plugin, the plugin may be one that can be used.
fn is_plugin(places: &PluginPlaces, directory: &Path, name: &OsStr) -> bool {
    let name = match Path::new(name).extension() {
        Some(extension) if extension == signature::EXTENSION => {
            Path::new(name).file_stem().unwrap_or(name)
        }
        _ => name,
    };
    let in_directory = places.directories.iter().any(|it| it == directory);
    let named = || places.files.iter().any(|it| *it == directory.join(name));
    let wasm = || Path::new(name).extension() == Some(OsStr::new("wasm"));
    (in_directory && wasm()) || named()
}

/// Whether a file that has just come to be is whole: a link to one.
fn is_complete(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|it| it.is_symlink() || it.nlink() > 1)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Whether a change is told after this was done.
    async fn is_told(watch: &PluginWatch) -> bool {
        tokio::time::timeout(PATIENCE, watch.changed())
            .await
            .is_ok()
    }

    fn places(directory: &Path) -> PluginPlaces {
        PluginPlaces {
            directories: vec![directory.to_owned()],
            files: Vec::new(),
        }
    }

    #[tokio::test]
    async fn files_that_are_written_renamed_linked_and_removed_are_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let watch = PluginWatch::start(places(directory.path()));
        let changes: [(&str, &dyn Fn()); 5] = [
            ("written", &|| fs::write(at("a.wasm"), "1").unwrap()),
            ("renamed", &|| {
                fs::write(at("other"), "2").unwrap();
                fs::rename(at("other"), at("a.wasm")).unwrap();
            }),
            ("linked", &|| {
                fs::hard_link(at("a.wasm"), at("b.wasm")).unwrap()
            }),
            ("symbolic", &|| {
                std::os::unix::fs::symlink(at("a.wasm"), at("c.wasm")).unwrap();
            }),
            ("removed", &|| fs::remove_file(at("a.wasm")).unwrap()),
        ];
        // Until the thread has begun to look, it takes what it finds for known.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (what, change) in changes {
            change();
            assert!(is_told(&watch).await, "{what}");
        }
    }

    #[tokio::test]
    async fn a_directory_that_comes_later_is_noticed() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("plugins");
        let watch = PluginWatch::start(places(&directory));
        tokio::time::sleep(Duration::from_secs(1)).await;
        fs::create_dir(&directory).unwrap();
        assert!(is_told(&watch).await);
        fs::write(directory.join("a.wasm"), "1").unwrap();
        assert!(is_told(&watch).await);
    }

    #[test]
    fn changes_are_told_together_when_it_is_quiet_or_after_a_while() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pending = Pending::default();
        assert!(!pending.is_due(start));
        pending.note(at(0));
        pending.note(at(200));
        assert!(!pending.is_due(at(400)));
        assert!(pending.is_due(at(450)));
        assert!(!pending.is_due(at(5000)), "told once");
        for ms in (5000..=8000).step_by(100) {
            pending.note(at(ms));
        }
        assert!(pending.is_due(at(8000)));
    }

    #[test]
    fn only_what_may_be_a_plugin_counts() {
        let places = PluginPlaces {
            directories: vec!["/plugins".into()],
            files: vec!["/mine/own.bin".into()],
        };
        let is = |directory: &str, name: &str| {
            is_plugin(&places, Path::new(directory), &OsString::from(name))
        };
        assert!(is("/plugins", "a.wasm"));
        assert!(is("/mine", "own.bin"));
        assert!(is("/plugins", "a.wasm.minisig"));
        assert!(is("/mine", "own.bin.minisig"));
        assert!(!is("/plugins", "a.txt.minisig"));
        assert!(!is("/mine", "other.wasm.minisig"));
        assert!(!is("/plugins", ".a.wasm.tmp"));
        assert!(!is("/mine", "other.wasm"));
        assert_eq!(
            directories(&places),
            ["/mine", "/plugins"].map(PathBuf::from).into()
        );
    }
}

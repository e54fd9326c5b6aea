//! A file with a number in it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::model::Tracked;
use evenkeel_core::vrrp::Reading;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::readings::Readings;
use crate::own_thread;

/// Read again after this, whatever the kernel tells: it does not tell of changes on another machine, or behind a
/// symbolic link.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// As far as it is read.
const MAX_BYTES: u64 = 64;

/// The numbers that a file may say.
const RANGE: i32 = 254;

/// Tells the number in it.
pub(super) async fn watch(path: PathBuf, readings: Readings) {
    let mut told = None;
    let mut warned = None;
    let mut changes = Changes::of(&path).await;
    loop {
        let read = path.clone();
        let found = aside(move || read_number(&read)).await;
        let Some(found) = found else {
            // No thread was left. The next may be.
            tokio::time::sleep(READ_INTERVAL).await;
            continue;
        };
        let (number, complaint) = match found {
            Ok(number) => (number, None),
            Err(complaint) => (complaint.instead, Some(complaint.text)),
        };
        if complaint != warned {
            if let Some(text) = &complaint {
                tracing::warn!(file = %path.display(), "tracked file: {text}");
            }
            warned = complaint;
        }
        if told.replace(number) != Some(number) {
            tracing::info!(file = %path.display(), number, "tracked file");
            let tracked = Tracked::File(path.clone());
            if readings.send((tracked, Reading::Number(number))).is_err() {
                return;
            }
        }
        // Whether it changed or not, it is read again.
        let _ = tokio::time::timeout(READ_INTERVAL, changes.next(path.file_name())).await;
        if changes.0.is_none() {
            changes = Changes::of(&path).await;
        }
    }
}

/// A file on a server that does not answer must not keep anything else waiting.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    own_thread::start("tracked-file", work).ok()?.await.ok()
}

/// A file that says nothing of use.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    text: String,
    /// The number that is taken.
    instead: i32,
}

fn read_number(path: &Path) -> Result<i32, Complaint> {
    let complain = |text: String| Complaint { text, instead: 0 };
    let mut text = String::new();
    let read = open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => number(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(complain("there is none: taken as 0".to_owned()))
        }
        Err(error) => Err(complain(format!("cannot be read ({error}): taken as 0"))),
    }
}

/// Opens a regular file and nothing else: a pipe would have its reader wait for a writer.
fn open(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

fn number(text: &str) -> Result<i32, Complaint> {
    let word = text.trim();
    let Ok(number) = word.parse::<i64>() else {
        let text = if word.is_empty() {
            "is empty: taken as 0".to_owned()
        } else {
            format!("{word:?} is not a number: taken as 0")
        };
        return Err(Complaint { text, instead: 0 });
    };
    let instead = i32::try_from(number)
        .unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
        .clamp(-RANGE, RANGE);
    if i64::from(instead) == number {
        return Ok(instead);
    }
    let text = format!("{number} is not from -{RANGE} to {RANGE}: taken as {instead}");
    Err(Complaint { text, instead })
}

/// Changes of the directory that the file is in: files are as often replaced as written. `None`: the kernel tells of
/// none.
struct Changes(Option<AsyncFd<Descriptor>>);

/// [`AsyncFd`] wants the number of the file, which [`Inotify`] does not give by itself.
struct Descriptor(Inotify);

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Changes {
    async fn of(path: &Path) -> Self {
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new(".")).to_owned();
        let opened = aside(move || {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
            let flags = AddWatchFlags::IN_CLOSE_WRITE
                | AddWatchFlags::IN_MOVED_TO
                | AddWatchFlags::IN_MOVED_FROM
                | AddWatchFlags::IN_DELETE
                | AddWatchFlags::IN_CREATE
                | AddWatchFlags::IN_DELETE_SELF
                | AddWatchFlags::IN_MOVE_SELF
                | AddWatchFlags::IN_ONLYDIR;
            inotify.add_watch(&directory, flags).ok()?;
            Some(Descriptor(inotify))
        });
        Self(opened.await.flatten().and_then(register))
    }

    /// Waits for one that concerns the file of that name; others in its directory may change all the time. Cancel-safe.
    async fn next(&mut self, name: Option<&OsStr>) {
        loop {
            let Some(inotify) = &self.0 else {
                return std::future::pending().await;
            };
            let Ok(mut ready) = inotify.readable().await else {
                self.0 = None;
                return;
            };
            let events = inotify.get_ref().0.read_events();
            ready.clear_ready();
            let gone = AddWatchFlags::IN_DELETE_SELF
                | AddWatchFlags::IN_MOVE_SELF
                | AddWatchFlags::IN_IGNORED
                | AddWatchFlags::IN_Q_OVERFLOW;
            match events {
                Ok(events) if events.iter().any(|event| event.mask.intersects(gone)) => {
                    self.0 = None;
                    return;
                }
                Ok(events) if events.iter().any(|event| event.name.as_deref() == name) => return,
                Ok(_) | Err(Errno::EAGAIN) => {}
                Err(_) => {
                    self.0 = None;
                    return;
                }
            }
        }
    }
}

fn register(inotify: Descriptor) -> Option<AsyncFd<Descriptor>> {
    #[expect(unsafe_code, reason = "the safe way is deprecated")]
    // SAFETY: `Descriptor` owns its file and always gives the same number.
    let registered = unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE) };
    registered.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_have_space_around_it() {
        assert_eq!(number("7"), Ok(7));
        assert_eq!(number(" -254\n"), Ok(-254));
    }

    #[test]
    fn a_pipe_or_a_device_is_0_and_nobody_waits_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [pipe.as_path(), Path::new("/dev/zero"), directory.path()] {
            let complaint = read_number(path).unwrap_err();
            assert_eq!(complaint.instead, 0);
            assert!(
                complaint.text.contains("no regular file"),
                "{}",
                complaint.text
            );
        }
    }

    #[test]
    fn what_is_not_a_number_is_0() {
        for text in ["", "\n", "seven", "7 8", "0x7"] {
            assert_eq!(number(text).unwrap_err().instead, 0, "{text:?}");
        }
    }

    #[test]
    fn a_number_out_of_range_is_the_nearest_that_is_in_it() {
        for (text, instead) in [
            ("255", 254),
            ("-255", -254),
            ("99999999999", 254),
            ("-99999999999", -254),
        ] {
            assert_eq!(number(text).unwrap_err().instead, instead, "{text:?}");
        }
    }
}

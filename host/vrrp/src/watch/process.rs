//! Whether processes run.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use evenkeel_core::model::Tracked;
use evenkeel_core::vrrp::Reading;
use tokio::sync::watch;

use super::readings::Readings;

/// Between two looks.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// Looks for the processes of these names, all in one go, and tells of each whether there is one.
pub(super) async fn watch(mut names: watch::Receiver<BTreeSet<String>>, readings: Readings) {
    let mut told: BTreeMap<String, Reading> = BTreeMap::new();
    loop {
        let wanted = names.borrow_and_update().clone();
        told.retain(|name, _| wanted.contains(name));
        if wanted.is_empty() {
            if names.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Ok(running) = tokio::task::spawn_blocking(move || look(wanted)).await else {
            return;
        };
        for (name, runs) in running {
            let reading = if runs { Reading::Up } else { Reading::Down };
            if told.insert(name.clone(), reading) == Some(reading) {
                continue;
            }
            if runs {
                tracing::info!(process = name, "tracked process runs");
            } else {
                tracing::warn!(process = name, "no such tracked process runs");
            }
            if readings.send((Tracked::Process(name), reading)).is_err() {
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(READ_INTERVAL) => {}
            changed = names.changed() => if changed.is_err() { return },
        }
    }
}

/// Whether a process of each name runs.
fn look(names: BTreeSet<String>) -> BTreeMap<String, bool> {
    let mut running: BTreeMap<String, bool> = names.into_iter().map(|name| (name, false)).collect();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return running;
    };
    for entry in entries.flatten() {
        let number = entry.file_name();
        if !number.as_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // It may have ended meanwhile.
        let Some(process) = Process::read(&entry.path()) else {
            continue;
        };
        for (name, runs) in &mut running {
            *runs = *runs || process.is(name);
        }
        if running.values().all(|runs| *runs) {
            break;
        }
    }
    running
}

/// What names a process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    /// What the kernel calls it: the first 15 bytes of its program's name, or what it calls itself.
    name: String,
    /// The program as it was called.
    called: String,
    /// The program itself, where it may be known.
    program: Option<String>,
}

impl Process {
    /// `None`: it has ended, or waits for its parent to notice that.
    fn read(directory: &Path) -> Option<Self> {
        let stat = std::fs::read(directory.join("stat")).ok()?;
        let (name, state) = name_and_state(&stat)?;
        if matches!(state, b'Z' | b'X') {
            return None;
        }
        let line = std::fs::read(directory.join("cmdline")).ok()?;
        let called = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let program = directory.join("exe").read_link().ok();
        Some(Self {
            name,
            called: String::from_utf8_lossy(called).into_owned(),
            program: program.and_then(|path| path.into_os_string().into_string().ok()),
        })
    }

    /// A path names the program, anything else is its name.
    fn is(&self, name: &str) -> bool {
        if name.starts_with('/') {
            return self.called == name || self.program.as_deref() == Some(name);
        }
        let base = Path::new(&self.called).file_name();
        self.name == name || base.is_some_and(|base| base == name)
    }
}

/// Of `/proc/PID/stat`: `7 (a name) S 1 ...`, where the name may hold anything.
fn name_and_state(stat: &[u8]) -> Option<(String, u8)> {
    let start = stat.iter().position(|byte| *byte == b'(')?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let name = stat.get(start + 1..end)?;
    let state = stat.get(end + 2)?;
    Some((String::from_utf8_lossy(name).into_owned(), *state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, called: &str, program: &str) -> Process {
        Process {
            name: name.to_owned(),
            called: called.to_owned(),
            program: Some(program.to_owned()),
        }
    }

    #[test]
    fn a_name_is_the_kernels_or_that_of_the_program() {
        let nginx = process("nginx", "/usr/sbin/nginx", "/usr/sbin/nginx");
        assert!(nginx.is("nginx"));
        assert!(!nginx.is("ngin"));
        assert!(!nginx.is("sbin/nginx"));
        let long = process("a-program-with-", "./a-program-with-a-long-name", "/x");
        assert!(long.is("a-program-with-a-long-name"));
        assert!(process("check.sh", "/bin/sh", "/bin/dash").is("check.sh"));
    }

    #[test]
    fn a_path_is_the_programs_as_it_was_called_or_as_it_is() {
        let called = process("sh", "/bin/sh", "/usr/bin/dash");
        assert!(called.is("/bin/sh"));
        assert!(called.is("/usr/bin/dash"));
        assert!(!called.is("/sh"));
    }

    #[test]
    fn a_kernel_thread_has_a_name_only() {
        let thread = process("kworker/0:0", "", "");
        assert!(thread.is("kworker/0:0"));
        assert!(!thread.is(""));
    }

    #[test]
    fn a_name_may_hold_brackets_and_spaces() {
        let stat = b"7 (a) (b c) S 1 7 7";
        assert_eq!(name_and_state(stat), Some(("a) (b c".to_owned(), b'S')));
        assert_eq!(name_and_state(b"7 (a)"), None);
        assert_eq!(name_and_state(b""), None);
    }

    #[test]
    fn this_process_is_seen_and_one_that_is_not_there_is_not() {
        let own = std::env::current_exe().unwrap();
        let own = own.to_str().unwrap().to_owned();
        let names = BTreeSet::from([own.clone(), "no-such-process".to_owned()]);
        let running = look(names);
        assert!(running[&own]);
        assert!(!running["no-such-process"]);
    }

    #[test]
    fn a_process_that_has_ended_but_was_not_waited_for_does_not_run() {
        let name = format!("zombie{}", std::process::id());
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("printf {name} > /proc/self/comm; read line")])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let runs = || look(BTreeSet::from([name.clone()]))[&name];
        let wait = |wanted: bool| {
            let end = std::time::Instant::now() + Duration::from_secs(10);
            while runs() != wanted {
                assert!(std::time::Instant::now() < end, "never {wanted}");
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        wait(true);
        drop(child.stdin.take());
        wait(false);
        child.wait().unwrap();
    }
}

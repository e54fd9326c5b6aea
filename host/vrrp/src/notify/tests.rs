use std::path::{Path, PathBuf};
use std::time::Instant;

use super::*;

struct Scripts {
    _directory: tempfile::TempDir,
    log: PathBuf,
}

impl Scripts {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        Self {
            _directory: directory,
            log,
        }
    }

    /// Waits, and then writes its word and its arguments to the log.
    fn writes(&self, word: &str, seconds: &str) -> Vec<String> {
        let script = format!("sleep {seconds}; echo {word} $* >> {}", self.log.display());
        ["/bin/sh", "-c", &script, "sh"].map(str::to_owned).into()
    }

    /// Waits for a file, and then writes its word to the log.
    fn writes_when(&self, word: &str, file: &Path) -> Vec<String> {
        let (file, log) = (file.display(), self.log.display());
        let script = format!("until [ -e {file} ]; do sleep 0.05; done; echo {word} >> {log}");
        ["/bin/sh", "-c", &script].map(str::to_owned).into()
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    async fn wait_lines(&self, count: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(30);
        while self.lines().len() < count {
            assert!(Instant::now() < end, "{:?}", self.lines());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.lines()
    }
}

#[tokio::test]
async fn the_script_of_the_state_runs_before_the_one_for_any_and_all_in_the_order_of_changes() {
    let scripts = Scripts::new();
    let notify = Notify {
        master: scripts.writes("master", "0.3"),
        backup: scripts.writes("backup", "0.1"),
        fault: scripts.writes("fault", "0"),
        stop: scripts.writes("stop", "0"),
        any: scripts.writes("any", "0"),
    };
    let mut notifier = Notifier::start();
    for (state, priority) in [
        (Notified::Master, 100),
        (Notified::Backup, 90),
        (Notified::Fault, 90),
        (Notified::Stop, 0),
    ] {
        notifier.tell(&notify, false, "V", state, priority);
    }
    notifier.finish().await;
    assert_eq!(
        scripts.lines(),
        [
            "master",
            "any INSTANCE V MASTER 100",
            "backup",
            "any INSTANCE V BACKUP 90",
            "fault",
            "any INSTANCE V FAULT 90",
            "stop",
            "any INSTANCE V STOP 0"
        ]
    );
}

#[tokio::test]
async fn telling_does_not_wait_and_one_instance_does_not_wait_for_another() {
    let scripts = Scripts::new();
    let only_master = |master| Notify {
        master,
        ..Notify::default()
    };
    let (slow, quick) = (scripts.writes("slow", "1"), scripts.writes("quick", "0"));
    let mut notifier = Notifier::start();
    notifier.tell(&only_master(slow), false, "V", Notified::Master, 1);
    notifier.tell(&only_master(quick), true, "V", Notified::Master, 1);
    assert!(scripts.lines().is_empty(), "it returns before any has run");
    assert_eq!(scripts.wait_lines(2).await, ["quick", "slow"]);
}

#[tokio::test]
async fn a_script_that_fails_or_is_missing_does_not_keep_the_next_from_running() {
    let scripts = Scripts::new();
    let notify = Notify {
        master: vec!["/no/such/program".to_owned()],
        backup: ["/bin/sh", "-c", "exit 1"].map(str::to_owned).into(),
        any: scripts.writes("any", "0"),
        ..Notify::default()
    };
    let mut notifier = Notifier::start();
    notifier.tell(&notify, true, "G", Notified::Master, 7);
    notifier.tell(&notify, true, "G", Notified::Backup, 7);
    notifier.finish().await;
    assert_eq!(
        scripts.lines(),
        ["any GROUP G MASTER 7", "any GROUP G BACKUP 7"]
    );
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever_and_leaves_running_what_runs() {
    let scripts = Scripts::new();
    let go = scripts.log.with_extension("go");
    let notify = Notify {
        stop: scripts.writes_when("late", &go),
        ..Notify::default()
    };
    let mut notifier = Notifier::start();
    notifier.tell(&notify, false, "V", Notified::Stop, 1);
    notifier.finish().await;
    assert!(!Path::exists(&scripts.log));
    std::fs::write(&go, "").unwrap();
    assert_eq!(scripts.wait_lines(1).await, ["late"]);
}

#[tokio::test]
async fn at_the_end_the_scripts_of_the_stop_run_whatever_hangs_before_them() {
    let scripts = Scripts::new();
    let never = scripts.log.with_extension("never");
    let notify = Notify {
        master: scripts.writes_when("hangs", &never),
        backup: scripts.writes("backup", "0"),
        stop: scripts.writes_when("hangs, too", &never),
        any: scripts.writes("any", "0"),
        ..Notify::default()
    };
    let mut notifier = Notifier::start();
    notifier.tell(&notify, false, "V", Notified::Master, 100);
    notifier.tell(&notify, false, "V", Notified::Backup, 100);
    notifier.tell(&notify, false, "V", Notified::Stop, 100);
    notifier.finish().await;
    assert_eq!(scripts.lines(), ["any INSTANCE V STOP 100"]);
    // Lets go of those that hang.
    std::fs::write(never, "").unwrap();
    scripts.wait_lines(3).await;
}

#[tokio::test]
async fn of_those_that_wait_for_one_that_hangs_the_newest_run() {
    let scripts = Scripts::new();
    let go = scripts.log.with_extension("go");
    let first = Notify {
        master: scripts.writes_when("first", &go),
        ..Notify::default()
    };
    let then = Notify {
        any: scripts.writes("any", "0"),
        ..Notify::default()
    };
    let mut notifier = Notifier::start();
    notifier.tell(&first, true, "G", Notified::Master, 1);
    // So that it runs, and does not wait itself.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for priority in 1..=40 {
        notifier.tell(&then, true, "G", Notified::Backup, priority);
    }
    std::fs::write(go, "").unwrap();
    let mut wanted = vec!["first".to_owned()];
    wanted.extend((25..=40).map(|it| format!("any GROUP G BACKUP {it}")));
    assert_eq!(scripts.wait_lines(17).await, wanted);
    notifier.finish().await;
    assert_eq!(scripts.lines().len(), 17);
}

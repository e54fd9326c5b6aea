use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// The kernel's files, in a directory.
struct Proc(tempfile::TempDir);

impl Proc {
    fn new() -> Self {
        let proc = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(proc.0.path().join("sys/net/netfilter")).unwrap();
        proc.set("max", 100);
        proc
    }

    fn set(&self, what: &str, number: u64) {
        let file = format!("sys/net/netfilter/nf_conntrack_{what}");
        std::fs::write(self.0.path().join(file), format!("{number}\n")).unwrap();
    }

    fn limits(&self) -> OwnLimits {
        OwnLimits::new(self.0.path())
    }
}

#[test]
fn a_full_table_is_known_to_those_that_began_before_and_is_over_after_a_while() {
    let proc = Proc::new();
    let limits = proc.limits();
    let began = Instant::now();
    proc.set("count", 99);
    assert_eq!(limits.lacked_since(began, SECOND, began + SECOND), None);
    assert_eq!(limits.problem(), None);
    proc.set("count", 100);
    let told = limits
        .lacked_since(began, SECOND, began + 2 * SECOND)
        .unwrap();
    assert!(told.contains("100 of 100"), "{told}");
    proc.set("count", 10);
    // What began later has met with room.
    let later = began + 3 * SECOND;
    assert_eq!(limits.lacked_since(later, SECOND, later + SECOND), None);
    assert!(limits.lacked_since(began, SECOND, later + SECOND).is_some());
    assert!(limits.problem().is_some());
    limits.look(began + 2 * SECOND + CALM);
    assert_eq!(limits.problem(), None);
}

#[test]
fn where_nobody_tracks_connections_no_table_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let limits = OwnLimits::new(directory.path());
    let began = Instant::now();
    assert_eq!(limits.lacked_since(began, SECOND, began + SECOND), None);
}

#[test]
fn each_shortage_is_told_once_a_minute() {
    let limits = OwnLimits::new(Path::new("/nonexistent"));
    let now = Instant::now();
    assert!(limits.is_news("no ports", now));
    assert!(!limits.is_news("no ports", now + 59 * SECOND));
    assert!(limits.is_news("no memory", now));
    assert!(limits.is_news("no ports", now + 60 * SECOND));
    let news = (0..100).filter(|n| limits.is_news(&n.to_string(), now + 61 * SECOND));
    assert!(news.count() <= MAX_TOLD);
}

//! Which of the kernel's sync daemons Evenkeel has started. The kernel does not say, and other programs have theirs; so
//! it is written down, for the process that comes next and for `evenkeel flush`.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use evenkeel_ipvs::{Role, SyncDaemon};

use crate::lock;

/// A sync daemon that Evenkeel has started. The rest of it may be the kernel's choice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Started {
    role: Role,
    id: u8,
    interface: String,
}

impl Started {
    /// This one.
    pub(super) fn of(daemon: &SyncDaemon) -> Self {
        Self {
            role: daemon.role,
            id: daemon.id,
            interface: daemon.interface.clone(),
        }
    }

    fn line(&self) -> String {
        let Self {
            role,
            id,
            interface,
        } = self;
        format!("{role} {id} {interface}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let role = match words.next()? {
            "master" => Role::Master,
            "backup" => Role::Backup,
            _ => return None,
        };
        let id = words.next()?.parse().ok()?;
        let interface = words.next()?.to_owned();
        Some(Self {
            role,
            id,
            interface,
        })
    }
}

/// The file: of one network namespace, where the lock is. It goes with a restart of the machine, as sync daemons do.
#[derive(Debug)]
pub(super) struct Record(PathBuf);

impl Record {
    /// That of this thread's network namespace.
    pub(super) fn of_namespace() -> io::Result<Self> {
        lock::namespace_file("sync").map(Self)
    }

    /// What is written there; what cannot be understood is passed over.
    pub(super) fn read(&self) -> io::Result<BTreeSet<Started>> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) => Ok(text.lines().filter_map(Started::parse).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// Writes these, and nothing else; without any, there is no file.
    pub(super) fn write(&self, started: &BTreeSet<Started>) -> io::Result<()> {
        if started.is_empty() {
            return match std::fs::remove_file(&self.0) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            };
        }
        let text: String = started.iter().map(Started::line).collect();
        let directory = self.0.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory)?;
        let new = self.0.with_extension("sync-new");
        let mut file = std::fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(new, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(role: Role, interface: &str) -> Started {
        Started {
            role,
            id: 51,
            interface: interface.to_owned(),
        }
    }

    #[test]
    fn what_was_written_is_read_by_the_next_process_and_nothing_is_left_without_any() {
        let directory = tempfile::tempdir().unwrap();
        let record = || Record(directory.path().join("made/net-1.sync"));
        assert_eq!(record().read().unwrap(), BTreeSet::new());
        let both = BTreeSet::from([started(Role::Master, "eth0"), started(Role::Backup, "eth1")]);
        record().write(&both).unwrap();
        assert_eq!(record().read().unwrap(), both);
        std::fs::write(&record().0, "master\nbackup 51 eth1\nsomething 7 eth0\n").unwrap();
        let one = BTreeSet::from([started(Role::Backup, "eth1")]);
        assert_eq!(record().read().unwrap(), one);
        record().write(&BTreeSet::new()).unwrap();
        record().write(&BTreeSet::new()).unwrap();
        assert!(!record().0.exists());
    }
}

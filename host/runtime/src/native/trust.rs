//! Whether a file may run inside the daemon: if nobody but root can have written it, now or later.

use std::fs::{File, Metadata, symlink_metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

use crate::{MAX_PLUGIN, files};

/// Of a mode: writable by group, by others. Access lists that let someone write show in the group's.
const OTHERS_WRITE: u32 = 0o022;
/// Of a directory that is meant to be everyone's.
const STICKY: u32 = 0o1000;

/// The content of a file that passes. `path` has no symbolic links in it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    for directory in path.ancestors().skip(1) {
        let metadata = symlink_metadata(directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        check(directory, &metadata)?;
    }
    // Not to follow what has become a link just now.
    let file = files::open(path, OFlag::O_NOFOLLOW).map_err(|error| error.to_string())?;
    content(path, &file)
}

/// What is checked is what was opened, and it is read from there.
fn content(path: &Path, file: &File) -> Result<Vec<u8>, String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if metadata.is_file() {
        check(path, &metadata)?;
    }
    files::content(file, MAX_PLUGIN).map_err(|error| error.to_string())
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), String> {
    distrust(metadata.uid(), metadata.mode()).map_or(Ok(()), |(problem, mend)| {
        let shared = metadata.is_dir() && metadata.mode() & STICKY != 0;
        let path = path.display();
        let mend = if shared {
            // /tmp and its like are to be so.
            "move the file to a directory that belongs to root alone, such as /usr/local/lib/evenkeel/native".to_owned()
        } else {
            format!("to mend it: {mend} {path}")
        };
        Err(format!(
            "is not loaded, since a native plugin runs with all rights of the daemon and {path} {problem}; {mend}"
        ))
    })
}

/// What is wrong with this owner and mode, and the command that mends it.
fn distrust(owner: u32, mode: u32) -> Option<(String, &'static str)> {
    if owner != 0 {
        return Some((
            format!("belongs to user {owner} and not to root"),
            "chown root:root",
        ));
    }
    let whom = match mode & OTHERS_WRITE {
        0 => return None,
        0o020 => "its group",
        0o002 => "everyone",
        _ => "its group and everyone",
    };
    Some((format!("can be written by {whom}"), "chmod go-w"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn what_root_alone_can_write_is_trusted() {
        for mode in [0o755, 0o644, 0o600, 0o100_555] {
            assert_eq!(distrust(0, mode), None, "{mode:o}");
        }
    }

    #[test]
    fn what_anyone_else_can_write_is_not_and_the_remedy_is_named() {
        for mode in [0o664, 0o646, 0o777, 0o1777] {
            let (problem, mend) = distrust(0, mode).unwrap();
            assert!(problem.starts_with("can be written by"), "{problem}");
            assert_eq!(mend, "chmod go-w", "{mode:o}");
        }
        let (problem, mend) = distrust(1000, 0o755).unwrap();
        assert_eq!(problem, "belongs to user 1000 and not to root");
        assert_eq!(mend, "chown root:root");
    }

    #[test]
    fn a_directory_above_that_others_can_write_is_reason_enough() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let file = open.join("p.so");
        std::fs::write(&file, "x").unwrap();
        let reason = read(&file).unwrap_err();
        assert!(reason.contains("open can be written by"), "{reason}");
        assert!(reason.contains("chmod go-w"), "{reason}");
    }

    #[test]
    fn a_file_under_tmp_is_to_be_moved_and_tmp_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let tmp = directory.path().join("tmp");
        std::fs::create_dir(&tmp).unwrap();
        std::fs::set_permissions(&tmp, std::fs::Permissions::from_mode(0o1777)).unwrap();
        let file = tmp.join("p.so");
        std::fs::write(&file, "x").unwrap();
        let reason = read(&file).unwrap_err();
        assert!(reason.contains("move the file"), "{reason}");
        assert!(!reason.contains("chmod"), "{reason}");
    }

    #[test]
    fn a_link_a_pipe_and_a_directory_are_no_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let opened = File::open(directory.path()).unwrap();
        let reason = content(directory.path(), &opened).unwrap_err();
        assert_eq!(reason, "is no regular file");
        std::fs::write(path("file"), "x").unwrap();
        symlink(path("file"), path("link")).unwrap();
        assert!(read(&path("link")).is_err());
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read(&path("pipe")).is_err());
    }
}

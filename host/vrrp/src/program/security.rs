//! Whether a program may run as root (keepalived `enable_script_security`): if anyone but root could have changed it,
//! or put another in its place, it would be a way to become root.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// `S_ISVTX`: in such a directory only its owner can remove or rename a file.
const STICKY: u32 = 0o1000;

/// Why a program is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Insecure {
    /// It is not there.
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    /// It belongs to someone else.
    #[error("{} belongs to user {user}, and this daemon is root (make root its owner)", .path.display())]
    Owner {
        /// The program, or a directory on the way to it.
        path: PathBuf,
        /// The owner's number.
        user: u32,
    },
    /// Someone else may write to it.
    #[error("others than root may write to {}, and this daemon is root (chmod go-w)", .0.display())]
    Writable(PathBuf),
}

/// What matters about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    path: PathBuf,
    user: u32,
    group: u32,
    mode: u32,
    directory: bool,
}

/// Looks at a program, and at every directory and symbolic link on the way to it. A name without a slash is looked for
/// in `PATH`. Where this process is not root, everything may run.
///
/// # Errors
/// [`Insecure`], also where there is no such program.
pub fn check(program: &str) -> Result<(), Insecure> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let missing = || Insecure::Missing(program.into());
    let path = find(program, std::env::var_os("PATH").as_deref()).ok_or_else(missing)?;
    judge(&facts(&path).ok_or_else(missing)?)
}

fn find(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if program.contains('/') {
        return std::path::absolute(program).ok();
    }
    std::env::split_paths(path?)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Of the path as it is written and of where it leads to. The owner of a symbolic link is looked at, its mode means
/// nothing.
fn facts(path: &Path) -> Option<Vec<Facts>> {
    let real = path.canonicalize().ok()?;
    let mut all = Vec::new();
    for path in path.ancestors().chain(real.ancestors()) {
        let found = path.symlink_metadata().ok()?;
        all.push(Facts {
            path: path.to_owned(),
            user: found.uid(),
            group: found.gid(),
            mode: if found.is_symlink() { 0 } else { found.mode() },
            directory: found.is_dir(),
        });
    }
    Some(all)
}

fn judge(facts: &[Facts]) -> Result<(), Insecure> {
    for Facts {
        path,
        user,
        group,
        mode,
        directory,
    } in facts
    {
        if *user != 0 {
            let (path, user) = (path.clone(), *user);
            return Err(Insecure::Owner { path, user });
        }
        let others = mode & 0o002 != 0 || mode & 0o020 != 0 && *group != 0;
        if others && !(*directory && mode & STICKY != 0) {
            return Err(Insecure::Writable(path.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(user: u32, group: u32, mode: u32) -> Facts {
        Facts {
            path: "/opt/check".into(),
            user,
            group,
            mode,
            directory: false,
        }
    }

    fn directory(user: u32, group: u32, mode: u32) -> Facts {
        Facts {
            path: "/opt".into(),
            directory: true,
            ..file(user, group, mode)
        }
    }

    #[test]
    fn a_program_of_root_that_only_root_can_change_is_secure() {
        let facts = [
            file(0, 5, 0o755),
            directory(0, 0, 0o775),
            directory(0, 0, 0o755),
        ];
        assert_eq!(judge(&facts), Ok(()));
    }

    #[test]
    fn a_program_or_directory_of_another_user_is_not() {
        let path = "/opt/check".into();
        assert_eq!(
            judge(&[file(7, 0, 0o755)]),
            Err(Insecure::Owner { path, user: 7 })
        );
        let path = "/opt".into();
        let facts = [file(0, 0, 0o755), directory(7, 0, 0o755)];
        assert_eq!(judge(&facts), Err(Insecure::Owner { path, user: 7 }));
    }

    #[test]
    fn what_a_group_other_than_roots_or_everyone_may_write_to_is_not() {
        for mode in [0o757, 0o702] {
            assert_eq!(
                judge(&[file(0, 0, mode)]),
                Err(Insecure::Writable("/opt/check".into()))
            );
        }
        assert_eq!(
            judge(&[file(0, 5, 0o775)]),
            Err(Insecure::Writable("/opt/check".into()))
        );
        assert_eq!(judge(&[file(0, 0, 0o775)]), Ok(()));
        let facts = [file(0, 0, 0o755), directory(0, 5, 0o775)];
        assert_eq!(judge(&facts), Err(Insecure::Writable("/opt".into())));
    }

    #[test]
    fn a_sticky_directory_may_be_written_to_but_not_a_sticky_file() {
        assert_eq!(judge(&[directory(0, 0, 0o1777)]), Ok(()));
        assert_eq!(
            judge(&[file(0, 0, 0o1777)]),
            Err(Insecure::Writable("/opt/check".into()))
        );
    }

    #[test]
    fn a_symbolic_link_and_where_it_leads_are_both_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (
            directory.path().join("link"),
            directory.path().join("target"),
        );
        std::fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let facts = facts(&link).unwrap();
        let seen: Vec<&Path> = facts.iter().map(|facts| facts.path.as_path()).collect();
        for path in [link, target, directory.path().to_owned(), "/".into()] {
            assert!(seen.contains(&path.as_path()), "{path:?}");
        }
    }

    #[test]
    fn a_name_is_looked_for_in_path_and_a_path_is_not() {
        let path = Some(OsStr::new("/nowhere:/bin"));
        assert_eq!(find("sh", path), Some("/bin/sh".into()));
        assert_eq!(find("no-such-program", path), None);
        assert_eq!(find("/opt/check", path), Some("/opt/check".into()));
    }
}

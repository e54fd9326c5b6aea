//! What is to be run, and as whom.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::unistd::{User, geteuid};

/// The user that has no rights, where a configuration names none.
const NOBODY: &str = "nobody";

/// As whom a program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum As {
    /// As the daemon.
    Daemon,
    /// As this user; `None`: as one without rights, which the daemon's own is if it is not root.
    User(Option<String>),
}

impl As {
    /// The numbers of the user and its group; `None`: they are the daemon's own. Looks at the users of the system, which
    /// may block.
    pub(super) fn identity(&self) -> io::Result<Option<(u32, u32)>> {
        let Self::User(name) = self else {
            return Ok(None);
        };
        let name = match name {
            Some(name) => name.as_str(),
            None if geteuid().is_root() => NOBODY,
            None => return Ok(None),
        };
        let user = User::from_name(name)?;
        let user = user.ok_or_else(|| io::Error::other(format!("there is no user {name}")))?;
        let own = user.uid == geteuid();
        Ok((!own).then(|| (user.uid.as_raw(), user.gid.as_raw())))
    }
}

/// A program to be run.
#[derive(Debug)]
pub(super) struct Job {
    /// It and its arguments.
    pub(super) command: Vec<String>,
    pub(super) user: As,
    /// What it has beside `PATH`; `None`: the daemon's own.
    pub(super) environment: Option<Vec<(String, OsString)>>,
    /// Where both its streams go; `None`: nowhere.
    pub(super) output: Option<OwnedFd>,
}

impl Job {
    /// Standard output and error.
    pub(super) fn streams(&self) -> io::Result<(Stdio, Stdio)> {
        match &self.output {
            None => Ok((Stdio::null(), Stdio::null())),
            Some(pipe) => Ok((pipe.try_clone()?.into(), pipe.try_clone()?.into())),
        }
    }
}

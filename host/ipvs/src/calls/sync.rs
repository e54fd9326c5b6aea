//! Sync daemons.

use std::io;

use evenkeel_netlink::attribute::{find, nest};
use evenkeel_netlink::generic::Operation;

use crate::client::Client;
use crate::daemon::{self, Role, SyncDaemon};
use crate::error::{Error, Reason};
use crate::refusal::{Subject, failed};
use crate::requests::{attribute, command};

impl Client {
    /// The sync daemons that run: none, one, or one of each role.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Io`], [`Error::Garbled`].
    pub fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        let mut daemons = Vec::new();
        let read = self.request(command::GET_DAEMON, Operation::Dump, &[], |it| {
            daemons.push(find(it, attribute::DAEMON).and_then(SyncDaemon::decode));
        });
        read.map_err(|error| failed("read the sync daemons", error, Subject::Other))?;
        let daemons: Option<Vec<_>> = daemons.into_iter().collect();
        daemons.ok_or_else(|| Error::Garbled("the sync daemons".to_owned()))
    }

    /// Starts a sync daemon.
    ///
    /// # Errors
    /// [`Error::Refused`]: one of this role runs already, the interface is not there or not up, a value is out of
    /// range, destinations are of another IP version than their service; [`Error::Io`].
    pub fn start_sync(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        let mut request = Vec::new();
        nest(&mut request, attribute::DAEMON, |buf| daemon.encode(buf));
        self.change(command::NEW_DAEMON, &request).map_err(|error| {
            let what = format!(
                "start the sync daemon ({}, {})",
                daemon.role, daemon.interface
            );
            failed(&what, error, Subject::Other)
        })
    }

    /// Ends the sync daemon of this role.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is none; [`Error::Io`].
    pub fn stop_sync(&mut self, role: Role) -> Result<(), Error> {
        let mut request = Vec::new();
        nest(&mut request, attribute::DAEMON, |buf| {
            daemon::encode_role(role, buf);
        });
        // One that is ended before it ran for the first time is gone, but comes to EINTR (`kernel/kthread.c`,
        // `kthread_stop`; `ip_vs_sync.c`, `stop_sync_thread`), which is not answered.
        let ended = self.change_perhaps_unanswered(command::DEL_DAEMON, &request);
        ended.map_err(|error| {
            let what = format!("end the sync daemon ({role})");
            match error.raw_os_error() {
                // Linux's way to say that there is none.
                Some(libc::ESRCH) => Error::Refused {
                    what,
                    reason: Reason::Other(io::Error::new(io::ErrorKind::NotFound, "there is none")),
                },
                _ => failed(&what, error, Subject::Other),
            }
        })
    }
}

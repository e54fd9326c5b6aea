//! What one checker may do on this machine: the command and the file that its settings name, if they are granted to it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use evenkeel_core::manifest::{Setting, SettingValue};
use evenkeel_core::model::{COMMAND, PATH};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::transport::ProbeError;
use crate::rights::{Commands, Order, Rights};
use crate::{Target, files};

/// Commands that run, and files that are read, at once, by all checks.
const AT_ONCE: usize = 64;
/// Bytes of a file with a number in it, at most.
const MAX_FILE: u64 = 4096;

/// What a checker with certain settings may do.
#[derive(Debug)]
pub(crate) struct Means {
    plugin: Arc<str>,
    rights: Rights,
    /// What its settings name.
    command: Option<Vec<String>>,
    path: Option<PathBuf>,
    /// The targets for which something is under way.
    busy: Arc<Mutex<HashSet<(SocketAddr, String)>>>,
}

/// The right to do one thing for one target, until it is really over.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    busy: Arc<Mutex<HashSet<(SocketAddr, String)>>>,
    target: (SocketAddr, String),
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().remove(&self.target);
    }
}

impl Means {
    pub(crate) fn new(plugin: &Arc<str>, settings: &[Setting], rights: Rights) -> Self {
        let setting = |key: &str| settings.iter().find(|it| it.key == key);
        let command = setting(COMMAND).and_then(|it| match &it.value {
            SettingValue::TextList(words) => Some(words.clone()),
            _ => None,
        });
        let path = setting(PATH).and_then(|it| match &it.value {
            SettingValue::Text(path) => Some(path.into()),
            _ => None,
        });
        Self {
            plugin: Arc::clone(plugin),
            rights,
            command,
            path,
            busy: Arc::default(),
        }
    }

    /// Of a checker that is only tried.
    #[cfg(test)]
    pub(crate) fn of_trial() -> Self {
        Self::new(&Arc::from(""), &[], Rights::of_trial())
    }

    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    fn refused(&self, what: &str) -> ProbeError {
        let plugin = &self.plugin;
        ProbeError::Other(format!(
            "{what} is not granted to plugin {plugin} ([plugins.grants])"
        ))
    }

    pub(super) fn icmp(&self) -> Result<(), ProbeError> {
        if self.rights.grant.icmp {
            Ok(())
        } else {
            Err(self.refused("ICMP"))
        }
    }

    /// The command, and who runs it.
    pub(super) fn command(&self) -> Result<(&[String], &Arc<dyn Commands>), ProbeError> {
        let command = self.command.as_ref();
        let granted = command.filter(|it| self.rights.grant.commands.contains(it));
        match (granted, &self.rights.commands) {
            (Some(command), Some(commands)) => Ok((command, commands)),
            (Some(_), None) => Err(ProbeError::Other("nobody runs commands here".to_owned())),
            (None, _) => Err(self.refused("this command")),
        }
    }

    /// The file.
    pub(super) fn file(&self) -> Result<&Path, ProbeError> {
        let path = self.path.as_ref();
        let granted = path.filter(|it| self.rights.grant.files.contains(it));
        granted
            .map(PathBuf::as_path)
            .ok_or_else(|| self.refused("this file"))
    }

    /// What the command is told of its target.
    pub(super) fn order(&self, command: &[String], target: &Target, turn: Turn) -> Order {
        let environment = [
            ("EVENKEEL_SERVER", target.name.clone()),
            ("EVENKEEL_ADDRESS", target.address.ip().to_string()),
            ("EVENKEEL_PORT", target.address.port().to_string()),
        ];
        Order {
            command: command.to_vec(),
            user: self.rights.grant.user.clone(),
            environment: environment
                .map(|(key, value)| (key.to_owned(), value.into()))
                .into(),
            held: Box::new(turn),
        }
    }

    /// Waits until one more may begin, for so long at most.
    pub(super) async fn turn(&self, target: &Target, wait: Duration) -> Result<Turn, ProbeError> {
        static TURNS: OnceLock<Arc<Semaphore>> = OnceLock::new();
        let turns = TURNS.get_or_init(|| Arc::new(Semaphore::new(AT_ONCE)));
        let permit = tokio::time::timeout(wait, Arc::clone(turns).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(ProbeError::Own(format!(
                "checks run {AT_ONCE} commands at once already"
            )));
        };
        let target = (target.address, target.name.clone());
        if !self.busy.lock().insert(target.clone()) {
            return Err(ProbeError::Other(
                "an earlier run for it has not ended yet".to_owned(),
            ));
        }
        Ok(Turn {
            _permit: permit,
            busy: Arc::clone(&self.busy),
            target,
        })
    }
}

/// The whole number that is in a file. Where that does not answer, a thread waits for it.
pub(super) async fn number(path: PathBuf, turn: Turn) -> Result<i64, ProbeError> {
    let read = tokio::task::spawn_blocking(move || {
        let content = files::read(&path, MAX_FILE);
        drop(turn);
        let shown = crate::text::path(&path);
        let content = content.map_err(|error| format!("{shown}: {error}"))?;
        let text = String::from_utf8_lossy(&content);
        let number = text.trim().parse();
        number.map_err(|_| format!("{shown} has no whole number in it"))
    });
    match read.await {
        Ok(read) => read.map_err(ProbeError::Other),
        Err(error) => Err(ProbeError::Own(format!("no file can be read ({error})"))),
    }
}

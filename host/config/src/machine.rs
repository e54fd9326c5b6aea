//! What the configuration has to know of the machine.

use std::fmt;
use std::path::{Path, PathBuf};

use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::secret::Secret;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In this file, all of it but one line end.
    File(PathBuf),
    /// In a credential of this name that systemd has handed to the daemon (`LoadCredential=` and the like).
    Credential(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "file {}", file.display()),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

/// What this machine's kernel can do. By default everything: nobody looks.
pub trait MachineSupport {
    /// Whether this machine's kernel can ask the daemon about each connection, where this data plane is used.
    ///
    /// # Errors
    /// Why not. By default nobody looks.
    fn per_connection(&self, _dataplane: DataPlaneKind) -> Result<(), String> {
        Ok(())
    }

    /// Whether this data plane can hide clients behind the director (`snat`) on this machine.
    ///
    /// # Errors
    /// Why not. By default nobody looks.
    fn snat(&self, _dataplane: DataPlaneKind) -> Result<(), String> {
        Ok(())
    }

    /// Whether a data plane works on this machine. Asked at most once of each, and only if the answer matters
    /// ([`evenkeel_core::dataplane::choose`]).
    ///
    /// # Errors
    /// Why not, and what to do about it, in one sentence. By default nobody looks.
    fn works(&self, _dataplane: DataPlaneKind) -> Result<(), String> {
        Ok(())
    }

    /// A secret of a plugin's settings. By default nobody looks, and all are empty.
    ///
    /// # Errors
    /// Why it cannot be had, and what to do about it, in one sentence.
    fn secret(&self, _source: &SecretSource) -> Result<Secret, String> {
        Ok(Secret::new(String::new()))
    }

    /// The content of a file of text that a plugin's setting names. By default nobody looks, and all are empty.
    ///
    /// # Errors
    /// Why it cannot be had, in one sentence.
    fn text(&self, _file: &Path) -> Result<String, String> {
        Ok(String::new())
    }

    /// The data plane that the daemon has, if it runs: a reload does not change it. Then nobody is asked what [`Self::works`].
    fn running(&self) -> Option<DataPlaneKind> {
        None
    }
}

/// A machine that can do everything, such as one that the configuration is not for.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyMachine;

impl MachineSupport for AnyMachine {}

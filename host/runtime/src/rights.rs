//! What one use of a plugin has beyond what its contract gives to all: what the configuration grants to it, and who does it.

use std::any::Any;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use evenkeel_core::model::Grant;

/// What the checks of a plugin may do beside connecting to their target.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// What the configuration grants to the plugin.
    pub grant: Grant,
    /// Who runs its commands; `None`: nobody does.
    pub commands: Option<Arc<dyn Commands>>,
}

impl Rights {
    /// Of a checker that is only tried: it may ask its target for an echo, and has nothing of this machine's.
    pub(crate) fn of_trial() -> Self {
        let icmp = true;
        Self {
            grant: Grant {
                icmp,
                ..Grant::default()
            },
            commands: None,
        }
    }
}

impl PartialEq for Rights {
    fn eq(&self, other: &Self) -> bool {
        self.grant == other.grant && self.commands.is_some() == other.commands.is_some()
    }
}

/// Runs the commands of checks.
#[async_trait]
pub trait Commands: Send + Sync + fmt::Debug {
    /// Runs one and waits for its end. Dropped before, it asks the command to end, and ends it later.
    ///
    /// # Errors
    /// Why it was not started.
    async fn run(&self, order: Order) -> Result<CommandEnd, String>;
}

/// A command that is to be run.
pub struct Order {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// As whom. `None`: as `nobody`, and where the daemon is not root, as the daemon.
    pub user: Option<String>,
    /// What it has beside `PATH`.
    pub environment: Vec<(String, OsString)>,
    /// To be kept until it has really gone.
    pub held: Box<dyn Any + Send>,
}

/// How a command has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// `None`: a signal ended it.
    pub code: Option<u8>,
    /// The begin of what it wrote, as much as a reason needs.
    pub output: Vec<u8>,
}

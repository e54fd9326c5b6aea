//! A loaded plugin, and what it says about itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::manifest::{Manifest, PluginKind, Setting};
use evenkeel_sdk::native::abi::{self, Entry};

use super::convert;
use super::library::Library;
use super::scheduler::{NativeScheduler, describe};
use crate::identity::Identity;
use crate::manifest::checked;
use crate::plugin_log::PluginLog;
use crate::text::clean;
use crate::{
    Checker, Failure, Plugin, PluginError, Scheduler, SchedulerPlugin, ServiceContext, Sha256,
};

#[derive(Debug)]
pub(super) struct NativePlugin {
    entry: &'static Entry,
    file: PathBuf,
    sha256: Sha256,
    contract: String,
    manifest: Manifest,
    identity: Identity,
}

impl NativePlugin {
    /// Starts it and asks it what it is. The error is the reason of a load error.
    pub(super) fn new(file: &Path, sha256: Sha256, library: Library) -> Result<Self, String> {
        let entry = library.entry;
        let name = clean(&convert::text(entry.name), 64);
        let contract = clean(&convert::text(entry.contract), 64);
        // The interface's number has said already that both speak the same.
        if contract != abi::CONTRACT {
            return Err(format!(
                "is for contract {contract}; this daemon has {}",
                abi::CONTRACT
            ));
        }
        match entry.kind {
            abi::kind::SCHEDULER => {}
            abi::kind::CHECKER => {
                return Err(format!(
                    "is the checker {name}: only schedulers can be native; a checker is loaded as WebAssembly"
                ));
            }
            other => return Err(format!("is a plugin of unknown kind {other}")),
        }
        let log = PluginLog::new(&Arc::from(&*name), "");
        let manifest = describe(entry, log)
            .map_err(|failure| format!("failed when asked to describe itself: {failure}"))?;
        let manifest =
            checked(manifest).map_err(|problem| format!("describes itself wrongly: {problem}"))?;
        let identity = Identity::new(&manifest);
        Ok(Self {
            entry,
            file: file.to_owned(),
            sha256,
            contract,
            manifest,
            identity,
        })
    }
}

impl SchedulerPlugin for NativePlugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn scheduler(
        &self,
        context: &ServiceContext,
        settings: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError> {
        let identity = self.identity.clone();
        let scheduler = NativeScheduler::new(self.entry, identity, context, settings)?;
        Ok(Box::new(scheduler))
    }
}

impl Plugin for NativePlugin {
    fn kind(&self) -> PluginKind {
        PluginKind::Scheduler
    }

    fn contract(&self) -> &str {
        &self.contract
    }

    fn file(&self) -> &Path {
        &self.file
    }

    fn sha256(&self) -> Option<Sha256> {
        Some(self.sha256)
    }

    fn checker_with(
        &self,
        _: &[Setting],
        _: &crate::Rights,
    ) -> Result<Arc<dyn Checker>, PluginError> {
        Err(self.identity.error(Failure::WrongKind(self.kind())))
    }
}

//! What takes the place of a plugin whose file is broken when the daemon starts: it fails whenever it is asked, so that
//! the services that name it are in trouble and no others.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::manifest::{Manifest, PluginKind, Setting};
use evenkeel_core::model::PluginRef;
use evenkeel_core::plan::Plan;
use evenkeel_core::state::BackendId;

use crate::identity::Identity;
use crate::{
    CheckReport, Checker, Failure, Plugin, PluginError, Scheduler, SchedulerPlugin, ServiceContext,
    Target,
};

/// A plugin that cannot be used.
pub(crate) struct StandIn {
    kind: PluginKind,
    manifest: Manifest,
    identity: Identity,
    file: PathBuf,
    reason: String,
}

impl StandIn {
    pub(crate) fn new(plugin: &PluginRef, kind: PluginKind, reason: &str) -> Self {
        let manifest = Manifest {
            name: plugin.to_string(),
            version: "?".to_owned(),
            summary: String::new(),
            settings: Vec::new(),
            abilities: None,
        };
        Self {
            kind,
            identity: Identity::new(&manifest),
            manifest,
            file: match plugin {
                PluginRef::File(file) => file.clone(),
                PluginRef::Name(_) => PathBuf::new(),
            },
            reason: reason.to_owned(),
        }
    }

    fn error(&self) -> PluginError {
        self.identity.error(Failure::Unusable(self.reason.clone()))
    }
}

impl SchedulerPlugin for StandIn {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn scheduler(
        &self,
        _context: &ServiceContext,
        _settings: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError> {
        match self.kind {
            PluginKind::Scheduler => Ok(Box::new(Failing(self.error()))),
            PluginKind::Checker => Err(self.identity.error(Failure::WrongKind(self.kind))),
        }
    }
}

impl Plugin for StandIn {
    fn kind(&self) -> PluginKind {
        self.kind
    }

    fn contract(&self) -> &'static str {
        "?"
    }

    fn file(&self) -> &Path {
        &self.file
    }

    fn checker_with(
        &self,
        _settings: &[Setting],
        _rights: &crate::Rights,
    ) -> Result<Arc<dyn Checker>, PluginError> {
        match self.kind {
            PluginKind::Checker => Ok(Arc::new(Failing(self.error()))),
            PluginKind::Scheduler => Err(self.identity.error(Failure::WrongKind(self.kind))),
        }
    }
}

/// Fails at every call.
struct Failing(PluginError);

impl Scheduler for Failing {
    fn set_backends(&mut self, _backends: &[crate::Backend]) -> Result<(), PluginError> {
        Err(self.0.clone())
    }

    fn set_loads(&mut self, _loads: &[crate::Load]) -> Result<(), PluginError> {
        Err(self.0.clone())
    }

    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        Err(self.0.clone())
    }

    fn pick(&mut self, _flow: &crate::Flow) -> Result<Option<BackendId>, PluginError> {
        Err(self.0.clone())
    }
}

#[async_trait]
impl Checker for Failing {
    async fn check(&self, _target: Target, _timeout: Duration) -> Result<CheckReport, PluginError> {
        Err(self.0.clone())
    }
}

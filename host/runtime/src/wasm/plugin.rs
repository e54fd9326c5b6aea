//! A loaded plugin: its compiled code, linked and ready to be instantiated, and what it says about itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use evenkeel_core::manifest::{Manifest, PluginKind, Setting};
use evenkeel_core::model::Needs;
use parking_lot::Mutex;
use wasmtime::component::Component;

use super::checker::{self, WasmChecker};
use super::contracts::{CheckerCode, SchedulerCode};
use super::inspect::Inspected;
use super::scheduler::{self, WasmScheduler};
use super::shared::Shared;
use super::stateless::{Pool, StatelessScheduler, shares_instances};
use crate::digest::Sha256;
use crate::identity::Identity;
use crate::manifest::{checked, difference};
use crate::plugin_log::PluginLog;
use crate::{
    Checker, Failure, Plugin, PluginError, Rights, Scheduler, SchedulerPlugin, ServiceContext,
    Usage,
};

/// The code, its imports resolved.
enum Code {
    Scheduler(Arc<dyn SchedulerCode>),
    Checker(Arc<dyn CheckerCode>),
}

pub(super) struct WasmPlugin {
    shared: Arc<Shared>,
    file: PathBuf,
    sha256: Sha256,
    contract: String,
    needs: Needs,
    manifest: Manifest,
    identity: Identity,
    code: Code,
    /// Where services need no instances of their own.
    pool: Option<Arc<Pool>>,
    /// The checkers in use, by settings: equal ones share their idle instances.
    checkers: Mutex<Vec<Weak<WasmChecker>>>,
}

impl WasmPlugin {
    /// Links the code and asks it what it is. The error is the reason of a load error.
    pub(super) fn new(
        shared: &Arc<Shared>,
        file: &Path,
        sha256: Sha256,
        inspected: Inspected,
        component: &Component,
    ) -> Result<Self, String> {
        // Its limits may be its own; until it has said its name, those of all hold.
        let named = inspected.manifest.as_ref();
        let shared = &match named {
            Some(manifest) => shared.of_plugin(&manifest.name),
            None => Arc::clone(shared),
        };
        let misfit = |error: wasmtime::Error| {
            format!("does not fit contract {}: {error:#}", inspected.version)
        };
        // Until it has said its name, its file's name stands for it.
        let stem = file
            .file_stem()
            .map(|stem| stem.to_string_lossy())
            .unwrap_or_default();
        let log = PluginLog::new(&Arc::from(&*stem), "");
        let linkers = &shared.linkers;
        let (code, described) = match inspected.kind {
            PluginKind::Scheduler => {
                let code = linkers.scheduler(inspected.contract, component);
                let code = code.map_err(misfit)?;
                let described = scheduler::describe(shared, &*code, &log);
                (Code::Scheduler(code.into()), described)
            }
            PluginKind::Checker => {
                let code = linkers.checker(inspected.contract, component);
                let code = code.map_err(misfit)?;
                let described = checker::describe(shared, &*code, &log);
                (Code::Checker(code.into()), described)
            }
        };
        let manifest = described
            .map_err(|failure| format!("failed when asked to describe itself: {failure}"))?;
        let manifest = manifest
            .and_then(checked)
            .map_err(|problem| format!("describes itself wrongly: {problem}"))?;
        if let Some(declared) = &inspected.manifest
            && let Some(difference) = difference(declared, &manifest)
        {
            return Err(format!(
                "describes itself otherwise than its file does: {difference}; build and pack the plugin again"
            ));
        }
        let identity = Identity::new(&manifest);
        let shared = shared.of_plugin(&manifest.name);
        let pool = match &code {
            Code::Scheduler(code) if shares_instances(&manifest) => {
                Some(Arc::new(Pool::new(&shared, code)))
            }
            Code::Scheduler(_) | Code::Checker(_) => None,
        };
        Ok(Self {
            shared,
            file: file.to_owned(),
            sha256,
            contract: inspected.version.to_string(),
            needs: inspected.needs,
            manifest,
            identity,
            code,
            pool,
            checkers: Mutex::default(),
        })
    }

    fn wrong_kind(&self) -> PluginError {
        self.identity.error(Failure::WrongKind(self.kind()))
    }
}

impl SchedulerPlugin for WasmPlugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn scheduler(
        &self,
        context: &ServiceContext,
        settings: &[Setting],
    ) -> Result<Box<dyn Scheduler>, PluginError> {
        let Code::Scheduler(code) = &self.code else {
            return Err(self.wrong_kind());
        };
        let identity = self.identity.clone();
        if let Some(pool) = &self.pool {
            let scheduler = StatelessScheduler::new(pool, identity, context, settings)?;
            return Ok(Box::new(scheduler));
        }
        let scheduler = WasmScheduler::new(&self.shared, &**code, identity, context, settings)?;
        Ok(Box::new(scheduler))
    }
}

impl Plugin for WasmPlugin {
    fn kind(&self) -> PluginKind {
        match self.code {
            Code::Scheduler(_) => PluginKind::Scheduler,
            Code::Checker(_) => PluginKind::Checker,
        }
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

    fn usage(&self) -> Option<Usage> {
        Some(self.shared.sandbox.usage())
    }

    fn needs(&self) -> Needs {
        self.needs
    }

    fn checker_with(
        &self,
        settings: &[Setting],
        rights: &Rights,
    ) -> Result<Arc<dyn Checker>, PluginError> {
        let Code::Checker(code) = &self.code else {
            return Err(self.wrong_kind());
        };
        let mut checkers = self.checkers.lock();
        checkers.retain(|checker| checker.strong_count() > 0);
        let known = checkers
            .iter()
            .filter_map(Weak::upgrade)
            .find(|it| it.settings() == settings && it.rights() == rights);
        if let Some(checker) = known {
            return Ok(checker);
        }
        let checker = Arc::new(WasmChecker::new(
            &self.shared,
            code,
            self.identity.clone(),
            settings,
            rights,
        )?);
        checkers.push(Arc::downgrade(&checker));
        Ok(checker)
    }
}

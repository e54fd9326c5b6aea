//! Checkers: any number of checks at once, each in an instance of its own for as long as it runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evenkeel_core::manifest::Setting;
use evenkeel_core::metrics::PluginMetrics;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};
use wasmtime::Store;

use super::contracts::{CheckerCode, CheckerGuest, Described};
use super::sandbox::Metered;
use super::shared::Shared;
use super::state::{self, State, begin, yielding_store};
use crate::identity::Identity;
use crate::plugin_log::PluginLog;
use crate::probe::{Means, Probe};
use crate::text::clean;
use crate::{CheckReport, Checker, Failure, PluginError, Rights, Target, Verdict};

/// Idle instances kept for each plugin with its settings. Enough for thousands of checks a second of a few
/// milliseconds each.
const IDLE: usize = 32;
/// Checks after which an instance is replaced, so that one that leaks never reaches its limit.
const USES: u32 = 1000;

/// A running instance.
struct Instance {
    store: Store<State>,
    guest: Box<dyn CheckerGuest>,
    uses: u32,
}

impl Instance {
    async fn new(
        shared: &Shared,
        code: &dyn CheckerCode,
        log: &Arc<PluginLog>,
    ) -> Result<Self, Failure> {
        let mut store = yielding_store(&shared.engine, &shared.sandbox, log);
        let meter = Arc::clone(&store.data().meter);
        match Metered::new(meter, code.instantiate(&mut store)).await {
            Ok(guest) => Ok(Self {
                store,
                guest,
                uses: 0,
            }),
            Err(error) => Err(store.data().failure(&error)),
        }
    }

    async fn configured(
        shared: &Shared,
        code: &dyn CheckerCode,
        log: &Arc<PluginLog>,
        settings: &[Setting],
    ) -> Result<Self, Failure> {
        let mut instance = Self::new(shared, code, log).await?;
        let meter = instance.begin();
        let configured = instance.guest.configure(&mut instance.store, settings);
        match Metered::new(meter, configured).await {
            Ok(Ok(())) => {
                state::configured(&instance.store, &shared.sandbox);
                Ok(instance)
            }
            Ok(Err(reason)) => Err(Failure::Settings(clean(&reason, 1000))),
            Err(error) => Err(instance.store.data().failure(&error)),
        }
    }

    fn begin(&mut self) -> Arc<super::sandbox::Meter> {
        begin(&mut self.store);
        Arc::clone(&self.store.data().meter)
    }

    /// One check with the probe that the store holds.
    async fn check(&mut self) -> Result<Verdict, Failure> {
        let meter = self.begin();
        match Metered::new(meter, self.guest.check(&mut self.store)).await {
            Ok(verdict) => Ok(verdict),
            Err(error) => Err(self.store.data().failure(&error)),
        }
    }
}

/// Asks a throw-away instance what it is.
pub(super) fn describe(
    shared: &Shared,
    code: &dyn CheckerCode,
    log: &Arc<PluginLog>,
) -> Result<Described, Failure> {
    let describe = async {
        let mut instance = Instance::new(shared, code, log).await?;
        let meter = instance.begin();
        let described = Metered::new(meter, instance.guest.describe(&mut instance.store)).await;
        described.map_err(|error| instance.store.data().failure(&error))
    };
    run(describe)
}

/// Runs what waits for nothing but its own turn, since no check is under way. Each call inside has its own meter.
fn run<T>(future: impl Future<Output = T>) -> T {
    Metered::new(Arc::new(super::sandbox::Meter::new(Duration::MAX)), future).run()
}

/// The checks of one plugin with the same settings.
pub(super) struct WasmChecker {
    shared: Arc<Shared>,
    code: Arc<dyn CheckerCode>,
    identity: Identity,
    means: Arc<Means>,
    log: Arc<PluginLog>,
    settings: Vec<Setting>,
    idle: Mutex<Vec<Instance>>,
}

impl WasmChecker {
    /// A checker with one instance, configured: settings that the plugin refuses show here.
    pub(super) fn new(
        shared: &Arc<Shared>,
        code: &Arc<dyn CheckerCode>,
        identity: Identity,
        settings: &[Setting],
        rights: &Rights,
    ) -> Result<Self, PluginError> {
        let log = PluginLog::new(&identity.name, "");
        let instance = run(Instance::configured(shared, &**code, &log, settings))
            .map_err(|failure| identity.error(failure))?;
        Ok(Self {
            shared: Arc::clone(shared),
            code: Arc::clone(code),
            means: Arc::new(Means::new(&identity.name, settings, rights.clone())),
            identity,
            log,
            settings: settings.to_vec(),
            idle: Mutex::new(vec![instance]),
        })
    }

    pub(super) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    pub(super) fn rights(&self) -> &Rights {
        self.means.rights()
    }

    fn take(&self) -> Option<Instance> {
        self.idle.lock().pop()
    }

    /// Keeps an instance for the next check, unless it is worn out or holds connections of the last one.
    fn give_back(&self, mut instance: Instance, open: usize) {
        instance.uses += 1;
        if open > 0 {
            tracing::debug!(plugin = %self.identity.name, open, "the check left connections open; they are closed");
            return;
        }
        let mut idle = self.idle.lock();
        if instance.uses < USES && idle.len() < IDLE {
            idle.push(instance);
        }
    }
}

#[async_trait]
impl Checker for WasmChecker {
    fn metrics(&self) -> Arc<PluginMetrics> {
        self.log.metrics()
    }

    async fn check(&self, target: Target, timeout: Duration) -> Result<CheckReport, PluginError> {
        let began = Instant::now();
        // A timeout too great to be added never comes; a day is as good.
        let deadline = began
            .checked_add(timeout)
            .unwrap_or_else(|| began + Duration::from_secs(86_400));
        let probe = Box::new(Probe::new(
            target,
            deadline,
            &self.shared.sandbox,
            &self.means,
        ));
        let mut instance = match self.take() {
            Some(instance) => instance,
            None => {
                let new =
                    Instance::configured(&self.shared, &*self.code, &self.log, &self.settings);
                match timeout_at(deadline, new).await {
                    Ok(instance) => instance.map_err(|failure| self.identity.error(failure))?,
                    Err(_) => return Ok(probe.out_of_time(timeout).into()),
                }
            }
        };
        instance.store.data_mut().probe = Some(probe);
        let result = timeout_at(deadline, instance.check()).await;
        // Dropping the probe closes its connections, whatever the guest still holds.
        let Some(mut probe) = instance.store.data_mut().probe.take() else {
            let bug = "the host lost the check".to_owned();
            return Err(self.identity.error(Failure::Trap(bug)));
        };
        match result {
            // The call was cut off, so the instance is in the middle of something: it goes.
            Err(_) => Ok(CheckReport {
                steps: probe.take_steps(),
                ..probe.out_of_time(timeout).into()
            }),
            Ok(Err(failure)) => Err(self.identity.error(failure)),
            Ok(Ok(verdict)) => {
                self.give_back(instance, probe.open());
                Ok(CheckReport {
                    verdict: probe.judge(verdict, timeout),
                    signals: probe.signals(),
                    steps: probe.take_steps(),
                    session: probe.into_stored(),
                })
            }
        }
    }
}

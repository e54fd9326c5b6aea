//! A scheduler whose every answer is held against what it was told, as the director holds it.

use std::time::{Duration, Instant};

use evenkeel_core::manifest::{Decision, Setting};
use evenkeel_core::model::Sandbox;
use evenkeel_core::plan::{Plan, PlanError};
use evenkeel_core::state::{BackendId, Spread};
use evenkeel_runtime::{Backend, Flow, Load, Plugin, PluginError, Scheduler, ServiceContext};

use super::super::report::show;
use super::super::servers::{flow, taking};

/// Picks after each plan.
const PICKS: u32 = 4;

pub(super) struct Instance {
    scheduler: Box<dyn Scheduler>,
    plans: bool,
    picks: bool,
    /// The longest call for a plan, and for a pick.
    longest: [Duration; 2],
    random: fastrand::Rng,
}

fn words(error: PluginError) -> String {
    error.failure.to_string()
}

impl Instance {
    pub(super) fn new(plugin: &dyn Plugin, settings: &[Setting]) -> Result<Self, String> {
        Ok(Self {
            scheduler: plugin
                .scheduler(&ServiceContext::trial("test"), settings)
                .map_err(words)?,
            plans: offers(plugin, Decision::Plan),
            picks: offers(plugin, Decision::PerConnection),
            longest: [Duration::ZERO; 2],
            random: fastrand::Rng::with_seed(1),
        })
    }

    /// Tells it of servers.
    pub(super) fn told(&mut self, servers: &[Backend]) -> Result<(), String> {
        self.scheduler.set_backends(servers).map_err(words)
    }

    /// Tells it of load.
    pub(super) fn loads(&mut self, loads: &[Load]) -> Result<(), String> {
        self.scheduler.set_loads(loads).map_err(words)
    }

    /// Its plan for the servers that it was told of; `None` if it has none and may.
    pub(super) fn plan(&mut self, servers: &[Backend]) -> Result<Option<Spread>, String> {
        let began = Instant::now();
        let plan = self.scheduler.make_plan().map_err(words)?;
        self.longest[0] = self.longest[0].max(began.elapsed());
        if plan == Plan::PerConnection && !self.plans {
            return Ok(None);
        }
        match plan.spread(&taking(servers)) {
            Ok(spread) => Ok(Some(spread)),
            Err(PlanError::UnknownBackend(number)) => {
                Err(stranger("the plan names", number, servers))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Its answer about a connection; `None` also if it decides none.
    pub(super) fn pick(
        &mut self,
        flow: &Flow,
        servers: &[Backend],
    ) -> Result<Option<BackendId>, String> {
        if !self.picks {
            return Ok(None);
        }
        let began = Instant::now();
        let picked = self.scheduler.pick(flow).map_err(words)?;
        self.longest[1] = self.longest[1].max(began.elapsed());
        match picked {
            Some(id) if !taking(servers).contains(&id) => {
                Err(stranger("a pick names", id.get(), servers))
            }
            picked => Ok(picked),
        }
    }

    /// Tells it of servers, and asks for a plan and some picks.
    pub(super) fn serve(&mut self, servers: &[Backend]) -> Result<Option<Spread>, String> {
        self.told(servers)?;
        let spread = self.plan(servers)?;
        for _ in 0..PICKS {
            let flow = flow(&mut self.random);
            self.pick(&flow, servers)?;
        }
        Ok(spread)
    }

    /// Its longest calls beside what the sandbox allows.
    pub(super) fn times(&self, sandbox: &Sandbox) -> String {
        let [plan, pick] = self.longest.map(show);
        let mut text = format!("longest plan {plan} of {}", show(sandbox.call_time));
        if self.picks {
            text.push_str(&format!(", pick {pick} of {}", show(sandbox.pick_time)));
        }
        text
    }
}

/// What is wrong about a server that may not be named.
fn stranger(who: &str, number: u32, servers: &[Backend]) -> String {
    match servers.iter().find(|server| server.id.get() == number) {
        Some(server) => format!(
            "{who} {}, whose weight is 0: it takes no new connections (Backends::taking leaves such servers out)",
            server.name
        ),
        None => format!("{who} server {number}, which it was not told of"),
    }
}

/// Whether a plugin offers this.
fn offers(plugin: &dyn Plugin, decision: Decision) -> bool {
    let abilities = plugin.manifest().abilities.as_ref();
    abilities.is_some_and(|it| it.decisions.contains(&decision))
}

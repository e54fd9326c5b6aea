//! Opens the data plane that the configuration comes to.

use std::cell::RefCell;
use std::collections::BTreeMap;

use evenkeel_core::model::{Chosen, Daemon, DataPlaneKind};
use evenkeel_core::state::State;
use evenkeel_dataplane::ipvs::Ipvs;
use evenkeel_dataplane::nftables::{Nftables, Watch};
use evenkeel_dataplane::{DataPlane, Error};
use tracing::{info, warn};

use crate::kernel::WATCH_PATIENCE;

/// A data plane that works here.
pub struct Opened {
    /// The data plane.
    pub plane: Box<dyn DataPlane>,
    /// Notices what others do to what is ours, where the kernel tells of that.
    pub watch: Option<Watch>,
    /// What an earlier daemon has left in the kernel.
    pub adopted: State,
}

type Answers = RefCell<BTreeMap<DataPlaneKind, Result<(), String>>>;

/// What of a machine is looked at; the rest is taken to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    At,
    AtNftables,
    NotAt,
}

/// What this machine's kernel can do, looked at once.
pub struct Machine {
    table: String,
    looks: Looks,
    /// The data plane that the daemon has opened.
    running: Option<DataPlaneKind>,
    works: Answers,
    asks: Answers,
    masquerades: Answers,
}

impl Machine {
    /// `table`: the nftables table's name.
    pub fn new(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            looks: Looks::At,
            running: None,
            works: Answers::default(),
            asks: Answers::default(),
            masquerades: Answers::default(),
        }
    }

    /// Everything is taken to work.
    pub fn ignore(&mut self) {
        self.looks = Looks::NotAt;
    }

    /// What only IPVS does is taken to work, so that a service can be explained on any machine.
    pub fn explain(&mut self) {
        self.looks = Looks::AtNftables;
    }

    /// From now on the daemon has this data plane, and no configuration can want another one.
    pub fn runs(&mut self, kind: DataPlaneKind) {
        self.running = Some(kind);
    }

    /// The data plane that the daemon has, if it runs.
    pub fn running(&self) -> Option<DataPlaneKind> {
        self.running
    }

    /// Whether a data plane works here.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn works(&self, kind: DataPlaneKind) -> Result<(), String> {
        match (self.looks, kind) {
            (Looks::At, _) | (Looks::AtNftables, DataPlaneKind::Nftables) => {}
            (Looks::AtNftables, DataPlaneKind::Ipvs) | (Looks::NotAt, _) => return Ok(()),
        }
        self.works
            .borrow_mut()
            .entry(kind)
            .or_insert_with(|| self.look(kind))
            .clone()
    }

    /// Whether a data plane can ask the daemon about each connection here.
    ///
    /// # Errors
    /// Why not.
    pub fn asks(&self, kind: DataPlaneKind) -> Result<(), String> {
        self.of_plane(&self.asks, kind, |plane| plane.supports_queue())
    }

    /// Whether a data plane can do full NAT here.
    ///
    /// # Errors
    /// Why not.
    pub fn masquerades(&self, kind: DataPlaneKind) -> Result<(), String> {
        self.of_plane(&self.masquerades, kind, |plane| plane.supports_full_nat())
    }

    /// What a data plane says, kept in `known`.
    fn of_plane(
        &self,
        known: &Answers,
        kind: DataPlaneKind,
        ask: impl FnOnce(&mut dyn DataPlane) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.looks != Looks::At {
            return Ok(());
        }
        let look = || {
            let plane = new(kind, &self.table);
            let mut plane = plane.map_err(|error| error.to_string())?;
            ask(&mut *plane)
        };
        known.borrow_mut().entry(kind).or_insert_with(look).clone()
    }

    fn look(&self, kind: DataPlaneKind) -> Result<(), String> {
        let probe = new(kind, &self.table).and_then(|mut plane| plane.probe());
        let problems = probe.map_err(|error| error.to_string())?.problems;
        match problems.iter().find(|problem| problem.fatal) {
            None => Ok(()),
            // nft repeats itself for every line of what it was given.
            Some(problem) => {
                let what = problem.what.lines().next().unwrap_or_default();
                Err(format!("{what}; {}", problem.remedy))
            }
        }
    }
}

/// A data plane of this kind in this thread's network namespace. Changes nothing.
///
/// # Errors
/// When a socket to the kernel cannot be opened.
pub fn new(kind: DataPlaneKind, table: &str) -> Result<Box<dyn DataPlane>, Error> {
    Ok(match kind {
        DataPlaneKind::Nftables => Box::new(Nftables::new(table)?),
        DataPlaneKind::Ipvs => Box::new(Ipvs::new()?),
    })
}

/// Opens the data plane, says what it is, and reads what an earlier daemon has left.
///
/// # Errors
/// When it cannot work on this machine.
pub fn open(chosen: &Chosen, daemon: &Daemon) -> anyhow::Result<Opened> {
    let kind = chosen.kind;
    let (mut plane, watch) = match kind {
        DataPlaneKind::Nftables => {
            let plane = Nftables::new(&daemon.table)?;
            let watch = plane.watch(WATCH_PATIENCE).inspect_err(|error| {
                warn!(%error, "cannot notice at once when others change our rules; reading them from time to time does");
            });
            (Box::new(plane) as Box<dyn DataPlane>, watch.ok())
        }
        DataPlaneKind::Ipvs => (new(kind, &daemon.table)?, None),
    };
    let probe = plane.probe()?;
    info!(
        dataplane = plane.name(),
        why = chosen.why,
        found = probe.summary,
        "data plane"
    );
    for problem in &probe.problems {
        if problem.fatal {
            anyhow::bail!(
                "the {kind} data plane cannot work here: {}; {} (taken since {})",
                problem.what,
                problem.remedy,
                chosen.why
            );
        }
        warn!(remedy = problem.remedy, "{}", problem.what);
    }
    let adopted = plane.read()?;
    Ok(Opened {
        plane,
        watch,
        adopted,
    })
}

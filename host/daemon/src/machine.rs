//! What this machine can do, for the configuration.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::path::Path;

use evenkeel_config::{MachineSupport, SecretSource};
use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::secret::Secret;
use evenkeel_dataplane::DataPlane;

use crate::plane;
use crate::setting_files;

/// What was found, by data plane; asked once.
type Answers = RefCell<BTreeMap<DataPlaneKind, Result<(), String>>>;

/// What of a machine is probed; the rest is taken to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probed {
    All,
    Nftables,
    Nothing,
}

/// What this machine's kernel can do, looked at once.
pub(crate) struct Machine {
    table: String,
    probed: Probed,
    /// The data plane that the daemon has opened.
    running: Option<DataPlaneKind>,
    works: Answers,
    queue: Answers,
    snat: Answers,
}

impl Machine {
    /// `table`: the nftables table's name.
    pub(crate) fn new(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            probed: Probed::All,
            running: None,
            works: Answers::default(),
            queue: Answers::default(),
            snat: Answers::default(),
        }
    }

    /// Everything is taken to work.
    pub(crate) fn ignore(&mut self) {
        self.probed = Probed::Nothing;
    }

    /// What only IPVS does is taken to work, so that a service can be explained on any machine.
    pub(crate) fn explain(&mut self) {
        self.probed = Probed::Nftables;
    }

    /// From now on the daemon has this data plane, and no configuration can want another one.
    pub(crate) fn runs(&mut self, kind: DataPlaneKind) {
        self.running = Some(kind);
    }

    /// What a data plane says, kept in `known`.
    fn of_plane(
        &self,
        known: &Answers,
        kind: DataPlaneKind,
        ask: impl FnOnce(&mut dyn DataPlane) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.probed != Probed::All {
            return Ok(());
        }
        let probe = || {
            let plane = plane::new(kind, &self.table);
            let mut plane = plane.map_err(|error| error.to_string())?;
            ask(&mut *plane)
        };
        known.borrow_mut().entry(kind).or_insert_with(probe).clone()
    }

    /// What takes the place of something in a file where the configuration may be for another machine.
    fn unless_elsewhere<T>(&self, error: String, instead: T) -> Result<T, String> {
        match self.probed {
            Probed::All => Err(error),
            Probed::Nftables | Probed::Nothing => Ok(instead),
        }
    }

    fn probe(&self, kind: DataPlaneKind) -> Result<(), String> {
        let probe = plane::new(kind, &self.table).and_then(|mut plane| plane.probe());
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

impl MachineSupport for Machine {
    fn per_connection(&self, dataplane: DataPlaneKind) -> Result<(), String> {
        self.of_plane(&self.queue, dataplane, |plane| plane.supports_queue())
    }

    fn snat(&self, dataplane: DataPlaneKind) -> Result<(), String> {
        self.of_plane(&self.snat, dataplane, |plane| plane.supports_full_nat())
    }

    fn works(&self, dataplane: DataPlaneKind) -> Result<(), String> {
        match (self.probed, dataplane) {
            (Probed::All, _) | (Probed::Nftables, DataPlaneKind::Nftables) => {}
            (Probed::Nftables, DataPlaneKind::Ipvs) | (Probed::Nothing, _) => return Ok(()),
        }
        self.works
            .borrow_mut()
            .entry(dataplane)
            .or_insert_with(|| self.probe(dataplane))
            .clone()
    }

    fn secret(&self, source: &SecretSource) -> Result<Secret, String> {
        let secret = setting_files::secret(source, |name| env::var_os(name));
        secret.or_else(|error| self.unless_elsewhere(error, Secret::new(String::new())))
    }

    fn text(&self, file: &Path) -> Result<String, String> {
        let text = setting_files::text(file);
        text.or_else(|error| self.unless_elsewhere(error, String::new()))
    }

    fn running(&self) -> Option<DataPlaneKind> {
        self.running
    }
}

//! What came of a test.

use std::time::Duration;

use evenkeel_runtime::Plugin;
use serde::Serialize;

/// What came of all cases.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The plugin's name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// `scheduler` or `checker`.
    pub kind: String,
    /// The contract that it was built against.
    pub contract: String,
    /// What random changes started from.
    pub seed: u64,
    /// In the order in which they ran.
    pub cases: Vec<Case>,
}

/// One thing that a plugin has to bear.
#[derive(Debug, Serialize)]
pub struct Case {
    /// What was tried.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// In words; may be empty.
    pub detail: String,
}

/// What came of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is as it has to be.
    Passed,
    /// It is not.
    Failed,
    /// For the author to know.
    Note,
}

impl Report {
    pub(super) fn new(plugin: &dyn Plugin, seed: u64) -> Self {
        let manifest = plugin.manifest();
        Self {
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
            kind: plugin.kind().to_string(),
            contract: plugin.contract().to_owned(),
            seed,
            cases: Vec::new(),
        }
    }

    /// Whether no case failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failed() == 0
    }

    /// How many cases failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        let failed = |case: &&Case| case.outcome == Outcome::Failed;
        self.cases.iter().filter(failed).count()
    }

    /// Takes down a case that can fail: with what is to be known, or what is wrong.
    pub(super) fn case(&mut self, name: &str, result: Result<String, String>) {
        let (outcome, detail) = match result {
            Ok(detail) => (Outcome::Passed, detail),
            Err(detail) => (Outcome::Failed, detail),
        };
        self.add(name, outcome, detail);
    }

    pub(super) fn note(&mut self, name: &str, detail: String) {
        self.add(name, Outcome::Note, detail);
    }

    fn add(&mut self, name: &str, outcome: Outcome, detail: String) {
        self.cases.push(Case {
            name: name.to_owned(),
            outcome,
            detail,
        });
    }
}

/// A time with as many digits as one reads.
pub(super) fn show(time: Duration) -> String {
    format!("{time:.1?}")
}

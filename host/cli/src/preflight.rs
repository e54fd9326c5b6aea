//! `evenkeel check`'s look at the machine: what would keep this configuration from working here, and what to do about it.
//!
//! [`facts`] looks, [`machine`], [`counting`], [`vrrp`], [`services`] and [`servers`] judge what was seen. Nothing is changed.

mod counting;
mod facts;
mod machine;
mod servers;
mod services;
mod vrrp;

use std::collections::BTreeSet;
use std::fmt;

use evenkeel_core::model::{Model, ServiceKey};
use evenkeel_dataplane::{Error, Probe};

use facts::Facts;

/// What a [`Finding`] means for the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It may work or not, depending on what cannot be seen from here.
    Warning,
    /// It will not work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Whether it is as it should be.
    pub(crate) level: Level,
    /// What was found.
    pub(crate) what: String,
    /// What to do about it. `None` if nothing.
    pub(crate) remedy: Option<String>,
}

impl Finding {
    fn ok(what: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            what: what.into(),
            remedy: None,
        }
    }

    fn warning(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            what: what.into(),
            remedy: Some(remedy.into()),
        }
    }

    fn error(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            what: what.into(),
            remedy: Some(remedy.into()),
        }
    }
}

impl fmt::Display for Finding {
    /// One line, and an indented one for the remedy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<7}  {}", self.level, self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n         -> {remedy}"),
            None => Ok(()),
        }
    }
}

/// Looks at the machine (the network namespace of the calling thread; call it inside a tokio runtime) and judges whether this
/// configuration can work on it. What could not be looked at is a finding too.
///
/// `counted`: the services whose schedulers want to know the number of connections.
pub(crate) async fn preflight(
    model: &Model,
    counted: &BTreeSet<ServiceKey>,
    probe: &Probe,
) -> Vec<Finding> {
    match Facts::gather(model).await {
        Ok(facts) => judge(model, counted, probe, &facts),
        Err(error) => vec![Finding::error(
            format!("cannot look at this machine: {error}"),
            "Evenkeel needs Linux with netlink and /proc",
        )],
    }
}

fn judge(
    model: &Model,
    counted: &BTreeSet<ServiceKey>,
    probe: &Probe,
    facts: &Facts,
) -> Vec<Finding> {
    let mut findings = machine::judge(model, probe, facts);
    findings.extend(counting::judge(model, counted, facts));
    findings.extend(vrrp::judge(model, facts));
    findings.extend(services::judge(model, facts));
    findings.extend(servers::judge(model, facts));
    findings
}

/// What [`preflight`] says of the data plane, the services and the servers alone.
pub(crate) async fn of_services(model: &Model, probe: Result<Probe, Error>) -> Vec<Finding> {
    match Facts::gather(model).await {
        Ok(facts) => {
            let mut findings = match probe {
                Ok(probe) => machine::data_plane(&probe),
                Err(error) => vec![Finding::error(
                    format!("data plane {}: {error}", model.dataplane.kind),
                    "`evenkeel check` says more",
                )],
            };
            findings.extend(services::judge(model, &facts));
            findings.extend(servers::judge(model, &facts));
            findings.extend(machine::forwarding(model, &facts));
            findings
        }
        Err(error) => vec![Finding::error(
            format!("cannot look at this machine: {error}"),
            "Evenkeel needs Linux with netlink and /proc",
        )],
    }
}

/// Names in a sentence: all of a few, the first three of many.
fn listed(names: &[impl fmt::Display]) -> String {
    const SHOWN: usize = 3;
    let shown = if names.len() <= SHOWN + 1 {
        names.len()
    } else {
        SHOWN
    };
    let (first, rest) = names.split_at(shown);
    let first: Vec<String> = first.iter().map(ToString::to_string).collect();
    match rest.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;

//! The data plane: what carries connections in the kernel.
//!
//! One trait, [`DataPlane`]; every implementation passes the suite `conformance` (a feature of this crate). The
//! daemon's reconciler is its only user: it reads, computes the difference to what is wanted (`evenkeel_core::diff`)
//! and applies it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::connections::Counts;
use evenkeel_core::model::{DataPlaneKind, Persistence, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Counters, State};

mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod ipvs;
pub mod memory;
mod namespace;
pub mod nftables;
mod remembered;

/// What a data plane offers on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was found, for the log, `check` and `status`: for example the kernel's and nft's version.
    pub summary: String,
    /// What is missing or limits it, each with what to do about it. Empty: all is well.
    pub problems: Vec<Problem>,
}

/// Something a data plane lacks on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether the data plane cannot work at all.
    pub fatal: bool,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// Why a data plane failed. Nothing was changed unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel or a tool of it could not be reached.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The kernel refused a change. The batch is atomic: nothing of it took effect.
    #[error("the kernel refused {what}: {source}")]
    Refused {
        /// The change or step that was refused.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// `nft` failed. Its input is atomic: nothing of it took effect.
    #[error("nft failed: {stderr}")]
    Nft {
        /// What it printed.
        stderr: String,
    },
    /// The change asks for what no data plane can do, such as a slot of a backend that the service does not have.
    #[error("invalid change: {0}")]
    Invalid(String),
    /// What was read is not what a version of Evenkeel would have written.
    #[error("the kernel's state is not understood: {0}")]
    Garbled(String),
}

impl Error {
    /// Whether it is about a change that cannot be made, so that others may be; otherwise the kernel or a tool could not
    /// be reached, or is not understood.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Nft { .. } | Self::Invalid(_) => true,
            Self::Io { .. } | Self::Garbled(_) => false,
        }
    }
}

/// What a backend had counted before this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EarlierCount {
    /// Its connections, when they were last looked at.
    pub connections: u64,
    /// As much of them as the kernel's own count lacked: all, if the backend was out of the kernel.
    pub beyond: u64,
}

/// A client that a service remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RememberedClient {
    /// Where its last connection went.
    pub backend: BackendId,
    /// For how long it is remembered yet.
    pub expires: Duration,
}

/// A place where the balancing of connections is carried out.
///
/// Calls block (for a millisecond as a rule) and belong on a thread of their own. Implementations touch nothing that is
/// not theirs. A new value finds what an earlier process left and goes on from there: `read` adopts it.
pub trait DataPlane: Send {
    /// `nftables`, `ipvs`, `memory`.
    fn name(&self) -> &'static str;

    /// What kind it is: services are to be in the form of `evenkeel_core::approximate::approximate` for that kind.
    fn kind(&self) -> DataPlaneKind;

    /// Whether established flows can be offloaded to a flowtable ([`State::offload`]).
    ///
    /// # Errors
    /// Why not, for an operator.
    fn supports_offload(&mut self) -> Result<(), String> {
        Err(no_offload(self.kind()))
    }

    /// Whether new connections can be queued for the daemon's verdict ([`evenkeel_core::state::ServiceState::queue`]).
    ///
    /// # Errors
    /// Why not, for an operator.
    fn supports_queue(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Whether it can do full NAT ([`evenkeel_core::state::ServiceState::snat`]).
    ///
    /// # Errors
    /// Why not, for an operator.
    fn supports_full_nat(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Finds out what this machine offers. Changes nothing.
    ///
    /// # Errors
    /// Only when nothing can be said; what is missing is in [`Probe::problems`].
    fn probe(&mut self) -> Result<Probe, Error>;

    /// Reads all that is ours in the kernel. Damage that cannot be expressed as a [`State`] (a missing chain, an edited
    /// rule of the base ruleset) shows as services that are absent or differ, so that applying the difference repairs
    /// it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Nft`] when what is found cannot be judged since `nft` does not work here.
    fn read(&mut self) -> Result<State, Error>;

    /// Makes the changes, all or none, without an instant at which a service that exists before and after is absent.
    /// Takes work in proportion to the changes.
    ///
    /// # Errors
    /// [`Error::Invalid`] before anything is tried, [`Error::Refused`] and [`Error::Nft`] with nothing changed.
    fn apply(&mut self, changes: &[Change]) -> Result<(), Error>;

    /// Counters of every backend in the kernel, and of those that have left it and counted something.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn counters(&mut self) -> Result<BTreeMap<BackendId, Counters>, Error>;

    /// What the kernel's own counts lack, of each backend of which they lack something: to be kept for
    /// [`DataPlane::recall`].
    fn beyond(&self) -> BTreeMap<BackendId, u64> {
        BTreeMap::new()
    }

    /// An earlier process has counted this: [`DataPlane::counters`] go on from there. To be called once, after the first
    /// [`DataPlane::read`] and before any change.
    fn recall(&mut self, counts: &BTreeMap<BackendId, EarlierCount>) {
        let _ = counts;
    }

    /// Connections of every backend in the kernel, where the data plane counts them itself; `None` where conntrack's
    /// entries tell, by their mark.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn connections(&mut self) -> Result<Option<BTreeMap<BackendId, Counts>>, Error> {
        Ok(None)
    }

    /// The backend that a service with persistence remembers for a client, where the data plane can be asked for one
    /// client; `None`: it remembers none.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn remembered(
        &mut self,
        service: &ServiceKey,
        persistence: Persistence,
        client: IpAddr,
    ) -> Result<Option<RememberedClient>, Error> {
        let _ = (service, persistence, client);
        Ok(None)
    }

    /// Forgets the established flows of a backend, so that their next packets are spread anew (UDP) or end (TCP).
    ///
    /// # Errors
    /// [`Error::Io`].
    fn kill_flows(&mut self, backend: BackendId) -> Result<(), Error>;

    /// Removes all that is ours.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Nft`].
    fn clear(&mut self) -> Result<(), Error>;
}

/// Why a kind of data plane offloads no flows.
fn no_offload(kind: DataPlaneKind) -> String {
    format!("the {kind} data plane cannot offload established flows to a flowtable")
}

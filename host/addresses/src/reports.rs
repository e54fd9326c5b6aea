//! What the address manager is told, and what it tells.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use evenkeel_core::model::Vrrp;

use crate::channel::Receiver;
use crate::desired::ServiceAddress;
use crate::view::NetworkView;

/// What the address manager tells about services' addresses and the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagerReport {
    /// The machine, once at the start and whenever it was found changed.
    Network(NetworkView),
    /// What cannot be done for services, as text; `None`: all is well again. It is tried again.
    Problem(Option<String>),
}

/// What the address manager tells VRRP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VrrpReport {
    /// The addresses of an instance are on this machine already, and an Evenkeel put them there. They stay until
    /// [`VrrpAddresses::hold`](crate::VrrpAddresses::hold) or
    /// [`VrrpAddresses::release`](crate::VrrpAddresses::release).
    Found {
        /// The instance.
        instance: String,
    },
    /// The machine was looked at: no more [`Self::Found`] will come.
    Looked {
        /// The addresses of those that were found, as a first [`Self::Here`].
        here: BTreeSet<IpAddr>,
    },
    /// The addresses of an instance are in place and can be announced: after
    /// [`VrrpAddresses::hold`](crate::VrrpAddresses::hold), and again whenever one had to be put back. Those that
    /// cannot be put there are in a [`Self::Problem`].
    Held {
        /// The instance.
        instance: String,
    },
    /// What [`VrrpAddresses::release`](crate::VrrpAddresses::release) asked for is done.
    Released {
        /// The instance.
        instance: String,
    },
    /// What cannot be done for an instance, as text; `None`: all is well again. It is tried again.
    Problem {
        /// The instance.
        instance: String,
        /// What.
        text: Option<String>,
    },
    /// All virtual addresses that are on this machine now, whenever that changed.
    Here(BTreeSet<IpAddr>),
}

/// What the daemon wants of the address manager.
pub(crate) enum ManagerCommand {
    /// The addresses of all services.
    Services(Vec<ServiceAddress>),
    /// VRRP begins.
    AttachVrrp(VrrpAttachment),
    /// There is no VRRP: what one before left behind goes.
    FlushVrrp,
}

/// The address manager's end of what connects it with VRRP.
pub(crate) struct VrrpAttachment {
    pub(crate) commands: Receiver<VrrpCommand>,
    /// Does not block.
    pub(crate) reports: Box<dyn Fn(VrrpReport) + Send>,
    /// Called once on the address manager's thread.
    pub(crate) prepare_thread: Box<dyn FnOnce() + Send>,
}

/// What VRRP wants of the address manager.
#[derive(Debug)]
pub(crate) enum VrrpCommand {
    Configure(Arc<Vrrp>),
    Hold(String),
    Release(String),
    /// Tells when all before it is done.
    Stop(SyncSender<()>),
}

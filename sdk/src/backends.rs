//! The real servers that a scheduler chooses from.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The number of a real server. Stays with the server as long as the service is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId(u32);

impl BackendId {
    /// A plugin gets its numbers from [`Backend::id`]; this is for tests. The host refuses a plan that
    /// names a server which the scheduler was not given.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A real server.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// Its number.
    pub id: BackendId,
    /// Its name in the configuration.
    pub name: String,
    /// Where connections are sent.
    pub endpoint: SocketAddr,
    /// Its weight now, 0 to 65535. 0: it is draining, full or failed, and must get no new connections.
    pub weight: u32,
    /// Its weight in the configuration, whatever its health.
    pub configured_weight: u32,
    /// What its checks say.
    pub health: Health,
    /// Whether a plan may name it: it is up, or stays for its connections although it has failed.
    pub usable: bool,
    /// What changes all the time, as far as [`Scheduler::FACTS`](crate::Scheduler::FACTS) asks for it.
    pub counts: Counts,
    /// What its checks reported last, by name, as far as [`Scheduler::FACTS`](crate::Scheduler::FACTS) asks for it.
    pub signals: Vec<(String, f64)>,
    /// Free key/value pairs of the configuration (`zone`, `cpu`, ...).
    pub labels: Vec<(String, String)>,
}

/// What the checks of a real server say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Health {
    /// It is up. So is a server without checks.
    #[default]
    Healthy,
    /// It is up, and gets this share of its weight, in percent.
    Degraded(u8),
    /// It has failed.
    Failed,
}

/// What changes all the time about a real server. All zero if the scheduler does not ask for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that are open.
    pub active: u32,
    /// Connections that are closing or closed, and still known to the kernel.
    pub inactive: u32,
    /// New connections ever. May begin anew at any number.
    pub total: u64,
    /// How long the last successful health check took.
    pub latency: Option<Duration>,
    /// New connections in a minute, as the last ten seconds or so had them.
    pub per_minute: u32,
    /// New connections of TCP ever that ended without having been established: refused, or never answered. May begin
    /// anew at any number; with IPVS 0.
    pub failed: u64,
    /// What was sent; `None`: the kernel does not count it (conntrack's accounting is off).
    pub traffic: Option<Traffic>,
}

/// Bytes ever, headers of IP included. May begin anew at any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From clients to the server.
    pub to_backend: u64,
    /// From the server to clients.
    pub to_clients: u64,
}

/// What a scheduler wants to be told of, beyond servers and weights. Each makes the host work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// [`Counts::active`], [`Counts::inactive`], [`Counts::total`], [`Counts::per_minute`] and [`Counts::failed`].
    pub connections: bool,
    /// [`Counts::latency`].
    pub latency: bool,
    /// [`Backend::signals`].
    pub signals: bool,
    /// [`Counts::traffic`].
    pub traffic: bool,
}

impl Counts {
    /// What a server has to do: an open connection counts as much as 256 that are closing, as for IPVS's
    /// least-connection schedulers (`ip_vs_dest_conn_overhead` in the kernel's `include/net/ip_vs.h`).
    #[must_use]
    pub fn overhead(self) -> u64 {
        u64::from(self.active) * 256 + u64::from(self.inactive)
    }
}

impl Facts {
    /// None of them.
    pub const NONE: Self = Self {
        connections: false,
        latency: false,
        signals: false,
        traffic: false,
    };
    /// Counts of connections.
    pub const CONNECTIONS: Self = Self {
        connections: true,
        ..Self::NONE
    };
    /// How long checks take.
    pub const LATENCY: Self = Self {
        latency: true,
        ..Self::NONE
    };
    /// What checks report beside their verdicts.
    pub const SIGNALS: Self = Self {
        signals: true,
        ..Self::NONE
    };
    /// How many bytes are sent.
    pub const TRAFFIC: Self = Self {
        traffic: true,
        ..Self::NONE
    };

    /// These and those: `Facts::CONNECTIONS.and(Facts::LATENCY)`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            connections: self.connections || other.connections,
            latency: self.latency || other.latency,
            signals: self.signals || other.signals,
            traffic: self.traffic || other.traffic,
        }
    }
}

/// How a scheduler's decisions can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The kernel spreads new connections by the last [`Plan`](crate::Plan).
    Plan,
    /// [`Scheduler::pick`](crate::Scheduler::pick) is called for every new connection.
    PerConnection,
}

impl Backend {
    /// A healthy server without labels and connections. The host makes the servers that a scheduler gets; this is for
    /// tests.
    #[must_use]
    pub fn new(id: u32, name: impl Into<String>, endpoint: SocketAddr, weight: u32) -> Self {
        Self {
            id: BackendId::new(id),
            name: name.into(),
            endpoint,
            weight,
            configured_weight: weight,
            health: Health::Healthy,
            usable: true,
            counts: Counts::default(),
            signals: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// The value of one signal: what its checks reported of it last.
    #[must_use]
    pub fn signal(&self, name: &str) -> Option<f64> {
        let mut signals = self.signals.iter();
        signals.find(|(it, _)| it == name).map(|(_, value)| *value)
    }

    /// The value of one label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }
}

/// The real servers of the service, in the order of the configuration. Kept up to date by the SDK.
///
/// Those that can be chosen are what it is about: failed servers are only in [`Self::all`]. Draining ones are among
/// them, with weight 0.
#[derive(Debug, Clone, Default)]
pub struct Backends {
    all: Vec<Backend>,
    index: BTreeMap<BackendId, usize>,
    usable: usize,
}

/// The servers that a plan may name.
pub type Usable<'a> = std::iter::Filter<std::slice::Iter<'a, Backend>, fn(&&'a Backend) -> bool>;

impl Backends {
    /// Those that a plan may name.
    pub fn iter(&self) -> Usable<'_> {
        self.all.iter().filter(|backend| backend.usable)
    }

    /// All of them, failed ones too.
    pub fn all(&self) -> std::slice::Iter<'_, Backend> {
        self.all.iter()
    }

    /// Those that may get new connections: of a weight above 0.
    pub fn taking(&self) -> impl Iterator<Item = &Backend> {
        self.iter().filter(|backend| backend.weight > 0)
    }

    /// The one with that number, failed or not.
    #[must_use]
    pub fn get(&self, id: BackendId) -> Option<&Backend> {
        self.all.get(*self.index.get(&id)?)
    }

    /// How many a plan may name, draining ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.usable
    }

    /// Whether a plan can name none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.usable == 0
    }

    /// The sum of the weights.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        self.iter().map(|backend| u64::from(backend.weight)).sum()
    }

    /// The sum of the connections that are open.
    #[must_use]
    pub fn total_active(&self) -> u64 {
        self.iter()
            .map(|backend| u64::from(backend.counts.active))
            .sum()
    }

    /// Takes the whole list anew.
    pub(crate) fn set(&mut self, all: Vec<Backend>) {
        self.index = all
            .iter()
            .enumerate()
            .map(|(i, backend)| (backend.id, i))
            .collect();
        self.usable = all.iter().filter(|backend| backend.usable).count();
        self.all = all;
    }

    /// Takes over what changes of one server. Unknown numbers are of servers that have just gone.
    pub(crate) fn set_load(&mut self, id: BackendId, counts: Counts, signals: Vec<(String, f64)>) {
        if let Some(backend) = self.get_mut(id) {
            backend.counts = counts;
            backend.signals = signals;
        }
    }

    /// Counts a connection that `pick` has just placed, until the host tells the count.
    pub(crate) fn placed(&mut self, id: BackendId) {
        if let Some(backend) = self.get_mut(id) {
            backend.counts.active = backend.counts.active.saturating_add(1);
        }
    }

    fn get_mut(&mut self, id: BackendId) -> Option<&mut Backend> {
        self.all.get_mut(*self.index.get(&id)?)
    }
}

impl<'a> IntoIterator for &'a Backends {
    type Item = &'a Backend;
    type IntoIter = Usable<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Layer-4 protocol of a connection. A UDP "connection" is what the kernel tracks as one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Protocol number 6.
    Tcp,
    /// Protocol number 17.
    Udp,
}

/// A new connection that is to be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The client.
    pub source: SocketAddr,
    /// The virtual service.
    pub destination: SocketAddr,
}

//! The tables of the configuration and their keys. Each is declared once: the struct, what is read, the known keys and the
//! reference page all come from here.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use super::address::{Address, Endpoint, ServerAddress};
use super::mixed::{Abbreviated, Brief, Placed};
use super::plugin::{Labels, Many, PluginName, Settings, Several, SharedObject, Short, Single};
use super::reader::{self, Field, Key, Leaf, Page, Presence, Reader, Table, Wrong};
use super::tree::{self, Span, Value};
use super::units::{Period, Seconds, Size};
use super::value::{FilePath, Interface, List, Name, SocketPath, TableName, Whole, one_of, word};
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{
    DataPlaneChoice, DataPlaneKind, Family, Forward, Offload, OnDown, Protocol, Sandbox,
};

const DAY: u64 = 24 * 60 * 60 * 1000;

/// `$key: $type = $presence`, with its documentation and, where there is one, keepalived's keyword.
macro_rules! table {
    ($(#[doc = $about:literal])+ $name:ident in $place:literal {
        $($(#[doc = $doc:literal])+ $(#[keepalived = $keepalived:literal])?
          $key:ident: $type:ty = $presence:expr;)+
    }) => {
        $(#[doc = $about])+
        #[derive(Debug)]
        pub(crate) struct $name {
            $($(#[doc = $doc])+ pub(crate) $key: Field<$type>,)+
        }

        impl Table for $name {
            const PLACE: &'static str = $place;
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),+];

            fn read_table(mut table: tree::Table, at: Span, reader: &mut Reader) -> Self {
                $(let $key = reader.field::<$type>(&mut table, stringify!($key), &at, $place, $presence);)+
                reader.unknown(&table, $place, Self::KEYS);
                Self { $($key),+ }
            }

            fn page() -> Page {
                let keys = vec![$(Key {
                    name: stringify!($key),
                    kind: <$type as reader::Read>::kind(),
                    otherwise: { let presence: Presence<$type> = $presence; presence.otherwise() },
                    doc: concat!($($doc, "\n"),+).to_owned(),
                    keepalived: None$(.or(Some($keepalived)))?,
                }),+];
                Page { place: $place, about: concat!($($about, "\n"),+).to_owned(), keys }
            }
        }
    };
}

mod sync;
mod timeouts;
mod vrrp;

pub(super) use sync::ConnectionSyncTable;
pub(super) use timeouts::IpvsTimeoutsTable;
pub(super) use vrrp::{
    AddressTable, AnnounceTable, NotifyTable, RouteTable, RuleTable, ScriptTable, SyncGroupTable,
    TrackTable, VrrpTable,
};

fn path(path: &str) -> PathBuf {
    PathBuf::from(path)
}

/// The default.
pub(super) fn plugin_dirs() -> List<FilePath> {
    let dirs = [
        "/usr/local/lib/evenkeel/plugins",
        "/usr/lib/evenkeel/plugins",
    ];
    List(dirs.iter().map(|dir| FilePath(path(dir))).collect())
}

/// The default.
pub(super) fn cache_dir() -> FilePath {
    FilePath(path("/var/cache/evenkeel"))
}

/// The default.
pub(super) fn socket() -> SocketPath {
    SocketPath(path("/run/evenkeel/evenkeel.sock"))
}

/// The default.
pub(super) fn nft_table() -> TableName {
    TableName("evenkeel".to_owned())
}

/// The default.
pub(super) fn resync() -> Period<1_000, DAY> {
    Period(Duration::from_secs(30))
}

table! {
    /// What concerns Evenkeel itself. These keys come first in the file, before any `[table]`.
    File in "the top level" {
        /// Directories in which plugins are looked for, in this order. Every `*.wasm` in them is a plugin; the configuration
        /// refers to it by the name in its manifest.
        plugin_dirs: List<FilePath> = Presence::Default(plugin_dirs);
        /// Native plugins (shared objects) that are trusted with everything: they run inside the daemon, without a sandbox, with its
        /// rights, and are never unloaded. Only files that belong to root and that nobody else may write. One that is listed is
        /// found by the name in its manifest, too.
        native_plugins: List<Placed<SharedObject>> = Presence::Default(|| List(Vec::new()));
        /// Directory for compiled plugins. Created if it is not there; belongs to the daemon alone (mode 0700).
        cache_dir: FilePath = Presence::Default(cache_dir);
        /// The control socket, through which `evenkeel status` asks.
        socket: SocketPath = Presence::Default(socket);
        /// Name of the nftables table (family `inet`) that is Evenkeel's own. Nothing else in the ruleset is read or written.
        table: TableName = Presence::Default(nft_table);
        /// What carries the connections in the kernel. `auto`: nftables where that works and nothing is configured that only IPVS can do
        /// (`forward`, `fwmark`, SCTP, `[connection_sync]`), else IPVS. `evenkeel check` tells which one it is, and why. It is
        /// chosen at the start; another one needs a restart. See [ipvs.md](ipvs.md).
        dataplane: DataPlaneChoice = Presence::Default(DataPlaneChoice::default);
        /// Whether established flows take the short way through the kernel, a flowtable of nftables: `auto` where the kernel has it, `off`
        /// never. Means nothing on IPVS.
        offload: Offload = Presence::Default(Offload::default);
        /// How often the kernel's rules are read back and repaired, whatever was noticed meanwhile.
        resync: Period<1_000, DAY> = Presence::Default(resync);
        /// What a plugin may use.
        sandbox: Single<SandboxTable> = Presence::Optional("its defaults");
        /// The virtual services.
        #[keepalived = "virtual_server"]
        service: Many<ServiceTable> = Presence::Optional("no services");
        /// The virtual routers.
        #[keepalived = "vrrp_instance"]
        vrrp: Many<VrrpTable> = Presence::Optional("none");
        /// Virtual routers that are master together.
        #[keepalived = "vrrp_sync_group"]
        sync_group: Many<SyncGroupTable> = Presence::Optional("none");
        /// Scripts that virtual routers track.
        #[keepalived = "vrrp_script"]
        script: Many<ScriptTable> = Presence::Optional("none");
        /// Copying of connections to the other director.
        #[keepalived = "lvs_sync_daemon"]
        connection_sync: Single<ConnectionSyncTable> = Presence::Optional("none");
        /// When IPVS forgets connections.
        #[keepalived = "lvs_timeouts"]
        ipvs_timeouts: Single<IpvsTimeoutsTable> = Presence::Optional("as in the kernel");
    }
}

fn limits() -> Sandbox {
    Sandbox::default()
}

table! {
    /// What one plugin may use at most. A plugin that goes over a limit is ended, which costs the service that uses it its
    /// scheduler or check until the plugin has been started again, and no other service anything.
    SandboxTable in "[sandbox]" {
        /// Processor time of one call.
        call_time: Period<10, 10_000> = Presence::Default(|| Period(limits().call_time));
        /// Processor time of one decision about one connection, for schedulers that are asked per connection.
        pick_time: Period<1, 1_000> = Presence::Default(|| Period(limits().pick_time));
        /// Memory of one instance.
        memory: Size<{ 1 << 20 }, { 4 << 30 }> = Presence::Default(|| Size(limits().memory as u64));
        /// Elements of one instance's tables.
        table_elements: Whole<1, 10_000_000> =
            Presence::Default(|| Whole(u32::try_from(limits().table_elements).unwrap_or(u32::MAX)));
        /// Core instances inside one plugin; a plugin written in another language than Rust may need many.
        instances: Whole<1, 10_000> =
            Presence::Default(|| Whole(u32::try_from(limits().instances).unwrap_or(u32::MAX)));
        /// Connections that one check may open.
        check_connections: Whole<1, 1_000> = Presence::Default(|| Whole(limits().check_connections));
        /// Bytes that one check may read and write, in all.
        check_bytes: Size<1024, { 1 << 30 }> = Presence::Default(|| Size(limits().check_bytes));
    }
}

table! {
    /// A virtual service: the address that clients reach, and the real servers that answer.
    ServiceTable in "[[service]]" {
        /// Its name in logs and in `status`. No two services have the same.
        name: Name = Presence::Required;
        /// The address and port that clients reach. No two services have the same with the same protocol.
        #[keepalived = "virtual_server IP PORT"]
        listen: Endpoint = Presence::Optional("required, unless there is `fwmark`");
        /// In place of `listen` and `protocol`: every packet with this firewall mark, which rules of your own set, whatever its address, port
        /// and protocol. On IPVS only. Each packet must be routed to this machine: `evenkeel explain` says how.
        #[keepalived = "fwmark"]
        fwmark: Whole<1, { u32::MAX }> = Presence::Optional("none");
        /// Which packets with the firewall mark are meant. Only with `fwmark`.
        #[keepalived = "ip_family"]
        family: Family = Presence::Optional("`\"ipv4\"`");
        /// The protocol. SCTP on IPVS only.
        #[keepalived = "protocol"]
        protocol: Protocol = Presence::Default(|| Protocol::Tcp);
        /// Who spreads the connections: a scheduler plugin. Unlike with keepalived, whose default is `wlc`, servers take turns if
        /// nothing is said.
        #[keepalived = "lb_algo, lvs_sched"]
        scheduler: Short<SchedulerTable> = Presence::Optional("`\"rr\"`");
        /// How the scheduler's decisions are followed. With `plan` the kernel spreads new connections by itself, by a plan that the
        /// scheduler renews; with `per-connection` the scheduler is asked about each new connection, which costs more, and the
        /// last plan is followed while it does not answer. `evenkeel plugin inspect` shows what a scheduler offers.
        decision: Decision = Presence::Optional("what the scheduler offers first");
        /// A client's new connections go to the server that its last one went to, until it has made none for so long. With any
        /// scheduler. The table `service.persistence` can take all clients of a network as one.
        #[keepalived = "persistence_timeout"]
        persistence: Brief<PersistenceTable> = Presence::Optional("each connection for itself");
        /// The health checks of each server. If there are several, a server is up while it passes all. Without one, servers are
        /// always taken as up.
        check: Several<CheckTable> = Presence::Optional("no checks");
        /// Full NAT: servers see the director as the client, so that they need no route through it, but learn nothing of the
        /// client's address.
        snat: bool = Presence::Default(|| false);
        /// How connections get to the servers. `nat`: the destination becomes the server, and its answers come back through the director. On IPVS
        /// only: `dr`, direct routing: packets go to the server's MAC address as they are; and `tun`, a tunnel: they go to it inside other IP
        /// packets. With these two the server has the service's address itself, answers clients directly, and listens on the service's
        /// port. `evenkeel explain SERVICE` prints what servers need.
        #[keepalived = "lb_kind, lvs_method"]
        forward: Forward = Presence::Default(Forward::default);
        /// Whether a server that has failed stays in the kernel with weight 0, so that its established connections can go on.
        #[keepalived = "inhibit_on_failure"]
        inhibit_on_failure: bool = Presence::Default(|| false);
        /// What becomes of the established flows of a server that has failed: with `keep` they go on if they can; with `kill`
        /// they are forgotten, so that a client's next packet goes to another server.
        on_down: OnDown = Presence::Optional("`\"kill\"` for UDP without `inhibit_on_failure`, else `\"keep\"`");
        /// Evenkeel puts the service's address on this interface, once the kernel is ready for connections to it. It stays when the daemon ends, as the rules do, and is taken away when the service is no longer configured, or by `evenkeel flush`. For an address that another director may take over, use `[[vrrp]]` instead.
        interface: Interface = Presence::Optional("the address is left to others");
        /// The address's prefix length on the interface. Only with `interface`; up to 32 for IPv4.
        prefix: Whole<1, 128> = Presence::Optional("32 for IPv4, 128 for IPv6");
        /// From which sum of the weights of its servers that are up it has its quorum: `status` and the `track` of virtual routers
        /// look at that.
        #[keepalived = "quorum"]
        quorum: Whole<1, 1_000_000_000> = Presence::Default(|| Whole(1));
        /// The quorum is reached at `quorum + hysteresis` and lost below `quorum - hysteresis`. Less than `quorum`.
        #[keepalived = "hysteresis"]
        hysteresis: Whole<0, 1_000_000_000> = Presence::Default(|| Whole(0));
        /// Whether its servers are checked only while its address is on this director: it must be that of a `[[vrrp]]`.
        #[keepalived = "ha_suspend"]
        ha_suspend: bool = Presence::Default(|| false);
        /// The real servers, at least one.
        #[keepalived = "real_server"]
        server: Many<ServerTable> = Presence::Required;
    }
}

table! {
    /// A real server of the service above it.
    ServerTable in "[[service.server]]" {
        /// Where connections are sent. Of the same family (IPv4 or IPv6) as the service's address. No two servers of a service
        /// have the same. With `dr` and `tun` the port is the service's. In a service with `fwmark` it may be left out: connections keep
        /// the port that clients chose.
        #[keepalived = "real_server IP PORT"]
        address: ServerAddress = Presence::Required;
        /// Its name in logs, in `status` and for plugins. No two servers of a service have the same.
        name: Name = Presence::Optional("the address");
        /// Its share of the connections beside the other servers' weights. 0: it gets no new ones (draining).
        #[keepalived = "weight"]
        weight: Whole<0, 65_535> = Presence::Default(|| Whole(1));
        /// With so many connections it gets no new ones. Inactive ones (closing, or without a handshake) count, as with IPVS. 0:
        /// there is no limit.
        #[keepalived = "uthreshold"]
        upper_threshold: Whole<0, { u32::MAX }> = Presence::Default(|| Whole(0));
        /// A server that reached its upper threshold gets new ones again when it has fewer connections than this. At most
        /// `upper_threshold`. 0: fewer than three quarters of `upper_threshold`.
        #[keepalived = "lthreshold"]
        lower_threshold: Whole<0, { u32::MAX }> = Presence::Default(|| Whole(0));
        /// How connections get to this server.
        #[keepalived = "lb_kind, lvs_method"]
        forward: Forward = Presence::Optional("the service's");
        /// Whether it stays in the kernel with weight 0 when it has failed.
        #[keepalived = "inhibit_on_failure"]
        inhibit_on_failure: bool = Presence::Optional("the service's");
        /// Free key/value pairs for schedulers that look at them.
        labels: Labels = Presence::Default(Labels::default);
        /// Checks in place of the service's. `[]` or `"none"`: none, so that the server is always taken as up.
        check: Several<CheckTable> = Presence::Optional("the service's");
    }
}

table! {
    /// A scheduler plugin with its settings. `scheduler = "NAME"` is short for `scheduler = { plugin = "NAME" }`.
    SchedulerTable in "service.scheduler" {
        /// Which plugin: by name, or by file. A relative file starts from the configuration's directory.
        #[keepalived = "lb_algo, lvs_sched"]
        plugin: PluginName = Presence::Required;
        /// The plugin's settings; `evenkeel plugin inspect` shows which ones it takes.
        settings: Settings = Presence::Default(Settings::default);
    }
}

table! {
    /// For how long clients stay with their server. `persistence = "5m"` is short for `persistence = { timeout = "5m" }`.
    PersistenceTable in "service.persistence" {
        /// How long after a client's last new connection its server is remembered. Whole seconds.
        #[keepalived = "persistence_timeout"]
        timeout: Seconds<1_000, { 31 * DAY }> = Presence::Required;
        /// Clients whose addresses begin with the same so many bits are taken as one; up to 32 for IPv4.
        #[keepalived = "persistence_granularity"]
        prefix: Whole<1, 128> = Presence::Optional("the whole address: 32 for IPv4, 128 for IPv6");
    }
}

impl Abbreviated for PersistenceTable {
    const SHORT: &'static str = "timeout";
    const WHAT: &'static str = "a duration";
}

table! {
    /// A health check. `check = "NAME"` is short for `check = { plugin = "NAME" }`.
    ///
    /// A server that stops answering is out of the pool at the latest
    /// `interval + retries × max(retry_delay, timeout) + timeout` later.
    CheckTable in "service.check" {
        /// Which checker plugin: by name, or by file. A relative file starts from the configuration's directory.
        #[keepalived = "TCP_CHECK, HTTP_GET, UDP_CHECK"]
        plugin: PluginName = Presence::Required;
        /// The plugin's settings; `evenkeel plugin inspect` shows which ones it takes.
        settings: Settings = Presence::Default(Settings::default);
        /// From the start of one check to the start of the next. keepalived's default is 60 s.
        #[keepalived = "delay_loop"]
        interval: Period<10, DAY> = Presence::Default(|| Period(Duration::from_secs(6)));
        /// How long one check may take. A check without an answer by then has failed. keepalived's default is 5 s.
        #[keepalived = "connect_timeout"]
        timeout: Period<1, DAY> = Presence::Optional("`\"3s\"`, or `interval` if that is shorter");
        /// How many times a failed check is repeated before the server is taken out. keepalived's default is 1.
        #[keepalived = "retry, nb_get_retry"]
        retries: Whole<0, 1_000> = Presence::Default(|| Whole(3));
        /// From the start of a failed check to the start of its repetition. keepalived's default is 1 s.
        #[keepalived = "delay_before_retry"]
        retry_delay: Period<1, DAY> = Presence::Optional("`timeout`");
        /// How many checks in a row a failed server must pass before it is used again.
        rise: Whole<1, 1_000> = Presence::Default(|| Whole(1));
        /// Whether servers start down until they pass a check. Otherwise they start in the pool, and the first check, if it
        /// fails, takes one out without retries.
        #[keepalived = "alpha"]
        alpha: bool = Presence::Default(|| false);
        /// Check this address instead of the server's. Of any family.
        #[keepalived = "connect_ip"]
        address: Address = Presence::Optional("the server's");
        /// Check this port instead of the server's.
        #[keepalived = "connect_port"]
        port: Whole<1, 65_535> = Presence::Optional("the server's");
    }
}

/// All tables, in the order of the reference page.
pub(super) static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| {
    vec![
        File::page(),
        SandboxTable::page(),
        ServiceTable::page(),
        ServerTable::page(),
        SchedulerTable::page(),
        PersistenceTable::page(),
        CheckTable::page(),
        VrrpTable::page(),
        AddressTable::page(),
        RouteTable::page(),
        RuleTable::page(),
        AnnounceTable::page(),
        TrackTable::page(),
        NotifyTable::page(),
        SyncGroupTable::page(),
        ScriptTable::page(),
        ConnectionSyncTable::page(),
        IpvsTimeoutsTable::page(),
    ]
});

/// What to do about an unknown key: what was meant, where it belongs, what it is called here.
pub(super) fn explain(key: &str, place: &str, keys: &[&str]) -> String {
    let list = format!("keys of {place}: {}", keys.join(", "));
    let renamed = |page: &Page| {
        page.keys
            .iter()
            .find(|known| known.replaces(key))
            .map(|known| known.name)
    };
    let pages = PAGES.as_slice();
    if let Some(name) = pages
        .iter()
        .filter(|page| page.place == place)
        .find_map(renamed)
    {
        return format!("keepalived's {key} is called {name} here\n{list}");
    }
    if let Some(meant) = reader::similar(key, keys.iter().copied()) {
        return format!("did you mean {meant}?\n{list}");
    }
    let same = pages
        .iter()
        .filter(|page| page.keys.iter().any(|other| other.name == key));
    let same: Vec<&str> = same.map(|page| page.place).collect();
    if !same.is_empty() {
        return format!("{key} is a key of {}\n{list}", same.join(", "));
    }
    for page in pages {
        if let Some(name) = renamed(page) {
            return format!("keepalived's {key} is {name} in {}\n{list}", page.place);
        }
    }
    let others = pages.iter().filter(|page| page.place != place);
    let near = others.flat_map(|page| page.keys.iter().map(|known| (known.name, page.place)));
    let near: Vec<_> = near.collect();
    let meant = reader::similar(key, near.iter().map(|(name, _)| *name));
    match near.iter().find(|(name, _)| Some(*name) == meant) {
        Some((name, place)) => format!("did you mean {name} of {place}?\n{list}"),
        None => list,
    }
}

impl Leaf for Protocol {
    fn kind() -> String {
        one_of(&["tcp", "udp", "sctp"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let words = [("tcp", Self::Tcp), ("udp", Self::Udp), ("sctp", Self::Sctp)];
        word(value, &words)
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Leaf for DataPlaneChoice {
    fn kind() -> String {
        one_of(&["auto", "nftables", "ipvs"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let words = [
            ("auto", Self::Auto),
            ("nftables", Self::Only(DataPlaneKind::Nftables)),
            ("ipvs", Self::Only(DataPlaneKind::Ipvs)),
        ];
        word(value, &words)
    }

    fn show(&self) -> String {
        match self {
            Self::Auto => "\"auto\"".to_owned(),
            Self::Only(kind) => format!("\"{kind}\""),
        }
    }
}

impl Leaf for Offload {
    fn kind() -> String {
        one_of(&["auto", "off"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        word(value, &[("auto", Self::Auto), ("off", Self::Off)])
    }

    fn show(&self) -> String {
        match self {
            Self::Auto => "\"auto\"".to_owned(),
            Self::Off => "\"off\"".to_owned(),
        }
    }
}

impl Leaf for Forward {
    fn kind() -> String {
        one_of(&["nat", "dr", "tun"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let words = [("nat", Self::Nat), ("dr", Self::Dr), ("tun", Self::Tun)];
        word(value, &words)
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Leaf for Decision {
    fn kind() -> String {
        one_of(&["plan", "per-connection"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let words = [
            ("plan", Self::Plan),
            ("per-connection", Self::PerConnection),
        ];
        word(value, &words)
    }
}

impl Leaf for OnDown {
    fn kind() -> String {
        one_of(&["keep", "kill"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        word(value, &[("keep", Self::Keep), ("kill", Self::Kill)])
    }
}

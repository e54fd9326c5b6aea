//! The tables of services, servers and schedulers.

use super::check::CheckTable;
use super::declare::{DAY, table};
use super::second::{CanaryTable, ShadowTable};
use crate::address::{Endpoint, ServerAddress};
use crate::command::Command;
use crate::mixed::{Abbreviated, Brief};
use crate::percent::Percent;
use crate::plugin::{Digest, Labels, Many, PluginName, Settings, Several, Short, Single};
use crate::reader::Presence;
use crate::units::{Period, Seconds};
use crate::value::{Interface, Name, Whole};
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{
    ChecksRequired, Family, Forward, OnDown, OnDrain, Protocol, WhenAllDown,
};

table! {
    /// A virtual service: the address that clients reach, and the real servers that answer.
    ServiceTable in "[[service]]" {
        /// Its name in logs and in `status`. No two services have the same.
        name: Name = Presence::Required;
        /// The address and port that clients reach. No two services have the same with the same protocol.
        #[keepalived = "virtual_server IP PORT"]
        listen: Endpoint = Presence::Optional("required, unless there is `fwmark`");
        /// In place of `listen` and `protocol`: every packet with this firewall mark, which rules of your own set,
        /// whatever its address, port and protocol. On IPVS only. Each packet must be routed to this machine: `evenkeel
        /// explain` says how.
        #[keepalived = "fwmark"]
        fwmark: Whole<1, { u32::MAX }> = Presence::Optional("none");
        /// Which packets with the firewall mark are meant. Only with `fwmark`.
        #[keepalived = "ip_family"]
        family: Family = Presence::Optional("`\"ipv4\"`");
        /// The protocol. SCTP on IPVS only.
        #[keepalived = "protocol"]
        protocol: Protocol = Presence::Default(|| Protocol::Tcp);
        /// Who spreads the connections: a scheduler plugin. Unlike with keepalived, whose default is `wlc`, servers
        /// take turns if nothing is said.
        #[keepalived = "lb_algo, lvs_sched"]
        scheduler: Short<SchedulerTable> = Presence::Optional("`\"rr\"`");
        /// How the scheduler's decisions get into the kernel. With `plan` the kernel spreads new connections by itself,
        /// by a plan that the scheduler renews; with `per-connection` each new connection is queued (NFQUEUE) for the
        /// scheduler's verdict, which costs more, and the last plan is used while there is none. `evenkeel plugin
        /// inspect` shows what a scheduler offers.
        decision: Decision = Presence::Optional("what the scheduler offers first");
        /// A client's new connections go to the server that its last one went to, until it has made none for so long.
        /// With any scheduler. The table `service.persistence` can take all clients of a network as one.
        #[keepalived = "persistence_timeout"]
        persistence: Brief<PersistenceTable> = Presence::Optional("each connection for itself");
        /// The health checks of each server. If there are several, `checks_required` says how many a server must pass.
        /// Without one, servers are always taken as up.
        check: Several<CheckTable> = Presence::Optional("no checks");
        /// How many of its checks a server must pass to be up.
        checks_required: ChecksRequired = Presence::Default(ChecksRequired::default);
        /// Full NAT: servers see the director as the client, so that they need no route through it, but learn nothing
        /// of the client's address.
        snat: bool = Presence::Default(|| false);
        /// How connections get to the servers. `nat`: the destination becomes the server, and its answers come back
        /// through the director. On IPVS only: `dr`, direct routing: packets go to the server's MAC address as they
        /// are; and `tun`, a tunnel: they go to it inside other IP packets. With these two the server has the service's
        /// address itself, answers clients directly, and listens on the service's port. `evenkeel explain SERVICE`
        /// prints what servers need.
        #[keepalived = "lb_kind, lvs_method"]
        forward: Forward = Presence::Default(Forward::default);
        /// Whether a server that has failed stays in the kernel with weight 0, so that its established connections can
        /// go on.
        #[keepalived = "inhibit_on_failure"]
        inhibit_on_failure: bool = Presence::Default(|| false);
        /// What becomes of the established flows of a server that has failed: with `keep` they go on if they can; with
        /// `kill` they are forgotten, so that a client's next packet goes to another server.
        on_down: OnDown = Presence::Optional("`\"kill\"` for UDP without `inhibit_on_failure`, else `\"keep\"`");
        /// Evenkeel puts the service's address on this interface, once the kernel is ready for connections to it. It
        /// stays when the daemon ends, as the rules do, and is taken away when the service is no longer configured, or
        /// by `evenkeel flush`. The network is told where it is (gratuitous ARP, unsolicited neighbour advertisements),
        /// also when the link is back or has another MAC address. For an address that another director may take over,
        /// use `[[vrrp]]` instead.
        interface: Interface = Presence::Optional("the address is left to others");
        /// The address's prefix length on the interface. Only with `interface`; up to 32 for IPv4.
        prefix: Whole<1, 128> = Presence::Optional("32 for IPv4, 128 for IPv6");
        /// From which sum of the weights of its servers that are up it has its quorum: `status` and the `track` of
        /// virtual routers look at that.
        #[keepalived = "quorum"]
        quorum: Whole<1, 1_000_000_000> = Presence::Default(|| Whole(1));
        /// The quorum is reached at `quorum + hysteresis` and lost below `quorum - hysteresis`. Less than `quorum`.
        #[keepalived = "hysteresis"]
        hysteresis: Whole<0, 1_000_000_000> = Presence::Default(|| Whole(0));
        /// What is run when the quorum is reached, also at the start. Commands run as those of `[vrrp.notify]` do; those
        /// of one service one after the other.
        #[keepalived = "quorum_up"]
        quorum_up: Command = Presence::Optional("nothing");
        /// What is run when the quorum is lost.
        #[keepalived = "quorum_down"]
        quorum_down: Command = Presence::Optional("nothing");
        /// Whether `notify_down` of the servers that are up, and `quorum_down`, are also run when the daemon ends.
        #[keepalived = "omega"]
        omega: bool = Presence::Default(|| false);
        /// Servers with `backup = true` are used while fewer of the others than this are up (with a weight above 0).
        min_servers: Whole<1, 65_535> = Presence::Optional("while the others do not have the `quorum`");
        /// A server that is not checked, and is used in the place of all others while those that are up, backup servers
        /// among them, do not have the `quorum`: it tells clients that there is nobody else.
        #[keepalived = "sorry_server"]
        sorry_server: ServerAddress = Presence::Optional("none");
        /// What becomes of new connections when no server is up and there is no `sorry_server`. `refuse`: they are
        /// refused. `use_all`: they go to all servers, as if none were checked. `use_last`: they go to the server, or the
        /// servers, that were up last.
        when_all_down: WhenAllDown = Presence::Default(WhenAllDown::default);
        /// How long the weight of a server that has failed and come back grows, from a twentieth to the whole. Only for
        /// schedulers that go by weights (`rr` does not). For as long, small weights are multiplied by up to 20 for all
        /// servers of the service.
        slow_start: Period<1_000, DAY> = Presence::Optional("the whole weight at once");
        /// Whether its servers are checked only while its address is on this director: it must be that of a `[[vrrp]]`.
        #[keepalived = "ha_suspend"]
        ha_suspend: bool = Presence::Default(|| false);
        /// The most clients that one plan of a scheduler that hashes may send to another server, although neither that
        /// server nor the one before has changed: a server that failed, came back, was added or removed, or has another
        /// weight explains the clients that leave it or come to it, and they do not count. A plan that moves more is
        /// refused, with a line in the log and in `status`, and the one before stays; so is a scheduler that would take
        /// over with such a plan.
        max_moves: Percent = Presence::Optional("no limit");
        /// The real servers, at least one.
        #[keepalived = "real_server"]
        server: Many<ServerTable> = Presence::Required;
    }
}

table! {
    /// A real server of the service above it.
    ServerTable in "[[service.server]]" {
        /// Where connections are sent. Of the same family (IPv4 or IPv6) as the service's address. No two servers of a
        /// service have the same. With `dr` and `tun` the port is the service's. In a service with `fwmark` it may be
        /// left out: connections keep the port that clients chose.
        #[keepalived = "real_server IP PORT"]
        address: ServerAddress = Presence::Required;
        /// Its name in logs, in `status` and for plugins. No two servers of a service have the same.
        name: Name = Presence::Optional("the address");
        /// Its share of the connections beside the other servers' weights. 0: it gets no new ones (draining), but from
        /// clients that the service remembers (`persistence`, and its `on_drain`).
        #[keepalived = "weight"]
        weight: Whole<0, 65_535> = Presence::Default(|| Whole(1));
        /// Whether it is a backup server: checked like the others, and used only while too few of these are up
        /// (`min_servers`).
        backup: bool = Presence::Default(|| false);
        /// With so many connections it gets no new ones. Inactive ones (closing, or without a handshake) count, as with
        /// IPVS. 0: there is no limit.
        #[keepalived = "uthreshold"]
        upper_threshold: Whole<0, { u32::MAX }> = Presence::Default(|| Whole(0));
        /// A server that reached its upper threshold gets new ones again when it has fewer connections than this. At
        /// most `upper_threshold`. 0: fewer than three quarters of `upper_threshold`.
        #[keepalived = "lthreshold"]
        lower_threshold: Whole<0, { u32::MAX }> = Presence::Default(|| Whole(0));
        /// How connections get to this server.
        #[keepalived = "lb_kind, lvs_method"]
        forward: Forward = Presence::Optional("the service's");
        /// Whether it stays in the kernel with weight 0 when it has failed.
        #[keepalived = "inhibit_on_failure"]
        inhibit_on_failure: bool = Presence::Optional("the service's");
        /// Free key/value pairs for schedulers that look at them. A scheduler may declare which ones it reads, and with
        /// what values (`evenkeel plugin inspect`): then values that do not fit, labels that are missing, and labels
        /// that are nearly called as one of these, are mistakes.
        labels: Labels = Presence::Default(Labels::default);
        /// What is run when its checks find it well again.
        #[keepalived = "notify_up"]
        notify_up: Command = Presence::Optional("nothing");
        /// What is run when its checks take it out.
        #[keepalived = "notify_down"]
        notify_down: Command = Presence::Optional("nothing");
        /// Checks in place of the service's. `[]` or `"none"`: none, so that the server is always taken as up.
        check: Several<CheckTable> = Presence::Optional("the service's");
        /// How many of its checks it must pass to be up.
        checks_required: ChecksRequired = Presence::Optional("the service's");
    }
}

table! {
    /// A scheduler plugin with its settings. `scheduler = "NAME"` is short for `scheduler = { plugin = "NAME" }`.
    SchedulerTable in "service.scheduler" {
        /// Which plugin: by name, or by file. A relative file starts from the configuration's directory.
        #[keepalived = "lb_algo, lvs_sched"]
        plugin: PluginName = Presence::Required;
        /// The SHA-256 of the plugin's file, as `sha256sum` and `evenkeel plugin list` print it: another file is refused.
        sha256: Digest = Presence::Optional("any file");
        /// The plugin's settings; `evenkeel plugin inspect` shows which ones it takes.
        settings: Settings = Presence::Default(Settings::default);
        /// A second scheduler that makes plans for the same servers, which nobody follows: `status` says how much it would
        /// decide otherwise. Not beside `canary`.
        shadow: Short<ShadowTable> = Presence::Optional("none");
        /// A second scheduler that decides for a share of the slots. Not beside `shadow`.
        canary: Single<CanaryTable> = Presence::Optional("none");
    }
}

table! {
    /// For how long clients stay with their server. `persistence = "5m"` is short for `persistence = { timeout = "5m"
    /// }`.
    PersistenceTable in "service.persistence" {
        /// How long after a client's last new connection its server is remembered. Whole seconds.
        #[keepalived = "persistence_timeout"]
        timeout: Seconds<1_000, { 31 * DAY }> = Presence::Required;
        /// Clients whose addresses begin with the same so many bits are taken as one; up to 32 for IPv4.
        #[keepalived = "persistence_granularity"]
        prefix: Whole<1, 128> = Presence::Optional("the whole address: 32 for IPv4, 128 for IPv6");
        /// What becomes of the clients of a server whose weight is 0: it drains, is at its upper threshold, or has failed
        /// with `inhibit_on_failure`. With `keep` their new connections go there all the same, as with keepalived, so
        /// that it never drains while they come; with `move` their next one goes to another server. On IPVS it is one
        /// setting for all services of the network namespace (`net.ipv4.vs.expire_quiescent_template`): `move` switches
        /// it on, and `keep` leaves it as it is.
        on_drain: OnDrain = Presence::Default(OnDrain::default);
    }
}

impl Abbreviated for PersistenceTable {
    const SHORT: &'static str = "timeout";
    const WHAT: &'static str = "a duration";
}

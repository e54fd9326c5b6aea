//! The tables of virtual routers.

use std::time::Duration;

use super::declare::{DAY, table};
use crate::command::Command;
use crate::mixed::{Abbreviated, Mixed, Placed};
use crate::network::{Host, Network, RoutingTable, Scope, Target, VirtualMac, WithPrefix};
use crate::plugin::{Many, Single};
use crate::reader::Presence;
use crate::units::Period;
use crate::value::{FilePath, Interface, Label, List, Name, Process, Signed, Whole};
use evenkeel_core::model::{Announce, Checksum, Family, Password};

/// A number of the kernel's with 32 bits.
pub(crate) type Bits32 = Whole<0, { u32::MAX }>;

table! {
    /// A virtual router: addresses that one of several directors has at a time, the master. The others take over when
    /// its adverts are missing (VRRP, RFC 9568 and RFC 3768). Directors that belong together have the same `router_id`,
    /// addresses, `version` and `advert_interval`, and different priorities.
    VrrpTable in "[[vrrp]]" {
        /// Its name in logs, in `status` and for notify commands. No two instances have the same.
        #[keepalived = "vrrp_instance"]
        name: Name = Presence::Required;
        /// The interface on which adverts are sent and heard. While it is down, the instance is in fault.
        #[keepalived = "interface"]
        interface: Interface = Presence::Required;
        /// The number of the virtual router (VRID). No two instances have the same on one interface with one family.
        #[keepalived = "virtual_router_id"]
        router_id: Whole<1, 255> = Presence::Required;
        /// The virtual addresses, at least one. Those of the other family than the adverts' go along without being in
        /// the adverts. RFC 9568 wants the first IPv6 one to be link-local.
        #[keepalived = "virtual_ipaddress, virtual_ipaddress_excluded"]
        address: Mixed<AddressTable> = Presence::Required;
        /// Of several directors, that with the highest priority is master. 255: the addresses are this machine's own.
        #[keepalived = "priority, state"]
        priority: Whole<1, 255> = Presence::Default(|| Whole(100));
        /// Between two adverts. Version 2: in whole seconds, up to 255. Version 3: in steps of 10 ms, up to 40.95 s.
        #[keepalived = "advert_int"]
        advert_interval: Period<10, 255_000> = Presence::Default(|| Period(Duration::from_secs(1)));
        /// The version of the protocol. keepalived's default is 2.
        #[keepalived = "version, vrrp_version"]
        version: Whole<2, 3> = Presence::Optional("3, or 2 if there is a password");
        /// The family of the adverts.
        #[keepalived = "native_ipv6"]
        family: Family = Presence::Optional("IPv4 if there is an IPv4 address to be advertised, else IPv6");
        /// Whether this director takes over from a master of lower priority.
        #[keepalived = "nopreempt, preempt"]
        preempt: bool = Presence::Default(|| true);
        /// How long a master of lower priority is left alone first.
        #[keepalived = "preempt_delay"]
        preempt_delay: Period<0, 1_000_000> = Presence::Default(|| Period(Duration::ZERO));
        /// The password of version 2, in clear text in each advert. It keeps out routers by mistake, not by intent.
        #[keepalived = "auth_pass, authentication, auth_type"]
        password: Password = Presence::Optional("none");
        /// The address that adverts come from. When two masters have one priority, that with the higher address stays.
        #[keepalived = "unicast_src_ip, mcast_src_ip"]
        source: Host = Presence::Optional("the interface's first; IPv6: its link-local one");
        /// Where adverts are sent, and the only routers that are heard.
        #[keepalived = "unicast_peer"]
        peers: List<Placed<Host>> = Presence::Optional("the multicast group");
        /// What the checksum of adverts covers, for version 3 over IPv4: both are understood, this is what is sent.
        /// keepalived drops adverts without the pseudo-header; RFC 9568 wants none.
        #[keepalived = "vrrp_checksum, checksum_compatibility"]
        checksum: Checksum = Presence::Default(|| Checksum::PseudoHeader);
        /// Whether the addresses of `interface` have the virtual router's own MAC address, which moves with them: they
        /// are put on a macvlan interface. `true` names it `vrrp.ROUTER_ID`, for IPv6 `vrrp6.ROUTER_ID`.
        #[keepalived = "use_vmac"]
        virtual_mac: VirtualMac = Presence::Default(|| VirtualMac::No);
        /// The kernel takes the addresses away by itself when the daemon has not confirmed them for so long, in whole
        /// seconds: a director that hangs, or whose daemon was killed, does not keep them.
        address_lifetime: Period<2_000, DAY> = Presence::Optional("they stay");
        /// Routes that exist while this director is master.
        #[keepalived = "virtual_routes"]
        route: Many<RouteTable> = Presence::Optional("none");
        /// Routing rules that exist while this director is master.
        #[keepalived = "virtual_rules"]
        rule: Many<RuleTable> = Presence::Optional("none");
        /// How the network is told where the addresses are.
        #[keepalived = "garp_master_delay, vrrp_garp_master_delay"]
        announce: Single<AnnounceTable> = Presence::Optional("its defaults");
        /// What is watched. `interface`, and those that addresses are on, are watched anyway.
        #[keepalived = "track_interface, track_script, track_file, track_process"]
        track: Mixed<TrackTable> = Presence::Optional("nothing else");
        /// What is run when the state changes.
        #[keepalived = "notify, notify_master, notify_backup, notify_fault, notify_stop"]
        notify: Single<NotifyTable> = Presence::Optional("nothing");
    }
}

table! {
    /// A virtual address. `address = ["192.0.2.1/24"]` is short for `address = [{ address = "192.0.2.1/24" }]`.
    AddressTable in "[[vrrp.address]]" {
        /// The address. Without a prefix length it has 32 or, for IPv6, 128. No two instances have the same.
        #[keepalived = "virtual_ipaddress"]
        address: WithPrefix = Presence::Required;
        /// The interface it is put on. While that is down, the instance is in fault.
        #[keepalived = "dev"]
        interface: Interface = Presence::Optional("the instance's");
        /// Its label, IPv4 only: the interface's name, or that with `:` and more; up to 15 bytes.
        #[keepalived = "label"]
        label: Label = Presence::Optional("none");
        /// Its scope.
        #[keepalived = "scope"]
        scope: Scope = Presence::Default(|| Scope(0));
        /// Whether the adverts list it. Routers may drop adverts with other addresses than their own.
        #[keepalived = "virtual_ipaddress_excluded"]
        advertised: bool = Presence::Optional("`true` if it is of the adverts' family");
    }
}

impl Abbreviated for AddressTable {
    const SHORT: &'static str = "address";
    const WHAT: &'static str = "an IP address with its prefix length, such as \"192.0.2.1/24\",";
}

table! {
    /// A route that exists while this director is master.
    RouteTable in "[[vrrp.route]]" {
        /// Where to. `"default"` is of the family of `via` or `source`, else IPv4.
        #[keepalived = "virtual_routes"]
        to: Target = Presence::Required;
        /// The gateway. At least one of `via` and `interface` is needed.
        #[keepalived = "via, gw"]
        via: Host = Presence::Optional("none");
        /// The interface.
        #[keepalived = "dev, oif"]
        interface: Interface = Presence::Optional("the one that leads to `via`");
        /// The preferred source address.
        #[keepalived = "src"]
        source: Host = Presence::Optional("the kernel chooses");
        /// The metric.
        #[keepalived = "metric, preference"]
        metric: Bits32 = Presence::Optional("the kernel's");
        /// The routing table.
        #[keepalived = "table"]
        table: RoutingTable = Presence::Default(|| RoutingTable::MAIN);
        /// The scope.
        #[keepalived = "scope"]
        scope: Scope = Presence::Optional("`\"global\"` with `via`, else `\"link\"`");
    }
}

table! {
    /// A routing rule that exists while this director is master.
    RuleTable in "[[vrrp.rule]]" {
        /// Packets from here.
        #[keepalived = "from"]
        from: Network = Presence::Optional("from anywhere");
        /// Packets to there.
        #[keepalived = "to"]
        to: Network = Presence::Optional("to anywhere");
        /// Packets that came in by this interface.
        #[keepalived = "iif, dev"]
        input: Interface = Presence::Optional("any");
        /// Packets that go out by this interface.
        #[keepalived = "oif"]
        output: Interface = Presence::Optional("any");
        /// Packets with this firewall mark.
        #[keepalived = "fwmark"]
        mark: Bits32 = Presence::Optional("any");
        /// The rule's place: low numbers are looked at first.
        #[keepalived = "priority, order, preference"]
        priority: Bits32 = Presence::Optional("the kernel chooses");
        /// The routing table that is looked up.
        #[keepalived = "table, lookup"]
        table: RoutingTable = Presence::Required;
        /// The family.
        family: Family = Presence::Optional("that of `from` or `to`, else the adverts'");
    }
}

fn announce() -> Announce {
    Announce::default()
}

table! {
    /// When a new master tells the network where the addresses are: gratuitous ARP and, for IPv6, unsolicited neighbour
    /// advertisements. A round is one for each address.
    AnnounceTable in "[vrrp.announce]" {
        /// Rounds at once on becoming master.
        #[keepalived = "garp_master_repeat, vrrp_garp_master_repeat"]
        repeat: Whole<1, 1_000> = Presence::Default(|| Whole(announce().repeat));
        /// After this, as many rounds again. `"0s"`: never.
        #[keepalived = "garp_master_delay, vrrp_garp_master_delay"]
        delay: Period<0, DAY> = Presence::Default(|| Period(announce().delay));
        /// Rounds from time to time while master. `"0s"`: never.
        #[keepalived = "garp_master_refresh, vrrp_garp_master_refresh"]
        refresh: Period<0, DAY> = Presence::Default(|| Period(Duration::ZERO));
        /// How many rounds each time.
        #[keepalived = "garp_master_refresh_repeat, vrrp_garp_master_refresh_repeat"]
        refresh_repeat: Whole<1, 1_000> = Presence::Default(|| Whole(announce().refresh_repeat));
        /// Rounds after another master's advert of lower priority was heard.
        #[keepalived = "garp_lower_prio_repeat, vrrp_garp_lower_prio_repeat"]
        lower_priority_repeat: Whole<0, 1_000> = Presence::Optional("`repeat`");
        /// After this, as many rounds again. `"0s"`: never.
        #[keepalived = "garp_lower_prio_delay, vrrp_garp_lower_prio_delay"]
        lower_priority_delay: Period<0, DAY> = Presence::Optional("`delay`");
    }
}

table! {
    /// Something that is watched: exactly one of the first five keys. `track = ["eth1"]` is short for
    /// `track = [{ interface = "eth1" }]`.
    TrackTable in "[[vrrp.track]]" {
        /// An interface is up and has a carrier.
        #[keepalived = "track_interface"]
        interface: Interface = Presence::Optional("none");
        /// The `[[script]]` of this name succeeds.
        #[keepalived = "track_script"]
        script: Name = Presence::Optional("none");
        /// The number in this file. It is multiplied with `weight` and added to the priority; with `weight = 0`, the
        /// instance is in fault while it is not 0.
        #[keepalived = "track_file"]
        file: FilePath = Presence::Optional("none");
        /// A process of this name, or with this path, runs.
        #[keepalived = "track_process"]
        process: Process = Presence::Optional("none");
        /// The `[[service]]` of this name has its quorum of servers.
        service: Name = Presence::Optional("none");
        /// 0: the instance is in fault while this fails. Positive: added to the priority while it is well. Negative:
        /// taken from the priority while it fails. The priority stays within 1 to 254; 255 never changes.
        #[keepalived = "weight"]
        weight: Signed<253> = Presence::Default(|| Signed(0));
        /// Whether it counts the other way round. With `weight = 0` the instance is in fault while this is well; a
        /// positive weight is taken from the priority while it is well, and a negative one added while it fails. The
        /// number in a file is taken from the priority; with `weight = 0`, the instance is in fault while it is 0.
        #[keepalived = "reverse"]
        reverse: bool = Presence::Default(|| false);
    }
}

impl Abbreviated for TrackTable {
    const SHORT: &'static str = "interface";
    const WHAT: &'static str = "the name of a network interface";
}

table! {
    /// What is run when the state changes, without a shell and without waiting for it, in order. A sync group may have
    /// one, too: `[sync_group.notify]`. A command that runs for 60 s is ended, and the next one begins; of those that
    /// wait for it, the last 16 are kept. At the daemon's end, `stop` is run after two seconds at the latest, whatever
    /// hangs before it.
    NotifyTable in "[vrrp.notify]" {
        /// On becoming master.
        #[keepalived = "notify_master"]
        master: Command = Presence::Optional("nothing");
        /// On becoming backup.
        #[keepalived = "notify_backup"]
        backup: Command = Presence::Optional("nothing");
        /// On going into fault.
        #[keepalived = "notify_fault"]
        fault: Command = Presence::Optional("nothing");
        /// When the daemon ends.
        #[keepalived = "notify_stop"]
        stop: Command = Presence::Optional("nothing");
        /// On every change, after the one above, with four more arguments: `INSTANCE` or `GROUP`, the name, the state
        /// (`MASTER`, `BACKUP`, `FAULT`, `STOP`) and the priority.
        #[keepalived = "notify"]
        any: Command = Presence::Optional("nothing");
    }
}

table! {
    /// Instances that are master together or not at all: one in fault takes the others with it.
    SyncGroupTable in "[[sync_group]]" {
        /// Its name in logs, in `status` and for notify commands. No two groups have the same.
        #[keepalived = "vrrp_sync_group"]
        name: Name = Presence::Required;
        /// The names of its instances, at least two. An instance is in one group at most. Give them the same `priority`
        /// on a director: were one the better one here and another there, the group would go to and fro. What one of
        /// them tracks counts for all.
        #[keepalived = "group"]
        members: List<Placed<Name>> = Presence::Required;
        /// What is run when the group's state changes.
        #[keepalived = "notify, notify_master, notify_backup, notify_fault, notify_stop"]
        notify: Single<NotifyTable> = Presence::Optional("nothing");
    }
}

table! {
    /// A script that instances track: it succeeds if its exit status is 0. There is never a second run of it at a time:
    /// one that does not end although it was killed (it hangs in a file system) goes on failing at each interval.
    ScriptTable in "[[script]]" {
        /// The name that instances track it by. No two scripts have the same.
        #[keepalived = "vrrp_script"]
        name: Name = Presence::Required;
        /// The program and its arguments. It is run without a shell. A program with a `/` starts from the
        /// configuration's directory, another one is looked for in `PATH`.
        #[keepalived = "script"]
        command: Command = Presence::Required;
        /// From the start of one run to the start of the next.
        #[keepalived = "interval"]
        interval: Period<10, DAY> = Presence::Default(|| Period(Duration::from_secs(1)));
        /// A run that takes longer has failed then, and is ended: by SIGTERM, and two seconds later by SIGKILL.
        #[keepalived = "timeout"]
        timeout: Period<10, DAY> = Presence::Optional("`interval`");
        /// Successes in a row until it is well.
        #[keepalived = "rise"]
        rise: Whole<1, 1_000> = Presence::Default(|| Whole(1));
        /// Failures in a row until it has failed.
        #[keepalived = "fall"]
        fall: Whole<1, 1_000> = Presence::Default(|| Whole(1));
    }
}

//! What is to be seen of the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel_core::model::{Forward, Model, Notify, Protocol};
use evenkeel_dataplane::nftables::machine::{ForeignRule, foreign_rules, ruleset};
use procfs_core::net::{TcpNetEntries, TcpState, UdpNetEntries};
use procfs_core::process::Status;
use procfs_core::{ExplicitSystemInfo, FromBufRead as _, FromBufReadSI as _};

use evenkeel_addresses::{AddressError, Addresses, Interface, OwnAddress, Route};
use evenkeel_vrrp::{Insecure, may_run};

/// The files of the calling thread, so of its network namespace.
const PROC: &str = "/proc/thread-self";
/// Settings of the network namespace that the calling thread is in.
const SYS_NET: &str = "/proc/sys/net";

/// An address that no machine has (RFC 5737, TEST-NET-2).
const ELSEWHERE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 254));
/// The same (RFC 3849, documentation).
const ELSEWHERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(
    0x2001, 0xdb8, 0xffff, 0xffff, 0, 0, 0, 0xfffe,
));

/// What was seen of the machine. Where something could not be looked at, it counts as unknown, not as wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Whether this process may change the network (`CAP_NET_ADMIN`).
    pub(super) net_admin: bool,
    /// Whether this process may open raw sockets (`CAP_NET_RAW`).
    pub(super) net_raw: bool,
    /// Whether a process listens to VRRP (IP protocol 112).
    pub(super) vrrp_sockets: bool,
    /// `net.ipv4.ip_forward`.
    pub(super) forwards_v4: Option<bool>,
    /// `net.ipv6.conf.all.forwarding`.
    pub(super) forwards_v6: Option<bool>,
    /// `None` while the kernel tracks no connections yet.
    pub(super) conntrack: Option<Conntrack>,
    /// `net.netfilter.nf_conntrack_events`.
    pub(super) conntrack_events: Option<u64>,
    /// `net.netfilter.nf_conntrack_acct`.
    pub(super) conntrack_acct: Option<u64>,
    /// Interfaces that drop a packet if the way back to its sender is another interface (`rp_filter` = 1, IPv4 only).
    pub(super) strict: BTreeSet<String>,
    /// The way to IPv4 addresses that are on no network of this machine.
    pub(super) elsewhere: Option<Route>,
    /// Programs whose `FORWARD` chain has the policy `DROP` where nf_tables does not show it: `iptables-legacy`.
    pub(super) legacy_drop: Vec<&'static str>,
    /// `net.bridge.bridge-nf-call-iptables`: bridged IPv4 goes through netfilter.
    pub(super) bridge_filter_v4: bool,
    /// `net.bridge.bridge-nf-call-ip6tables`: bridged IPv6 goes through netfilter.
    pub(super) bridge_filter_v6: bool,
    /// The interfaces, by number.
    pub(super) interfaces: BTreeMap<u32, Interface>,
    /// The addresses.
    pub(super) addresses: Vec<OwnAddress>,
    /// How each real server is reached now.
    pub(super) routes: BTreeMap<IpAddr, Route>,
    /// From which address this machine reaches real servers that have their service's address themselves.
    pub(super) sources: BTreeMap<IpAddr, IpAddr>,
    /// How packets with the firewall mark of a service would be treated that are for an address elsewhere, by mark
    /// and whether they are IPv4.
    pub(super) marked: BTreeMap<(u32, bool), Route>,
    /// Sockets that wait for clients.
    pub(super) listening: BTreeSet<(Protocol, SocketAddr)>,
    /// Virtual services of IPVS.
    pub(super) ipvs: BTreeSet<(Protocol, SocketAddr)>,
    /// Rules of other programs that get in the way of balanced connections.
    pub(super) foreign_rules: Vec<ForeignRule>,
    /// Programs that tracked scripts and notify commands name and that are not run, with the reason.
    pub(super) not_run: BTreeMap<String, Insecure>,
}

/// Room for tracked connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conntrack {
    /// Connections tracked now (`nf_conntrack_count`).
    pub(super) count: u64,
    /// How many there can be (`nf_conntrack_max`).
    pub(super) max: u64,
}

impl Facts {
    /// Looks. Takes one question to the kernel for each real server's address.
    pub(super) async fn gather(model: &Model) -> Result<Self, AddressError> {
        let net = Addresses::open()?;
        let servers: BTreeSet<IpAddr> = model
            .services
            .iter()
            .flat_map(|service| &service.servers)
            .map(|server| server.address.ip())
            .collect();
        let interfaces = net.interfaces().await?;
        let mut routes = BTreeMap::new();
        for server in servers {
            routes.insert(server, net.route(server).await?);
        }
        let mut sources = BTreeMap::new();
        let servers = model.services.iter().flat_map(|service| &service.servers);
        for server in servers.filter(|server| server.forward != Forward::Nat) {
            let to = server.address.ip();
            if let Some(from) = net.source(to).await? {
                sources.insert(to, from);
            }
        }
        let mut marked = BTreeMap::new();
        for service in &model.services {
            if let Some(mark) = service.key.protocol.fwmark() {
                let v4 = service.key.addr.is_ipv4();
                let elsewhere = if v4 { ELSEWHERE_V4 } else { ELSEWHERE_V6 };
                let route = net.marked_route(elsewhere, mark.get()).await?;
                marked.insert((mark.get(), v4), route);
            }
        }
        Ok(Self {
            net_admin: capable(CAP_NET_ADMIN),
            net_raw: capable(CAP_NET_RAW),
            vrrp_sockets: ["net/raw", "net/raw6"].into_iter().any(|table| {
                open(&proc_file(table))
                    .and_then(|file| std::io::read_to_string(file).ok())
                    .is_some_and(|text| has_vrrp(&text))
            }),
            forwards_v4: setting("ipv4/ip_forward").map(|value| value != 0),
            forwards_v6: setting("ipv6/conf/all/forwarding").map(|value| value != 0),
            conntrack: conntrack(),
            conntrack_events: setting("netfilter/nf_conntrack_events"),
            conntrack_acct: setting("netfilter/nf_conntrack_acct"),
            strict: strict(&interfaces),
            elsewhere: Some(net.route(ELSEWHERE_V4).await?),
            legacy_drop: LEGACY
                .into_iter()
                .filter(|(program, names)| drops_forwarded(program, names))
                .map(|(program, _)| program)
                .collect(),
            bridge_filter_v4: setting("bridge/bridge-nf-call-iptables") == Some(1),
            bridge_filter_v6: setting("bridge/bridge-nf-call-ip6tables") == Some(1),
            interfaces,
            addresses: net.list().await?,
            routes,
            sources,
            marked,
            listening: listening(),
            ipvs: open(&proc_file("net/ip_vs"))
                .and_then(|file| std::io::read_to_string(file).ok())
                .map(|text| ipvs_services(&text))
                .unwrap_or_default(),
            foreign_rules: ruleset()
                .map(|found| foreign_rules(&found, &model.daemon.table))
                .unwrap_or_default(),
            not_run: not_run(model),
        })
    }
}

/// The stricter of an interface's own setting and everybody's counts (Documentation/networking/ip-sysctl.rst); 2 is
/// loose.
fn strict(interfaces: &BTreeMap<u32, Interface>) -> BTreeSet<String> {
    let of = |name: &str| setting(&format!("ipv4/conf/{name}/rp_filter"));
    let all = of("all").unwrap_or(0);
    interfaces
        .values()
        .filter(|it| of(&it.name).unwrap_or(0).max(all) == 1)
        .map(|it| it.name.clone())
        .collect()
}

/// The programs for the tables of iptables that are not nf_tables', and where the kernel lists those in use.
const LEGACY: [(&str, &str); 2] = [
    ("iptables-legacy", "net/ip_tables_names"),
    ("ip6tables-legacy", "net/ip6_tables_names"),
];

/// Whether such a program's table drops what it does not accept on its way to another machine.
fn drops_forwarded(program: &str, names: &str) -> bool {
    let used = open(&proc_file(names)).and_then(|file| std::io::read_to_string(file).ok());
    if !used.is_some_and(|names| names.lines().any(|name| name == "filter")) {
        return false;
    }
    let listed = Command::new(program)
        .args(["-w", "1", "-S", "FORWARD"])
        .output();
    listed.is_ok_and(|it| has_drop_policy(&String::from_utf8_lossy(&it.stdout)))
}

/// Whether the chain that `-S FORWARD` prints has the policy.
pub(super) fn has_drop_policy(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "-P FORWARD DROP")
}

/// The programs that the daemon would not run, as it finds out itself.
fn not_run(model: &Model) -> BTreeMap<String, Insecure> {
    let scripts = model.vrrp.scripts.iter().map(|script| &script.command);
    let notified = notified(model).flat_map(|(_, notify)| commands(notify));
    scripts
        .chain(notified)
        .filter_map(|command| command.first())
        .filter_map(|program| Some((program.clone(), may_run(program).err()?)))
        .collect()
}

/// Whose changes of state run commands, with these.
pub(super) fn notified(model: &Model) -> impl Iterator<Item = (&str, &Notify)> {
    let instances = model.vrrp.instances.iter();
    let instances = instances.map(|it| (it.name.as_str(), &it.notify));
    let groups = model.vrrp.groups.iter();
    instances.chain(groups.map(|it| (it.name.as_str(), &it.notify)))
}

/// All of somebody's commands.
pub(super) fn commands(notify: &Notify) -> [&Vec<String>; 5] {
    let Notify {
        master,
        backup,
        fault,
        stop,
        any,
    } = notify;
    [master, backup, fault, stop, any]
}

fn proc_file(name: &str) -> PathBuf {
    Path::new(PROC).join(name)
}

fn open(path: &Path) -> Option<BufReader<File>> {
    File::open(path).ok().map(BufReader::new)
}

/// A number under `/proc/sys/net`.
fn setting(name: &str) -> Option<u64> {
    std::fs::read_to_string(Path::new(SYS_NET).join(name))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn conntrack() -> Option<Conntrack> {
    Some(Conntrack {
        count: setting("netfilter/nf_conntrack_count")?,
        max: setting("netfilter/nf_conntrack_max")?,
    })
}

/// `include/uapi/linux/capability.h`.
const CAP_NET_ADMIN: u32 = 12;
/// As above.
const CAP_NET_RAW: u32 = 13;

/// Whether this process has a capability.
fn capable(capability: u32) -> bool {
    open(&proc_file("status"))
        .and_then(|file| Status::from_buf_read(file).ok())
        .is_some_and(|status| status.capeff & (1 << capability) != 0)
}

/// Whether `/proc/net/raw` (or `raw6`) lists a socket of protocol 112: its local port is the protocol
/// (`net/ipv4/raw.c`, `raw_sock_seq_show`).
pub(super) fn has_vrrp(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .any(|local| local.ends_with(":0070"))
}

fn listening() -> BTreeSet<(Protocol, SocketAddr)> {
    // Only the byte order matters for sockets.
    let system = ExplicitSystemInfo {
        boot_time_secs: 0,
        ticks_per_second: 0,
        page_size: 0,
        is_little_endian: cfg!(target_endian = "little"),
    };
    let mut listening = BTreeSet::new();
    for name in ["net/tcp", "net/tcp6"] {
        let table = open(&proc_file(name))
            .and_then(|file| TcpNetEntries::from_buf_read(file, &system).ok());
        listening.extend(
            table
                .into_iter()
                .flat_map(|table| table.0)
                .filter(|socket| socket.state == TcpState::Listen)
                .map(|socket| (Protocol::Tcp, socket.local_address)),
        );
    }
    for name in ["net/udp", "net/udp6"] {
        let table = open(&proc_file(name))
            .and_then(|file| UdpNetEntries::from_buf_read(file, &system).ok());
        listening.extend(
            table
                .into_iter()
                .flat_map(|table| table.0)
                // A socket with a peer is a client.
                .filter(|socket| socket.remote_address.port() == 0)
                .map(|socket| (Protocol::Udp, socket.local_address)),
        );
    }
    listening
}

/// The virtual services in `/proc/net/ip_vs`: lines such as `TCP  0A0A3697:0050 rr` or `UDP  [2001:0db8:...]:0035 wrr`
/// (`net/netfilter/ipvs/ip_vs_ctl.c`, `ip_vs_info_seq_show`), in hexadecimal.
pub(super) fn ipvs_services(text: &str) -> BTreeSet<(Protocol, SocketAddr)> {
    text.lines().filter_map(ipvs_service).collect()
}

fn ipvs_service(line: &str) -> Option<(Protocol, SocketAddr)> {
    let mut words = line.split_whitespace();
    let protocol = match words.next()? {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        _ => return None,
    };
    let (addr, port) = words.next()?.rsplit_once(':')?;
    let addr = match addr.strip_prefix('[') {
        Some(addr) => addr.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
        None => IpAddr::from(Ipv4Addr::from(u32::from_str_radix(addr, 16).ok()?)),
    };
    Some((
        protocol,
        SocketAddr::new(addr, u16::from_str_radix(port, 16).ok()?),
    ))
}

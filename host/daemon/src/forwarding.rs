//! Whether this machine forwards packets: without that, real servers are up, since the director reaches them itself,
//! and no connection of a client gets to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::model::{Forward, Service};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// How often the setting is read: anyone can change it at any time, and the kernel does not tell.
const INTERVAL: Duration = Duration::from_secs(5);

/// Looks from time to time. Ends when dropped.
pub(crate) struct Forwarding {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// Those whose connections this machine forwards, if it is not one of them itself.
    servers: Mutex<Vec<IpAddr>>,
    problem: Mutex<Option<String>>,
    changed: Notify,
}

impl Forwarding {
    /// Nothing is configured yet. Call it inside a tokio runtime.
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(watch(Arc::clone(&shared)));
        Self { shared, task }
    }

    /// From now on these services are in force.
    pub(crate) fn configure(&self, services: &[Service]) {
        let servers = services.iter().flat_map(|service| &service.servers);
        let forwarded = servers.filter(|server| server.forward == Forward::Nat);
        let mut addresses: Vec<IpAddr> = forwarded.map(|server| server.address.ip()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        *self.shared.servers.lock() = addresses;
        self.shared.changed.notify_one();
    }

    /// What is wrong, and the command that mends it.
    pub(crate) fn problem(&self) -> Option<String> {
        self.shared.problem.lock().clone()
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(shared: Arc<Shared>) {
    loop {
        let found = judge(&shared.servers.lock(), forwards, is_local);
        let before = std::mem::replace(&mut *shared.problem.lock(), found.clone());
        match (found, before) {
            (Some(problem), before) if before.as_ref() != Some(&problem) => warn!("{problem}"),
            (None, Some(_)) => info!("packets are forwarded again"),
            _ => {}
        }
        let _ = tokio::time::timeout(INTERVAL, shared.changed.notified()).await;
    }
}

/// What keeps connections from these servers. `forwards`: the setting for IPv4 (`true`) or IPv6, if it can be read;
/// `is_local`: whether an address is this machine's own.
fn judge(
    servers: &[IpAddr],
    forwards: impl Fn(bool) -> Option<bool>,
    is_local: impl Fn(IpAddr) -> bool,
) -> Option<String> {
    let families = [
        (true, "IPv4", "net.ipv4.ip_forward"),
        (false, "IPv6", "net.ipv6.conf.all.forwarding"),
    ];
    let problems: Vec<String> = families
        .into_iter()
        .filter(|(is_v4, ..)| {
            let mut of_family = servers.iter().filter(|ip| ip.is_ipv4() == *is_v4);
            forwards(*is_v4) == Some(false) && of_family.any(|ip| !is_local(*ip))
        })
        .map(|(_, family, key)| {
            format!(
                "this machine does not forward {family} ({key} = 0), so real servers get no connections: sysctl -w {key}=1"
            )
        })
        .collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

fn forwards(is_v4: bool) -> Option<bool> {
    let key = match is_v4 {
        true => "/proc/sys/net/ipv4/ip_forward",
        false => "/proc/sys/net/ipv6/conf/all/forwarding",
    };
    let text = std::fs::read_to_string(key).ok()?;
    Some(text.trim() != "0")
}

/// An address is reached from itself if it is this machine's. Nothing is sent.
fn is_local(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
        socket.connect(SocketAddr::new(ip, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_does_not_forward_what_it_balances_says_so_with_the_command() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let servers = [ip("172.16.50.157"), ip("fd00:50::11")];
        let never = |_| Some(false);
        let elsewhere = |_| false;
        let both = judge(&servers, never, elsewhere).unwrap();
        assert!(both.contains("sysctl -w net.ipv4.ip_forward=1"), "{both}");
        assert!(
            both.contains("sysctl -w net.ipv6.conf.all.forwarding=1"),
            "{both}"
        );
        let four = judge(&servers[..1], never, elsewhere).unwrap();
        assert!(!four.contains("IPv6"), "{four}");
        for (servers, forwards, local) in [
            (&servers[..], Some(true), false),
            (&servers[..], None, false),
            (&servers[..], Some(false), true),
            (&[][..], Some(false), false),
        ] {
            assert_eq!(judge(servers, |_| forwards, |_| local), None);
        }
    }

    #[test]
    fn loopback_is_this_machines_own_and_a_test_network_is_not() {
        assert!(is_local(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_local(Ipv4Addr::new(198, 51, 100, 254).into()));
    }
}

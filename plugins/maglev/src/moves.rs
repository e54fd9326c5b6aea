//! What a table's changes cost: how many clients and slots move. Used by the tests of `sh` and `mh` too.

use std::net::{Ipv4Addr, SocketAddr};

use evenkeel_sdk::testing::SchedulerTest;
use evenkeel_sdk::{Backend, Flow, Protocol, Scheduler, SettingValue};

const CLIENTS: u32 = 100_000;

/// The share of clients that another server is picked for, and of slots that change, in percent. Ideal
/// is what must move: the server's share.
pub(crate) struct Moved {
    /// What happened.
    pub(crate) change: &'static str,
    /// Among how many servers.
    pub(crate) servers: u32,
    pub(crate) clients: f64,
    pub(crate) slots: f64,
    pub(crate) ideal: f64,
}

/// What moves when a server leaves, joins, or gets twice its weight, among 3, 10 and 100.
#[expect(clippy::print_stdout, reason = "the figures are what one runs it for")]
pub(crate) fn all<S: Scheduler>(name: &str, settings: &[(&str, SettingValue)]) -> Vec<Moved> {
    let mut all = Vec::new();
    for n in [3, 10, 100_u32] {
        let heavy: Vec<Backend> = servers(n).map(|s| doubled(s, n / 2)).collect();
        let without: Vec<Backend> = servers(n).filter(|s| s.id.get() != n / 2).collect();
        let present = picture::<S>(settings, servers(n).collect());
        let count = f64::from(n);
        for (change, other, ideal) in [
            ("one leaves", picture::<S>(settings, without), 1.0 / count),
            (
                "one joins",
                picture::<S>(settings, servers(n + 1).collect()),
                1.0 / (count + 1.0),
            ),
            (
                "one weighs twice as much",
                picture::<S>(settings, heavy),
                2.0 / (count + 1.0) - 1.0 / count,
            ),
        ] {
            all.push(Moved {
                change,
                servers: n,
                clients: percent(&present.0, &other.0),
                slots: percent(&present.1, &other.1),
                ideal: 100.0 * ideal,
            });
        }
    }
    for moved in &all {
        println!(
            "{name}: {:>3} servers, {:<24}: {:5.2} % of clients, {:5.2} % of slots move; ideal {:5.2} %",
            moved.servers, moved.change, moved.clients, moved.slots, moved.ideal
        );
    }
    all
}

/// So many servers of weight 1.
pub(crate) fn servers(count: u32) -> impl Iterator<Item = Backend> {
    (0..count).map(|i| {
        let ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 8, 0, 1).to_bits() + i);
        let endpoint = SocketAddr::new(ip.into(), 8080);
        Backend::new(1 + i, ip.to_string(), endpoint, 1)
    })
}

fn doubled(mut server: Backend, number: u32) -> Backend {
    if server.id.get() == number {
        server.weight *= 2;
    }
    server
}

/// The server of every client and of every slot.
fn picture<S: Scheduler>(
    settings: &[(&str, SettingValue)],
    servers: Vec<Backend>,
) -> (Vec<String>, Vec<String>) {
    let mut test = SchedulerTest::<S>::new(settings).unwrap();
    test.set_backends(servers);
    let slots = test.slots();
    let clients = (0..CLIENTS).map(|i| test.pick(&flow(i)).unwrap());
    (clients.collect(), slots)
}

/// A connection of one of the clients, which are scattered over some networks.
pub(crate) fn flow(client: u32) -> Flow {
    let ip = Ipv4Addr::from_bits(Ipv4Addr::new(100, 64, 0, 0).to_bits() + client * 7);
    Flow {
        protocol: Protocol::Tcp,
        source: SocketAddr::new(ip.into(), 40_000),
        destination: SocketAddr::new(Ipv4Addr::new(192, 0, 2, 250).into(), 80),
    }
}

fn percent(before: &[String], after: &[String]) -> f64 {
    assert_eq!(before.len(), after.len());
    let moved = before.iter().zip(after).filter(|(a, b)| a != b).count();
    100.0 * f64::from(u32::try_from(moved).unwrap())
        / f64::from(u32::try_from(before.len()).unwrap())
}

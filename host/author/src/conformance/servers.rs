//! Servers of a service that there is not.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use evenkeel_core::connections::Counts;
use evenkeel_core::model::Protocol;
use evenkeel_core::scheduler::Traffic;
use evenkeel_core::signals::Signals;
use evenkeel_core::state::BackendId;
use evenkeel_runtime::{Backend, BackendFacts, Flow, Load};

/// Servers `s1`, `s2`, ... with these weights.
pub(super) fn servers(weights: &[u32]) -> Vec<Backend> {
    (1..)
        .zip(weights)
        .filter_map(|(n, weight)| server(n, *weight))
        .collect()
}

/// Server number `n`, from 1.
pub(super) fn server(n: u32, weight: u32) -> Option<Backend> {
    let (id, address) = (
        BackendId::new(n)?,
        (Ipv4Addr::from(0x0a00_0000 + n), 80).into(),
    );
    Some(Backend {
        labels: vec![("zone".to_owned(), format!("z{}", n % 3))],
        ..Backend::new(id, format!("s{n}"), address, weight)
    })
}

/// Those that take connections.
pub(super) fn taking(servers: &[Backend]) -> BTreeSet<BackendId> {
    let taking = servers.iter().filter(|server| server.weight > 0);
    taking.map(|server| server.id).collect()
}

/// Some load.
pub(super) fn load(id: BackendId, random: &mut fastrand::Rng) -> Load {
    let most = [3, 1000, u32::MAX][random.usize(0..3)];
    let counts = Counts {
        active: random.u32(0..=most),
        inactive: random.u32(0..=most),
        total: random.u64(..),
        ..Counts::default()
    };
    Load {
        id,
        facts: BackendFacts {
            counts,
            latency: random
                .bool()
                .then(|| Duration::from_micros(random.u32(..).into())),
            signals: Signals::new(
                (0..random.usize(0..3)).map(|n| (format!("signal-{n}"), random.f64() * 100.0)),
            ),
            per_minute: random.u32(..),
            failed: random.u64(..),
            traffic: random.bool().then(|| Traffic {
                to_backend: random.u64(..),
                to_clients: random.u64(..),
            }),
        },
    }
}

/// A connection of some client.
pub(super) fn flow(random: &mut fastrand::Rng) -> Flow {
    Flow {
        protocol: if random.bool() {
            Protocol::Tcp
        } else {
            Protocol::Udp
        },
        source: (
            Ipv4Addr::from(0xac10_0000 | random.u32(0..0xffff)),
            random.u16(1024..),
        )
            .into(),
        destination: (Ipv4Addr::new(10, 10, 54, 151), 80).into(),
    }
}

//! What is done to each scheduler: servers, arrivals, departures. The same in every run.

use serde_json::{Value, json};

/// IPVS's, but for twos, which Debian's kernels do not have.
pub(crate) const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "lblc", "lblcr", "mh", "fo", "ovf",
];

/// A server: its place among the addresses, its weight, its upper threshold (0: none).
pub(crate) type Server = (usize, u32, u32);

#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// A new connection, of this client to this virtual address.
    Open { client: u16, address: u8 },
    /// One of the open connections is closed: the one of this number, modulo how many there are.
    Close(usize),
    /// These are the servers now. One that is new comes first in IPVS's list.
    Servers(Vec<Server>),
}

#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    /// IPVS's flags for the scheduler.
    pub(crate) flags: &'static str,
    /// The same for our module.
    pub(crate) settings: Value,
    pub(crate) udp: bool,
    /// A service for a firewall mark, which has many addresses.
    pub(crate) marked: bool,
    pub(crate) servers: Vec<Server>,
    pub(crate) ops: Vec<Op>,
}

impl Script {
    /// All of a scheduler's.
    pub(crate) fn of(scheduler: &str) -> Vec<Self> {
        let mut all: Vec<Self> = vec![
            script("equal weights", &[4, 4, 4, 4], &[]),
            script("unequal weights", &[1, 2, 7, 3, 5], &[]),
            script(
                "draining",
                &[3, 1, 2, 4],
                &[vec![3, 1, 0, 4], vec![3, 1, 5, 4]],
            ),
            leaving(),
            thresholds(),
        ];
        match scheduler {
            "lc" | "wlc" => all.push(Self {
                name: "udp",
                udp: true,
                ..script("udp", &[1, 2, 3], &[])
            }),
            "lblc" | "lblcr" => all.push(script("overload", &[1, 2, 3, 20], &[])),
            "sh" | "mh" => {
                let (port, fallback) = match scheduler {
                    "sh" => ("sh-port", "sh-fallback"),
                    _ => ("mh-port", "mh-fallback"),
                };
                all.push(Self {
                    name: "ports",
                    flags: port,
                    settings: json!({"port": true}),
                    ..script("", &[1, 2, 7, 3, 5], &[])
                });
                all.push(Self {
                    name: "fallback",
                    flags: fallback,
                    settings: json!({"fallback": true}),
                    ..script("", &[1, 2, 7, 3, 5], &[vec![1, 2, 0, 3, 5]])
                });
            }
            "wrr" => {
                for script in &mut all {
                    script.settings = json!({"order": "ipvs"});
                }
            }
            _ => {}
        }
        for script in &mut all {
            script.marked = matches!(scheduler, "dh" | "lblc" | "lblcr");
        }
        all
    }
}

/// 24 arrivals with these weights, and as many after each change; between them, departures.
fn script(name: &'static str, weights: &[u32], changes: &[Vec<u32>]) -> Script {
    let servers = |weights: &[u32]| -> Vec<Server> {
        weights
            .iter()
            .enumerate()
            .map(|(n, weight)| (n, *weight, 0))
            .collect()
    };
    let mut random = fastrand::Rng::with_seed(6);
    let mut ops = arrivals(&mut random, 24);
    for change in changes {
        ops.push(Op::Servers(servers(change)));
        ops.extend(arrivals(&mut random, 24));
    }
    Script {
        name,
        flags: "",
        settings: json!({}),
        udp: false,
        marked: false,
        servers: servers(weights),
        ops,
    }
}

/// A server is taken out, and put back.
fn leaving() -> Script {
    let mut random = fastrand::Rng::with_seed(7);
    let mut ops = arrivals(&mut random, 16);
    ops.push(Op::Servers(vec![(0, 2, 0), (2, 1, 0), (3, 3, 0)]));
    ops.extend(arrivals(&mut random, 16));
    ops.push(Op::Servers(vec![
        (0, 2, 0),
        (1, 2, 0),
        (2, 1, 0),
        (3, 3, 0),
    ]));
    ops.extend(arrivals(&mut random, 16));
    Script {
        ops,
        ..script("a server leaves and returns", &[2, 2, 1, 3], &[])
    }
}

/// All servers become full; later each takes more.
fn thresholds() -> Script {
    let mut random = fastrand::Rng::with_seed(8);
    let with =
        |upper: u32| -> Vec<Server> { vec![(0, 2, upper), (1, 1, upper + 1), (2, 4, upper + 2)] };
    let mut ops = arrivals(&mut random, 16);
    ops.push(Op::Servers(with(5)));
    ops.extend(arrivals(&mut random, 10));
    Script {
        servers: with(3),
        ops,
        ..script("thresholds", &[], &[])
    }
}

fn arrivals(random: &mut fastrand::Rng, count: u32) -> Vec<Op> {
    let mut ops = Vec::new();
    for _ in 0..count {
        if random.u8(..10) < 4 {
            ops.push(Op::Close(random.usize(..1000)));
        }
        ops.push(Op::Open {
            client: random.u16(256..2560),
            address: random.u8(1..7),
        });
    }
    ops
}

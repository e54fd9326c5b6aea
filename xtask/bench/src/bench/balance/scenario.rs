//! What the balancers have to cope with: servers of unequal weights, whose connections live for unequal times.

/// Real servers in every scenario.
pub(super) const SERVERS: usize = 4;

/// What servers there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) scheduler: &'static str,
    pub(super) weights: [u32; SERVERS],
    /// Mean lifetime of a connection at each server, in milliseconds.
    pub(super) lifetimes: [u32; SERVERS],
}

pub(super) const SCENARIOS: [Scenario; 2] = [
    Scenario {
        name: "one server of four holds connections ten times as long",
        scheduler: "lc",
        weights: [1, 1, 1, 1],
        lifetimes: [500, 500, 500, 5000],
    },
    Scenario {
        name: "weights 4, 2, 1, 1; the last server holds connections ten times as long",
        scheduler: "wlc",
        weights: [4, 2, 1, 1],
        lifetimes: [500, 500, 500, 5000],
    },
];

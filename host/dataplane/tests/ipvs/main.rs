//! The data plane in the kernel's IPVS. Every test has a kernel of its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failure ends them, and what a kernel lacks is said"
)]

#[path = "../nftables/lab.rs"]
mod lab;
#[path = "../nftables/scheduler.rs"]
mod scheduler;

mod conformance;
mod forwarding;
mod others;
mod queues;
mod traffic;

use evenkeel_core::approximate;
use evenkeel_core::model::{DataPlaneKind, ServiceKey};
use evenkeel_core::state::{Change, ServiceState, State};

/// The service as IPVS can hold it.
fn as_held(service: &ServiceState) -> ServiceState {
    approximate::approximate(DataPlaneKind::Ipvs, service)
}

fn put(key: ServiceKey, service: &ServiceState) -> Change {
    Change::Put(key, as_held(service))
}

/// A state of one service.
fn only(key: ServiceKey, service: &ServiceState) -> State {
    State {
        services: [(key, as_held(service))].into(),
        ..State::default()
    }
}

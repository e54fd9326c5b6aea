//! The data plane in the kernel. Every test has a network namespace of its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failure ends them, and a skipped one says so"
)]

mod lab;
mod scheduler;

mod conformance;
mod first_load;
mod groups;
mod leftovers;
mod offload;
mod persistence;
mod queues;
mod traffic;
mod vandalism;
mod watch;

//! The data plane in the kernel. Every test has a network namespace of its own.

mod harness;

mod conformance;
mod traffic;
mod vandalism;
mod watch;

//! The data plane in the kernel's IPVS. Every test has a kernel or a network namespace of its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failure ends them, and a skipped one says so"
)]

#[path = "../../../ipvs/tests/uml/mod.rs"]
mod uml;

mod conformance;

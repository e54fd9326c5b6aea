//! What is balanced by IPVS, on a kernel that has it and no nftables. `cargo xtask test` runs all of them in few
//! starts of that kernel.

#[path = "../support/mod.rs"]
mod support;

mod article;
mod differential;
mod forward;
mod kernel;
mod sctp;

// What holds with nftables holds with IPVS: the same tests.
#[path = "../e2e/counting.rs"]
mod counting;
#[path = "../e2e/health.rs"]
mod health;
#[path = "../e2e/per_connection.rs"]
mod per_connection;
#[path = "../e2e/persistence.rs"]
mod persistence;
#[path = "../e2e/spread.rs"]
mod spread;
#[path = "../e2e/survive.rs"]
mod survive;

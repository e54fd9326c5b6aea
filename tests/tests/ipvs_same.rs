//! What holds with nftables holds with IPVS: the same tests, on a kernel that has nothing else.
#![allow(
    clippy::duplicate_mod,
    reason = "each of the files has what they all need as a module of its own"
)]

#[path = "counting.rs"]
mod counting;
#[path = "health.rs"]
mod health;
#[path = "per_connection.rs"]
mod per_connection;
#[path = "persistence.rs"]
mod persistence;
#[path = "spread.rs"]
mod spread;
#[path = "survive.rs"]
mod survive;

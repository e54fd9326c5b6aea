//! What holds with nftables holds with IPVS: the same tests, on a kernel that has nothing else.
#![allow(
    clippy::duplicate_mod,
    reason = "each of the files has what they all need as a module of its own"
)]

#[path = "persistence.rs"]
mod persistence;
#[path = "spread.rs"]
mod spread;
#[path = "survive.rs"]
mod survive;

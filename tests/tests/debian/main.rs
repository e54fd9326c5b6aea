//! What needs Debian's kernel, which has nftables with all its parts, and IPVS. `cargo xtask test --all` runs these
//! in one start of it.

#[path = "../support/mod.rs"]
mod support;

mod kernel;
mod offload;

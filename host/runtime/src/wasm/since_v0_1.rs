//! The contract from version 0.1 on: `sdk/wit/v0.1`.
//!
//! One module like this one per contract version that is spoken; each translates to the types of the crate root, so
//! nothing else knows what a contract looks like.

mod convert;
mod host;
mod target_io;

pub(super) use convert::{abilities, backends, flow, loads, manifest, plan, settings, verdict};

/// The world of schedulers. Synchronous: a fiber for each call would cost more than most calls.
pub(super) mod scheduler {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit/v0.1",
        world: "scheduler-plugin",
    });
}

/// The world of checkers. What does I/O is asynchronous, and so are all exports, since a store that runs on fibers
/// can only be called so.
pub(super) mod checker {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit/v0.1",
        world: "health-checker-plugin",
        imports: {
            "evenkeel:plugin/target-io.[method]target.connect": async,
            "evenkeel:plugin/target-io.[method]connection.read": async,
            "evenkeel:plugin/target-io.[method]connection.write": async,
            "evenkeel:plugin/target-io.[method]connection.finish": async,
        },
        exports: { default: async },
        with: {
            "evenkeel:plugin/types": super::scheduler::evenkeel::plugin::types,
            "evenkeel:plugin/host": super::scheduler::evenkeel::plugin::host,
        },
    });
}

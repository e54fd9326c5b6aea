//! The contract from version 0.2 on: `sdk/wit/v0.2`.

mod calls;
mod checks;
mod convert;
#[path = "contracts/guest.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "the same text, with the types of this contract"
)]
mod guest;
mod host;
#[path = "contracts/target_io.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "the same text, with the types of this contract"
)]
mod target_io;
#[path = "contracts/values.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "the same text, with the types of this contract"
)]
mod values;

pub(super) use guest::Linkers;

/// The world of schedulers. Synchronous: a fiber for each call would cost more than most calls.
mod scheduler {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit/v0.2",
        world: "scheduler-plugin",
    });
}

/// The world of checkers. What does I/O is asynchronous, and so are all exports, since a store that runs on fibers
/// can only be called so.
mod checker {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit/v0.2",
        world: "health-checker-plugin",
        imports: {
            "evenkeel:plugin/target-io.[method]target.connect": async,
            "evenkeel:plugin/target-io.[method]connection.read": async,
            "evenkeel:plugin/target-io.[method]connection.write": async,
            "evenkeel:plugin/target-io.[method]connection.finish": async,
            "evenkeel:plugin/tls.start": async,
            "evenkeel:plugin/icmp.echo": async,
            "evenkeel:plugin/command.run": async,
            "evenkeel:plugin/watched.number": async,
        },
        exports: { default: async },
        with: {
            "evenkeel:plugin/types": super::scheduler::evenkeel::plugin::types,
            "evenkeel:plugin/host": super::scheduler::evenkeel::plugin::host,
        },
    });
}

//! What the tasks of the project and `xtask/bench` share: running programs, and saying so.
#![expect(
    clippy::print_stdout,
    reason = "telling what it does is half of what a task does"
)]

pub mod cmd;
pub mod times;

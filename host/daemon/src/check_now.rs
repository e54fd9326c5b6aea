//! `evenkeel server check`: the checks of one server, once, now, and what each of them has found. They count for nothing:
//! the server's health is what its regular checks say, which go on meanwhile.

mod report;
mod run;
mod text;

pub use report::{CheckedNow, CheckedOnce, StepReport};
pub(crate) use run::{Job, run};
pub use text::render;

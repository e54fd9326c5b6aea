//! Connections of real servers, counted.

mod counts;
mod table;

pub use counts::Counts;
pub use table::{Event, Key, Phase, Table};

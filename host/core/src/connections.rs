//! Connections of real servers, counted.

mod counts;
mod rate;
mod table;

pub use counts::{Counts, Traffic};
pub use rate::Rate;
pub use table::{End, Event, Key, Phase, Table};

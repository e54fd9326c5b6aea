//! The TOML as it is put together: tables whose keys remember where they came from.

mod render;
mod table;

pub(super) use table::{Item, Line, Source, Table, inline, quote};

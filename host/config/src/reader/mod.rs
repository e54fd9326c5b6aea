//! Reads tables key by key and collects what is wrong.

mod collect;
mod field;
mod page;
mod suggest;

pub(crate) use collect::{Reader, Wrong};
pub(crate) use field::{Field, Leaf, Presence, Read, Table};
pub(crate) use page::{Key, Page};
pub(crate) use suggest::similar;
pub use suggest::suggest;

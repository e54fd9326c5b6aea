//! The values that keys take, each with its own idea of what is wrong.

mod list;
mod name;
mod number;
mod path;
mod text;

pub(crate) use list::List;
pub(crate) use name::{Interface, Label, Name, Process, TableName};
pub(crate) use number::{Signed, Whole};
pub(crate) use path::{FilePath, SocketPath};
pub(crate) use text::{any_text, one_of, text, word};

//! `evenkeel plugin list | inspect | pack`; those of an author are in [`author`], those that ship a plugin in [`ship`].

pub(crate) mod author;
pub(crate) mod ship;

mod inspect;
mod install;
mod json;
mod list;
mod pack;
#[cfg(feature = "oci")]
mod registry;
pub(crate) mod runtime;
mod show;
mod sign;
mod simulate;

pub(crate) use inspect::inspect;
pub(crate) use list::list;
pub(crate) use pack::pack;

//! `evenkeel plugin list | inspect | pack`; those of an author are in [`author`].

pub(crate) mod author;

mod inspect;
mod json;
mod list;
mod pack;
mod runtime;
mod show;
mod simulate;

pub(crate) use inspect::inspect;
pub(crate) use list::list;
pub(crate) use pack::pack;

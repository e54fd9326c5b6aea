//! WASI 0.2 without rights, for plugins whose compiler or interpreter wants it: JavaScript, Python, Go, C with `printf`.
//!
//! There are no files, no sockets, no environment and no arguments. What is written to standard output and standard error
//! goes to the plugin's log, clocks and random numbers are the contract's, and only a check may wait. Whatever else is
//! called ends the call with a text that names it.
//!
//! Each component gets what it imports, under the version that it names (any 0.2.x), so a plugin without such imports
//! costs nothing. `wasmtime-wasi` would bring a file system and sockets, some forty crates more, only to refuse them here.

mod environment;
pub(super) mod handles;
pub(super) mod lines;
mod output;
pub(super) mod refusal;
mod time;

use std::borrow::Cow;

use wasmtime::Result;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

use super::state::State;
use crate::text::clean;
use refusal::refusal;
pub(super) use time::Waiting;

/// What the names of its interfaces begin with.
const WASI: &str = "wasi:";
/// Characters of a name that a text repeats.
const ECHO: usize = 100;

/// Whether that is an import which [`granting_nothing`] satisfies, by its name.
pub(super) fn is_known(import: &str) -> bool {
    let version = import.strip_prefix(WASI).and_then(|it| it.split_once('@'));
    let version = version.and_then(|(_, version)| semver::Version::parse(version).ok());
    version.is_some_and(|it| (it.major, it.minor) == (0, 2))
}

/// What the linker has, and all of WASI that the component imports.
pub(super) fn granting_nothing<'a>(
    linker: &'a Linker<State>,
    component: &Component,
    waiting: Waiting,
) -> Result<Cow<'a, Linker<State>>> {
    let engine = linker.engine();
    let types = component.component_type();
    let mut linker = Cow::Borrowed(linker);
    // A resource that an interface takes from another is the same one, and defined there.
    let mut resources: Vec<ResourceType> = Vec::new();
    for (name, import) in types.imports(engine) {
        let ComponentItem::ComponentInstance(interface) = &import.ty else {
            continue;
        };
        if !is_known(name) {
            continue;
        }
        let mut instance = linker.to_mut().instance(name)?;
        let plain = name.split_once('@').map_or(name, |(plain, _)| plain);
        for (item, kind) in interface.exports(engine) {
            match &kind.ty {
                ComponentItem::Resource(resource) if !resources.contains(resource) => {
                    resources.push(*resource);
                    define_resource(&mut instance, plain, item)?;
                }
                ComponentItem::ComponentFunc(_) => {
                    define_function(&mut instance, plain, item, waiting)?;
                }
                _ => {}
            }
        }
    }
    Ok(linker)
}

/// A resource that no plugin can get hold of.
struct Nothing;

fn define_resource(
    instance: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
) -> Result<()> {
    let kind = match (interface, name) {
        ("wasi:io/poll", "pollable") => {
            let pollable = ResourceType::host::<time::Pollable>();
            return instance.resource(name, pollable, |mut store, number| {
                store.data_mut().handles().close(number);
                Ok(())
            });
        }
        ("wasi:io/streams", "input-stream") => ResourceType::host::<output::Input>(),
        ("wasi:io/streams", "output-stream") => ResourceType::host::<output::Output>(),
        ("wasi:io/error", "error") => ResourceType::host::<output::IoError>(),
        ("wasi:filesystem/types", "descriptor") => ResourceType::host::<environment::Descriptor>(),
        ("wasi:sockets/network", "network") => ResourceType::host::<environment::Network>(),
        _ => ResourceType::host::<Nothing>(),
    };
    instance.resource(name, kind, |mut store, _| {
        store.data_mut().handles().close(handles::NO_TIMER);
        Ok(())
    })
}

fn define_function(
    instance: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
    waiting: Waiting,
) -> Result<()> {
    let defined = match interface {
        "wasi:io/streams" | "wasi:cli/stdin" | "wasi:cli/stdout" | "wasi:cli/stderr" => {
            output::define(instance, interface, name)?
        }
        "wasi:io/poll" => time::define_poll(instance, name, waiting)?,
        _ if interface.starts_with("wasi:clocks/") || interface.starts_with("wasi:random/") => {
            time::define(instance, interface, name)?
        }
        _ => environment::define(instance, interface, name)?,
    };
    if defined {
        return Ok(());
    }
    let what = clean(&format!("{interface} {name}"), ECHO);
    instance.func_new(name, move |_, _, _, _| {
        Err(refusal(format!(
            "it called {what}, which no plugin has: there are no files, sockets or programs here"
        )))
    })
}

#[cfg(test)]
mod tests;

//! What a program finds around it: nothing.

use wasmtime::Result;
use wasmtime::component::{LinkerInstance, Resource, Val};

use super::handles::NO_TIMER;
use super::refusal::refusal;
use crate::wasm::state::State;

/// An open file or directory, of which there is none.
pub(super) struct Descriptor;

/// The network, which lets nobody in.
pub(super) struct Network;

/// Defines the function if it has an answer. `false`: it has none.
pub(super) fn define(
    instance: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
) -> Result<bool> {
    let none = || Val::Option(None);
    let denied = || Val::Result(Err(Some(Box::new(Val::Enum("access-denied".to_owned())))));
    match (interface, name) {
        ("wasi:cli/environment", "get-environment" | "get-arguments")
        | ("wasi:filesystem/preopens", "get-directories") => {
            answer(instance, name, Val::List(Vec::new()))?;
        }
        ("wasi:cli/environment", "initial-cwd")
        | ("wasi:cli/terminal-stdin", "get-terminal-stdin")
        | ("wasi:cli/terminal-stdout", "get-terminal-stdout")
        | ("wasi:cli/terminal-stderr", "get-terminal-stderr")
        | ("wasi:filesystem/types", "filesystem-error-code")
        | ("wasi:sockets/network", "network-error-code") => answer(instance, name, none())?,
        ("wasi:sockets/tcp-create-socket", "create-tcp-socket")
        | ("wasi:sockets/udp-create-socket", "create-udp-socket")
        | ("wasi:sockets/ip-name-lookup", "resolve-addresses") => {
            answer(instance, name, denied())?;
        }
        ("wasi:sockets/instance-network", "instance-network") => {
            instance.func_wrap(name, |mut store, (): ()| {
                store.data_mut().handles().open().map_err(refusal)?;
                Ok((Resource::<Network>::new_own(NO_TIMER),))
            })?;
        }
        ("wasi:cli/exit", "exit" | "exit-with-code") => {
            instance.func_new(name, |_, _, arguments, _| {
                let how = match arguments {
                    [Val::U8(code)] => format!("with code {code}"),
                    [Val::Result(Ok(_))] => "with success".to_owned(),
                    _ => "with an error".to_owned(),
                };
                Err(refusal(format!(
                    "it called exit {how}: a plugin is no program, and ends when its service does"
                )))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Always the same answer.
fn answer(instance: &mut LinkerInstance<'_, State>, name: &str, value: Val) -> Result<()> {
    instance.func_new(name, move |_, _, _, results| {
        if let Some(result) = results.first_mut() {
            *result = value.clone();
        }
        Ok(())
    })
}

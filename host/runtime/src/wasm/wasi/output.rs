//! Standard output and standard error, which are the plugin's log, and standard input, which is at its end.

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, Val, WasmList};
use wasmtime::{Result, StoreContextMut};

use super::handles::NO_TIMER;
use super::refusal::refusal;
use super::time::Pollable;
use crate::wasm::state::{State, Stream};

/// Something to read from.
pub(super) struct Input;

/// Something to write to: its number is 1 or 2, as those of the streams of a process.
pub(super) struct Output;

/// What has gone wrong with a stream. Nothing does.
pub(super) struct IoError;

/// The numbers of streams.
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Bytes that may be written at once.
const PIECE: u32 = 64 << 10;

/// `stream-error` of `wasi:io/streams`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// Defines the function if it has an answer. `false`: it has none.
pub(super) fn define(
    instance: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
) -> Result<bool> {
    let stream = |number: u32| {
        move |mut store: StoreContextMut<'_, State>, (): ()| {
            store.data_mut().handles().open().map_err(refusal)?;
            Ok((Resource::<Output>::new_own(number),))
        }
    };
    match (interface, name) {
        ("wasi:cli/stdout", "get-stdout") => instance.func_wrap(name, stream(STDOUT))?,
        ("wasi:cli/stderr", "get-stderr") => instance.func_wrap(name, stream(STDERR))?,
        ("wasi:cli/stdin", "get-stdin") => {
            instance.func_wrap(name, |mut store: StoreContextMut<'_, State>, (): ()| {
                store.data_mut().handles().open().map_err(refusal)?;
                Ok((Resource::<Input>::new_own(NO_TIMER),))
            })?;
        }
        (_, "[method]input-stream.read" | "[method]input-stream.blocking-read") => {
            instance.func_wrap(name, |_, (_, _): (Resource<Input>, u64)| {
                Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
            })?;
        }
        (_, "[method]input-stream.skip" | "[method]input-stream.blocking-skip") => {
            instance.func_wrap(name, |_, (_, _): (Resource<Input>, u64)| {
                Ok((Err::<u64, _>(StreamError::Closed),))
            })?;
        }
        (_, "[method]input-stream.subscribe") => {
            instance.func_wrap(name, |store, (_,): (Resource<Input>,)| ready(store))?;
        }
        (_, "[method]output-stream.subscribe") => {
            instance.func_wrap(name, |store, (_,): (Resource<Output>,)| ready(store))?;
        }
        (_, "[method]output-stream.check-write") => {
            instance.func_new(name, |_, _, _, results| {
                if let Some(result) = results.first_mut() {
                    *result = Val::Result(Ok(Some(Box::new(Val::U64(PIECE.into())))));
                }
                Ok(())
            })?;
        }
        (_, "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush") => {
            instance.func_wrap(name, write)?;
        }
        (_, "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            instance.func_wrap(name, |_, (_,): (Resource<Output>,)| {
                Ok((Ok::<(), StreamError>(()),))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What can be read or written at once.
fn ready(mut store: StoreContextMut<'_, State>) -> Result<(Resource<Pollable>,)> {
    store.data_mut().handles().open().map_err(refusal)?;
    Ok((Resource::new_own(NO_TIMER),))
}

fn write(
    mut store: StoreContextMut<'_, State>,
    (stream, bytes): (Resource<Output>, WasmList<u8>),
) -> Result<(std::result::Result<(), StreamError>,)> {
    if bytes.len() > PIECE as usize {
        return Err(refusal(format!(
            "it writes {} bytes to its log at once; {PIECE} are allowed",
            bytes.len()
        )));
    }
    let stream = if stream.rep() == STDERR {
        Stream::Err
    } else {
        Stream::Out
    };
    let piece = bytes.as_le_slice(&store).to_vec();
    store.data_mut().write_output(stream, &piece);
    Ok((Ok(()),))
}

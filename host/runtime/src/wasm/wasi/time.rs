//! Clocks, random numbers, and waiting. What they say is what the contract's `host` says.

use std::time::Duration;

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource};
use wasmtime::{Result, StoreContextMut};

use super::refusal::refusal;
use crate::clocks;
use crate::wasm::state::State;

/// Who may wait for the time to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wasm) enum Waiting {
    /// Nobody: a connection waits for the answer.
    Never,
    /// A check, until its deadline. For instances that run on fibers.
    InChecks,
}

/// Something to wait for: a timer, by its number, or what is ready at once.
pub(super) struct Pollable;

/// `datetime` of `wasi:clocks/wall-clock`: since 1970-01-01 00:00 UTC.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct DateTime {
    seconds: u64,
    nanoseconds: u32,
}

/// Random bytes that may be taken at once.
const MOST_RANDOM: u64 = 64 << 10;

/// Defines a function of a clock or of random numbers if it has an answer. `false`: it has none.
pub(super) fn define(
    instance: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
) -> Result<bool> {
    match (interface, name) {
        ("wasi:clocks/monotonic-clock", "now") => {
            instance.func_wrap(name, |_, (): ()| Ok((clocks::monotonic(),)))?;
        }
        ("wasi:clocks/monotonic-clock", "resolution") => {
            instance.func_wrap(name, |_, (): ()| Ok((1_u64,)))?;
        }
        ("wasi:clocks/monotonic-clock", "subscribe-instant") => {
            instance.func_wrap(name, |store, (end,): (u64,)| timer(store, end))?;
        }
        ("wasi:clocks/monotonic-clock", "subscribe-duration") => {
            instance.func_wrap(name, |store, (time,): (u64,)| {
                timer(store, clocks::monotonic().saturating_add(time))
            })?;
        }
        ("wasi:clocks/wall-clock", "now") => {
            instance.func_wrap(name, |_, (): ()| Ok((datetime(clocks::utc()),)))?;
        }
        ("wasi:clocks/wall-clock", "resolution") => {
            instance.func_wrap(name, |_, (): ()| Ok((datetime(1),)))?;
        }
        ("wasi:random/random", "get-random-u64")
        | ("wasi:random/insecure", "get-insecure-random-u64") => {
            instance.func_wrap(name, |_, (): ()| Ok((clocks::random(),)))?;
        }
        ("wasi:random/random", "get-random-bytes")
        | ("wasi:random/insecure", "get-insecure-random-bytes") => {
            instance.func_wrap(name, |_, (count,): (u64,)| Ok((random_bytes(count)?,)))?;
        }
        ("wasi:random/insecure-seed", "insecure-seed" | "get-insecure-seed") => {
            instance.func_wrap(name, |_, (): ()| {
                Ok(((clocks::random(), clocks::random()),))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Defines a function of `wasi:io/poll` if it has an answer. `false`: it has none.
pub(super) fn define_poll(
    instance: &mut LinkerInstance<'_, State>,
    name: &str,
    waiting: Waiting,
) -> Result<bool> {
    match (name, waiting) {
        ("[method]pollable.ready", _) => {
            instance.func_wrap(
                name,
                |mut store: StoreContextMut<'_, State>, (one,): (Resource<Pollable>,)| {
                    let end = store.data_mut().handles().end(one.rep());
                    Ok((end <= clocks::monotonic(),))
                },
            )?;
        }
        ("[method]pollable.block", Waiting::Never) => {
            instance.func_wrap(
                name,
                |mut store: StoreContextMut<'_, State>, (one,): (Resource<Pollable>,)| match look(
                    store.data_mut(),
                    &[one],
                )? {
                    Look::Ready(_) => Ok(()),
                    Look::In(time) => Err(waits(time)),
                },
            )?;
        }
        ("poll", Waiting::Never) => {
            instance.func_wrap(
                name,
                |mut store: StoreContextMut<'_, State>, (all,): (Vec<Resource<Pollable>>,)| {
                    match look(store.data_mut(), &all)? {
                        Look::Ready(ready) => Ok((ready,)),
                        Look::In(time) => Err(waits(time)),
                    }
                },
            )?;
        }
        ("[method]pollable.block", Waiting::InChecks) => {
            instance.func_wrap_async(name, |store, (one,): (Resource<Pollable>,)| {
                Box::new(async move { wait(store, &[one]).await.map(drop) })
            })?;
        }
        ("poll", Waiting::InChecks) => {
            instance.func_wrap_async(name, |store, (all,): (Vec<Resource<Pollable>>,)| {
                Box::new(async move { Ok((wait(store, &all).await?,)) })
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn timer(mut store: StoreContextMut<'_, State>, end: u64) -> Result<(Resource<Pollable>,)> {
    let timer = store.data_mut().handles().open_timer(end);
    Ok((Resource::new_own(timer.map_err(refusal)?),))
}

/// Whether any of several is ready.
enum Look {
    /// Their places in the list.
    Ready(Vec<u32>),
    /// The first one will be then.
    In(Duration),
}

fn look(state: &mut State, all: &[Resource<Pollable>]) -> Result<Look> {
    let now = clocks::monotonic();
    let handles = state.handles();
    let ends: Vec<u64> = all.iter().map(|one| handles.end(one.rep())).collect();
    let Some(first) = ends.iter().min() else {
        return Err(refusal(
            "it waits for nothing, which never comes".to_owned(),
        ));
    };
    if *first > now {
        return Ok(Look::In(Duration::from_nanos(first - now)));
    }
    let ready = (0_u32..).zip(&ends).filter(|(_, end)| **end <= now);
    Ok(Look::Ready(ready.map(|(at, _)| at).collect()))
}

/// Lets the time pass until one is ready. The check's deadline ends it before, if that comes first.
async fn wait(
    mut store: StoreContextMut<'_, State>,
    all: &[Resource<Pollable>],
) -> Result<Vec<u32>> {
    loop {
        match look(store.data_mut(), all)? {
            Look::Ready(ready) => return Ok(ready),
            Look::In(time) if store.data().probe.is_none() => return Err(waits(time)),
            Look::In(time) => tokio::time::sleep(time).await,
        }
    }
}

fn waits(time: Duration) -> wasmtime::Error {
    refusal(format!(
        "it wants to wait {} ms, and only a check may wait",
        time.as_millis()
    ))
}

fn datetime(millis: u64) -> DateTime {
    DateTime {
        seconds: millis / 1000,
        nanoseconds: u32::try_from(millis % 1000).unwrap_or_default() * 1_000_000,
    }
}

fn random_bytes(count: u64) -> Result<Vec<u8>> {
    if count > MOST_RANDOM {
        return Err(refusal(format!(
            "it wants {count} random bytes at once; {MOST_RANDOM} are allowed"
        )));
    }
    let words = (0..count.div_ceil(8)).flat_map(|_| clocks::random().to_le_bytes());
    Ok(words
        .take(usize::try_from(count).unwrap_or_default())
        .collect())
}

//! What the host keeps for each instance: the data of its store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::signals::MAX_SIGNAL_NAME;
use tracing::Level;
use wasmtime::{Engine, FrameInfo, Store, StoreContextMut, Trap, UpdateDeadline, WasmBacktrace};

use super::confines::Confines;
use super::sandbox::{Limits, Meter};
use super::wasi::handles::Handles;
use super::wasi::lines::Lines;
use super::wasi::refusal::Refusal;
use crate::Failure;
use crate::plugin_log::PluginLog;
use crate::probe::Probe;
use crate::text::clean;

/// Characters kept of what a plugin says of its own end.
const MAX_MESSAGE: usize = 500;
/// Lines on standard error that are kept as its last words: a message, and where it happened.
const LAST_WORDS: usize = 3;

/// The data of an instance's store.
pub(super) struct State {
    pub(super) meter: Arc<Meter>,
    limits: Limits,
    log: Arc<PluginLog>,
    /// The last error that the instance logged in this call: the panic hook of the SDK logs the panic's text so.
    last_error: Option<Box<str>>,
    /// The check under way. Boxed: schedulers, of which there are many, have none.
    pub(super) probe: Option<Box<Probe>>,
    /// What it has of WASI. Most plugins have nothing.
    wasi: Option<Box<Wasi>>,
}

/// What an instance has of WASI.
#[derive(Default)]
struct Wasi {
    handles: Handles,
    out: Lines,
    err: Lines,
    /// The last lines on standard error in this call: where an interpreter says why it ends.
    said: VecDeque<String>,
}

/// One of a program's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// A store of an instance that is called synchronously.
pub(super) fn store(engine: &Engine, sandbox: &Confines, log: &Arc<PluginLog>) -> Store<State> {
    new_store(engine, sandbox, log, |context| {
        Ok(context.data().meter.tick())
    })
}

/// A store of an instance that runs on fibers, and lets others run every tick.
pub(super) fn yielding_store(
    engine: &Engine,
    sandbox: &Confines,
    log: &Arc<PluginLog>,
) -> Store<State> {
    new_store(engine, sandbox, log, |context| {
        Ok(context.data().meter.tick_yielding())
    })
}

/// What an instance may take before it is configured, if `call_time` is less: its code comes from the disk, and nobody's
/// connection waits for it.
const START_TIME: Duration = Duration::from_secs(1);

/// An instance is configured: from now on its calls may take what is configured.
pub(super) fn configured(store: &Store<State>, sandbox: &Confines) {
    store.data().meter.set_limit(sandbox.call_time);
}

fn new_store(
    engine: &Engine,
    sandbox: &Confines,
    log: &Arc<PluginLog>,
    tick: impl FnMut(StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline>
    + Send
    + Sync
    + 'static,
) -> Store<State> {
    let state = State {
        meter: Arc::new(Meter::new(sandbox.call_time.max(START_TIME))),
        limits: Limits::new(sandbox),
        log: Arc::clone(log),
        last_error: None,
        probe: None,
        wasi: None,
    };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limits);
    store.epoch_deadline_callback(tick);
    begin(&mut store);
    store
}

/// A new call begins: its limits count from here.
pub(super) fn begin(store: &mut Store<State>) {
    store.set_epoch_deadline(1);
    let state = store.data_mut();
    state.meter.begin();
    state.limits.begin();
    state.last_error = None;
    state.end_output();
}

impl State {
    /// What the guest logs from now on goes there.
    pub(super) fn log_to(&mut self, log: &Arc<PluginLog>) {
        self.log = Arc::clone(log);
    }

    /// The guest logs.
    pub(super) fn write_log(&mut self, level: Level, message: &str) {
        if level == Level::ERROR {
            self.last_error = Some(clean(message, MAX_MESSAGE).into());
        }
        self.log(level, message);
    }

    fn log(&self, level: Level, message: &str) {
        let about = self
            .probe
            .as_ref()
            .map(|probe| probe.target().name.as_str());
        self.log.write(level, about, message);
    }

    /// The guest counts.
    pub(super) fn count(&self, name: &str, by: u64) {
        self.log.count(name, by);
    }

    /// The guest gauges.
    pub(super) fn gauge(&self, name: &str, value: f64) {
        self.log.gauge(name, value);
    }

    /// The guest reports a signal of the check under way.
    pub(super) fn report_signal(&mut self, name: String, value: f64) {
        let Some(probe) = self.probe.as_deref_mut() else {
            return;
        };
        let shown = clean(&name, MAX_SIGNAL_NAME);
        let outcome = probe.report(name, value);
        self.log.refused("signal", &shown, outcome);
    }

    /// The guest keeps something about the target of the check under way.
    pub(super) fn keep_session(&mut self, bytes: Vec<u8>) {
        if let Some(probe) = self.probe.as_deref_mut() {
            let outcome = probe.keep(bytes);
            self.log.refused("session", "of a check", outcome);
        }
    }

    /// What it holds of WASI.
    pub(super) fn handles(&mut self) -> &mut Handles {
        &mut self.wasi.get_or_insert_default().handles
    }

    /// The guest writes to a stream: each line is one of its log's.
    pub(super) fn write_output(&mut self, stream: Stream, bytes: &[u8]) {
        let mut wasi = self.wasi.take().unwrap_or_default();
        match stream {
            Stream::Out => {
                (wasi.out).write(bytes, |line| self.log(Level::INFO, line));
            }
            Stream::Err => {
                let (err, said) = (&mut wasi.err, &mut wasi.said);
                err.write(bytes, |line| self.write_error(said, line));
            }
        }
        self.wasi = Some(wasi);
    }

    fn write_error(&self, said: &mut VecDeque<String>, line: &str) {
        if said.len() == LAST_WORDS {
            said.pop_front();
        }
        said.push_back(clean(line.trim_start(), MAX_MESSAGE));
        self.log(Level::WARN, line);
    }

    /// Its call is over, and what it has begun to write.
    fn end_output(&mut self) {
        if let Some(mut wasi) = self.wasi.take() {
            wasi.out.end(|line| self.log(Level::INFO, line));
            wasi.err.end(|line| self.log(Level::WARN, line));
            wasi.said.clear();
            self.wasi = Some(wasi);
        }
    }

    /// What it has said of its own end: the last error that it logged, or the last lines on standard error.
    fn last_words(&self) -> Option<String> {
        if let Some(logged) = &self.last_error {
            return Some(logged.to_string());
        }
        let wasi = self.wasi.as_ref()?;
        let mut said: Vec<String> = wasi.said.iter().cloned().collect();
        said.push(clean(wasi.err.begun().trim(), MAX_MESSAGE));
        said.retain(|line| !line.is_empty());
        (!said.is_empty()).then(|| clean(&said.join("; "), MAX_MESSAGE))
    }

    /// What an error of the engine means for the plugin.
    pub(super) fn failure(&self, error: &wasmtime::Error) -> Failure {
        let trap = error.downcast_ref::<Trap>();
        // Before the time: what is denied memory may be at it until its time is over.
        if let Some(denied) = self.limits.denied() {
            return Failure::Limit(denied.to_owned());
        }
        if trap == Some(&Trap::Interrupt) {
            return match self.limits.hoards() {
                Some(hoards) => Failure::Limit(hoards),
                None => Failure::Time(self.meter.limit()),
            };
        }
        let said = |text: &str| match self.last_words() {
            Some(last) => format!("{text} ({last})"),
            None => text.to_owned(),
        };
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Failure::Trap(said(&refusal.to_string()));
        }
        match trap {
            Some(Trap::StackOverflow) => Failure::Trap("its stack overflowed".to_owned()),
            // The guest's own stack, which lies below its data: what grows out of it is outside its memory.
            Some(Trap::MemoryOutOfBounds) if recurses(error) => Failure::Trap(said(
                "its stack overflowed: it calls itself without end (out of bounds memory access)",
            )),
            // What Rust's panic and abort come to.
            Some(Trap::UnreachableCodeReached) => {
                let aborted = || "reached unreachable code (it aborted)".to_owned();
                Failure::Trap(self.last_words().unwrap_or_else(aborted))
            }
            Some(trap) => {
                let text = trap.to_string();
                Failure::Trap(said(text.strip_prefix("wasm trap: ").unwrap_or(&text)))
            }
            None => {
                let text = format!("{error:#}");
                // Not a type of its own in wasmtime: `bump` in runtime/store.rs.
                if text.contains("resource limit exceeded") {
                    Failure::Limit(format!("it has more than {}", self.limits.counts()))
                } else {
                    Failure::Trap(said(&clean(&text, MAX_MESSAGE)))
                }
            }
        }
    }
}

/// Whether the guest was deep in calls of one of its functions. A backtrace ends after some 20 calls.
fn recurses(error: &wasmtime::Error) -> bool {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return false;
    };
    let frames = backtrace.frames();
    let functions = frames.iter().map(FrameInfo::func_index);
    let most = functions
        .clone()
        .map(|one| functions.clone().filter(|it| *it == one).count())
        .max();
    // Two functions that call each other share them.
    most >= Some(8)
}

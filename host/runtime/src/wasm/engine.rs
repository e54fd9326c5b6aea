//! The engine, and the thread that makes its time pass.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::{Config, Engine, OptLevel, Strategy};

/// How much work is put into the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// The least: it is asked once what it is, and thrown away.
    Quick,
    /// Code that runs for days.
    Full,
}

/// How long a guest runs between two looks at its time, at most. Those who ask for short picks get shorter ones.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// And at least: more wake-ups would cost more than a late end of a pick.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// The tick with which a pick ends at one and a half times its limit at the latest.
fn tick(pick_time: Duration) -> Duration {
    (pick_time / 4).clamp(SHORTEST_TICK, TICK)
}

/// Address space of an instance's memory before it has to move to grow. A Rust guest starts with 1.1 MiB (its stack
/// is 1 MiB).
const MEMORY_RESERVATION: u64 = 2 << 20;

/// An engine for thousands of small instances at once.
///
/// The kernel allows a process 65,530 mappings (`vm.max_map_count`), so an instance has to do with few of them: its
/// memory's image is copied and not mapped, and its memory is one short piece with checked bounds instead of 4 GiB
/// and guards.
///
/// `effort` is that of compiling; code of any effort runs in any of these engines.
pub(super) fn engine(effort: Effort) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(match effort {
            Effort::Quick => OptLevel::None,
            Effort::Full => OptLevel::Speed,
        })
        .epoch_interruption(true)
        .concurrency_support(false)
        .memory_reservation(MEMORY_RESERVATION)
        .memory_reservation_for_growth(MEMORY_RESERVATION)
        .memory_guard_size(64 << 10)
        .guard_before_linear_memory(false)
        .memory_init_cow(false);
    Engine::new(&config)
}

/// Advances an engine's epoch until dropped.
#[derive(Debug)]
pub(super) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engine: &Engine, pick_time: Duration) -> io::Result<Self> {
        let engine = engine.weak();
        let tick = tick(pick_time);
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new()
            .name("plugin-clock".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                    let Some(engine) = engine.upgrade() else {
                        break;
                    };
                    engine.increment_epoch();
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It does not panic, and nothing could be done about it here.
            let _ = thread.join();
        }
    }
}

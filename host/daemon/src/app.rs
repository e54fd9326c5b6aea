//! `evenkeel run`: wires the director to the outside world.
//!
//! ```text
//! SIGHUP --> prepare (blocking thread) --+
//! probers (a task each) -- health -------+                     +--> blocking threads (scheduler plugins) --+
//! control socket (a task) -- requests ---+--> App, one task: --+--> kernel thread (data plane) ------------+--> inputs
//! address manager (a thread) ------------+    the Director     +--> address manager (rtnetlink)            |
//! kernel-watch thread -- "touched" ------+         ^-------------------------------------------------------+
//! counting thread (conntrack) -- counts -+         |
//! queue threads (a service each) <-- instances ----+--- failures --> inputs
//!
//! redundancy: VRRP, its watchers and notify scripts; told of quorums and of being ready, says which addresses are here
//! ```
//!
//! # Tasks and threads
//!
//! | Who | Takes from | Sends to | Ends |
//! |---|---|---|---|
//! | main loop (`main_loop`, one task) | all channels below | the others | with SIGTERM, SIGINT |
//! | control socket (task; one more for each client, 64 at most) | clients | `requests` | aborted after the main loop |
//! | prober (task for each checked server) | timers, its server | `health` | when dropped |
//! | address manager (thread) | orders, rtnetlink | `watch` of what the machine has | when dropped |
//! | forwarding (task) | a timer | what `status` shows | aborted when dropped |
//! | networks (task) | `watch` of what the machine has | `inputs` | aborted when dropped |
//! | kernel (thread) | `std::sync::mpsc` of steps | `inputs` | when its sender is dropped, after its work |
//! | kernel-watch (thread; nftables) | netlink | `inputs` | within half a second of being dropped |
//! | state (thread) | `std::sync::mpsc` of what must last | the disk | when its sender is dropped, after its work |
//! | counting (thread; nftables) | netlink | `inputs` | when dropped |
//! | queue (thread for each service with `decision = "per-connection"`) | its NFQUEUE | `inputs` | when dropped |
//! | scheduler run (blocking thread for each run; one at a time for each service) | its job | `inputs` | by itself |
//! | plugin-watch (thread) | inotify | the main loop: "changed" | within half a second of being dropped |
//! | reload, rescan of plugins (blocking thread, one at a time) | the configuration's files | its join handle | by itself, or with the process |
//! | compiler (child process for each plugin that is not in the cache; as many at once as cores) | a file in memory | the like | by itself, by its limits, or with the process |
//! | connection-sync (thread; IPVS) | `std::sync::mpsc` of what is wanted | nobody | when its sender is dropped |
//! | VRRP (thread), watchers and notifier (tasks) | sockets, scripts, files | `events`, `readings` | handed over last |
//! | vrrp-log (task) | what VRRP says | the log; the rest to `events` | when its senders are dropped |
//! | own-limits (task) | the kernel's connection table, every second | `status`, probers | when dropped |
//!
//! The log has a thread of its own, with a bounded queue: nobody waits for who reads it. The main loop tells VRRP
//! every second that it moves.
//!
//! # Channels of the main loop
//!
//! | Channel | Bound | When it is full |
//! |---|---|---|
//! | `health` | 1024 | probers wait with their next check |
//! | `requests` | 16 | clients of the control socket wait, 8 s at most |
//! | `inputs` | none | see below; the loop takes 4096 at once |
//! | `events`, `readings` | none | see below |
//!
//! `inputs` has no bound because its senders must go on: the kernel's thread, a queue's, netlink's. What each can
//! have in it is bounded instead: one outcome for each step, run and queue that the loop itself began; counts come in
//! batches of what has changed since the last one, `touched` once for a message of the kernel.
//!
//! `events` and `readings` have none because VRRP never waits for the rest of the daemon. There is one for each
//! change of an instance, group, script, file or process.
//!
//! # What may be cancelled
//!
//! Each turn of the main loop waits for all of these, takes one, and drops the other futures. Nothing is lost by that:
//!
//! - `terminate`, `interrupt`, `hangup`: `Signal::recv` keeps a signal that came until it is received.
//! - `plugin_watch.changed()`: `Notify` keeps one notice until it is waited for.
//! - `health`, `requests`, `events`, `readings`: `mpsc::Receiver::recv` takes a message only when it returns it.
//! - `inputs`: `recv_many` likewise; `batch` is emptied before the next turn.
//! - `reloader.finished()`: waits by reference for a join handle, which keeps its outcome; it is taken in the same
//!   poll in which it is returned.
//! - `sleep_until(wake)`: is made anew with each turn, of a time and not of a duration.
//!
//! `leave_plans` is not cancelled, but its waits are: `recv` again. The hand-over of VRRP after it runs to its end.

mod adopted;
mod check_now;
mod effects;
mod error;
mod main_loop;
mod reload;
mod requests;
mod signals;
mod state;
mod why;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::mpsc;
use tracing::info;

use crate::control::{self, ControlSocket, Limits};
use crate::lock::Lock;
use crate::plane;
use crate::prepare::{ConfigSource, PrepareError, Preparer};
use crate::watcher::WATCH_TIMEOUT;
pub use error::RunError;
use signals::Signals;
use state::App;

/// Requests of the control socket that wait for the main loop.
const MAX_REQUESTS: usize = 16;

/// Balances until told to end. `log_dropped` counts the log lines that nobody could be given, for `status`.
///
/// # Errors
/// When the daemon cannot start; what fails later is logged and tried again.
pub async fn run(source: ConfigSource, log_dropped: Arc<AtomicU64>) -> Result<(), RunError> {
    // From here on: a reload that is asked for during the start is not to end the daemon.
    let mut signals = Signals::listen().map_err(RunError::Signals)?;
    let config = source.config.clone();
    let preparing = tokio::task::spawn_blocking(move || {
        let mut preparer = Preparer::new(source)?;
        let prepared = preparer.prepare(|_| None)?;
        Ok::<_, PrepareError>((preparer, prepared))
    });
    // A disk may take as long as it likes to answer, compiling some seconds.
    let (mut preparer, prepared) = tokio::select! {
        prepared = preparing => prepared.map_err(RunError::Panicked)??,
        () = signals.end() => {
            info!("told to end while the configuration was being read: nothing was changed");
            return Ok(());
        }
    };
    state::warn_of(&prepared);
    let daemon = prepared.model.daemon.clone();
    let lock = Lock::take()?;
    let opened = plane::open(&prepared.model.dataplane, &daemon, WATCH_TIMEOUT)?;
    preparer.runs(opened.plane.kind());
    let adopted = opened.adopted.services.len();
    preparer.replaces(adopted, &prepared.model)?;
    let socket = ControlSocket::bind(&daemon.socket)?;
    info!(
        config = %config.display(),
        services = prepared.model.services.len(),
        adopted,
        version = env!("CARGO_PKG_VERSION"),
        "started"
    );
    let (to_requests, requests) = mpsc::channel(MAX_REQUESTS);
    let serving = tokio::spawn(control::serve(socket, to_requests, Limits::default()));
    App::start(preparer, prepared, daemon, opened, log_dropped)?
        .serve(signals, requests)
        .await;
    serving.abort();
    // Dropped only now: the next daemon waits until this one does nothing any more.
    let _ = serving.await;
    drop(lock);
    Ok(())
}

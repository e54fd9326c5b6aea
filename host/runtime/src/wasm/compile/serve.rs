//! The child's side: takes limits upon itself, and compiles what it reads.

use std::io::{Read as _, Write as _};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;

use super::here;
use crate::MAX_PLUGIN;
use crate::wasm::engine::Effort;

/// What the child of `compile` is told on its command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Processor time that it may take, in seconds.
    pub processor: u64,
    /// Address space that it may take, in bytes.
    pub memory: u64,
    /// Bytes that it may write.
    pub code: u64,
    /// Whether the code is to be ready soon rather than fast.
    pub quick: bool,
}

/// Compiles what is on standard input to standard output. For the subcommand that [`super::Compiler::Child`] starts; this process
/// does nothing else and has one thread.
///
/// # Errors
/// Why it cannot be compiled, for standard error.
pub fn serve(order: Order) -> Result<(), String> {
    confine(&order).map_err(|error| format!("the compiler's limits cannot be set: {error}"))?;
    let stdin = std::io::stdin().lock();
    let mut bytes = Vec::new();
    stdin
        .take(MAX_PLUGIN)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("the compiler cannot read: {error}"))?;
    let effort = if order.quick {
        Effort::Quick
    } else {
        Effort::Full
    };
    let code = here::compile(&bytes, effort)?;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(&code)
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("the compiler cannot write: {error}"))
}

fn confine(order: &Order) -> nix::Result<()> {
    // Who asked for it has ended: nobody wants it any more.
    set_pdeathsig(Signal::SIGKILL)?;
    // If the machine runs out of memory, this is the process that can be spared. Without it, the kernel chooses.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let limit = |what, most| setrlimit(what, most, most);
    limit(Resource::RLIMIT_CORE, 0)?;
    limit(Resource::RLIMIT_AS, order.memory)?;
    limit(Resource::RLIMIT_FSIZE, order.code)?;
    // At the soft limit SIGXCPU comes, which says what it was; SIGKILL a second later.
    setrlimit(Resource::RLIMIT_CPU, order.processor, order.processor + 1)
}

//! The parent's side: one child for each plugin, waited for no longer than its limits say.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;

use super::here::failed;
use super::limits::Limits;
use crate::wasm::engine::Effort;

/// The subcommand of our own program.
const SUBCOMMAND: &str = "compile-plugin";
/// The program that runs now, also where its file has been replaced since.
const PROGRAM: &str = "/proc/self/exe";
/// Bytes kept of what the child says of its end.
const SAID: usize = 8 << 10;

/// The machine code of these bytes. The error is the reason of a load error.
pub(super) fn compile(bytes: &[u8], effort: Effort) -> Result<Vec<u8>, String> {
    let limits = Limits::of(bytes.len());
    let outcome = run(bytes, effort, &limits)
        .map_err(|error| format!("cannot be compiled: the compiler's process: {error}"))?;
    judge(&outcome, &limits)?;
    read(outcome.code).map_err(|error| format!("cannot be compiled: its code: {error}"))
}

/// How a child has ended.
struct Outcome {
    /// `None`: it was ended, since its time was over.
    status: Option<ExitStatus>,
    said: String,
    code: File,
}

fn run(bytes: &[u8], effort: Effort, limits: &Limits) -> io::Result<Outcome> {
    let mut wasm = memory("evenkeel-wasm")?;
    wasm.write_all(bytes)?;
    wasm.rewind()?;
    let code = memory("evenkeel-code")?;
    let mut command = Command::new(PROGRAM);
    command
        .arg0("evenkeel")
        .arg(SUBCOMMAND)
        .arg(format!("--processor={}", limits.processor))
        .arg(format!("--memory={}", limits.memory))
        .arg(format!("--code={}", limits.code))
        .args((effort == Effort::Quick).then_some("--quick"))
        .env_clear()
        .current_dir("/")
        // A Ctrl-C at the terminal is for us, and we end it.
        .process_group(0)
        .stdin(wasm)
        .stdout(code.try_clone()?)
        .stderr(Stdio::piped());
    let mut child = Reaped(command.spawn()?);
    let deadline = Instant::now() + limits.clock;
    let mut said = Vec::new();
    let ended = match child.0.stderr.take() {
        Some(stderr) => listen(stderr, deadline, &mut said)?,
        None => true,
    };
    let status = if ended { Some(child.0.wait()?) } else { None };
    Ok(Outcome {
        status,
        said: String::from_utf8_lossy(&said).into_owned(),
        code,
    })
}

/// Takes what it says until it has ended, which closes its end. `false`: its time is over first.
fn listen(mut stderr: ChildStderr, deadline: Instant, said: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut watched = [PollFd::new(stderr.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, timeout) {
            Ok(0) | Err(Errno::EINTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let count = stderr.read(&mut buffer)?;
        if count == 0 {
            return Ok(true);
        }
        let room = SAID.saturating_sub(said.len());
        said.extend(buffer.iter().take(count.min(room)));
    }
}

/// What is wrong, called by its name.
fn judge(outcome: &Outcome, limits: &Limits) -> Result<(), String> {
    let Limits {
        processor,
        memory,
        code,
        ..
    } = limits;
    let too_much = |what: String| Err(format!("is not compiled: that takes more than {what}"));
    let memory = format!("{} MiB of memory", memory >> 20);
    let Some(status) = outcome.status else {
        return too_much(format!("{} s", limits.clock.as_secs()));
    };
    if status.success() {
        return Ok(());
    }
    let said = outcome.said.trim();
    let out_of_memory = ["memory allocation of", "Cannot allocate memory"];
    if out_of_memory.iter().any(|it| said.contains(it)) {
        return too_much(memory);
    }
    match status.signal().map(Signal::try_from) {
        Some(Ok(Signal::SIGXCPU)) => too_much(format!("{processor} s of processor time")),
        Some(Ok(Signal::SIGXFSZ)) => {
            too_much(format!("{} MiB of machine code", code >> 20))
        }
        Some(Ok(Signal::SIGKILL)) => Err(
            "is not compiled: the compiler's process was killed from outside (has the machine run out of memory?)"
                .to_owned(),
        ),
        Some(_) if said.contains("overflowed its stack") => {
            Err("is not compiled: it overflows the compiler's stack".to_owned())
        }
        Some(Ok(signal)) => Err(format!("is not compiled: the compiler crashes on it ({signal})")),
        Some(Err(_)) => Err("is not compiled: the compiler crashes on it".to_owned()),
        None if status.code() == Some(1) => Err(failed(said)),
        None => Err(failed(&format!("the compiler's process ended with {status}: {said}"))),
    }
}

fn read(mut code: File) -> io::Result<Vec<u8>> {
    code.rewind()?;
    let mut bytes = Vec::new();
    code.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that is nowhere but in memory, and that nobody else has open.
fn memory(name: &str) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC)?))
}

/// A child that does not outlive this, and leaves no zombie.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // It may have ended: then there is nothing to kill, and waiting was done.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests;

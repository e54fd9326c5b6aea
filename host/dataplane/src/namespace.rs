//! A network namespace for feature probes.

use std::io;

use nix::sched::{CloneFlags, unshare};

use crate::Error;

/// Runs `work` in a new network namespace, on a thread of its own: a namespace belongs to a thread, and goes with it.
/// `None` if this process may not make one.
pub(crate) fn in_namespace<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<Option<T>, Error> {
    let thread = std::thread::Builder::new()
        .name("feature-probe".to_owned())
        .spawn(|| match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => work().map(Some),
            Err(error) => {
                tracing::debug!(%error, "no network namespace of our own");
                Ok(None)
            }
        })
        .map_err(io_error("start a thread"))?;
    thread.join().unwrap_or_else(|_| {
        Err(io_error("use a namespace")(io::Error::other(
            "the thread failed",
        )))
    })
}

fn io_error(what: &str) -> impl Fn(io::Error) -> Error + use<'_> {
    move |source| Error::Io {
        what: what.to_owned(),
        source,
    }
}

//! Work that may block for ever, such as looking at a file on a file system that does not answer: on a thread of its
//! own. The runtime's threads for blocking work are few, and others need them.

use std::io;

use tokio::sync::oneshot;

/// Of such a thread. It does little.
const STACK: usize = 256 << 10;

/// Has the work done, and gives what it returns. What has been begun goes on although nobody waits for it.
///
/// # Errors
/// When no thread can be started. A sender that is dropped means that the work has panicked.
pub(crate) fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (sender, outcome) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.into())
        .stack_size(STACK)
        .spawn(move || {
            // Nobody may wait for it any more.
            let _ = sender.send(work());
        })?;
    Ok(outcome)
}

//! The thread that notices at once when others change what is ours in the kernel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evenkeel_core::director::Input;
use evenkeel_dataplane::nftables::{Noticed, Watch};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

/// How long the thread waits for an event before it looks whether it is to end.
pub(crate) const WATCH_TIMEOUT: Duration = Duration::from_millis(500);

/// The watching thread. Ends when this is dropped.
pub(crate) struct TableWatcher(Arc<AtomicBool>);

impl TableWatcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        mut watch: Watch,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> std::io::Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        std::thread::Builder::new().name("kernel-watch".into()).spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                match watch.next() {
                    Ok(Noticed::Nothing | Noticed::Touched { by_us: true, .. }) => continue,
                    Ok(Noticed::Touched { process, name, by_us: false }) => {
                        info!(process, name, "someone else touched our table; reading it");
                    }
                    Ok(Noticed::Lost) => debug!("missed some changes of tables; reading ours"),
                    Err(error) => {
                        warn!(%error, "no longer notice at once when others change our rules; reading them from time to time still does");
                        return;
                    }
                }
                if inputs.send(Input::Touched).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self(end))
    }
}

impl Drop for TableWatcher {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

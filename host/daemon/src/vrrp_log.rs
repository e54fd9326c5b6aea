//! What VRRP has to say, on its way to the main loop: the log gets it here, also while the main loop hangs.

use evenkeel_vrrp::VrrpEvent;
use tokio::sync::mpsc;
use tracing::{info, warn};

/// Where the driver sends its events, and where the main loop takes them from, in the same order and without those for
/// the log. Call it inside a tokio runtime.
pub(crate) fn relay() -> (
    mpsc::UnboundedSender<VrrpEvent>,
    mpsc::UnboundedReceiver<VrrpEvent>,
) {
    let (to_relay, mut said) = mpsc::unbounded_channel();
    let (to_main_loop, events) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(event) = said.recv().await {
            match event {
                VrrpEvent::Log(event) if event.warning => {
                    warn!(instance = event.instance, "{}", event.text);
                }
                VrrpEvent::Log(event) => info!(instance = event.instance, "{}", event.text),
                // Nobody listens any more when the daemon is ending.
                other => drop(to_main_loop.send(other)),
            }
        }
    });
    (to_relay, events)
}

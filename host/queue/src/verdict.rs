//! Verdicts about new connections, and who gives them.

use evenkeel_core::flow::Flow;

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueVerdict {
    /// It goes on with this packet mark.
    Mark(u32),
    /// It goes on as it came: the kernel's plan decides.
    Pass,
}

/// Decides about new connections, one after the other.
pub trait Verdicts: Send + 'static {
    /// Decides about one.
    fn decide(&mut self, flow: &Flow) -> QueueVerdict;

    /// Called after each batch of packets, and every 20 ms without any, when all verdicts have been sent.
    fn idle(&mut self) {}
}

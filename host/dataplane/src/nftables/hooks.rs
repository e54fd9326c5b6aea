//! The base chains that lead new connections to the queues. Every packet pays for them, so they exist only while some
//! service is queued.

use super::expression::{jump, written};
use super::raw_rule::RawRule;

/// Name, `NF_INET_PRE_ROUTING` or `_LOCAL_OUT`, and the chain to which they jump.
pub(super) const QUEUE_HOOKS: [(&str, u32, &str); 2] = [
    ("queue_prerouting", 0, "to_queue"),
    ("queue_output", 3, "local"),
];
/// Just before destinations are translated.
pub(super) const PRIORITY: i32 = -101;

/// The one rule of a hook.
pub(super) fn rule(to: &str) -> RawRule {
    RawRule::plain(written(|buf| jump(buf, to)))
}

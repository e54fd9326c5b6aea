//! Where readings go.

use evenkeel_core::model::Tracked;
use evenkeel_core::vrrp::Reading;
use tokio::sync::mpsc;

/// Where readings go.
pub(super) type Readings = mpsc::UnboundedSender<(Tracked, Reading)>;

//! What is used instead of a plugin whose file is broken.

use std::sync::Arc;

use crate::signature::Signature;
use crate::{Plugin, PluginInfo};

/// Instead of a broken plugin.
#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are as many as there are broken plugins"
)]
pub(super) enum Fallback {
    /// What worked the last time.
    LastGood {
        plugin: Arc<dyn Plugin>,
        info: PluginInfo,
        /// Who had signed it.
        signature: Signature,
    },
    /// Nothing has; it is broken for this reason.
    Nothing { reason: String },
}

impl Fallback {
    pub(super) fn signature(&self) -> Option<&Signature> {
        match self {
            Self::LastGood { signature, .. } => Some(signature),
            Self::Nothing { .. } => None,
        }
    }

    pub(super) fn plugin(&self) -> Option<Arc<dyn Plugin>> {
        match self {
            Self::LastGood { plugin, .. } => Some(Arc::clone(plugin)),
            Self::Nothing { .. } => None,
        }
    }
}

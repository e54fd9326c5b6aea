//! What is used instead of a plugin whose file is broken, when the daemon starts: the last copy of it that worked, if
//! the cache has its code; otherwise something that fails, so that the services that name it are in trouble and no
//! others.

use std::sync::Arc;

use evenkeel_config::{Found, PluginCatalogue as _};
use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::PluginRef;

use super::Catalogue;
use super::fallback::Fallback;
use crate::signature::Signature;
use crate::stand_in::StandIn;
use crate::{Plugin, PluginInfo, PluginRuntime};

impl Catalogue {
    /// Finds something for each of these plugins that is broken. Says so in the log.
    pub fn fall_back<'a>(
        &mut self,
        runtime: &dyn PluginRuntime,
        plugins: impl IntoIterator<Item = &'a PluginRef>,
    ) {
        for plugin in plugins {
            let Found::Broken { reason } = self.find(plugin) else {
                continue;
            };
            let fallback = match self.last_good(runtime, plugin) {
                Some((good, signature)) => {
                    let sha256 = good.sha256().map(|it| it.short());
                    tracing::error!(
                        %plugin, reason, version = good.manifest().version, sha256,
                        "the plugin is broken: its last good copy, which the cache has kept, is used instead"
                    );
                    let info = PluginInfo {
                        kind: good.kind(),
                        contract: good.contract().to_owned(),
                        manifest: good.manifest().clone(),
                    };
                    Fallback::LastGood {
                        plugin: good,
                        info,
                        signature,
                    }
                }
                None => {
                    tracing::error!(
                        %plugin, reason,
                        "the plugin is broken, and there is no good copy of it: services that name it do without"
                    );
                    Fallback::Nothing { reason }
                }
            };
            self.fallbacks.insert(plugin.clone(), fallback);
        }
    }

    /// The last good copy, if it was signed as plugins have to be now.
    fn last_good(
        &self,
        runtime: &dyn PluginRuntime,
        plugin: &PluginRef,
    ) -> Option<(Arc<dyn Plugin>, Signature)> {
        let (good, signature) = runtime.last_good(plugin)?;
        let permitted = self.trust.permit(&signature);
        match permitted.and_then(|()| self.together(&good)) {
            Ok(good) => Some((good, signature)),
            Err(reason) => {
                tracing::warn!(%plugin, "the last good copy of the plugin is not used: it {reason}");
                None
            }
        }
    }

    /// What fails in the place of a broken plugin, if [`Self::fall_back`] has found nothing better.
    #[must_use]
    pub fn stand_in(&self, plugin: &PluginRef, kind: PluginKind) -> Option<Arc<dyn Plugin>> {
        match self.fallbacks.get(plugin)? {
            Fallback::Nothing { reason } => Some(Arc::new(StandIn::new(plugin, kind, reason))),
            Fallback::LastGood { .. } => None,
        }
    }
}

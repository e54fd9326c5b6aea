//! The tables of second schedulers.

use super::declare::table;
use crate::percent::Percent;
use crate::plugin::{Digest, PluginName, Settings};
use crate::reader::Presence;
use crate::units::Period;
use crate::value::Whole;
use evenkeel_core::model::Canary;

table! {
    /// A second scheduler without any effect on connections: it is told of the same servers as the first, and makes plans
    /// when that does. `shadow = "NAME"` is short for `shadow = { plugin = "NAME" }`. Whatever fails in it, the service goes
    /// on, and `status` says so. [plugins.md](plugins.md#try-it-beside-the-old-one) says what is compared.
    ShadowTable in "service.scheduler.shadow" {
        /// Which plugin: by name, or by file. A relative file starts from the configuration's directory.
        plugin: PluginName = Presence::Required;
        /// The SHA-256 of the plugin's file: another file is refused.
        sha256: Digest = Presence::Optional("any file");
        /// The plugin's settings.
        settings: Settings = Presence::Default(Settings::default);
    }
}

table! {
    /// A second scheduler that decides for a share of the slots, while the first decides for the rest. Both must make plans
    /// that are spread by the same (in turn, at random, or by the same hash). It is taken back, so that the first decides
    /// for all, when it fails, when it is slow, and when its plan is uneven; it is tried again after a reload, or with a new
    /// file of the plugin. [plugins.md](plugins.md#try-it-beside-the-old-one) has an example.
    CanaryTable in "service.scheduler.canary" {
        /// Which plugin: by name, or by file. A relative file starts from the configuration's directory.
        plugin: PluginName = Presence::Required;
        /// The SHA-256 of the plugin's file: another file is refused.
        sha256: Digest = Presence::Optional("any file");
        /// The plugin's settings.
        settings: Settings = Presence::Default(Settings::default);
        /// For how many of a hundred slots it decides.
        share: Whole<1, { Canary::MAX_SHARE }> = Presence::Required;
        /// It is taken back when more than one in a hundred of its latest 1,000 calls takes longer than this, and more
        /// than one in all.
        max_call: Period<1, 10_000> = Presence::Default(|| Period(Canary::MAX_CALL));
        /// How uneven a plan is: how far the server that is farthest from its weighted share of the slots is from it, in
        /// percent of all slots. The canary is taken back when its plan is more uneven than the first scheduler's by more
        /// than this. A scheduler that is not to follow the weights alone, such as `fo` or one that goes by
        /// connections, needs more than the default; `"100%"`: it is not looked at.
        max_uneven: Percent = Presence::Default(|| Percent(Canary::MAX_UNEVEN));
    }
}

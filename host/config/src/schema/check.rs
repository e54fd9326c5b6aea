//! The table of health checks.

use std::time::Duration;

use super::declare::{DAY, table};
use crate::address::Address;
use crate::plugin::{Digest, PluginName, Settings};
use crate::reader::Presence;
use crate::units::Period;
use crate::value::Whole;

table! {
    /// A health check. `check = "NAME"` is short for `check = { plugin = "NAME" }`.
    ///
    /// A server that stops answering is out of the pool at the latest
    /// `interval + retries × max(retry_delay, timeout) + timeout` later.
    CheckTable in "service.check" {
        /// Which checker plugin: by name, or by file. A relative file starts from the configuration's directory.
        #[keepalived = "TCP_CHECK, HTTP_GET, UDP_CHECK"]
        plugin: PluginName = Presence::Required;
        /// The SHA-256 of the plugin's file, as `sha256sum` and `evenkeel plugin list` print it: another file is refused.
        sha256: Digest = Presence::Optional("any file");
        /// The plugin's settings; `evenkeel plugin inspect` shows which ones it takes.
        settings: Settings = Presence::Default(Settings::default);
        /// From the start of one check to the start of the next. keepalived's default is 60 s.
        #[keepalived = "delay_loop"]
        interval: Period<10, DAY> = Presence::Default(|| Period(Duration::from_secs(6)));
        /// How long one check may take. A check without an answer by then has failed. keepalived's default is 5 s.
        #[keepalived = "connect_timeout"]
        timeout: Period<1, DAY> = Presence::Optional("`\"3s\"`, or `interval` if that is shorter");
        /// How many times a failed check is repeated before the server is taken out. keepalived's default is 1.
        #[keepalived = "retry, nb_get_retry"]
        retries: Whole<0, 1_000> = Presence::Default(|| Whole(3));
        /// From the start of a failed check to the start of its repetition. keepalived's default is 1 s.
        #[keepalived = "delay_before_retry"]
        retry_delay: Period<1, DAY> = Presence::Optional("`timeout`");
        /// How many checks in a row a failed server must pass before it is used again.
        rise: Whole<1, 1_000> = Presence::Default(|| Whole(1));
        /// Whether servers start down until they pass a check. Otherwise they start in the pool, and the first check,
        /// if it fails, takes one out without retries.
        #[keepalived = "alpha"]
        alpha: bool = Presence::Default(|| false);
        /// Check this address instead of the server's. Of any family.
        #[keepalived = "connect_ip"]
        address: Address = Presence::Optional("the server's");
        /// Check this port instead of the server's.
        #[keepalived = "connect_port"]
        port: Whole<1, 65_535> = Presence::Optional("the server's");
    }
}

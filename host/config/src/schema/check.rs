//! The tables of health checks.

use std::time::Duration;

use super::declare::{DAY, table};
use crate::address::Address;
use crate::plugin::{CheckName, Digest, PluginName, Settings};
use crate::reader::{Field, Presence};
use crate::units::Period;
use crate::value::Whole;

/// The keys of a check, wherever it is written.
#[derive(Clone, Copy)]
pub(crate) struct CheckKeys<'a> {
    pub(crate) plugin: &'a Field<PluginName>,
    pub(crate) sha256: &'a Field<Digest>,
    pub(crate) settings: &'a Field<Settings>,
    pub(crate) interval: &'a Field<Period<10, DAY>>,
    pub(crate) timeout: &'a Field<Period<1, DAY>>,
    pub(crate) retries: &'a Field<Whole<0, 1_000>>,
    pub(crate) retry_delay: &'a Field<Period<1, DAY>>,
    pub(crate) fast_interval: &'a Field<Period<1, DAY>>,
    pub(crate) down_interval: &'a Field<Period<10, DAY>>,
    pub(crate) warmup: &'a Field<Period<0, DAY>>,
    pub(crate) rise: &'a Field<Whole<1, 1_000>>,
    pub(crate) alpha: &'a Field<bool>,
    pub(crate) address: &'a Field<Address>,
    pub(crate) port: &'a Field<Whole<1, 65_535>>,
}

/// Declares a table that has these keys, after some of its own.
macro_rules! check_table {
    ($(#[doc = $about:literal])+ $name:ident in $place:literal { $($own:tt)* }) => {
        table! {
            $(#[doc = $about])+
            $name in $place {
                $($own)*
                /// Which checker plugin: by name, or by file. A relative file starts from the configuration's
                /// directory.
                #[keepalived = "TCP_CHECK, HTTP_GET, SSL_GET, SMTP_CHECK, DNS_CHECK, UDP_CHECK, PING_CHECK"]
                plugin: PluginName = Presence::Required;
                /// The SHA-256 of the plugin's file, as `sha256sum` and `evenkeel plugin list` print it: another file is
                /// refused.
                sha256: Digest = Presence::Optional("any file");
                /// The plugin's settings; `evenkeel plugin inspect` shows which ones it takes.
                settings: Settings = Presence::Default(Settings::default);
                /// From the start of one check to the start of the next. keepalived's default is 60 s.
                #[keepalived = "delay_loop"]
                interval: Period<10, DAY> = Presence::Default(|| Period(Duration::from_secs(6)));
                /// How long one check may take. A check without an answer by then has failed. keepalived's default is
                /// 5 s.
                #[keepalived = "connect_timeout"]
                timeout: Period<1, DAY> = Presence::Optional("`\"3s\"`, or `interval` if that is shorter");
                /// How many times a failed check is repeated before the server is taken out. keepalived's default is
                /// 1.
                #[keepalived = "retry, nb_get_retry"]
                retries: Whole<0, 1_000> = Presence::Default(|| Whole(3));
                /// From the start of a failed check to the start of its repetition. keepalived's default is 1 s.
                #[keepalived = "delay_before_retry"]
                retry_delay: Period<1, DAY> = Presence::Optional("`timeout`");
                /// From the start of one check to the start of the next while the server is between up and down: it has
                /// failed, but has repetitions left, or has passed, but fewer times than `rise`. HAProxy's `fastinter`.
                fast_interval: Period<1, DAY> = Presence::Optional("`retry_delay` in the first case, `interval` in the second");
                /// From the start of one check to the start of the next while the server is down. HAProxy's `downinter`.
                down_interval: Period<10, DAY> = Presence::Optional("`interval`");
                /// After the start or a reload, the first check of each server comes at random within this time, so that
                /// they do not all come at once.
                #[keepalived = "warmup"]
                warmup: Period<0, DAY> = Presence::Optional("`\"2s\"`, or `interval` if that is shorter");
                /// How many checks in a row a failed server must pass before it is used again.
                rise: Whole<1, 1_000> = Presence::Default(|| Whole(1));
                /// Whether servers start down until they pass a check. Otherwise they start in the pool, and the first
                /// check, if it fails, takes one out without retries.
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

        impl $name {
            /// The keys that every check has.
            pub(crate) fn keys(&self) -> CheckKeys<'_> {
                CheckKeys {
                    plugin: &self.plugin,
                    sha256: &self.sha256,
                    settings: &self.settings,
                    interval: &self.interval,
                    timeout: &self.timeout,
                    retries: &self.retries,
                    retry_delay: &self.retry_delay,
                    fast_interval: &self.fast_interval,
                    down_interval: &self.down_interval,
                    warmup: &self.warmup,
                    rise: &self.rise,
                    alpha: &self.alpha,
                    address: &self.address,
                    port: &self.port,
                }
            }
        }
    };
}

check_table! {
    /// A health check. `check = "NAME"` is short for `check = { plugin = "NAME" }`.
    ///
    /// A server that stops answering is out of the pool at the latest
    /// `interval + retries × max(retry_delay, timeout) + timeout` later.
    CheckTable in "service.check" {}
}

check_table! {
    /// A health check that services refer to by its name: `check = "NAME"`. It comes before a plugin of that name. It is
    /// made once for servers of one address and port, however many services they belong to, and its word goes to all
    /// of them. (Checks of one address and port that are the same in all, and so is the server's name, are made once in
    /// any case.)
    SharedCheckTable in "[[check]]" {
        /// Its name. No two have the same.
        name: CheckName = Presence::Required;
    }
}

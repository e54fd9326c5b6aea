//! How a virtual server's connections are spread: its scheduler with its flags, persistence, and thresholds of its real
//! servers.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Translator, value};
use crate::document::{Source, Table, inline, quote};
use crate::note::Kind;
use crate::tree::Statement;

/// keepalived's schedulers. A plugin with the same name is shipped for each.
const SHIPPED: [&str; 14] = [
    "rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "lblc", "lblcr", "mh", "fo", "ovf", "twos",
];

/// keepalived's default.
const DEFAULT: &str = "wlc";

/// The keywords of a virtual server that can only be understood once all of them are known.
pub(super) const KEYWORDS: [&str; 9] = [
    "flag-1",
    "flag-2",
    "sh-port",
    "sh-fallback",
    "mh-port",
    "mh-fallback",
    "persistence_timeout",
    "persistence_granularity",
    "granularity",
];

/// IPVS's default, which holds where there is a granularity and no timeout, or one without a value.
const PERSISTENCE: u32 = 360;

/// Times that are not shown in weeks and months.
const LONG: u32 = 7 * 24 * 60 * 60;

/// What a virtual server says about it.
#[derive(Debug, Default)]
pub(super) struct Spread<'s> {
    /// The plugin of its scheduler.
    pub(super) scheduler: Option<&'static str>,
    /// Statements with one of [`KEYWORDS`], in their order.
    pub(super) later: Vec<&'s Statement>,
}

impl<'s> Spread<'s> {
    fn of(&self, keywords: &[&str]) -> Vec<&'s Statement> {
        let all = self.later.iter().copied();
        all.filter(|statement| keywords.contains(&statement.keyword()))
            .collect()
    }
}

/// The setting that a flag is, of which schedulers (`ip_vs.h`: `IP_VS_SVC_F_SCHED_SH_FALLBACK` and the like are the
/// first and the second flag).
fn setting(flag: &str) -> (&'static str, &'static [&'static str]) {
    match flag {
        "flag-1" => ("fallback", &["sh", "mh"]),
        "sh-fallback" => ("fallback", &["sh"]),
        "mh-fallback" => ("fallback", &["mh"]),
        "flag-2" => ("port", &["sh", "mh"]),
        "sh-port" => ("port", &["sh"]),
        _ => ("port", &["mh"]),
    }
}

impl Translator<'_> {
    /// Sets the scheduler; the plugin that it is.
    pub(super) fn scheduler(
        &mut self,
        from: &Statement,
        table: &mut Table,
    ) -> Option<&'static str> {
        let algorithm = self.argument(from, table)?;
        let plugin = self.plugin(from, algorithm);
        self.set(table, "scheduler", quote(plugin), from);
        Some(plugin)
    }

    /// Gives the scheduler, which is keepalived's default if none is named, its settings.
    pub(super) fn flags(&mut self, spread: &Spread<'_>, table: &mut Table) {
        table.otherwise("scheduler", quote(DEFAULT));
        let plugin = spread.scheduler.unwrap_or(DEFAULT);
        let mut settings: Vec<(&str, String)> = Vec::new();
        let flags = [
            "flag-1",
            "flag-2",
            "sh-port",
            "sh-fallback",
            "mh-port",
            "mh-fallback",
        ];
        for from in spread.of(&flags) {
            let (setting, of) = setting(from.keyword());
            if !of.contains(&plugin) {
                let why = format!("only for {}, as in keepalived", of.join(" and "));
                self.leave(from, table, &why);
                continue;
            }
            self.no_more(from, 1, table);
            table.remarks(&from.lead);
            table.remarks(&from.trail);
            if !settings.iter().any(|(known, _)| *known == setting) {
                settings.push((setting, "true".to_owned()));
            }
        }
        if !settings.is_empty() {
            let with = [("plugin", quote(plugin)), ("settings", inline(&settings))];
            table.change("scheduler", inline(&with));
        }
    }

    /// The plugin for one of keepalived's schedulers.
    fn plugin(&mut self, from: &Statement, algorithm: &str) -> &'static str {
        if let Some(shipped) = SHIPPED.iter().find(|name| **name == algorithm) {
            return shipped;
        }
        let what = format!(
            "keepalived has no scheduler {algorithm}: {DEFAULT}, its default, takes its place"
        );
        self.notes
            .add(Kind::Changed, from.place(), from.keyword(), what);
        DEFAULT
    }

    /// The table of a service's persistence, if it has a prefix; a timeout alone is a key of the service.
    pub(super) fn persistence(
        &mut self,
        spread: &Spread<'_>,
        service_ip: IpAddr,
        service: &mut Table,
    ) -> Option<Table> {
        let timeouts = spread.of(&["persistence_timeout"]);
        let masks = spread.of(&["persistence_granularity", "granularity"]);
        let place = masks.first().map(|from| from.place());
        let from = Source {
            place,
            ..Source::default()
        };
        let mut table = Table::new("[service.persistence]", from);
        for from in masks {
            if let Some(mask) = self.argument(from, service) {
                match prefix(mask, service_ip) {
                    Ok(prefix) => self.set(&mut table, "prefix", prefix.to_string(), from),
                    Err(what) => self.wrong(from, &what),
                }
            }
        }
        let alone = !table.has("prefix");
        let (to, key) = if alone {
            (service, "persistence")
        } else {
            (&mut table, "timeout")
        };
        for from in timeouts {
            let seconds = match from.word(1) {
                None => Some(PERSISTENCE),
                Some(_) => self.argument(from, to).and_then(|text| text.parse().ok()),
            };
            match seconds {
                Some(seconds @ 1..) => self.set(to, key, time(seconds), from),
                _ => self.wrong(from, "it needs a whole number of seconds, from 1"),
            }
        }
        if alone {
            return None;
        }
        table.otherwise("timeout", time(PERSISTENCE));
        Some(table)
    }

    /// IPVS refuses a server whose lower threshold is more than its upper one.
    pub(super) fn thresholds(&mut self, statement: &Statement, table: &mut Table) {
        let number = |key: &str| table.get(key).and_then(|text| text.parse::<u32>().ok());
        let (upper, lower) = (number("upper_threshold"), number("lower_threshold"));
        let (upper, lower) = (upper.unwrap_or(0), lower.unwrap_or(0));
        if lower > upper {
            let _ = table.remove("lower_threshold");
            let what = format!(
                "lthreshold {lower} is left out: it is more than uthreshold ({upper}), for which IPVS refuses the server"
            );
            self.changed(statement, &what);
        }
    }
}

/// A time as TOML.
fn time(seconds: u32) -> String {
    if seconds < LONG {
        value::show(Duration::from_secs(seconds.into()))
    } else {
        quote(&format!("{seconds}s"))
    }
}

/// The prefix length of a granularity: a netmask for IPv4, a prefix length itself for IPv6.
fn prefix(granularity: &str, service: IpAddr) -> Result<u32, String> {
    if service.is_ipv6() {
        let prefix = granularity.parse().ok().filter(|n| (1..=128).contains(n));
        return prefix.ok_or_else(|| format!("{granularity} is not a prefix length from 1 to 128"));
    }
    let mask = granularity.parse::<Ipv4Addr>().ok().map(Ipv4Addr::to_bits);
    match mask {
        Some(mask) if mask != 0 && mask.leading_ones() == mask.count_ones() => {
            Ok(mask.leading_ones())
        }
        _ => Err(format!(
            "{granularity} is not a netmask such as 255.255.255.0"
        )),
    }
}

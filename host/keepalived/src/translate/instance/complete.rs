//! What an instance does not say, and what does not go together in it.

use std::net::IpAddr;
use std::time::Duration;

use super::Instance;
use crate::document::{Source, quote};
use crate::note::Kind;
use crate::translate::{Translator, value};
use crate::tree::Statement;

/// The longest interval of version 3: 4095 hundredths of a second.
const LONGEST: Duration = Duration::from_millis(40_950);

impl Translator<'_> {
    /// What is not written: from `global_defs`, or keepalived's defaults. And what does not go together.
    pub(super) fn complete(&mut self, statement: &Statement, to: &mut Instance) {
        self.globals_of(to);
        let version = self.version(statement, to);
        let table = &mut to.table;
        table.otherwise("priority", "100".to_owned());
        table.otherwise("advert_interval", "\"1s\"".to_owned());
        self.interval(version, to);
        self.password(version, to);
        self.preemption(to);
        let announce = &mut to.announce;
        announce.otherwise("repeat", "5".to_owned());
        announce.otherwise("delay", "\"5s\"".to_owned());
        announce.otherwise("refresh", "\"0s\"".to_owned());
        announce.otherwise("refresh_repeat", "1".to_owned());
        // As keepalived has it: what global_defs says of a new master, but not what the instance says.
        let global = |keyword: &str| self.globals.get(keyword).and_then(|s| s.word(1));
        let delay = global("vrrp_garp_master_delay").and_then(value::seconds);
        let delay = delay.map_or_else(|| "\"5s\"".to_owned(), value::show);
        let repeat = global("vrrp_garp_master_repeat").and_then(|text| text.parse::<u32>().ok());
        announce.otherwise("lower_priority_repeat", repeat.unwrap_or(5).to_string());
        announce.otherwise("lower_priority_delay", delay);
        if !to.table.has("interface") {
            self.wrong(statement, "it has no interface");
        }
        if !to.table.has("router_id") {
            self.wrong(statement, "it has no virtual_router_id");
        }
        if to.addresses.is_empty() {
            self.wrong(statement, "it has no virtual_ipaddress");
        }
    }

    fn globals_of(&mut self, to: &mut Instance) {
        let globals: Vec<Statement> = self.globals.values().cloned().collect();
        for global in globals {
            let global = Statement {
                lead: Vec::new(),
                trail: Vec::new(),
                ..global
            };
            let of_instance = match global.keyword() {
                "vrrp_version" => "version",
                "vrrp_garp_master_delay" => "delay",
                "vrrp_garp_master_repeat" => "repeat",
                "vrrp_garp_master_refresh" => "refresh",
                "vrrp_garp_master_refresh_repeat" => "refresh_repeat",
                "vrrp_garp_lower_prio_delay" => "lower_priority_delay",
                _ => "lower_priority_repeat",
            };
            if to.table.has(of_instance) || to.announce.has(of_instance) {
                continue;
            }
            match of_instance {
                "version" => self.whole(&mut to.table, "version", &global),
                _ => {
                    self.announcement(&global, &mut to.announce);
                }
            }
        }
    }

    /// The version: 2, as keepalived has it, but 3 for IPv6.
    fn version(&mut self, statement: &Statement, to: &mut Instance) -> u32 {
        let v6 = matches!(to.addresses.first_advertised(), Some(IpAddr::V6(_)));
        let written = to.table.get("version").and_then(|text| text.parse().ok());
        if v6 && written == Some(2) {
            to.table.remove("version");
            self.changed(
                statement,
                "its addresses are IPv6, which only version 3 has",
            );
        }
        to.table
            .otherwise("version", if v6 { "3" } else { "2" }.to_owned());
        if v6 && to.addresses.has_v4() {
            to.table.otherwise("family", quote("ipv6"));
        }
        if to.addresses.advertised_both() {
            let what = "it has addresses of both families: keepalived leaves out those that are not of the first one's; here they go along without being in the adverts, as virtual_ipaddress_excluded do";
            self.changed(statement, what);
        }
        if let Some(IpAddr::V6(first)) = to.addresses.first_advertised()
            && !first.is_unicast_link_local()
        {
            let what = "the first IPv6 address is not a link-local one (fe80::/10), as RFC 9568 section 5.2.9 wants it and keepalived warns of";
            self.notes
                .add(Kind::Warning, statement.place(), statement.keyword(), what);
        }
        let version = to.table.get("version").and_then(|text| text.parse().ok());
        version.unwrap_or(2)
    }

    /// Version 2 has whole seconds only, version 3 hundredths.
    fn interval(&mut self, version: u32, to: &mut Instance) {
        let Some((written, from)) = to.advert.take() else {
            return;
        };
        let held = if written < Duration::from_millis(10) || written > Duration::from_secs(255) {
            // Out of keepalived's own range: it takes the default.
            Duration::from_secs(1)
        } else if version == 2 {
            let rounded = written.saturating_add(Duration::from_millis(500));
            Duration::from_secs(rounded.as_secs().max(1))
        } else {
            let hundredths = written.as_millis() / 10 * 10;
            let hundredths = u64::try_from(hundredths).unwrap_or(u64::MAX);
            Duration::from_millis(hundredths).min(LONGEST)
        };
        if held != written {
            to.table.set(
                "advert_interval",
                value::show(held),
                Source::statement(&from),
            );
            let shown = value::show(held);
            let what = if held == Duration::from_secs(1) && written > Duration::from_secs(2) {
                format!("{shown}, as keepalived takes what is not from 0.01 to 255 s")
            } else if version == 2 {
                format!(
                    "{shown}: version 2 has whole seconds only; for shorter times set version = 3 on all directors"
                )
            } else {
                format!("{shown}: version 3 has steps of 10 ms, up to 40.95 s")
            };
            self.changed(&from, &what);
        }
    }

    fn password(&mut self, version: u32, to: &mut Instance) {
        let kind = to.auth_type.as_ref().and_then(|s| s.word(1));
        let Some(pass) = to.auth_pass.clone() else {
            if let Some(from) = to.auth_type.clone() {
                self.leave(&from, &mut to.table, "there is no auth_pass");
            }
            return;
        };
        let why = match kind {
            Some("PASS" | "pass") if version == 2 => None,
            Some("PASS" | "pass") => Some("version 3 has no authentication (RFC 9568 section 9)"),
            Some(_) => Some(
                "only PASS is there: version 3 has no authentication, and AH (RFC 2338) is deprecated",
            ),
            None => Some("there is no auth_type PASS"),
        };
        if let Some(why) = why {
            if let Some(from) = to.auth_type.clone() {
                self.leave(&from, &mut to.table, why);
            }
            // The password is not repeated where it is of no use.
            let hidden = Statement {
                words: pass.words.iter().take(1).cloned().collect(),
                ..pass
            };
            return self.leave(&hidden, &mut to.table, why);
        }
        if let Some(from) = to.auth_type.take() {
            to.table.remarks(&from.lead);
            to.table.remarks(&from.trail);
        }
        let written = pass.word(1).unwrap_or_default();
        let first: String = written.chars().take(8).collect();
        if first != written {
            let what = "a password has 8 bytes: the first 8 are taken, as keepalived does";
            self.changed(&pass, what);
        }
        if !first.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            self.wrong(&pass, "a password has ASCII characters only");
        }
        self.set(&mut to.table, "password", quote(&first), &pass);
    }

    /// What keepalived gives up where it does not go together.
    fn preemption(&mut self, to: &mut Instance) {
        let master = to.master.is_some();
        if let Some(from) = to.nopreempt.clone() {
            let why = if to.table.get("priority") == Some("255") {
                Some("the owner of the addresses (priority 255) always takes over")
            } else if master {
                Some(
                    "it does not go with state MASTER: keepalived ignores it, and so does this; with state BACKUP it becomes preempt = false",
                )
            } else {
                None
            };
            if let Some(why) = why {
                to.table.remove("preempt");
                self.notes
                    .add(Kind::NotCarried, from.place(), from.keyword(), why);
            }
        }
        if let Some(from) = to.preempt_delay.clone() {
            let why = if master {
                Some("it does not go with state MASTER: keepalived ignores it, and so does this")
            } else if to.table.get("preempt") == Some("false") {
                Some("it does not go with nopreempt: keepalived ignores it")
            } else {
                None
            };
            if let Some(why) = why {
                to.table.remove("preempt_delay");
                self.notes
                    .add(Kind::NotCarried, from.place(), from.keyword(), why);
            }
        }
        to.table.otherwise("preempt", "true".to_owned());
        if to.table.get("preempt") == Some("true") {
            to.table.otherwise("preempt_delay", "\"0s\"".to_owned());
        }
    }
}

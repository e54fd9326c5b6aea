//! `vrrp_instance`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::address::Addresses;
use super::track::TRACKS;
use super::{Translator, value};
use crate::document::{Item, Source, Table, quote};
use crate::keywords;
use crate::note::Kind;
use crate::tree::Statement;

/// The longest interval of version 3: 4095 hundredths of a second.
const LONGEST: Duration = Duration::from_millis(40_950);

/// The keywords that are translated, beside those of `track`, `notify` and announcements.
const TRANSLATED: &[&str] = &[
    "interface",
    "virtual_router_id",
    "priority",
    "advert_int",
    "version",
    "nopreempt",
    "preempt",
    "preempt_delay",
    "authentication",
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "virtual_routes",
    "virtual_rules",
    "use_vmac",
    "unicast_src_ip",
    "unicast_peer",
    "mcast_src_ip",
    "track_interface",
    "track_script",
    "track_process",
    "track_file",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "garp_master_delay",
    "garp_master_repeat",
    "garp_master_refresh",
    "garp_master_refresh_repeat",
    "garp_lower_prio_delay",
    "garp_lower_prio_repeat",
    "lvs_sync_daemon_interface",
];

/// An instance while its statements are read.
pub(super) struct Instance {
    pub(super) table: Table,
    announce: Table,
    notify: Table,
    pub(super) addresses: Addresses,
    advert: Option<(Duration, Statement)>,
    auth_type: Option<Statement>,
    auth_pass: Option<Statement>,
    nopreempt: Option<Statement>,
    preempt_delay: Option<Statement>,
    /// What is tracked so far.
    tracked: BTreeSet<String>,
    /// The statement that says `state MASTER`.
    master: Option<Statement>,
    sync: Option<Table>,
}

impl Translator<'_> {
    pub(super) fn instance(&mut self, statement: &Statement) -> Vec<Table> {
        let name = self.name(statement).unwrap_or_default();
        let place = Source::place(statement.place());
        let mut table = Table::new("[[vrrp]]", Source::statement(statement));
        let written = self.instances.get(name).unwrap_or_default();
        table.set("name", quote(&written), place.clone());
        self.renamed(statement, name, &written);
        let mut instance = Instance {
            table,
            announce: Table::new("[vrrp.announce]", place.clone()),
            notify: Table::new("[vrrp.notify]", place.clone()),
            addresses: Addresses::new(Self::interface_of(statement)),
            advert: None,
            auth_type: None,
            auth_pass: None,
            nopreempt: None,
            preempt_delay: None,
            tracked: BTreeSet::new(),
            master: None,
            sync: None,
        };
        if statement.block.is_none() {
            self.wrong(statement, "it needs a block: { ... }");
        }
        let weightless = self.weightless.contains(name);
        for inner in statement.statements() {
            if inner.keyword() == "lvs_sync_daemon_interface" {
                let table = &mut instance.table;
                let sync = self.sync_interface(inner, table, &written);
                instance.sync = sync.or(instance.sync.take());
            } else if !self.of_instance(inner, &mut instance, weightless) {
                let words = keywords::INSTANCE;
                self.unknown(inner, &mut instance.table, words, TRANSLATED);
            }
        }
        let of_group = self.tracked_by_groups.get(name).cloned();
        let of_group = self.each_once(of_group.unwrap_or_default(), &mut instance.tracked);
        instance.table.extend("track", of_group, &place);
        self.complete(statement, &mut instance);
        instance.table.remarks(statement.tail());
        let Instance {
            mut table,
            announce,
            notify,
            sync,
            ..
        } = instance;
        table.tables.push(announce);
        if !notify.lines.is_empty() {
            table.tables.push(notify);
        }
        [table].into_iter().chain(sync).collect()
    }

    /// The interface, wherever in the block it stands.
    fn interface_of(statement: &Statement) -> Option<String> {
        let mut inner = statement.statements().iter();
        let own = inner.rfind(|inner| inner.keyword() == "interface");
        own.and_then(|inner| inner.word(1)).map(str::to_owned)
    }

    /// Whether a statement could be used.
    fn of_instance(&mut self, inner: &Statement, to: &mut Instance, weightless: bool) -> bool {
        let table = &mut to.table;
        match inner.keyword() {
            "interface" => self.text(table, "interface", inner),
            "virtual_router_id" => self.whole(table, "router_id", inner),
            "priority" => self.whole(table, "priority", inner),
            "version" => self.whole(table, "version", inner),
            "advert_int" => {
                self.seconds(table, "advert_interval", inner);
                let written = inner.word(1).and_then(value::seconds);
                to.advert = written.map(|written| (written, inner.clone()));
            }
            "state" => {
                if inner.word(1) == Some("MASTER") {
                    to.master = Some(inner.clone());
                }
                return false;
            }
            "preempt" => {
                self.no_more(inner, 1, table);
                self.set(table, "preempt", "true".to_owned(), inner);
                to.nopreempt = None;
            }
            "nopreempt" => {
                self.no_more(inner, 1, table);
                self.set(table, "preempt", "false".to_owned(), inner);
                to.nopreempt = Some(inner.clone());
            }
            "preempt_delay" => {
                self.seconds(table, "preempt_delay", inner);
                to.preempt_delay = Some(inner.clone());
            }
            "authentication" => self.authentication(inner, to),
            "virtual_ipaddress" => self.addresses(inner, &mut to.addresses, table, true),
            "virtual_ipaddress_excluded" => {
                self.addresses(inner, &mut to.addresses, table, false);
            }
            "virtual_routes" => self.routes(inner, table),
            "virtual_rules" => self.rules(inner, table),
            "use_vmac" => self.virtual_mac(inner, table),
            "unicast_src_ip" | "mcast_src_ip" => self.text(table, "source", inner),
            "unicast_peer" => self.peers(inner, table),
            keyword if TRACKS.contains(&keyword) => {
                let items = self.tracks(inner, weightless);
                let items = self.each_once(items, &mut to.tracked);
                table.extend("track", items, &Source::statement(inner));
            }
            _ => {
                return self.announcement(inner, &mut to.announce)
                    || self.notify(inner, &mut to.notify);
            }
        }
        true
    }

    fn virtual_mac(&mut self, statement: &Statement, table: &mut Table) {
        // A name may be followed, or replaced, by a MAC address.
        let is_mac = |word: &str| word.contains(':');
        let (name, more) = match statement.word(1) {
            Some(name) if !is_mac(name) => (quote(name), 2),
            _ => ("true".to_owned(), 1),
        };
        self.no_more(statement, more, table);
        self.set(table, "virtual_mac", name, statement);
    }

    fn peers(&mut self, block: &Statement, table: &mut Table) {
        if block.block.is_none() {
            self.wrong(block, "it needs a block: { ... }");
        }
        let mut items: Vec<Item> = Vec::new();
        let header = block.lead.iter().chain(&block.trail);
        items.extend(header.cloned().map(Item::Remark));
        for line in block.statements() {
            if line.words.len() > 1 {
                let options: Vec<&str> = line.arguments().iter().map(|w| w.text.as_str()).collect();
                let what = format!(
                    "{} {}: all adverts of peers are taken, whatever their TTL",
                    line.keyword(),
                    options.join(" ")
                );
                self.changed(line, &what);
            }
            items.push(Item::Element(
                quote(line.keyword()),
                Source::statement(line),
            ));
        }
        items.extend(block.tail().iter().cloned().map(Item::Remark));
        table.extend("peers", items, &Source::statement(block));
    }

    fn authentication(&mut self, block: &Statement, to: &mut Instance) {
        let mut table = std::mem::take(&mut to.table);
        table.remarks(&block.lead);
        table.remarks(&block.trail);
        let translated = ["auth_type", "auth_pass"];
        self.body(block, &mut table, &[], &translated, |this, inner, table| {
            match inner.keyword() {
                "auth_type" => to.auth_type = Some(inner.clone()),
                "auth_pass" => to.auth_pass = Some(inner.clone()),
                _ => return false,
            }
            this.argument(inner, table);
            true
        });
        to.table = table;
    }

    /// The schedule of gratuitous ARP. Whether it is a statement of that.
    fn announcement(&mut self, statement: &Statement, table: &mut Table) -> bool {
        let keyword = statement.keyword();
        match keyword.strip_prefix("vrrp_").unwrap_or(keyword) {
            "garp_master_delay" => self.seconds(table, "delay", statement),
            "garp_master_repeat" => self.whole(table, "repeat", statement),
            "garp_master_refresh" => self.seconds(table, "refresh", statement),
            "garp_master_refresh_repeat" => self.whole(table, "refresh_repeat", statement),
            "garp_lower_prio_delay" => self.seconds(table, "lower_priority_delay", statement),
            "garp_lower_prio_repeat" => {
                self.whole(table, "lower_priority_repeat", statement);
            }
            _ => return false,
        }
        true
    }

    /// What is not written: from `global_defs`, or keepalived's defaults. And what does not go together.
    fn complete(&mut self, statement: &Statement, to: &mut Instance) {
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

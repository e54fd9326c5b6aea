//! `vrrp_instance`.

mod complete;

use std::collections::BTreeSet;
use std::time::Duration;

use super::address::Addresses;
use super::track::TRACKS;
use super::{Translator, value};
use crate::document::{Item, Source, Table, quote};
use crate::keywords;
use crate::tree::Statement;

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
}

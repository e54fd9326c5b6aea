//! Source statements to the document. What keepalived takes for granted is written out where it differs from Evenkeel's
//! own default, or where it matters.

mod address;
mod check;
mod command;
mod duplicates;
mod endpoint;
mod forward;
mod grants;
mod group;
mod instance;
mod local;
mod names;
mod ports;
mod route;
mod service;
mod spread;
mod sync;
mod tables;
mod timeouts;
mod track;
mod translator;
mod value;

use super::document::Table;
use super::keywords;
use super::note::Notes;
use super::tree::Statement;
use translator::{Tracked, Translator, Weight, Words, remarks_of};

/// The whole document.
pub(super) fn document(root: &Statement, notes: &mut Notes) -> Table {
    let mut translator = Translator::new(notes);
    translator.look_ahead(root);
    let mut document = Table::default();
    let file = translator
        .notes
        .files()
        .first()
        .cloned()
        .unwrap_or_default();
    let text = format!("Made from {file}. What is not carried over is listed where it was.");
    document
        .lines
        .push(super::document::Line::Remark { text, place: None });
    for statement in root.statements() {
        translator.top(statement, &mut document);
    }
    document.tables.extend(translator.grants.table());
    if !root.tail().is_empty() {
        let mut table = Table::default();
        table.remarks(root.tail());
        document.tables.push(table);
    }
    document
}

/// The keywords of `global_defs` that are defaults of instances.
const GLOBALS: &[&str] = &[
    "vrrp_version",
    "vrrp_garp_master_delay",
    "vrrp_garp_master_repeat",
    "vrrp_garp_master_refresh",
    "vrrp_garp_master_refresh_repeat",
    "vrrp_garp_lower_prio_delay",
    "vrrp_garp_lower_prio_repeat",
];

impl Translator<'_> {
    /// Finds what others refer to, wherever it stands.
    fn look_ahead(&mut self, root: &Statement) {
        self.named_twice = duplicates::named_twice(root);
        for statement in root.statements() {
            if self.named_twice.contains_key(&statement.place()) {
                continue;
            }
            let name = statement.word(1).unwrap_or_default();
            match statement.keyword() {
                "global_defs" => {
                    for inner in statement.statements() {
                        if let Some(known) = GLOBALS.iter().find(|g| **g == inner.keyword()) {
                            self.globals.insert(known, inner.clone());
                        }
                    }
                }
                "vrrp_instance" => self.instances.add(name),
                "vrrp_sync_group" => self.groups.add(name),
                "vrrp_script" => {
                    self.scripts.add(name);
                    self.define_script(statement);
                }
                "vrrp_track_process" => self.define_process(statement),
                "track_file" | "vrrp_track_file" => self.define_file(statement),
                "virtual_server_group" => {
                    self.server_groups
                        .insert(name.to_owned(), statement.clone());
                }
                _ => {}
            }
        }
        for statement in root.statements() {
            if statement.keyword() == "vrrp_sync_group"
                && !self.named_twice.contains_key(&statement.place())
            {
                self.look_ahead_into_group(statement);
            }
        }
    }

    fn top(&mut self, statement: &Statement, document: &mut Table) {
        if let Some(first) = self.named_twice.get(&statement.place()).copied() {
            let left = self.second_block(statement, first);
            document.tables.push(left);
            return;
        }
        let tables = match statement.keyword() {
            "global_defs" => self.global_defs(statement),
            "vrrp_instance" => self.instance(statement),
            "vrrp_sync_group" => self.sync_group(statement),
            "vrrp_script" => self.script(statement),
            "vrrp_track_process" => self.track_process(statement),
            "track_file" | "vrrp_track_file" => self.track_file(statement),
            "virtual_server_group" => self.server_group(statement),
            "virtual_server" => self.virtual_server(statement),
            _ => {
                let mut table = Table::default();
                self.unknown(
                    statement,
                    &mut table,
                    keywords::TOP,
                    keywords::TRANSLATED_TOP,
                );
                vec![table]
            }
        };
        document.tables.extend(tables);
    }

    fn global_defs(&mut self, statement: &Statement) -> Vec<Table> {
        let mut table = remarks_of(statement);
        let (mut sync, mut timeouts) = (None, None);
        let tables = ["lvs_sync_daemon", "lvs_timeouts"];
        let translated: Vec<&str> = GLOBALS.iter().copied().chain(tables).collect();
        self.body(
            statement,
            &mut table,
            keywords::GLOBAL,
            &translated,
            |translator, inner, table| {
                if inner.keyword() == "lvs_sync_daemon" {
                    sync = translator.sync_daemon(inner, table).or(sync.take());
                    return true;
                }
                if inner.keyword() == "lvs_timeouts" {
                    timeouts = translator.timeouts(inner).or(timeouts.take());
                    return true;
                }
                let known = GLOBALS.contains(&inner.keyword());
                if known {
                    translator.argument(inner, table);
                    table.remarks(&inner.lead);
                    table.remarks(&inner.trail);
                }
                known
            },
        );
        [table].into_iter().chain(sync).chain(timeouts).collect()
    }
}

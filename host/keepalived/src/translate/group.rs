//! `vrrp_sync_group`.

use super::track::TRACKS;
use super::{Translator, remarks_of};
use crate::document::{Item, Source, Table, quote};
use crate::keywords;
use crate::note::Kind;
use crate::tree::{Statement, Word};

/// The names in the `group` block: one a line, or several.
fn members(statement: &Statement) -> Vec<Word> {
    let groups = statement
        .statements()
        .iter()
        .filter(|inner| inner.keyword() == "group");
    groups
        .flat_map(|group| {
            let inside = group.statements().iter().flat_map(|line| line.words.iter());
            group.arguments().iter().chain(inside)
        })
        .cloned()
        .collect()
}

impl Translator<'_> {
    /// What a group says of its members.
    pub(super) fn look_ahead_into_group(&mut self, statement: &Statement) {
        let weights = statement
            .statements()
            .iter()
            .any(|inner| inner.keyword() == "sync_group_tracking_weight");
        let members = members(statement);
        let mut tracked = Vec::new();
        for inner in statement.statements() {
            if TRACKS.contains(&inner.keyword()) {
                let items = self.tracks(inner, false);
                tracked.extend(
                    items
                        .into_iter()
                        .filter(|item| matches!(item, Item::Element(..))),
                );
            }
        }
        for member in members {
            if !weights {
                self.weightless.insert(member.text.clone());
            }
            let of_member = self.tracked_by_groups.entry(member.text).or_default();
            of_member.extend(tracked.iter().cloned());
        }
    }

    pub(super) fn sync_group(&mut self, statement: &Statement) -> Vec<Table> {
        let mut known: Vec<String> = Vec::new();
        for member in members(statement) {
            match self.instances.get(&member.text) {
                Some(name) if known.contains(&name) => {}
                Some(name) => known.push(name),
                None => {
                    let what = format!("there is no vrrp_instance {}", member.text);
                    self.notes.add(Kind::Error, member.place, "group", what);
                }
            }
        }
        let name = self.name(statement).unwrap_or_default();
        if known.len() < 2 {
            let mut table = Table::default();
            let why = "a sync group has at least two instances";
            self.leave(statement, &mut table, why);
            return vec![table];
        }
        let mut table = Table::new("[[sync_group]]", Source::statement(statement));
        let written = self.groups.get(name).unwrap_or_default();
        table.set("name", quote(&written), Source::place(statement.place()));
        self.renamed(statement, name, &written);
        let mut notify = Table::new("[sync_group.notify]", Source::place(statement.place()));
        let translated = [
            "group",
            "notify",
            "notify_master",
            "notify_backup",
            "notify_fault",
            "notify_stop",
        ];
        self.body(
            statement,
            &mut table,
            keywords::GROUP,
            &translated,
            |this, inner, table| {
                match inner.keyword() {
                    "group" => {
                        let names: Vec<String> = known.iter().map(|name| quote(name)).collect();
                        let value = format!("[{}]", names.join(", "));
                        this.set(table, "members", value, inner);
                        for line in inner.statements() {
                            table.remarks(&line.lead);
                            table.remarks(&line.trail);
                        }
                        table.remarks(inner.tail());
                    }
                    keyword if TRACKS.contains(&keyword) => {
                        table.remarks(&inner.lead);
                        table.remarks(&inner.comments_within());
                        let what = "a group tracks nothing itself: its instances do, all of them";
                        this.changed(inner, what);
                    }
                    _ => return this.notify(inner, &mut notify),
                }
                true
            },
        );
        if !notify.lines.is_empty() {
            table.tables.push(notify);
        }
        vec![table]
    }

    /// The commands that an instance or a group runs. Whether it is one.
    pub(super) fn notify(&mut self, statement: &Statement, table: &mut Table) -> bool {
        let key = match statement.keyword() {
            "notify_master" => "master",
            "notify_backup" => "backup",
            "notify_fault" => "fault",
            "notify_stop" => "stop",
            "notify" => "any",
            _ => return false,
        };
        self.command(table, key, statement);
        true
    }

    /// A block of which only the comments are left.
    pub(super) fn server_group(&mut self, statement: &Statement) -> Vec<Table> {
        let mut table = remarks_of(statement);
        for line in statement.statements() {
            table.remarks(&line.lead);
            table.remarks(&line.comments_within());
        }
        table.remarks(statement.tail());
        self.name(statement);
        vec![table]
    }
}

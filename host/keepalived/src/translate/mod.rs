//! Source statements to the document. What keepalived takes for granted is written out where it differs from Evenkeel's own default,
//! or where it matters.

mod address;
mod check;
mod command;
mod endpoint;
mod forward;
mod group;
mod instance;
mod names;
mod route;
mod service;
mod spread;
mod sync;
mod tables;
mod timeouts;
mod track;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Item, Source, Table, quote};
use super::keywords;
use super::note::{Kind, Notes, Place};
use super::tree::{Comment, Statement};

use names::Names;

/// Keywords that are known in a block, but have no equivalent: with what to do instead.
type Words = &'static [(&'static str, &'static str)];

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
    if !root.tail().is_empty() {
        let mut table = Table::default();
        table.remarks(root.tail());
        document.tables.push(table);
    }
    document
}

/// A weight that is written with what is tracked, or else where what is tracked is defined.
#[derive(Debug, Clone)]
struct Tracked {
    /// What the key in `track` is called, and its value.
    key: &'static str,
    value: String,
    weight: i32,
}

struct Translator<'a> {
    notes: &'a mut Notes,
    /// The statements of `global_defs` that are defaults of instances.
    globals: BTreeMap<&'static str, Statement>,
    instances: Names,
    groups: Names,
    scripts: Names,
    services: Names,
    /// Scripts, processes and files by their keyword (`track_script`) and name.
    tracked: BTreeMap<(&'static str, String), Tracked>,
    server_groups: BTreeMap<String, Statement>,
    /// Instances of sync groups in which weights do not count.
    weightless: BTreeSet<String>,
    /// What sync groups track, by member.
    tracked_by_groups: BTreeMap<String, Vec<Item>>,
    /// Where the synchronisation of connections is said that is taken.
    synchronised: Option<Place>,
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

impl<'a> Translator<'a> {
    fn new(notes: &'a mut Notes) -> Self {
        Self {
            notes,
            globals: BTreeMap::new(),
            instances: Names::default(),
            groups: Names::default(),
            scripts: Names::default(),
            services: Names::default(),
            tracked: BTreeMap::new(),
            server_groups: BTreeMap::new(),
            weightless: BTreeSet::new(),
            tracked_by_groups: BTreeMap::new(),
            synchronised: None,
        }
    }

    /// Finds what others refer to, wherever it stands.
    fn look_ahead(&mut self, root: &Statement) {
        for statement in root.statements() {
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
            if statement.keyword() == "vrrp_sync_group" {
                self.look_ahead_into_group(statement);
            }
        }
    }

    fn top(&mut self, statement: &Statement, document: &mut Table) {
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

    /// A block: `known` says which of its statements it has taken; the others are listed.
    fn body(
        &mut self,
        statement: &Statement,
        table: &mut Table,
        words: Words,
        translated: &[&str],
        mut known: impl FnMut(&mut Self, &Statement, &mut Table) -> bool,
    ) {
        if statement.block.is_none() {
            self.wrong(statement, "it needs a block: { ... }");
        }
        for inner in statement.statements() {
            if !known(self, inner, table) {
                self.unknown(inner, table, words, translated);
            }
        }
        table.remarks(statement.tail());
    }

    /// A statement that has no equivalent, or is not known at all.
    fn unknown(
        &mut self,
        statement: &Statement,
        table: &mut Table,
        words: Words,
        translated: &[&str],
    ) {
        let keyword = statement.keyword();
        let why = keywords::why(words, keyword).map_or_else(
            || {
                let known = words.iter().map(|(word, _)| *word);
                let known = known.chain(translated.iter().copied());
                match value::similar(keyword, known) {
                    Some(meant) => format!("not a keyword here; did you mean {meant}?"),
                    None => "not a keyword here".to_owned(),
                }
            },
            str::to_owned,
        );
        self.leave(statement, table, &why);
    }

    /// Lists a statement that is not carried over, and writes it as a comment where it would have been.
    fn leave(&mut self, statement: &Statement, table: &mut Table, why: &str) {
        let place = statement.place();
        self.notes
            .add(Kind::NotCarried, place, statement.keyword(), why);
        table.remarks(&statement.lead);
        let block = if statement.block.is_some() {
            " { ... }"
        } else {
            ""
        };
        let mut text = format!("Not carried over: {}{block}", statement.text());
        if let ([comment], None) = (statement.trail.as_slice(), &statement.block) {
            // What was on its line stays there.
            text = format!("{text} # {}", comment.text);
            table.remark(&Comment { text, place });
        } else {
            table.remark(&Comment { text, place });
            table.remarks(&statement.comments_within());
        }
    }

    fn wrong(&mut self, statement: &Statement, what: &str) {
        self.notes
            .add(Kind::Error, statement.place(), statement.keyword(), what);
    }

    fn changed(&mut self, statement: &Statement, what: &str) {
        self.notes
            .add(Kind::Changed, statement.place(), statement.keyword(), what);
    }

    /// The one argument of a statement without a block. What else is on its line is listed.
    fn argument<'s>(&mut self, statement: &'s Statement, table: &mut Table) -> Option<&'s str> {
        let first = statement.word(1);
        if first.is_none() {
            self.wrong(statement, "it needs a value");
        }
        self.no_more(statement, 2, table);
        first
    }

    /// Lists what is written behind the first `n` words.
    fn no_more(&mut self, statement: &Statement, n: usize, table: &mut Table) {
        if let Some(word) = statement.words.get(n) {
            let keyword = statement.keyword();
            let what = format!(
                "{} and what follows it on the line of {keyword}: keepalived reads one statement a line",
                word.text
            );
            self.notes.add(Kind::NotCarried, word.place, keyword, what);
        }
        for inner in statement.statements() {
            self.leave(inner, table, "the statement around it takes no block");
        }
        table.remarks(statement.tail());
    }

    /// Sets a key. A second statement takes the place of the first, as in keepalived.
    fn set(&mut self, table: &mut Table, key: &'static str, value: String, from: &Statement) {
        let before = table.set(key, value, Source::statement(from));
        if let Some(before) = before {
            let what = format!("takes the place of the one at {}", self.notes.show(before));
            self.notes
                .add(Kind::Warning, from.place(), from.keyword(), what);
        }
    }

    /// Sets a key to a whole number.
    fn number(&mut self, table: &mut Table, key: &'static str, from: &Statement) -> Option<u32> {
        let written = self.argument(from, table)?;
        let number = written.parse::<u32>().ok();
        match number {
            Some(n) => self.set(table, key, n.to_string(), from),
            None => self.wrong(from, &format!("{written} is not a whole number")),
        }
        number
    }

    /// The same where the number itself does not matter.
    fn whole(&mut self, table: &mut Table, key: &'static str, from: &Statement) {
        let _ = self.number(table, key, from);
    }

    /// Sets a key to a time in seconds.
    fn seconds(&mut self, table: &mut Table, key: &'static str, from: &Statement) {
        if let Some(written) = self.argument(from, table) {
            match value::seconds(written) {
                Some(duration) => self.set(table, key, value::show(duration), from),
                None => self.wrong(from, &format!("{written} is not a number of seconds")),
            }
        }
    }

    /// Sets a key to a text.
    fn text(&mut self, table: &mut Table, key: &'static str, from: &Statement) {
        if let Some(written) = self.argument(from, table) {
            self.set(table, key, quote(written), from);
        }
    }

    /// A switch: on if nothing is said.
    fn switch(&mut self, statement: &Statement, table: &mut Table) -> bool {
        self.no_more(statement, 2, table);
        match statement.word(1) {
            None | Some("on" | "true" | "yes") => true,
            Some("off" | "false" | "no") => false,
            Some(other) => {
                self.wrong(statement, &format!("{other} is neither on nor off"));
                true
            }
        }
    }

    /// The name that a block has, which is its only argument.
    fn name<'s>(&mut self, statement: &'s Statement) -> Option<&'s str> {
        if let Some(word) = statement.words.get(2) {
            let what = format!("{} behind the name", word.text);
            self.notes
                .add(Kind::NotCarried, word.place, statement.keyword(), what);
        }
        let name = statement.word(1);
        if name.is_none() {
            self.wrong(statement, "it needs a name");
        }
        name
    }

    /// Says when a name had to be written otherwise.
    fn renamed(&mut self, statement: &Statement, name: &str, written: &str) {
        if name != written {
            let what = format!(
                "its name is {written} here: names have 1 to 64 of A-Z a-z 0-9 . _ -, and are unique"
            );
            self.changed(statement, &what);
        }
    }
}

/// A table without keys, for the comments of a statement that becomes none.
fn remarks_of(statement: &Statement) -> Table {
    let mut table = Table::default();
    table.remarks(&statement.lead);
    table.remarks(&statement.trail);
    table
}

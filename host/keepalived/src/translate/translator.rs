//! What the translation of every statement needs: names, notes, and how keys are set.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_config::is_secret;

use super::grants::Grants;
use super::names::Names;
use super::value;
use crate::document::{Item, Source, Table, quote};
use crate::keywords;
use crate::note::{Kind, Notes, Place};
use crate::tree::{Comment, Statement};

/// Keywords that are known in a block, but have no equivalent: with what to do instead.
pub(super) type Words = &'static [(&'static str, &'static str)];

/// A weight that is written with what is tracked, or else where what is tracked is defined.
#[derive(Debug, Clone)]
pub(super) struct Tracked {
    /// What the key in `track` is called, and its value.
    pub(super) key: &'static str,
    pub(super) value: String,
    pub(super) weight: Weight,
}

/// What a tracked thing counts, and whether it counts the other way round (`reverse`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) number: i32,
    pub(super) reverse: bool,
}

impl Weight {
    pub(super) fn of(number: i32) -> Self {
        Self {
            number,
            reverse: false,
        }
    }
}

/// The translation so far: what the statements refer to, and the notes.
pub(super) struct Translator<'a> {
    pub(super) notes: &'a mut Notes,
    /// The statements of `global_defs` that are defaults of instances.
    pub(super) globals: BTreeMap<&'static str, Statement>,
    pub(super) instances: Names,
    pub(super) groups: Names,
    pub(super) scripts: Names,
    pub(super) services: Names,
    /// Scripts, processes and files by their keyword (`track_script`) and name.
    pub(super) tracked: BTreeMap<(&'static str, String), Tracked>,
    pub(super) server_groups: BTreeMap<String, Statement>,
    /// Instances of sync groups in which weights do not count.
    pub(super) weightless: BTreeSet<String>,
    /// What sync groups track, by member.
    pub(super) tracked_by_groups: BTreeMap<String, Vec<Item>>,
    /// Where the synchronisation of connections is said that is taken.
    pub(super) synchronised: Option<Place>,
    /// Blocks whose name another one has before them, with the place of that one.
    pub(super) named_twice: BTreeMap<Place, Place>,
    /// What checks may do on the director.
    pub(super) grants: Grants,
    /// What virtual servers listen to (an endpoint's name with the protocol), with their places.
    pub(super) listens: BTreeMap<String, Place>,
}

impl<'a> Translator<'a> {
    pub(super) fn new(notes: &'a mut Notes) -> Self {
        Self {
            notes,
            globals: BTreeMap::new(),
            grants: Grants::default(),
            instances: Names::default(),
            groups: Names::default(),
            scripts: Names::default(),
            services: Names::default(),
            tracked: BTreeMap::new(),
            server_groups: BTreeMap::new(),
            weightless: BTreeSet::new(),
            tracked_by_groups: BTreeMap::new(),
            synchronised: None,
            named_twice: BTreeMap::new(),
            listens: BTreeMap::new(),
        }
    }

    /// A block: `known` says which of its statements it has taken; the others are listed.
    pub(super) fn body(
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
    pub(super) fn unknown(
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
    pub(super) fn leave(&mut self, statement: &Statement, table: &mut Table, why: &str) {
        let place = statement.place();
        if is_secret(statement.keyword()) && statement.keyword() != "authentication" {
            return self.leave_secret(statement, table, why);
        }
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

    /// The same for one that may have a password in it, which is not repeated.
    fn leave_secret(&mut self, statement: &Statement, table: &mut Table, why: &str) {
        let place = statement.place();
        let keyword = ["auth_pass", "auth_type", "auth_hmac"]
            .into_iter()
            .find(|known| statement.keyword().starts_with(*known))
            .unwrap_or(statement.keyword());
        self.notes.add(Kind::NotCarried, place, keyword, why);
        table.remarks(&statement.lead);
        let text = format!("Not carried over: {keyword}");
        table.remark(&Comment { text, place });
    }

    pub(super) fn wrong(&mut self, statement: &Statement, what: &str) {
        self.notes
            .add(Kind::Error, statement.place(), statement.keyword(), what);
    }

    pub(super) fn changed(&mut self, statement: &Statement, what: &str) {
        self.notes
            .add(Kind::Changed, statement.place(), statement.keyword(), what);
    }

    /// The one argument of a statement without a block. What else is on its line is listed.
    pub(super) fn argument<'s>(
        &mut self,
        statement: &'s Statement,
        table: &mut Table,
    ) -> Option<&'s str> {
        let first = statement.word(1);
        if first.is_none() {
            self.wrong(statement, "it needs a value");
        }
        self.no_more(statement, 2, table);
        first
    }

    /// Lists what is written behind the first `n` words.
    pub(super) fn no_more(&mut self, statement: &Statement, n: usize, table: &mut Table) {
        if is_secret(statement.keyword()) {
            return self.no_more_of_secret(statement, n);
        }
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

    /// The same where what is written may be a part of a password.
    fn no_more_of_secret(&mut self, statement: &Statement, n: usize) {
        if statement.words.get(n).is_some() || statement.block.is_some() {
            let what =
                "what follows the first word on its line: put it in quotes if it belongs to it";
            let place = statement.place();
            self.notes
                .add(Kind::NotCarried, place, statement.keyword(), what);
        }
    }

    /// Sets a key. A second statement takes the place of the first, as in keepalived.
    pub(super) fn set(
        &mut self,
        table: &mut Table,
        key: &'static str,
        value: String,
        from: &Statement,
    ) {
        let before = table.set(key, value, Source::statement(from));
        if let Some(before) = before {
            let what = format!("takes the place of the one at {}", self.notes.show(before));
            self.notes
                .add(Kind::Warning, from.place(), from.keyword(), what);
        }
    }

    /// Sets a key to a whole number.
    pub(super) fn number(
        &mut self,
        table: &mut Table,
        key: &'static str,
        from: &Statement,
    ) -> Option<u32> {
        let written = self.argument(from, table)?;
        let number = written.parse::<u32>().ok();
        match number {
            Some(n) => self.set(table, key, n.to_string(), from),
            None => self.wrong(from, &format!("{written} is not a whole number")),
        }
        number
    }

    /// The same where the number itself does not matter.
    pub(super) fn whole(&mut self, table: &mut Table, key: &'static str, from: &Statement) {
        let _ = self.number(table, key, from);
    }

    /// Sets a key to a time in seconds.
    pub(super) fn seconds(&mut self, table: &mut Table, key: &'static str, from: &Statement) {
        if let Some(written) = self.argument(from, table) {
            match value::seconds(written) {
                Some(duration) => self.set(table, key, value::show(duration), from),
                None => self.wrong(from, &format!("{written} is not a number of seconds")),
            }
        }
    }

    /// Sets a key to a text.
    pub(super) fn text(&mut self, table: &mut Table, key: &'static str, from: &Statement) {
        if let Some(written) = self.argument(from, table) {
            self.set(table, key, quote(written), from);
        }
    }

    /// A switch: on if nothing is said.
    pub(super) fn switch(&mut self, statement: &Statement, table: &mut Table) -> bool {
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
    pub(super) fn name<'s>(&mut self, statement: &'s Statement) -> Option<&'s str> {
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
    pub(super) fn renamed(&mut self, statement: &Statement, name: &str, written: &str) {
        if name != written {
            let what = format!(
                "its name is {written} here: names have 1 to 64 of A-Z a-z 0-9 . _ -, and are unique"
            );
            self.changed(statement, &what);
        }
    }
}

/// A table without keys, for the comments of a statement that becomes none.
pub(super) fn remarks_of(statement: &Statement) -> Table {
    let mut table = Table::default();
    table.remarks(&statement.lead);
    table.remarks(&statement.trail);
    table
}

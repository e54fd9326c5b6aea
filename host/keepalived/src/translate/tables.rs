//! `vrrp_script`, `vrrp_track_process` and `track_file`: what instances track by a name.

use super::{Tracked, Translator, Weight, remarks_of};
use crate::document::{Source, Table, quote};
use crate::keywords;
use crate::tree::Statement;

/// The weight in a definition, if there is one that can be understood.
fn weight(statement: &Statement) -> Option<Weight> {
    let mut inner = statement.statements().iter();
    let weight = inner.rfind(|inner| inner.keyword() == "weight")?;
    Some(Weight {
        number: weight.word(1)?.parse().ok()?,
        reverse: weight.word(2) == Some("reverse"),
    })
}

impl Translator<'_> {
    pub(super) fn define_script(&mut self, statement: &Statement) {
        let name = statement.word(1).unwrap_or_default();
        let written = self.scripts.get(name).unwrap_or_default();
        self.define(
            "track_script",
            name,
            "script",
            &written,
            weight(statement),
            0,
        );
    }

    pub(super) fn define_process(&mut self, statement: &Statement) {
        let process = statement
            .statements()
            .iter()
            .find(|inner| inner.keyword() == "process")
            .and_then(|inner| inner.word(1))
            .map(str::to_owned);
        let name = statement.word(1).unwrap_or_default();
        let process = process.unwrap_or_default();
        self.define(
            "track_process",
            name,
            "process",
            &process,
            weight(statement),
            1,
        );
    }

    pub(super) fn define_file(&mut self, statement: &Statement) {
        let file = statement
            .statements()
            .iter()
            .find(|inner| inner.keyword() == "file")
            .and_then(|inner| inner.word(1))
            .map(str::to_owned);
        let name = statement.word(1).unwrap_or_default();
        let file = file.unwrap_or_default();
        self.define("track_file", name, "file", &file, weight(statement), 1);
    }

    fn define(
        &mut self,
        keyword: &'static str,
        name: &str,
        key: &'static str,
        value: &str,
        weight: Option<Weight>,
        otherwise: i32,
    ) {
        let tracked = Tracked {
            key,
            value: quote(value),
            weight: weight.unwrap_or(Weight::of(otherwise)),
        };
        self.tracked.insert((keyword, name.to_owned()), tracked);
    }

    pub(super) fn script(&mut self, statement: &Statement) -> Vec<Table> {
        let Some(name) = self.name(statement) else {
            let mut table = remarks_of(statement);
            self.leave(statement, &mut table, "it has no name");
            return vec![table];
        };
        let mut table = Table::new("[[script]]", Source::statement(statement));
        let written = self.scripts.get(name).unwrap_or_default();
        table.set("name", quote(&written), Source::place(statement.place()));
        self.renamed(statement, name, &written);
        let translated = ["script", "interval", "timeout", "weight", "rise", "fall"];
        self.body(
            statement,
            &mut table,
            keywords::SCRIPT,
            &translated,
            |this, inner, table| {
                match inner.keyword() {
                    "script" => this.command(table, "command", inner),
                    "interval" => this.seconds(table, "interval", inner),
                    "timeout" => this.seconds(table, "timeout", inner),
                    "rise" => this.whole(table, "rise", inner),
                    "fall" => this.whole(table, "fall", inner),
                    "weight" => this.default_weight(inner, table),
                    _ => return false,
                }
                true
            },
        );
        table.otherwise("interval", "\"1s\"".to_owned());
        let interval = table.get("interval").unwrap_or("\"1s\"").to_owned();
        table.otherwise("timeout", interval);
        table.otherwise("rise", "1".to_owned());
        table.otherwise("fall", "1".to_owned());
        if !table.has("command") {
            self.wrong(statement, "it has no script");
        }
        vec![table]
    }

    /// A weight that counts where nothing else is said: it is written there.
    fn default_weight(&mut self, statement: &Statement, table: &mut Table) {
        match statement.word(1).map(str::parse::<i32>) {
            Some(Ok(_)) => {}
            _ => self.wrong(statement, "it needs a whole number"),
        }
        let words = if statement.word(2) == Some("reverse") {
            3
        } else {
            2
        };
        self.no_more(statement, words, table);
        table.remarks(&statement.lead);
        table.remarks(&statement.trail);
    }

    pub(super) fn track_process(&mut self, statement: &Statement) -> Vec<Table> {
        let mut table = remarks_of(statement);
        self.name(statement);
        let translated = ["process", "weight"];
        self.body(
            statement,
            &mut table,
            keywords::PROCESSES,
            &translated,
            |this, inner, table| {
                match inner.keyword() {
                    "process" => {
                        if inner.word(1).is_none() {
                            this.wrong(inner, "it needs the name of a program");
                        }
                        if inner.word(2).is_some() {
                            let what =
                                "parameters of the process: it is known by its name or path alone";
                            this.changed(inner, what);
                        }
                        table.remarks(&inner.lead);
                        table.remarks(&inner.trail);
                    }
                    "weight" => this.default_weight(inner, table),
                    _ => return false,
                }
                true
            },
        );
        vec![table]
    }

    pub(super) fn track_file(&mut self, statement: &Statement) -> Vec<Table> {
        let mut table = remarks_of(statement);
        self.name(statement);
        let translated = ["file", "weight"];
        self.body(
            statement,
            &mut table,
            keywords::FILES,
            &translated,
            |this, inner, table| {
                match inner.keyword() {
                    "file" => {
                        this.argument(inner, table);
                        table.remarks(&inner.lead);
                        table.remarks(&inner.trail);
                    }
                    "weight" => this.default_weight(inner, table),
                    _ => return false,
                }
                true
            },
        );
        vec![table]
    }
}

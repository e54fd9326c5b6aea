//! The checkers that look at the director itself, `MISC_CHECK` and `FILE_CHECK`, which are grants as well.

use super::check::Inherited;
use super::command::{Split, split_command};
use super::grants::add;
use super::{Translator, Weight};
use crate::document::{Source, Table, inline, quote};
use crate::keywords;
use crate::note::Kind;
use crate::tree::Statement;

/// Their keywords that are translated.
const TRANSLATED: &[&str] = &[
    "misc_path",
    "misc_timeout",
    "misc_dynamic",
    "user",
    "track_file",
    "weight",
    "delay_loop",
    "connect_timeout",
    "retry",
    "delay_before_retry",
    "alpha",
    "warmup",
];

/// What a checker says.
#[derive(Default)]
struct Local {
    command: Option<String>,
    user: Option<Statement>,
    dynamic: bool,
    /// A string of TOML, and the weight where the file is defined.
    file: Option<(String, Weight)>,
    weight: Option<Weight>,
}

impl Translator<'_> {
    /// The check that one of these becomes: none if it says too little.
    pub(super) fn local_check(
        &mut self,
        checker: &Statement,
        inherited: &Inherited,
        around: &mut Table,
    ) -> Option<Table> {
        let runs = checker.keyword() == "MISC_CHECK";
        let needed = if runs { "misc_path" } else { "track_file" };
        let mut said = checker.statements().iter();
        if !said.any(|inner| inner.keyword() == needed) {
            self.leave(checker, around, &format!("it has no {needed}"));
            return None;
        }
        let mut table = Table::new("", Source::statement(checker));
        let plugin = if runs { "script" } else { "file" };
        table.set("plugin", quote(plugin), Source::place(checker.place()));
        let mut local = Local::default();
        self.body(
            checker,
            &mut table,
            keywords::CHECKER,
            TRANSLATED,
            |this, inner, table| this.of_local(runs, inner, table, &mut local),
        );
        let full = around.get("weight").and_then(|it| it.parse::<u32>().ok());
        let full = full.unwrap_or(1).max(1);
        let settings = if runs {
            self.command_settings(checker, &local, full)
        } else {
            self.file_settings(checker, &local, full)
        };
        let Some(settings) = settings else {
            self.leave(checker, around, "it cannot be understood");
            return None;
        };
        for statement in inherited.statements() {
            let own = match statement.keyword() {
                "alpha" | "warmup" => Some(statement.keyword()),
                "delay_loop" if runs => Some("interval"),
                _ => None,
            };
            if own.is_some_and(|key| !table.has(key)) {
                self.timing(statement, &mut table);
            }
        }
        // keepalived hears of changes of a file; one second is as soon.
        let interval = if runs { "\"1m\"" } else { "\"1s\"" };
        table.otherwise("interval", interval.to_owned());
        let interval = table.get("interval").unwrap_or(interval).to_owned();
        table.otherwise("timeout", interval);
        table.otherwise("retries", "0".to_owned());
        table.otherwise("alpha", "false".to_owned());
        let from = Source::place(checker.place());
        table.set("settings", inline(&settings), from);
        Some(table)
    }

    /// Whether a statement could be used.
    fn of_local(
        &mut self,
        runs: bool,
        inner: &Statement,
        table: &mut Table,
        local: &mut Local,
    ) -> bool {
        match (runs, inner.keyword()) {
            (true, "misc_path") => {
                let text = self.argument(inner, table).unwrap_or_default();
                local.command = self.granted_command(inner, text);
            }
            (true, "misc_timeout") => {
                self.seconds(table, "timeout", inner);
                return true;
            }
            (true, "misc_dynamic") => local.dynamic = self.switch(inner, table),
            (true, "user") => {
                if self.argument(inner, table).is_some() {
                    local.user = Some(inner.clone());
                }
            }
            (false, "track_file") => {
                let name = self.argument(inner, table).unwrap_or_default();
                let file = self.tracked.get(&("track_file", name.to_owned()));
                local.file = file.map(|it| (it.value.clone(), it.weight));
                if local.file.is_none() {
                    self.wrong(inner, &format!("there is no track_file {name}"));
                }
            }
            (false, "weight") => {
                let reverse = inner.word(2) == Some("reverse");
                self.no_more(inner, if reverse { 3 } else { 2 }, table);
                match inner.word(1).map(str::parse) {
                    Some(Ok(number)) => local.weight = Some(Weight { number, reverse }),
                    _ => self.wrong(inner, "it needs a whole number"),
                }
            }
            _ => return self.timing(inner, table),
        }
        table.remarks(&inner.lead);
        table.remarks(&inner.trail);
        true
    }

    /// A command as a list of TOML; its program has its whole path.
    fn granted_command(&mut self, from: &Statement, text: &str) -> Option<String> {
        let mut words = match split_command(text) {
            Split::Words(words) => words,
            Split::Shell(words) => {
                self.changed(from, "it needs a shell, so that /bin/sh -c runs it");
                words
            }
            Split::Wrong(what) => {
                self.wrong(from, what);
                return None;
            }
        };
        if !words.first().is_some_and(|it| it.starts_with('/')) {
            let what = "its program has no whole path, so that /usr/bin/env looks for it";
            self.changed(from, what);
            words.insert(0, "/usr/bin/env".to_owned());
        }
        let words: Vec<String> = words.iter().map(|it| quote(it)).collect();
        Some(format!("[{}]", words.join(", ")))
    }

    fn command_settings(
        &mut self,
        checker: &Statement,
        local: &Local,
        full: u32,
    ) -> Option<Vec<(&'static str, String)>> {
        let command = local.command.clone()?;
        add(&mut self.grants.commands, &command);
        self.runs_as(checker, local.user.as_ref());
        let mut settings = vec![("command", command)];
        if local.dynamic {
            settings.push(("dynamic-weight", "true".to_owned()));
            settings.push(("full-weight", full.to_string()));
            let what = format!(
                "an exit code from 2 on, less 2, is a part of the server's weight {full}, and never more than that: raise weight and full-weight where it can be more"
            );
            self.changed(checker, &what);
        }
        Some(settings)
    }

    /// All commands of checks run as one user.
    fn runs_as(&mut self, checker: &Statement, user: Option<&Statement>) {
        let Some(user) = user else {
            if self.grants.user.is_none() {
                let what = "its command runs as nobody, unless user in [plugins.grants] names another user";
                self.changed(checker, what);
            }
            return;
        };
        let name = user.word(1).unwrap_or_default();
        match &self.grants.user {
            Some(other) if other != name => {
                let what = format!("all commands of checks run as one user, {other}");
                self.notes.add(Kind::NotCarried, user.place(), "user", what);
            }
            _ => self.grants.user = Some(name.to_owned()),
        }
    }

    fn file_settings(
        &mut self,
        checker: &Statement,
        local: &Local,
        full: u32,
    ) -> Option<Vec<(&'static str, String)>> {
        let (path, defined) = local.file.clone()?;
        let weight = local.weight.unwrap_or(defined);
        add(&mut self.grants.files, &path);
        let mut settings = vec![("path", path)];
        if weight.number == 0 {
            if weight.reverse {
                settings.push(("reverse", "true".to_owned()));
            }
            return Some(settings);
        }
        let factor = i64::from(weight.number) * if weight.reverse { -1 } else { 1 };
        settings.push(("means", quote("weight")));
        settings.push(("factor", factor.to_string()));
        settings.push(("base", full.to_string()));
        settings.push(("full-weight", full.to_string()));
        let what = format!(
            "the number is added to the server's weight {full}, and makes it never more than that: raise weight and full-weight where it can be more"
        );
        self.changed(checker, &what);
        Some(settings)
    }
}

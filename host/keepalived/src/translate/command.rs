//! Commands: keepalived splits them at spaces itself, too.

use super::Translator;
use crate::document::{Table, quote};
use crate::note::Kind;
use crate::tree::Statement;

impl Translator<'_> {
    /// Sets a key to a command. keepalived's statement may name a user and a group behind it.
    pub(super) fn command(&mut self, table: &mut Table, key: &'static str, from: &Statement) {
        let Some(text) = from.word(1) else {
            return self.wrong(from, "it needs a command");
        };
        if let Some(user) = from.words.get(2) {
            let what = format!(
                "the user {}: commands run as the user that Evenkeel runs as; change it with runuser(1) or setpriv(1) in the command",
                user.text
            );
            self.notes
                .add(Kind::NotCarried, user.place, from.keyword(), what);
        }
        self.no_more(from, usize::MAX, table);
        match split_command(text) {
            Split::Shell(words) => {
                let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
                self.set(table, key, format!("[{}]", words.join(", ")), from);
                self.changed(from, "it needs a shell, so that /bin/sh -c runs it");
            }
            Split::Words(words) => {
                let plain = |word: &String| !word.contains([' ', '\'', '"', '\\', '#']);
                let value = if words.iter().all(|word| plain(word) && !word.is_empty()) {
                    quote(&words.join(" "))
                } else {
                    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
                    format!("[{}]", words.join(", "))
                };
                self.set(table, key, value, from);
            }
            Split::Wrong(what) => self.wrong(from, what),
        }
    }
}

/// A command as words.
pub(super) enum Split {
    /// The program, and its arguments.
    Words(Vec<String>),
    /// A shell, and what it is to do.
    Shell(Vec<String>),
    /// Why it is none.
    Wrong(&'static str),
}

pub(super) fn split_command(text: &str) -> Split {
    if needs_a_shell(text) {
        return Split::Shell(["/bin/sh", "-c", text].map(str::to_owned).into());
    }
    match split(text) {
        Some(words) if words.first().is_some_and(|word| !word.is_empty()) => Split::Words(words),
        Some(_) => Split::Wrong("there is no command in it"),
        None => Split::Wrong("a quote or a backslash in the command has no end"),
    }
}

/// The words of a command: quotes hold spaces together, a backslash takes the meaning of the next character. Unlike in
/// a shell, a `#` begins no comment. `None` if a quote or a backslash has no end.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if open == c => quote = None,
            (None | Some('"'), '\\') => {
                let next = chars.next()?;
                word.get_or_insert_default().push(next);
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Whether a command has what only a shell understands, outside of quotes.
fn needs_a_shell(text: &str) -> bool {
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\\') => {
                chars.next();
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '<' | '>' | '|' | '&' | ';' | '`') => return true,
            (None, '$') if chars.peek() == Some(&'(') => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_at_spaces_that_are_not_quoted() {
        let words = |text| split(text).unwrap_or_default();
        assert_eq!(
            words("/bin/x  a 'b c' d\\ e \"f \\\" g\""),
            ["/bin/x", "a", "b c", "d e", "f \" g"]
        );
        assert_eq!(words("/bin/x #1 ''"), ["/bin/x", "#1", ""]);
        assert_eq!(split("/bin/x 'a"), None);
        assert_eq!(split("/bin/x \\"), None);
    }

    #[test]
    fn redirections_and_pipes_need_a_shell_unless_they_are_quoted() {
        assert!(needs_a_shell("</dev/tcp/127.0.0.1/80"));
        assert!(needs_a_shell("ps ax | grep nginx"));
        assert!(needs_a_shell("test $(cat /x) = 1"));
        assert!(!needs_a_shell("bash -c '</dev/tcp/127.0.0.1/80'"));
        assert!(!needs_a_shell("killall -0 haproxy"));
    }
}

//! `$NAME=VALUE`, and what is put in the place of `$NAME` and `${NAME}`.

use super::glyph::{Glyph, Line, is_space};
use super::reader::Reader;
use crate::note::Kind;

/// The most characters that a line may grow to.
const LONGEST: usize = 100_000;
/// Parameters in parameters in parameters.
const DEEPEST: usize = 32;

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The name after a `$`: its characters, and whether it is followed by `=`.
fn name(glyphs: &[Glyph], dollar: usize) -> (String, bool) {
    let rest = glyphs.get(dollar + 1..).unwrap_or_default();
    let name: String = rest
        .iter()
        .map(|glyph| glyph.c)
        .take_while(|c| is_name(*c))
        .collect();
    let next = rest.get(name.len()).map(|glyph| glyph.c);
    (name, next == Some('='))
}

/// Whether a line is `$NAME=...`.
pub(super) fn begins_definition(glyphs: &[Glyph]) -> bool {
    let start = glyphs.iter().position(|glyph| !is_space(glyph.c));
    start.is_some_and(|at| {
        let dollar = glyphs.get(at).is_some_and(|glyph| glyph.c == '$');
        dollar && matches!(name(glyphs, at), (name, true) if !name.is_empty())
    })
}

impl Reader<'_, '_> {
    /// Remembers a definition, which begins at `at`. Whether it is one.
    pub(super) fn definition(&mut self, line: &Line, at: usize) -> bool {
        if !begins_definition(&line.glyphs) {
            return false;
        }
        let (name, _) = name(&line.glyphs, at);
        let value = line.from(at + name.len() + 2);
        let value: Vec<char> = value.glyphs.iter().map(|glyph| glyph.c).collect();
        let text: String = value.iter().collect();
        let text = text.trim_matches(|c| is_space(c) && c != '\n');
        self.parameters.insert(name, text.chars().collect());
        true
    }

    pub(super) fn define(&mut self, name: &str, value: &str) {
        self.parameters
            .insert(name.to_owned(), value.chars().collect());
    }

    /// The line with values in the place of parameters; `None` if it has none that are defined.
    pub(super) fn substituted(&mut self, line: &Line) -> Option<Vec<Glyph>> {
        let mut glyphs = self.once(&line.glyphs)?;
        for _ in 0..DEEPEST {
            if glyphs.iter().any(|glyph| glyph.c == '\n') {
                // Its lines may define parameters of the others.
                return Some(glyphs);
            }
            match self.once(&glyphs) {
                Some(_) if glyphs.len() > LONGEST => break,
                Some(more) => glyphs = more,
                None => return Some(glyphs),
            }
        }
        let what = "parameters go round in a circle, or make the line too long: it is not read";
        self.notes.add(Kind::Error, line.start(), "$", what);
        Some(Vec::new())
    }

    fn once(&self, glyphs: &[Glyph]) -> Option<Vec<Glyph>> {
        let mut out = Vec::new();
        let mut at = 0;
        let mut any = false;
        while let Some(glyph) = glyphs.get(at) {
            let found = (glyph.c == '$')
                .then(|| self.parameter(glyphs, at))
                .flatten();
            match found {
                Some((value, length)) => {
                    any = true;
                    out.extend(value.into_iter().map(|c| Glyph { c, ..*glyph }));
                    at += length;
                }
                None => {
                    out.push(*glyph);
                    at += 1;
                }
            }
            if out.len() > LONGEST.saturating_mul(2) {
                break;
            }
        }
        any.then_some(out)
    }

    /// The value of the parameter at a `$`, and how many characters its name takes there.
    fn parameter(&self, glyphs: &[Glyph], at: usize) -> Option<(Vec<char>, usize)> {
        let braced = glyphs.get(at + 1).is_some_and(|glyph| glyph.c == '{');
        let (name, _) = name(glyphs, if braced { at + 1 } else { at });
        if name.is_empty() {
            return None;
        }
        let end = at + 1 + usize::from(braced) + name.len();
        let next = glyphs.get(end).map(|glyph| glyph.c);
        let right = if braced {
            next == Some('}')
        } else {
            next.is_none_or(is_space)
        };
        let value = match name.as_str() {
            _ if !right => return None,
            "_INSTANCE" => self.id?.chars().collect(),
            "_PWD" => self.directory(),
            "_HASH" => vec!['\\', '#'],
            "_BANG" => vec!['\\', '!'],
            name => self.parameters.get(name)?.clone(),
        };
        Some((value, end + usize::from(braced) - at))
    }

    /// The directory of the file that is being read.
    fn directory(&self) -> Vec<char> {
        let file = self.open.last().map(String::as_str).unwrap_or_default();
        let directory = file
            .rsplit_once('/')
            .map_or(".", |(directory, _)| directory);
        directory.chars().collect()
    }
}

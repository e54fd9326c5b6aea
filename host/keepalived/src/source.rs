//! From files to the lines that keepalived would read: `include`, `@NAME` conditions, `$NAME` parameters, continued
//! lines.

mod glyph;
mod parameters;
mod reader;
mod repeat;

use std::collections::BTreeMap;

use super::note::{Kind, Notes, Place, printable};
pub(super) use glyph::{Glyph, Line, is_space};
use glyph::{continues, glyphs};
use reader::Reader;
pub use reader::{Included, Load};

/// Files in files in files.
const DEEPEST: usize = 16;
/// As many characters as all lines may have together, once all parameters are in place: a definition can double with
/// each line.
const MOST: usize = 1 << 24;

/// All lines of a file and of those that it includes.
pub(super) fn lines(
    file: &str,
    bytes: &[u8],
    id: Option<&str>,
    load: &mut Load<'_>,
    notes: &mut Notes,
) -> Vec<Line> {
    let mut reader = Reader {
        id,
        load,
        notes,
        parameters: BTreeMap::new(),
        open: vec![file.to_owned()],
        lines: Vec::new(),
        left: MOST,
        full: false,
    };
    reader.file(0, bytes);
    reader.lines
}

impl Reader<'_, '_> {
    fn file(&mut self, file: usize, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if let Err(error) = std::str::from_utf8(bytes) {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let place = Place {
                file,
                line,
                column: 1,
            };
            let what = "not UTF-8 from this line on (comments in GBK or Latin-1?): such characters are replaced";
            self.notes.add(Kind::Warning, place, "", what);
        }
        let text = match text.strip_prefix('\u{feff}') {
            Some(text) => {
                let place = Place {
                    file,
                    line: 1,
                    column: 1,
                };
                let what = "the file begins with a byte order mark (U+FEFF), which is passed over; keepalived itself would refuse it";
                self.notes.add(Kind::Warning, place, "", what);
                text
            }
            None => &text,
        };
        let mut lines = text.split('\n').enumerate().peekable();
        while let Some((n, text)) = lines.next() {
            let mut glyphs = glyphs(text, n + 1);
            let define = parameters::begins_definition(&glyphs);
            while continues(&glyphs) && lines.peek().is_some() {
                while glyphs.pop().is_some_and(|glyph| glyph.c != '\\') {}
                if define && let Some(last) = glyphs.last().copied() {
                    // The lines of a definition stay lines.
                    glyphs.push(Glyph { c: '\n', ..last });
                }
                if let Some((n, text)) = lines.next() {
                    glyphs.extend(self::glyphs(text, n + 1));
                }
            }
            self.line(Line { file, glyphs }, 0);
        }
    }

    /// A line as it is written; `depth` counts the lines whose parameters it comes from.
    fn line(&mut self, line: Line, depth: usize) {
        if self.full {
            return;
        }
        let left = self.left.checked_sub(line.glyphs.len() + 1);
        self.left = left.unwrap_or_default();
        if left.is_none() || depth > DEEPEST {
            self.full = true;
            let what = "the configuration is too long, with all that its parameters make of it: from here on it is not read";
            self.notes.add(Kind::Error, line.start(), "", what);
            return;
        }
        let start = line.glyphs.iter().position(|glyph| !is_space(glyph.c));
        let first = start
            .and_then(|at| line.glyphs.get(at))
            .map(|glyph| glyph.c);
        match (first, start) {
            (Some('@'), Some(at)) => self.condition(&line, at, depth),
            (Some('~'), Some(at)) if repeat::begins(&line.glyphs, at) => {
                self.repeated(&line, at, depth);
            }
            (Some('$'), Some(at)) if self.definition(&line, at) => {}
            (Some('#' | '!') | None, _) => self.lines.push(line),
            _ => self.plain(line, depth),
        }
    }

    fn plain(&mut self, line: Line, depth: usize) {
        match self.substituted(&line) {
            Some(glyphs) => {
                let file = line.file;
                for glyphs in glyphs.split(|glyph| glyph.c == '\n') {
                    let glyphs = glyphs.to_vec();
                    self.line(Line { file, glyphs }, depth + 1);
                }
            }
            None if !self.include(&line) => self.lines.push(line),
            None => {}
        }
    }

    /// `@NAME REST` and `@^NAME REST`
    fn condition(&mut self, line: &Line, at: usize, depth: usize) {
        let name: String = line
            .glyphs
            .iter()
            .skip(at + 1)
            .map(|glyph| glyph.c)
            .take_while(|c| !is_space(*c))
            .collect();
        let rest = line.from(at + 1 + name.chars().count());
        let (negated, wanted) = match name.strip_prefix('^') {
            Some(name) => (true, name),
            None => (false, name.as_str()),
        };
        if self.id.is_some_and(|id| (id == wanted) != negated) {
            return self.line(rest, depth + 1);
        }
        let what = match self.id {
            Some(id) => format!(
                "this line is for another director: this one is {id} (change it with --config-id): {}",
                rest.text().trim_matches(is_space)
            ),
            None => format!(
                "a conditional line, and it is not known which director this is (say it with --config-id): {}",
                rest.text().trim_matches(is_space)
            ),
        };
        self.notes
            .add(Kind::NotCarried, line.start(), &format!("@{name}"), what);
    }

    /// Reads the files that an `include` line names. Whether it is one.
    fn include(&mut self, line: &Line) -> bool {
        let text = line.text();
        let text = text.trim_matches(is_space);
        let (keyword, rest) = text.split_once(is_space).unwrap_or((text, ""));
        if !matches!(
            keyword,
            "include" | "includea" | "includeb" | "includem" | "includer" | "includew"
        ) {
            return false;
        }
        let pattern = rest.split(['#', '!']).next().unwrap_or_default();
        let pattern = pattern.trim_matches(|c| is_space(c) || c == '"');
        let place = line.start();
        if pattern.is_empty() || self.open.len() >= DEEPEST {
            let what = if pattern.is_empty() {
                "which file?"
            } else {
                "files include files too deeply: this one is not read"
            };
            self.notes.add(Kind::Error, place, keyword, what);
            return true;
        }
        let from = self.open.last().cloned().unwrap_or_default();
        match (self.load)(pattern, &from) {
            Err(error) => {
                let what = format!("{pattern}: {error}");
                self.notes.add(Kind::Error, place, keyword, what);
            }
            Ok(files) if files.is_empty() => {
                let what = format!("{pattern}: there is no such file");
                let kind = if keyword == "include" {
                    Kind::Warning
                } else {
                    Kind::Error
                };
                self.notes.add(kind, place, keyword, what);
            }
            Ok(files) => {
                for file in files {
                    self.included(file, place, keyword);
                }
            }
        }
        true
    }

    fn included(&mut self, file: Included, place: Place, keyword: &str) {
        let Included { name, contents } = file;
        let shown = printable(&name);
        if self.open.contains(&name) {
            let what =
                format!("{shown} is being read already: files include each other in a circle");
            self.notes.add(Kind::Error, place, keyword, what);
            return;
        }
        match contents {
            Ok(bytes) => {
                let number = self.notes.add_file(&name);
                self.open.push(name);
                self.file(number, &bytes);
                self.open.pop();
            }
            Err(error) => {
                let what = format!("cannot read {shown}: {error}");
                self.notes.add(Kind::Error, place, keyword, what);
            }
        }
    }
}

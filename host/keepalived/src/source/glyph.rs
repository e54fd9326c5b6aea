//! Characters and lines that know their places.

use crate::note::Place;

/// A character with its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glyph {
    pub(crate) c: char,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A line, all of whose parameters are in place; without its end.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(super) file: usize,
    pub(crate) glyphs: Vec<Glyph>,
}

impl Line {
    pub(crate) fn place(&self, glyph: Glyph) -> Place {
        Place {
            file: self.file,
            line: whole(glyph.line),
            column: whole(glyph.column),
        }
    }

    pub(super) fn start(&self) -> Place {
        let glyph = self.glyphs.iter().find(|glyph| !is_space(glyph.c));
        let glyph = glyph.or(self.glyphs.first()).copied();
        self.place(glyph.unwrap_or(Glyph {
            c: ' ',
            line: 1,
            column: 1,
        }))
    }

    pub(super) fn text(&self) -> String {
        self.glyphs.iter().map(|glyph| glyph.c).collect()
    }

    /// The line from a character on.
    pub(super) fn from(&self, at: usize) -> Self {
        Self {
            file: self.file,
            glyphs: self.glyphs.get(at..).unwrap_or_default().to_vec(),
        }
    }
}

/// What stands between words: all of Unicode's spaces, and those without a width.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

pub(super) fn glyphs(text: &str, line: usize) -> Vec<Glyph> {
    let text = text.strip_suffix('\r').unwrap_or(text);
    let glyphs = text.chars().enumerate().map(|(n, c)| Glyph {
        c,
        line: short(line),
        column: short(n + 1),
    });
    glyphs.collect()
}

/// Places are kept small: there is one for each character.
pub(super) fn short(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn whole(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Whether a line goes on on the next one: its last character is a backslash that is in no comment.
pub(super) fn continues(glyphs: &[Glyph]) -> bool {
    let mut rest = glyphs.iter().rev().skip_while(|glyph| is_space(glyph.c));
    rest.next().is_some_and(|glyph| glyph.c == '\\')
        && !rest.any(|glyph| glyph.c == '#' || glyph.c == '!')
}

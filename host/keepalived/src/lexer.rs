//! From lines to tokens.

use super::note::{Kind, Notes, Place};
use super::source::{Glyph, Line, is_space};
use super::tree::{Comment, Word};

/// A token.
#[derive(Debug, Clone)]
pub(super) enum Token {
    Word(Word),
    /// `{`
    Open(Place),
    /// `}`
    Close(Place),
    /// The rest of a line after `#` or `!`, and whether there is nothing else on that line.
    Comment(Comment, bool),
    /// The end of a line.
    End,
}

/// The spaces that are none for keepalived, which takes them for parts of words.
#[derive(Default)]
struct Spaces {
    first: Option<(Place, char)>,
    count: usize,
}

pub(super) fn tokens(lines: &[Line], notes: &mut Notes) -> Vec<Token> {
    let mut lexer = Lexer {
        spaces: Spaces::default(),
        tokens: Vec::new(),
        notes,
    };
    for line in lines {
        lexer.line(line);
    }
    let Lexer { spaces, tokens, .. } = lexer;
    if let Some((place, c)) = spaces.first {
        let count = spaces.count;
        let name = if c == '\u{a0}' {
            "non-breaking spaces (U+00A0)".to_owned()
        } else {
            format!(
                "spaces that are not plain ones (the first is U+{:04X})",
                u32::from(c)
            )
        };
        let text = format!(
            "{name}, {count} from here on, as in text that was copied from a web page: taken as plain spaces; keepalived itself would refuse the file"
        );
        notes.add(Kind::Warning, place, "", text);
    }
    tokens
}

struct Lexer<'a> {
    spaces: Spaces,
    tokens: Vec<Token>,
    notes: &'a mut Notes,
}

/// Reads glyphs one after the other.
struct Cursor<'a> {
    line: &'a Line,
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<Glyph> {
        self.line.glyphs.get(self.at).copied()
    }

    fn after(&self) -> Option<char> {
        self.line.glyphs.get(self.at + 1).map(|glyph| glyph.c)
    }

    fn place(&self, glyph: Glyph) -> Place {
        self.line.place(glyph)
    }

    /// Whether `c` comes later on.
    fn has(&self, c: char) -> bool {
        let rest = self.line.glyphs.get(self.at + 1..).unwrap_or_default();
        rest.iter().any(|glyph| glyph.c == c)
    }
}

impl Lexer<'_> {
    fn line(&mut self, line: &Line) {
        let mut cursor = Cursor { line, at: 0 };
        let mut empty = true;
        while let Some(glyph) = cursor.peek() {
            let place = cursor.place(glyph);
            match glyph.c {
                c if is_space(c) => {
                    self.space(c, place);
                    cursor.at += 1;
                    continue;
                }
                '#' | '!' => {
                    let text: String = line.glyphs.iter().skip(cursor.at).map(|g| g.c).collect();
                    let text = text.trim_start_matches(['#', '!']);
                    let text = text.trim_matches(is_space).to_owned();
                    self.tokens
                        .push(Token::Comment(Comment { text, place }, empty));
                    break;
                }
                '{' => {
                    self.tokens.push(Token::Open(place));
                    cursor.at += 1;
                }
                '}' => {
                    self.tokens.push(Token::Close(place));
                    cursor.at += 1;
                }
                _ => {
                    let text = self.word(&mut cursor);
                    self.tokens.push(Token::Word(Word { text, place }));
                }
            }
            empty = false;
        }
        self.tokens.push(Token::End);
    }

    fn space(&mut self, c: char, place: Place) {
        if !c.is_ascii() {
            self.spaces.first.get_or_insert((place, c));
            self.spaces.count += 1;
        }
    }

    /// A word: up to a space, a brace or a comment, of which quotes and backslashes take their meaning.
    fn word(&mut self, cursor: &mut Cursor<'_>) -> String {
        let mut text = String::new();
        while let Some(glyph) = cursor.peek() {
            match glyph.c {
                c if is_space(c) || matches!(c, '#' | '!' | '{' | '}') => break,
                '$' if cursor.after() == Some('{') => parameter(cursor, &mut text),
                '"' => self.quoted(cursor, &mut text),
                // An apostrophe that is alone on its line quotes nothing.
                '\'' if cursor.has('\'') => self.quoted(cursor, &mut text),
                '\\' => {
                    cursor.at += 1;
                    let next = cursor.peek().map(|glyph| glyph.c);
                    match next {
                        Some(c) if !c.is_alphanumeric() && !is_space(c) => {
                            text.push(c);
                            cursor.at += 1;
                        }
                        _ => text.push('\\'),
                    }
                }
                c => {
                    text.push(c);
                    cursor.at += 1;
                }
            }
        }
        text
    }

    /// From a quote to its end, or to the end of the line.
    fn quoted(&mut self, cursor: &mut Cursor<'_>, text: &mut String) {
        let Some(quote) = cursor.peek() else { return };
        cursor.at += 1;
        while let Some(glyph) = cursor.peek() {
            cursor.at += 1;
            match glyph.c {
                c if c == quote.c => return,
                '\\' if cursor
                    .peek()
                    .is_some_and(|next| next.c == quote.c || next.c == '\\') =>
                {
                    text.extend(cursor.peek().map(|next| next.c));
                    cursor.at += 1;
                }
                c => text.push(c),
            }
        }
        let place = cursor.place(quote);
        let what = format!(
            "a quoted string that begins here ({}) has no end on its line",
            quote.c
        );
        self.notes.add(Kind::Error, place, "", what);
    }
}

/// `${NAME}` that nothing was put in the place of: its braces are part of the word.
fn parameter(cursor: &mut Cursor<'_>, text: &mut String) {
    if !cursor.has('}') {
        text.push('$');
        cursor.at += 1;
        return;
    }
    while let Some(glyph) = cursor.peek() {
        text.push(glyph.c);
        cursor.at += 1;
        if glyph.c == '}' {
            break;
        }
    }
}

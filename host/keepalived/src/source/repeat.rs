//! `~SEQ(NAME, START, STEP, END) REST` and `~LST(NAME, VALUE, ...) REST`: a line that is read several times.

use super::glyph::{Glyph, Line};
use super::reader::Reader;
use crate::note::Kind;

/// As often as one line may be repeated; keepalived's own manual shows one with 65 024.
const MOST: i64 = 100_000;

const WORDS: [&str; 3] = ["SEQx", "SEQ", "LST"];

/// Which of them begins at `at`.
fn word(glyphs: &[Glyph], at: usize) -> Option<&'static str> {
    let rest: String = glyphs
        .iter()
        .skip(at + 1)
        .take(5)
        .map(|glyph| glyph.c)
        .collect();
    let is = |word: &&&str| {
        rest.strip_prefix(**word)
            .is_some_and(|rest| rest.starts_with('('))
    };
    WORDS.iter().find(is).copied()
}

pub(super) fn begins(glyphs: &[Glyph], at: usize) -> bool {
    word(glyphs, at).is_some()
}

impl Reader<'_, '_> {
    /// Reads the rest of a line once for each value.
    pub(super) fn repeated(&mut self, line: &Line, at: usize, depth: usize) {
        let rest = line.glyphs.get(at..).unwrap_or_default();
        let end = rest.iter().position(|glyph| glyph.c == ')');
        let (Some(word), Some(end)) = (word(&line.glyphs, at), end) else {
            let what = "it has no ) on its line";
            return self.notes.add(Kind::Error, line.start(), "~", what);
        };
        let inside = rest.get(word.len() + 2..end).unwrap_or_default();
        let inside: String = inside.iter().map(|glyph| glyph.c).collect();
        let rest = line.from(at + end + 1);
        let rounds = if word == "LST" {
            list(&inside)
        } else {
            sequence(&inside, word == "SEQx")
        };
        let Some(rounds) = rounds else {
            let what = format!("~{word}({inside}) is not understood");
            return self
                .notes
                .add(Kind::Error, line.start(), &format!("~{word}"), what);
        };
        for round in rounds {
            if self.full {
                return;
            }
            for (name, value) in round {
                self.define(&name, &value);
            }
            self.line(rest.clone(), depth + 1);
        }
    }
}

/// What is defined in one round.
type Round = Vec<(String, String)>;

/// `NAME, END`; `NAME, START, END`; `NAME, START, STEP, END`
fn sequence(inside: &str, hexadecimal: bool) -> Option<Vec<Round>> {
    let parts: Vec<&str> = inside.split(',').map(str::trim).collect();
    let (name, numbers) = parts.split_first()?;
    let numbers: Vec<i64> = numbers
        .iter()
        .map(|text| number(text))
        .collect::<Option<_>>()?;
    let towards = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, step, end) = match *numbers.as_slice() {
        [end] if end < 0 => (-1, -1, end),
        [end] => (1, 1, end),
        [start, end] => (start, towards(start, end), end),
        [start, step, end] => (start, step, end),
        _ => return None,
    };
    let rounds = end.checked_sub(start)?.checked_div(step)?;
    if !(0..MOST).contains(&rounds) {
        return None;
    }
    let value = |n: i64| {
        let value = start + n * step;
        if hexadecimal {
            format!("{value:x}")
        } else {
            value.to_string()
        }
    };
    Some(
        (0..=rounds)
            .map(|n| vec![((*name).to_owned(), value(n))])
            .collect(),
    )
}

fn number(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let number = match digits.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    // Not so large that a sum could overflow.
    let number = number.ok().filter(|n| (0..1 << 40).contains(n))?;
    Some(sign * number)
}

/// `NAME, VALUE, ...` or `{NAME, NAME}, {VALUE, VALUE}, ...`
fn list(inside: &str) -> Option<Vec<Round>> {
    let inside = inside.trim();
    let groups: Vec<Vec<&str>> = if inside.starts_with('{') {
        inside
            .split('}')
            .filter_map(|part| part.split_once('{'))
            .map(|(_, group)| group.split(',').map(str::trim).collect())
            .collect()
    } else {
        inside.split(',').map(|value| vec![value.trim()]).collect()
    };
    let (names, values) = groups.split_first()?;
    if values.is_empty() || values.iter().any(|group| group.len() != names.len()) {
        return None;
    }
    let round = |group: &Vec<&str>| {
        let pairs = names.iter().zip(group);
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    Some(values.iter().map(round).collect())
}

//! Every keyword of keepalived's manual, each in its block: none of them is dropped without a word.

use std::collections::BTreeSet;

use super::fixture::{notes, translated};
use crate::Kind;

/// Lines with `# elsewhere` become part of what another line becomes.
pub(super) const EVERYTHING: &str = include_str!("everything.conf");

/// A line with a statement: its number, and those of the blocks around it.
struct Line {
    number: usize,
    around: Vec<usize>,
    elsewhere: bool,
}

fn lines() -> Vec<Line> {
    let mut around = Vec::new();
    let mut lines = Vec::new();
    for (n, text) in EVERYTHING.lines().enumerate() {
        let number = n + 1;
        let (statement, comment) = text.split_once('#').unwrap_or((text, ""));
        match statement.trim() {
            "" => continue,
            "}" => {
                around.pop();
                continue;
            }
            _ => {}
        }
        lines.push(Line {
            number,
            around: around.clone(),
            elsewhere: comment.trim() == "elsewhere",
        });
        if statement.trim().ends_with('{') {
            around.push(number);
        }
    }
    lines
}

#[test]
fn every_keyword_is_translated_or_listed() {
    let found = translated(EVERYTHING);
    let listed: BTreeSet<usize> = found.notes.iter().map(|note| note.line).collect();
    let from = found.origin.iter().zip(found.toml.lines());
    let translated: BTreeSet<usize> = from
        .filter(|(_, toml)| !toml.trim_start().starts_with('#'))
        .filter_map(|(origin, _)| origin.as_ref().map(|(_, line)| *line))
        .collect();
    let lines = lines();
    assert!(lines.len() > 350);
    let known = |number: &usize| listed.contains(number) || translated.contains(number);
    for line in &lines {
        // A block is there if something in it is.
        let inside = lines
            .iter()
            .filter(|other| other.around.contains(&line.number));
        let mut inside = inside.map(|other| &other.number);
        assert!(
            known(&line.number)
                || line.elsewhere
                || line.around.iter().any(|block| listed.contains(block))
                || inside.any(known),
            "{}: {}",
            line.number,
            EVERYTHING.lines().nth(line.number - 1).unwrap_or_default()
        );
    }
}

#[test]
fn every_keyword_is_known() {
    let found = translated(EVERYTHING);
    let unknown: Vec<String> = notes(&found)
        .into_iter()
        .filter(|note| note.contains("not a keyword") || note.contains(": error: "))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(found.notes.iter().any(|note| note.kind == Kind::NotCarried));
}

#[test]
fn everything_that_is_carried_over_can_be_used() {
    super::fixture::model(&translated(EVERYTHING));
}

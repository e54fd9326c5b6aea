//! A configuration as statements and blocks.

use super::note::Place;

/// A word, without the quotes that were around it.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) place: Place,
}

/// A comment, without its sign.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub(super) text: String,
    pub(super) place: Place,
}

/// The words of a line, with the block that follows if there is one. Never without a word, but for the root.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    pub(super) words: Vec<Word>,
    pub(super) block: Option<Block>,
    /// The comments on lines of their own before it.
    pub(super) lead: Vec<Comment>,
    /// The comments on its line, and on the line of its closing brace.
    pub(super) trail: Vec<Comment>,
}

/// What is between braces.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) statements: Vec<Statement>,
    /// The comments after the last statement.
    pub(super) tail: Vec<Comment>,
}

impl Statement {
    pub(super) fn place(&self) -> Place {
        let start = Place {
            file: 0,
            line: 1,
            column: 1,
        };
        self.words.first().map_or(start, |word| word.place)
    }

    pub(super) fn keyword(&self) -> &str {
        self.word(0).unwrap_or_default()
    }

    /// The word at a place; 0 is the keyword.
    pub(super) fn word(&self, n: usize) -> Option<&str> {
        self.words.get(n).map(|word| word.text.as_str())
    }

    /// The words after the keyword.
    pub(super) fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    pub(super) fn statements(&self) -> &[Self] {
        self.block
            .as_ref()
            .map(|block| block.statements.as_slice())
            .unwrap_or_default()
    }

    pub(super) fn tail(&self) -> &[Comment] {
        self.block
            .as_ref()
            .map(|block| block.tail.as_slice())
            .unwrap_or_default()
    }

    /// All comments in it, in the order of the text but for those on lines of their own before it.
    pub(super) fn comments_within(&self) -> Vec<Comment> {
        let mut all = self.trail.clone();
        for statement in self.statements() {
            all.extend(statement.lead.iter().cloned());
            all.extend(statement.comments_within());
        }
        all.extend(self.tail().iter().cloned());
        all
    }

    /// The words as one text.
    pub(super) fn text(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }
}

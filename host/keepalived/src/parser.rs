//! From tokens to statements and blocks.

use super::keywords;
use super::lexer::Token;
use super::note::{Kind, Notes, Place};
use super::tree::{Block, Comment, Statement, Word};

/// keepalived nests five deep; what is deeper than this is a mistake, and is not to cost the stack.
const DEEPEST: usize = 24;

/// The root: a statement without words, whose block is the file.
pub(super) fn parse(tokens: Vec<Token>, notes: &mut Notes) -> Statement {
    let mut parser = Parser {
        stack: Vec::new(),
        here: Block::default(),
        next: Statement::default(),
        last: Last::Nothing,
        too_deep: 0,
        notes,
    };
    for token in tokens {
        parser.token(token);
    }
    parser.end()
}

/// What a comment on the same line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The words that are being collected, or nothing yet.
    Nothing,
    /// The block that was opened.
    Open,
    /// The block that was closed, or a statement that ended on this line.
    Closed,
}

struct Parser<'a> {
    /// The blocks around: each one's header, with what had been read of the block that it is in.
    stack: Vec<(Statement, Block)>,
    /// What has been read of the innermost block.
    here: Block,
    /// The statement that is being collected, with the comments before it.
    next: Statement,
    last: Last,
    /// Blocks that are open below the deepest.
    too_deep: usize,
    notes: &'a mut Notes,
}

impl Parser<'_> {
    fn token(&mut self, token: Token) {
        match token {
            Token::Open(place) => self.open(place),
            Token::Close(place) => self.close(place),
            _ if self.too_deep > 0 => {}
            Token::Word(word) => self.word(word),
            Token::Comment(comment, alone) => self.comment(comment, alone),
            Token::End => {
                self.finish();
                self.last = Last::Nothing;
            }
        }
    }

    fn word(&mut self, word: Word) {
        self.last = Last::Nothing;
        self.next.words.push(word);
    }

    fn comment(&mut self, comment: Comment, alone: bool) {
        let trail = match self.last {
            _ if alone => &mut self.next.lead,
            Last::Open => match self.stack.last_mut() {
                Some((header, _)) => &mut header.trail,
                None => &mut self.next.trail,
            },
            Last::Closed => match self.here.statements.last_mut() {
                Some(statement) => &mut statement.trail,
                None => &mut self.next.trail,
            },
            Last::Nothing => &mut self.next.trail,
        };
        trail.push(comment);
    }

    /// The statement that has been collected is complete.
    fn finish(&mut self) {
        if !self.next.words.is_empty() {
            let statement = std::mem::take(&mut self.next);
            self.here.statements.push(statement);
        }
    }

    fn open(&mut self, place: Place) {
        if self.too_deep > 0 || self.stack.len() >= DEEPEST {
            if self.too_deep == 0 {
                let text = "blocks in blocks in blocks: what is in this one is not read";
                self.notes.add(Kind::Error, place, "", text);
                self.finish();
            }
            self.too_deep += 1;
            return;
        }
        let header = self.header(place);
        if keywords::only_at_the_top(header.keyword()) {
            self.close_all(&header);
        }
        self.stack.push((header, std::mem::take(&mut self.here)));
        self.last = Last::Open;
    }

    /// What a brace opens the block of: the words before it, or the line before.
    fn header(&mut self, place: Place) -> Statement {
        if !self.next.words.is_empty() {
            return std::mem::take(&mut self.next);
        }
        if let Some(mut header) = self.here.statements.pop_if(|s| s.block.is_none()) {
            header.trail.append(&mut self.next.lead);
            return header;
        }
        let text = "a block without a keyword before its {";
        self.notes.add(Kind::Error, place, "{", text);
        let word = Word {
            text: "{".to_owned(),
            place,
        };
        Statement {
            words: vec![word],
            ..std::mem::take(&mut self.next)
        }
    }

    /// A block that can only be at the top begins inside of others: those were not closed.
    fn close_all(&mut self, header: &Statement) {
        let at = self.notes.show(header.place());
        while let Some((open, _)) = self.stack.last() {
            let text = format!(
                "the block that begins here is not closed before {} at {at}: a }} is missing",
                header.keyword()
            );
            self.notes
                .add(Kind::Error, open.place(), open.keyword(), text);
            self.pop();
        }
    }

    fn close(&mut self, place: Place) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        self.finish();
        if self.stack.is_empty() {
            let text = "no block is open here: one } too many";
            self.notes.add(Kind::Error, place, "}", text);
            return;
        }
        self.pop();
        self.last = Last::Closed;
    }

    fn pop(&mut self) {
        if let Some((mut header, around)) = self.stack.pop() {
            let mut block = std::mem::replace(&mut self.here, around);
            block.tail.append(&mut self.next.lead);
            header.block = Some(block);
            self.here.statements.push(header);
        }
    }

    fn end(mut self) -> Statement {
        self.finish();
        while let Some((open, _)) = self.stack.last() {
            let text = "the block that begins here is not closed: a } is missing";
            self.notes
                .add(Kind::Error, open.place(), open.keyword(), text);
            self.pop();
        }
        self.here.tail.append(&mut self.next.lead);
        Statement {
            block: Some(self.here),
            ..Statement::default()
        }
    }
}

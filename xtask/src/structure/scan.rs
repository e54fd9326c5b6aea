//! What one file defines, declares and takes from elsewhere, without its tests.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::Token;

/// The names of a path: `crate::a::B`.
pub(super) type Names = Vec<String>;

/// A module as its text has it.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// What is defined in it: types, functions, constants, macros.
    pub(super) defines: BTreeSet<String>,
    /// Those of them that are macros by rules.
    pub(super) macros: BTreeSet<String>,
    /// `mod NAME;`
    pub(super) declares: BTreeSet<String>,
    /// `mod NAME { ... }`
    pub(super) inline: BTreeMap<String, Self>,
    /// Names that `use` brings, with where they come from.
    pub(super) imports: BTreeMap<String, Names>,
    /// Those of them that are only handed on, as far as `use` itself tells: `pub use`.
    pub(super) public: BTreeSet<String>,
    /// The first name of each path, and names that stand alone.
    pub(super) mentions: BTreeSet<String>,
    /// `use PATH::*`
    pub(super) globs: Vec<Names>,
    /// Paths of at least two names anywhere in the code.
    pub(super) paths: BTreeSet<Names>,
    /// Macros that are called by their name alone.
    pub(super) calls: BTreeSet<String>,
}

/// Reads a file's tokens.
pub(super) fn module(tokens: &[Token]) -> Module {
    Scan { tokens, at: 0 }.items()
}

const DEFINING: [&str; 9] = [
    "struct", "enum", "union", "trait", "fn", "const", "static", "type", "macro",
];

struct Scan<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead)
    }

    fn name(&self, ahead: usize) -> Option<&'a str> {
        match self.peek(ahead) {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    fn is_sign(&self, ahead: usize, sign: char) -> bool {
        self.peek(ahead) == Some(&Token::Sign(sign))
    }

    /// The items of a module up to its closing brace, or the file's end.
    fn items(&mut self) -> Module {
        let mut module = Module::default();
        let mut depth = 0_usize;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('#') => {
                    if self.attribute() {
                        self.skip_item();
                    }
                }
                Token::Sign('{' | '(' | '[') => {
                    depth += 1;
                    self.at += 1;
                }
                Token::Sign('}' | ')' | ']') => {
                    self.at += 1;
                    if depth == 0 {
                        return module;
                    }
                    depth -= 1;
                }
                Token::Name(_) => self.at_name(&mut module, depth),
                _ => self.at += 1,
            }
        }
        module
    }

    fn at_name(&mut self, module: &mut Module, depth: usize) {
        let Some(word) = self.name(0).map(str::to_owned) else {
            return;
        };
        let second = self.name(1).map(str::to_owned);
        match (&*word, second) {
            ("pub", _) => {
                self.at += 1;
                if self.is_sign(0, '(') {
                    self.skip_group();
                }
                if self.name(0) == Some("use") {
                    let mut handed_on = Module::default();
                    self.at += 1;
                    self.tree(&mut Vec::new(), &mut handed_on);
                    module.public.extend(handed_on.imports.keys().cloned());
                    module.imports.extend(handed_on.imports);
                    module.globs.extend(handed_on.globs);
                }
            }
            ("use", _) => {
                self.at += 1;
                self.tree(&mut Vec::new(), module);
            }
            ("mod", Some(name)) if depth == 0 && self.is_sign(2, ';') => {
                self.at += 3;
                module.declares.insert(name);
            }
            ("mod", Some(name)) if depth == 0 && self.is_sign(2, '{') => {
                self.at += 3;
                let inner = self.items();
                module.inline.insert(name, inner);
            }
            ("macro_rules", _) if self.is_sign(1, '!') => {
                if let Some(name) = self.name(2).map(str::to_owned) {
                    module.defines.insert(name.clone());
                    module.macros.insert(name);
                }
                self.at += 3;
            }
            (word, Some(name)) if depth == 0 && DEFINING.contains(&word) => {
                // In `const fn`, the second word is none of ours.
                if !DEFINING.contains(&&*name) {
                    module.defines.insert(name);
                    self.at += 1;
                }
                self.at += 1;
            }
            _ => self.path(module),
        }
    }

    fn path(&mut self, module: &mut Module) {
        let mut names = Vec::new();
        while let Some(name) = self.name(0) {
            names.push(name.to_owned());
            self.at += 1;
            if self.peek(0) != Some(&Token::Separator) || self.name(1).is_none() {
                break;
            }
            self.at += 1;
        }
        module.mentions.extend(names.first().cloned());
        match &*names {
            [macro_name] if self.is_sign(0, '!') => {
                module.calls.insert(macro_name.clone());
            }
            [_, _, ..] => {
                module.paths.insert(names);
            }
            _ => {}
        }
    }

    /// A `use` tree behind `before`.
    fn tree(&mut self, before: &mut Names, module: &mut Module) {
        let start = before.len();
        loop {
            match self.peek(0) {
                Some(Token::Name(name)) if name != "as" => {
                    before.push(name.clone());
                    self.at += 1;
                }
                Some(Token::Separator) => self.at += 1,
                Some(Token::Sign('*')) => {
                    self.at += 1;
                    module.globs.push(before.clone());
                    before.truncate(start);
                    return;
                }
                Some(Token::Sign('{')) => {
                    self.at += 1;
                    while self.peek(0).is_some() && !self.is_sign(0, '}') {
                        self.tree(before, module);
                        if self.is_sign(0, ',') {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    before.truncate(start);
                    return;
                }
                _ => break,
            }
        }
        let mut path = before.clone();
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let mut name = path.last().cloned();
        if self.name(0) == Some("as") {
            name = self.name(1).map(str::to_owned);
            self.at += 2;
        }
        match name {
            // Of a trait of which only the methods are wanted.
            Some(name) if name == "_" => {
                module.paths.insert(path);
            }
            Some(name) => {
                module.imports.insert(name, path);
            }
            None => self.at += 1,
        }
        before.truncate(start);
    }

    /// Passes over an attribute. Whether what follows is for tests only.
    fn attribute(&mut self) -> bool {
        self.at += 1;
        if self.is_sign(0, '!') {
            self.at += 1;
        }
        if !self.is_sign(0, '[') {
            return false;
        }
        let cfg = self.name(1) == Some("cfg") && self.is_sign(2, '(');
        let all = self.name(3) == Some("all") && self.is_sign(4, '(');
        let test = cfg && (self.name(3) == Some("test") || (all && self.name(5) == Some("test")));
        let test = test || (self.name(1) == Some("test") && self.is_sign(2, ']'));
        self.skip_group();
        test
    }

    /// Passes over a group with its brackets.
    fn skip_group(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('{' | '(' | '[') => depth += 1,
                Token::Sign('}' | ')' | ']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// Passes over the item, field or statement behind a test's attribute.
    fn skip_item(&mut self) {
        let mut to_semicolon = false;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('#') => {
                    self.attribute();
                }
                Token::Sign(';') => {
                    self.at += 1;
                    return;
                }
                // The end of what the item is in.
                Token::Sign('}' | ')' | ']') => return,
                Token::Sign('{') => {
                    self.skip_group();
                    if !to_semicolon {
                        return;
                    }
                }
                Token::Sign('(' | '[') => self.skip_group(),
                Token::Name(word) => {
                    let value = ["use", "const", "static", "type", "let"].contains(&&**word);
                    let function = self.name(1) == Some("fn");
                    to_semicolon |= value && !function;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
    }
}

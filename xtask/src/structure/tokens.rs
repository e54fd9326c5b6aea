//! Rust's text as tokens: names, punctuation, and nothing of comments, strings and lifetimes.

/// What the reader of `use` trees and paths has to tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or a keyword; without the `r#` of a raw one.
    Name(String),
    /// `::`.
    Separator,
    /// Any other character of punctuation.
    Sign(char),
    /// A string, a character or a number.
    Literal,
}

/// All tokens of a file.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut chars = Chars {
        rest: text.chars().collect(),
        at: 0,
    };
    let mut tokens = Vec::new();
    while let Some(c) = chars.peek(0) {
        match c {
            '/' if chars.peek(1) == Some('/') => chars.skip_while(|c| c != '\n'),
            '/' if chars.peek(1) == Some('*') => chars.block_comment(),
            '"' => {
                chars.string();
                tokens.push(Token::Literal);
            }
            '\'' => {
                if chars.quoted_character() {
                    tokens.push(Token::Literal);
                }
            }
            ':' if chars.peek(1) == Some(':') => {
                chars.at += 2;
                tokens.push(Token::Separator);
            }
            c if c.is_alphabetic() || c == '_' => tokens.push(chars.name_or_prefixed_string()),
            c if c.is_ascii_digit() => {
                chars.skip_while(|c| c.is_alphanumeric() || c == '_');
                tokens.push(Token::Literal);
            }
            c => {
                chars.at += 1;
                if !c.is_whitespace() {
                    tokens.push(Token::Sign(c));
                }
            }
        }
    }
    tokens
}

struct Chars {
    rest: Vec<char>,
    at: usize,
}

impl Chars {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, skip: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&skip) {
            self.at += 1;
        }
    }

    /// They nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return,
            }
        }
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '\\' => self.at += 1,
                '"' => return,
                _ => {}
            }
        }
    }

    /// `'a'`, and not the lifetime `'a`, which is passed over, too.
    fn quoted_character(&mut self) -> bool {
        self.at += 1;
        if self.peek(0) == Some('\\') {
            self.at += 2;
            self.skip_while(|c| c != '\'');
            self.at += 1;
            return true;
        }
        if self.peek(1) == Some('\'') {
            self.at += 2;
            return true;
        }
        self.skip_while(|c| c.is_alphanumeric() || c == '_');
        false
    }

    /// A name; or a string or a character with a prefix: `b"..."`, `r#"..."#`, `b'.'`.
    fn name_or_prefixed_string(&mut self) -> Token {
        let start = self.at;
        self.skip_while(|c| c.is_alphanumeric() || c == '_');
        let name: String = self
            .rest
            .get(start..self.at)
            .unwrap_or_default()
            .iter()
            .collect();
        let is_prefix = ["r", "b", "br", "c", "cr"].contains(&&*name);
        match self.peek(0) {
            Some('"') if is_prefix && name.ends_with('r') => self.raw_string(),
            Some('"') if is_prefix => self.string(),
            Some('\'') if name == "b" => {
                self.quoted_character();
            }
            Some('#') if is_prefix && name.ends_with('r') => {
                let hashes = (0..).take_while(|n| self.peek(*n) == Some('#')).count();
                if self.peek(hashes) != Some('"') {
                    // A raw name.
                    self.at += 1;
                    return self.name_or_prefixed_string();
                }
                self.raw_string();
            }
            _ => return Token::Name(name),
        }
        Token::Literal
    }

    fn raw_string(&mut self) {
        let hashes = (0..).take_while(|n| self.peek(*n) == Some('#')).count();
        self.at += hashes + 1;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            if c == '"' && (0..hashes).all(|n| self.peek(n) == Some('#')) {
                self.at += hashes;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let names = tokens(text).into_iter().filter_map(|token| match token {
            Token::Name(name) => Some(name),
            _ => None,
        });
        names.collect()
    }

    #[test]
    fn comments_strings_and_lifetimes_have_no_names() {
        let text = r##"
            // line
            /* block /* nested */ still */
            fn a<'b>(c: &'b str) -> char { "d\" e"; r#"f " g"#; b"h"; '\''; 'i'; b'j'; k!() }
        "##;
        assert_eq!(names(text), ["fn", "a", "c", "str", "char", "k"]);
    }

    #[test]
    fn a_raw_name_is_a_name() {
        assert_eq!(names("r#type::x"), ["type", "x"]);
        assert_eq!(tokens("a::b").get(1), Some(&Token::Separator));
    }
}

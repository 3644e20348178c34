//! Text → tokens.

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What the parser did not expect, and where.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) at: Place,
    pub(crate) token: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    /// `...` is `.`.
    Punctuator(char),
    Int(i64),
    Float(f64),
    Text(String),
    End,
}

pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Place)>, SyntaxError> {
    let characters: Vec<char> = text.chars().collect();
    let mut lexer = Lexer { text: &characters, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_ignored();
        let place = lexer.place();
        let wrong = |token: String| SyntaxError { at: place, token };
        let Some(first) = lexer.get(0) else {
            tokens.push((Token::End, place));
            return Ok(tokens);
        };
        let token = match first {
            '_' | 'a'..='z' | 'A'..='Z' => Token::Name(lexer.word(|c| c.is_ascii_alphanumeric() || c == '_')),
            '-' | '0'..='9' => {
                let word = lexer.word(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
                let int = word.parse().ok().map(Token::Int);
                int.or_else(|| word.parse().ok().map(Token::Float)).ok_or_else(|| wrong(word))?
            }
            '"' => lexer.text().map(Token::Text).ok_or_else(|| wrong("\"".into()))?,
            '.' if lexer.get(1) == Some('.') && lexer.get(2) == Some('.') => {
                lexer.at += 3;
                Token::Punctuator('.')
            }
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                lexer.at += 1;
                Token::Punctuator(first)
            }
            other => return Err(wrong(other.to_string())),
        };
        tokens.push((token, place));
    }
}

struct Lexer<'a> {
    text: &'a [char],
    at: usize,
}

impl Lexer<'_> {
    fn get(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn place(&self) -> Place {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line_start = before.iter().rposition(|c| *c == '\n').map_or(0, |newline| newline + 1);
        Place { line: before.iter().filter(|c| **c == '\n').count() + 1, column: self.at - line_start + 1 }
    }

    fn skip_ignored(&mut self) {
        while let Some(next) = self.get(0) {
            match next {
                ' ' | '\t' | '\r' | '\n' | ',' | '\u{feff}' => self.at += 1,
                '#' => {
                    while self.get(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    fn word(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let mut word = String::new();
        while let Some(next) = self.get(0).filter(|c| is_part(*c)) {
            word.push(next);
            self.at += 1;
        }
        word
    }

    fn is_block_quote(&self) -> bool {
        (0..3).all(|ahead| self.get(ahead) == Some('"'))
    }

    /// A text without its quotes; `None` if it does not end.
    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        if self.is_block_quote() {
            self.at += 3;
            while !self.is_block_quote() {
                let next = self.get(0)?;
                self.at += 1;
                if next == '\\' && self.is_block_quote() {
                    text.push_str("\"\"\"");
                    self.at += 3;
                } else {
                    text.push(next);
                }
            }
            self.at += 3;
            return Some(text.trim().to_owned());
        }
        self.at += 1;
        loop {
            let next = self.get(0).filter(|c| *c != '\n')?;
            self.at += 1;
            match next {
                '"' => return Some(text),
                '\\' => {
                    let escaped = self.get(0)?;
                    self.at += 1;
                    text.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'u' => {
                            let digits: String = (0..4).filter_map(|ahead| self.get(ahead)).collect();
                            self.at += 4;
                            u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)?
                        }
                        other => other,
                    });
                }
                other => text.push(other),
            }
        }
    }
}

//! What ends a SOSL text: `WITH HIGHLIGHT WITH METADATA = 'LABELS' LIMIT 20 UPDATE VIEWSTAT`.

use crate::data::ApiError;
use crate::data::schema::Object;

/// The clauses after the objects (SOQL and SOSL Reference, "SOSL Syntax").
#[derive(Debug, Default)]
pub(super) struct SoslClauses {
    pub(super) limit: Option<usize>,
    /// Whether words that were found are marked.
    pub(super) highlight: bool,
    /// Whether the fields' labels come along.
    pub(super) labels: bool,
    snippets: bool,
}

impl SoslClauses {
    pub(super) fn parse(text: &str, version: u32) -> Result<Self, ApiError> {
        let tokens = tokens(text);
        let mut tokens = Tokens(&tokens);
        let mut ending = Self::default();
        while let Some(word) = tokens.word() {
            match word.as_str() {
                "LIMIT" if ending.limit.is_none() => ending.limit = Some(tokens.number()?),
                "UPDATE" => tokens.purposes()?,
                "WITH" => ending.with(&mut tokens, version)?,
                _ => return Err(unexpected(&word)),
            }
        }
        Ok(ending)
    }

    fn with(&mut self, tokens: &mut Tokens<'_>, version: u32) -> Result<(), ApiError> {
        let word = tokens.word().unwrap_or_default();
        match word.as_str() {
            "HIGHLIGHT" if version >= 39 => self.highlight = true,
            // Nothing here is corrected.
            "SPELL_CORRECTION" if version >= 40 => {
                tokens.expect(&["="])?;
                tokens.expect(&["TRUE", "FALSE"])?;
            }
            "SNIPPET" => {
                self.snippets = true;
                if tokens.next_is("(") {
                    tokens.expect(&["TARGET_LENGTH"])?;
                    tokens.expect(&["="])?;
                    tokens.number()?;
                    tokens.expect(&[")"])?;
                }
            }
            "METADATA" => {
                tokens.expect(&["="])?;
                tokens.expect(&["'LABELS'"])?;
                self.labels = true;
            }
            "DATA" | "DIVISION" | "NETWORK" | "PRICEBOOKID" => {
                return Err(ApiError::not_emulated("MALFORMED_SEARCH", &format!("WITH {word}")));
            }
            _ => return Err(unexpected(&word)),
        }
        Ok(())
    }

    /// Snippets come of articles, cases, feeds and ideas only; other objects are as without them.
    pub(super) fn check(&self, object: &Object) -> Result<(), ApiError> {
        if self.snippets && object.name == "Case" {
            return Err(ApiError::not_emulated("MALFORMED_SEARCH", "WITH SNIPPET of cases"));
        }
        Ok(())
    }
}

fn unexpected(token: &str) -> ApiError {
    let token = if token.is_empty() { "<EOF>" } else { token };
    ApiError::bad("MALFORMED_SEARCH", format!("unexpected token: {token}"))
}

struct Tokens<'t>(&'t [String]);

impl Tokens<'_> {
    /// The next token in upper case.
    fn word(&mut self) -> Option<String> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first.to_ascii_uppercase())
    }

    fn next_is(&mut self, wanted: &str) -> bool {
        let is = self.0.first().is_some_and(|token| token == wanted);
        if is {
            self.word();
        }
        is
    }

    fn expect(&mut self, wanted: &[&str]) -> Result<(), ApiError> {
        let word = self.word().unwrap_or_default();
        if wanted.contains(&word.as_str()) { Ok(()) } else { Err(unexpected(&word)) }
    }

    fn number(&mut self) -> Result<usize, ApiError> {
        let word = self.word().unwrap_or_default();
        word.parse().map_err(|_| unexpected(&word))
    }

    /// `TRACKING, VIEWSTAT`: nothing here counts them.
    fn purposes(&mut self) -> Result<(), ApiError> {
        self.expect(&["TRACKING", "VIEWSTAT"])?;
        while self.next_is(",") {
            self.expect(&["TRACKING", "VIEWSTAT"])?;
        }
        Ok(())
    }
}

/// Words, quoted texts and single marks.
fn tokens(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let (mut quoted, mut word_goes_on) = (false, false);
    for c in text.chars() {
        let part_of_word = quoted || c == '\'' || c.is_alphanumeric() || c == '_' || c == '.';
        match out.last_mut() {
            Some(last) if part_of_word && word_goes_on => last.push(c),
            _ if part_of_word || !c.is_whitespace() => out.push(c.into()),
            _ => {}
        }
        quoted ^= c == '\'';
        word_goes_on = part_of_word;
    }
    out
}

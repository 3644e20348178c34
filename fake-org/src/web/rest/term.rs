//! What is looked for: the expression between SOSL's braces, and whether a record's texts meet it.
//!
//! Texts are words; a word of the expression must be one of them as a whole, without regard to case, with `*` and `?`
//! as wildcards. (Salesforce also knows word stems and synonyms.) Scripts without spaces are searched letter by
//! letter.

/// A parsed expression. `a b` is `a AND b`; `AND NOT` binds like `AND`, both before `OR`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    /// Words that follow one another: a phrase, or a word with marks in it such as an e-mail address.
    Phrase(Vec<String>),
    And(Vec<Term>),
    Or(Vec<Term>),
    Not(Box<Term>),
}

/// Parentheses deeper than this are refused, before recursion could hurt.
const DEPTH: usize = 50;

impl Term {
    /// `None`: parentheses that do not match, an operator without an operand, or nothing to look for.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let tokens = tokens(text);
        let mut parser = Parser { tokens: &tokens, depth: 0 };
        let term = parser.any()?;
        parser.tokens.is_empty().then_some(term)
    }

    /// Whether a record with these texts is meant.
    pub(super) fn is_met_by(&self, texts: &[Words]) -> bool {
        match self {
            Self::Phrase(phrase) => texts.iter().any(|words| words.contain(phrase)),
            Self::And(all) => all.iter().all(|term| term.is_met_by(texts)),
            Self::Or(any) => any.iter().any(|term| term.is_met_by(texts)),
            Self::Not(term) => !term.is_met_by(texts),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Phrase(Vec<String>),
}

/// Backslashes take a character as it is; quotes hold a phrase together.
fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut plain = true;
    let mut flush = |word: &mut String, plain: bool| {
        match word.as_str() {
            "AND" if plain => out.push(Token::And),
            "OR" if plain => out.push(Token::Or),
            "NOT" if plain => out.push(Token::Not),
            "(" if plain => out.push(Token::Open),
            ")" if plain => out.push(Token::Close),
            _ => {
                let phrase = split(word, true);
                if !phrase.is_empty() {
                    out.push(Token::Phrase(phrase));
                }
            }
        }
        word.clear();
    };
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                // An escaped wildcard is a mark like others.
                word.extend(chars.next().map(|c| if matches!(c, '*' | '?') { ' ' } else { c }));
                plain = false;
            }
            '"' => {
                flush(&mut word, plain && !quoted);
                (quoted, plain) = (!quoted, true);
            }
            '(' | ')' if !quoted => {
                flush(&mut word, plain);
                flush(&mut c.to_string(), true);
                plain = true;
            }
            c if c.is_whitespace() && !quoted => {
                flush(&mut word, plain);
                plain = true;
            }
            c => word.push(c),
        }
    }
    flush(&mut word, plain && !quoted);
    out
}

struct Parser<'t> {
    tokens: &'t [Token],
    depth: usize,
}

impl Parser<'_> {
    fn next_is(&mut self, token: &Token) -> bool {
        let Some(rest) = self.tokens.split_first().filter(|(first, _)| *first == token).map(|(_, rest)| rest)
        else {
            return false;
        };
        self.tokens = rest;
        true
    }

    fn any(&mut self) -> Option<Term> {
        let mut any = vec![self.all()?];
        while self.next_is(&Token::Or) {
            any.push(self.all()?);
        }
        if any.len() == 1 { any.pop() } else { Some(Term::Or(any)) }
    }

    fn all(&mut self) -> Option<Term> {
        let mut all = vec![self.one()?];
        loop {
            let and = self.next_is(&Token::And);
            if self.next_is(&Token::Not) {
                all.push(Term::Not(Box::new(self.one()?)));
            } else if and || matches!(self.tokens.first(), Some(Token::Open | Token::Phrase(_))) {
                all.push(self.one()?);
            } else {
                break;
            }
        }
        if all.len() == 1 { all.pop() } else { Some(Term::And(all)) }
    }

    fn one(&mut self) -> Option<Term> {
        if self.next_is(&Token::Open) {
            self.depth += 1;
            let inner = if self.depth > DEPTH { None } else { self.any() };
            self.depth -= 1;
            return inner.filter(|_| self.next_is(&Token::Close));
        }
        let (first, rest) = self.tokens.split_first()?;
        let Token::Phrase(words) = first else { return None };
        self.tokens = rest;
        Some(Term::Phrase(words.clone()))
    }
}

/// A text as words in lower case.
#[derive(Clone, Debug)]
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn of(text: &str) -> Self {
        Self(split(text, false))
    }

    fn contain(&self, phrase: &[String]) -> bool {
        let meets = |(pattern, word): (&String, &String)| {
            if pattern.chars().any(|c| c >= '\u{2e80}') {
                word.contains(pattern.as_str())
            } else {
                like(pattern, word)
            }
        };
        self.0.windows(phrase.len().max(1)).any(|words| phrase.iter().zip(words).all(meets))
    }
}

fn split(text: &str, wildcards: bool) -> Vec<String> {
    let inside = |c: char| c.is_alphanumeric() || (wildcards && matches!(c, '*' | '?'));
    let words = text.split(|c: char| !inside(c)).filter(|word| word.chars().any(char::is_alphanumeric));
    words.map(str::to_lowercase).collect()
}

/// `*` is any letters, `?` any one.
fn like(pattern: &str, word: &str) -> bool {
    let (pattern, word): (Vec<char>, Vec<char>) = (pattern.chars().collect(), word.chars().collect());
    let (mut p, mut w) = (0, 0);
    // Where the last `*` was, and how much it took.
    let mut star: Option<(usize, usize)> = None;
    while w < word.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, w));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == word.get(w) => {
                p += 1;
                w += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, w) = (at + 1, taken + 1);
            }
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(expression: &str, text: &str) -> bool {
        Term::parse(expression).unwrap().is_met_by(&[Words::of(text), Words::of("second text")])
    }

    #[test]
    fn words_are_found_as_a_whole_and_with_wildcards() {
        let text = "Northwind Logistics, ada@example.com";
        for found in [
            "northwind",
            "NORTHWIND logistics",
            "\"northwind logistics\"",
            "north*",
            "*wind",
            "n?rthwind",
            "n*w*d",
            "ada@example.com",
            "nothing OR logistics",
            "northwind AND logistics",
            "northwind AND NOT south",
            "(nothing OR north*) AND (logistics)",
            "northwind second",
            "\\\"northwind\\\"",
            "a OR ada",
        ] {
            assert!(finds(found, text), "{found}");
        }
        for absent in [
            "north",
            "wind",
            "\"logistics northwind\"",
            "northwind AND NOT logistics",
            "nothing",
            "n?wind",
            "ada@example.org",
            "\"northwind second\"",
            "northwind AND nothing",
            "north\\*",
        ] {
            assert!(!finds(absent, text), "{absent}");
        }
        assert!(finds("さくら", "株式会社さくら"));
        assert!(finds("mÜller", "Müller & Söhne GmbH"));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for wrong in ["", " ", "AND a", "a OR", "(a", "a)", "NOT a", "()", "&&", "*"] {
            assert_eq!(Term::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Term::parse(&format!("{}a{}", "(".repeat(9_000), ")".repeat(9_000))), None);
    }

    proptest! {
        #[test]
        fn any_expression_gets_a_result(text in ".{0,80}", words in "[ab*?\"()\\\\ANDORT ]{0,60}", of in ".{0,40}") {
            for text in [text, words] {
                if let Some(term) = Term::parse(&text) {
                    let _ = term.is_met_by(&[Words::of(&of)]);
                }
            }
        }

        #[test]
        fn a_word_of_a_text_finds_it(words in prop::collection::vec("[a-zA-Z0-9]{3,9}", 1..6), n in 0..6_usize) {
            let word = words[n % words.len()].to_lowercase();
            prop_assert!(finds(&word, &words.join(" - ")));
        }
    }
}

//! [`Document`]: the operations of a GraphQL document and their variables. Selections are left to Salesforce.
//!
//! Source: GraphQL Specification (October 2021), sections 2.1 "Source Text" to 2.12 "Directives".

use std::fmt;

use super::invalid::InvalidGraphQl;

/// Deepest nesting of lists in the type of a variable. Bounds the recursion; real types have one or two.
const MAX_TYPE_DEPTH: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OperationKind {
    Query,
    Mutation,
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: OperationKind,
    name: Option<String>,
    pub(super) variables: Vec<Variable>,
}

/// A variable that an operation declares.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) has_default: bool,
}

/// The type of a variable, written as in the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Type {
    Named(String),
    List(Box<Self>),
    NonNull(Box<Self>),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::List(of) => write!(f, "[{of}]"),
            Self::NonNull(of) => write!(f, "{of}!"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Document(Vec<Operation>);

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidGraphQl> {
        let mut parser = Parser { text, position: 0, start: 0 };
        let mut operations = Vec::new();
        loop {
            match parser.next()? {
                Token::End => return Ok(Self(operations)),
                Token::Punctuator('{') => {
                    parser.skip_group('{')?;
                    operations.push(Operation {
                        kind: OperationKind::Query,
                        name: None,
                        variables: Vec::new(),
                    });
                }
                Token::Name("query") => operations.push(parser.operation(OperationKind::Query)?),
                Token::Name("mutation") => operations.push(parser.operation(OperationKind::Mutation)?),
                Token::Name("subscription") => return Err(InvalidGraphQl::Subscription),
                Token::Name("fragment") => parser.skip_selection()?,
                _ => return Err(parser.expected("`query`, `mutation`, `fragment` or `{`")),
            }
        }
    }

    /// Returns the operation of that name, or the only one.
    pub(super) fn operation(&self, name: Option<&str>) -> Result<&Operation, InvalidGraphQl> {
        match (name, self.0.as_slice()) {
            (_, []) => Err(InvalidGraphQl::NoOperation),
            (None, [operation]) => Ok(operation),
            (None, operations) => {
                let name = |operation: &Operation| operation.name.clone().unwrap_or_else(|| "unnamed".into());
                Err(InvalidGraphQl::OperationRequired { operations: operations.iter().map(name).collect() })
            }
            (Some(name), operations) => {
                let found = operations.iter().find(|operation| operation.name.as_deref() == Some(name));
                found.ok_or_else(|| InvalidGraphQl::UnknownOperation { name: name.to_owned() })
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    Punctuator(char),
    /// A number or a text.
    Literal,
    End,
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    /// Where the last token begins.
    start: usize,
}

impl<'a> Parser<'a> {
    fn expected(&self, expected: &'static str) -> InvalidGraphQl {
        let before = self.text.get(..self.start).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        InvalidGraphQl::Syntax {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            expected,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn peek(&mut self) -> Result<Token<'a>, InvalidGraphQl> {
        let (position, start) = (self.position, self.start);
        let token = self.next()?;
        (self.position, self.start) = (position, start);
        Ok(token)
    }

    fn next(&mut self) -> Result<Token<'a>, InvalidGraphQl> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n', ',', '\u{feff}']);
            self.position += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                break;
            }
            self.position += trimmed.find(['\n', '\r']).unwrap_or(trimmed.len());
        }
        self.start = self.position;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        let (token, length) = match first {
            '_' | 'a'..='z' | 'A'..='Z' => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                (Token::Name(rest.get(..length).unwrap_or_default()), length)
            }
            '-' | '0'..='9' => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
                (Token::Literal, rest.find(|c| !is_part(c)).unwrap_or(rest.len()))
            }
            '"' => {
                let length = text_length(rest).ok_or_else(|| self.expected("a text that ends"))?;
                (Token::Literal, length)
            }
            '.' if rest.starts_with("...") => (Token::Punctuator('.'), 3),
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                (Token::Punctuator(first), 1)
            }
            _ => return Err(self.expected("a name, a value or a punctuator")),
        };
        self.position += length;
        Ok(token)
    }

    fn name(&mut self) -> Result<&'a str, InvalidGraphQl> {
        match self.next()? {
            Token::Name(name) => Ok(name),
            _ => Err(self.expected("a name")),
        }
    }

    fn punctuator(&mut self, wanted: char, expected: &'static str) -> Result<(), InvalidGraphQl> {
        if self.next()? == Token::Punctuator(wanted) { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn operation(&mut self, kind: OperationKind) -> Result<Operation, InvalidGraphQl> {
        let name = match self.peek()? {
            Token::Name(_) => Some(self.name()?.to_owned()),
            _ => None,
        };
        let mut variables = Vec::new();
        if self.peek()? == Token::Punctuator('(') {
            self.next()?;
            while self.peek()? != Token::Punctuator(')') {
                variables.push(self.variable()?);
            }
            self.next()?;
        }
        self.skip_selection()?;
        Ok(Operation { kind, name, variables })
    }

    fn variable(&mut self) -> Result<Variable, InvalidGraphQl> {
        self.punctuator('$', "a variable that begins with `$`")?;
        let name = self.name()?.to_owned();
        self.punctuator(':', "`:` and the type of the variable")?;
        let kind = self.kind(0)?;
        let has_default = self.peek()? == Token::Punctuator('=');
        if has_default {
            self.next()?;
            match self.next()? {
                Token::Name(_) | Token::Literal => {}
                Token::Punctuator(opening @ ('[' | '{')) => self.skip_group(opening)?,
                _ => return Err(self.expected("a default value")),
            }
        }
        self.skip_directives()?;
        Ok(Variable { name, kind, has_default })
    }

    fn kind(&mut self, depth: usize) -> Result<Type, InvalidGraphQl> {
        let kind = match self.next()? {
            Token::Name(name) => Type::Named(name.to_owned()),
            Token::Punctuator('[') if depth < MAX_TYPE_DEPTH => {
                let of = self.kind(depth + 1)?;
                self.punctuator(']', "`]`")?;
                Type::List(Box::new(of))
            }
            _ => return Err(self.expected("a type")),
        };
        if self.peek()? == Token::Punctuator('!') {
            self.next()?;
            return Ok(Type::NonNull(Box::new(kind)));
        }
        Ok(kind)
    }

    fn skip_directives(&mut self) -> Result<(), InvalidGraphQl> {
        while self.peek()? == Token::Punctuator('@') {
            self.next()?;
            self.name()?;
            if self.peek()? == Token::Punctuator('(') {
                self.next()?;
                self.skip_group('(')?;
            }
        }
        Ok(())
    }

    /// Skips to the end of the next selection: directives, and `on Type` of a fragment, stand before it.
    fn skip_selection(&mut self) -> Result<(), InvalidGraphQl> {
        loop {
            match self.next()? {
                Token::Punctuator('{') => return self.skip_group('{'),
                Token::Punctuator('(') => self.skip_group('(')?,
                Token::Name(_) | Token::Punctuator('@') => {}
                _ => return Err(self.expected("`{`")),
            }
        }
    }

    /// Skips to the end of a group whose opening bracket was read.
    fn skip_group(&mut self, opening: char) -> Result<(), InvalidGraphQl> {
        let closing = |opening| match opening {
            '{' => '}',
            '(' => ')',
            _ => ']',
        };
        let mut open = vec![closing(opening)];
        while let Some(wanted) = open.last().copied() {
            match self.next()? {
                Token::Punctuator(opening @ ('{' | '(' | '[')) => open.push(closing(opening)),
                Token::Punctuator(found @ ('}' | ')' | ']')) if found == wanted => {
                    open.pop();
                }
                Token::Punctuator('}' | ')' | ']') | Token::End => {
                    return Err(self.expected(match wanted {
                        '}' => "`}`",
                        ')' => "`)`",
                        _ => "`]`",
                    }));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns the length of the text in quotes with which `rest` begins; `None` if it does not end.
fn text_length(rest: &str) -> Option<usize> {
    if let Some(block) = rest.strip_prefix("\"\"\"") {
        let mut from = 0;
        loop {
            let end = from + block.get(from..)?.find("\"\"\"")?;
            // `\"""` is a part of the text.
            if !block.get(..end)?.ends_with('\\') {
                return Some(end + 6);
            }
            from = end + 3;
        }
    }
    let mut is_escaped = false;
    for (position, character) in rest.char_indices().skip(1) {
        match character {
            '\n' | '\r' => return None,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(position + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_and_their_variables_are_found() {
        let document = Document::parse(
            "# a comment with { and \"\n\
             query accounts($name: String = \"a } \\\" b\", $ids: [ID!]!, $first: Int = 5 @x(y: [1]), $w: Account_Filter = {a: [1]}) @d(x: {y: 1}) {\n\
               uiapi { query { Account(where: {Name: {eq: \"\"\"block \\\"\"\" } \"\"\"}}) { edges { node { ...F } } } } }\n\
             }\n\
             fragment F on Account @d { Id }\n\
             mutation change { uiapi { x: AccountDelete(input: {Id: $id}) { Id } } }",
        )
        .unwrap();
        let query = document.operation(Some("accounts")).unwrap();
        assert_eq!(query.kind, OperationKind::Query);
        let variables: Vec<_> =
            query.variables.iter().map(|v| (v.name.as_str(), v.kind.to_string(), v.has_default)).collect();
        assert_eq!(
            variables,
            [
                ("name", "String".to_owned(), true),
                ("ids", "[ID!]!".to_owned(), false),
                ("first", "Int".to_owned(), true),
                ("w", "Account_Filter".to_owned(), true),
            ]
        );
        assert_eq!(document.operation(Some("change")).unwrap().kind, OperationKind::Mutation);
        let operations = vec!["accounts".to_owned(), "change".to_owned()];
        assert_eq!(document.operation(None).unwrap_err(), InvalidGraphQl::OperationRequired { operations });
        assert_eq!(
            document.operation(Some("query")).unwrap_err(),
            InvalidGraphQl::UnknownOperation { name: "query".into() }
        );
        let shorthand = Document::parse("{ uiapi { query { __typename } } }").unwrap();
        assert_eq!(shorthand.operation(None).unwrap().kind, OperationKind::Query);
        // The word alone does not make a mutation: a field may have the name.
        assert_eq!(
            Document::parse("query mutation { mutation }").unwrap().operation(None).unwrap().kind,
            OperationKind::Query
        );
    }

    #[test]
    fn a_malformed_document_is_an_error_with_its_place() {
        let deep = format!("query ($a: {}", "[".repeat(100_000));
        for (text, line, column, expected) in [
            ("select Id", 1, 1, "`query`, `mutation`, `fragment` or `{`"),
            ("query {\n  a {\n", 3, 1, "`}`"),
            ("query { a ) }", 1, 11, "`}`"),
            ("{ a(b: [1}) }", 1, 10, "`]`"),
            ("query ($a String) { a }", 1, 11, "`:` and the type of the variable"),
            ("query (a: String) { a }", 1, 8, "a variable that begins with `$`"),
            ("query ($a: ) { a }", 1, 12, "a type"),
            ("query ($a: [Int) { a }", 1, 16, "`]`"),
            ("query ($a: Int = ) { a }", 1, 18, "a default value"),
            ("query", 1, 6, "`{`"),
            ("{ a(b: \"x) }", 1, 8, "a text that ends"),
            ("{ a(b: \"\"\"x) }", 1, 8, "a text that ends"),
            ("{ ä }", 1, 3, "a name, a value or a punctuator"),
            (deep.as_str(), 1, 28, "a type"),
        ] {
            let error = Document::parse(text).unwrap_err();
            assert_eq!(error, InvalidGraphQl::Syntax { line, column, expected }, "{text:.40}");
        }
        assert_eq!(
            Document::parse("fragment F on A { b }").unwrap().operation(None).unwrap_err(),
            InvalidGraphQl::NoOperation
        );
        assert_eq!(Document::parse("subscription { a }").unwrap_err(), InvalidGraphQl::Subscription);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in "(query|mutation|[\\PC\n\"\\\\{}()\\[\\]$:=!@#,]){0,40}") {
            let _ = Document::parse(&text);
        }
    }
}

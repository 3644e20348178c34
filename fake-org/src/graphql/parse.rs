//! Tokens → tree.

use std::collections::HashMap;

use super::lex::{Place, SyntaxError, Token, tokens};

/// The deepest nesting; the spec has no limit, a stack has one.
const MAX_DEPTH: usize = 100;

#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) operations: Vec<Operation>,
    pub(super) fragments: HashMap<String, Vec<Selection>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationKind {
    Query,
    Mutation,
    Subscription,
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) kind: OperationKind,
    pub(crate) name: Option<String>,
    pub(crate) variables: Vec<VariableDefinition>,
    pub(crate) selections: Vec<Selection>,
    pub(crate) at: Place,
}

#[derive(Debug)]
pub(crate) struct VariableDefinition {
    pub(crate) name: String,
    /// As it is written: `[ID!]!`.
    pub(crate) kind: String,
    pub(crate) default: Option<Value>,
    pub(crate) at: Place,
}

#[derive(Debug)]
pub(crate) enum Selection {
    Field(Field),
    Spread {
        name: String,
        directives: Vec<Directive>,
        at: Place,
    },
    /// Its type decides nothing: each place of a record has one type here.
    Inline {
        directives: Vec<Directive>,
        selections: Vec<Selection>,
    },
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(super) alias: Option<String>,
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Value)>,
    pub(super) directives: Vec<Directive>,
    pub(super) selections: Vec<Selection>,
    pub(super) at: Place,
}

#[derive(Debug)]
pub(crate) struct Directive {
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Value)>,
}

/// A value in a document. A word, such as `ASC`, is a text.
#[derive(Debug)]
pub(crate) enum Value {
    Variable(String),
    Json(serde_json::Value),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

pub(crate) fn parse(text: &str) -> Result<Document, SyntaxError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let mut document = Document { operations: Vec::new(), fragments: HashMap::new() };
    loop {
        let at = parser.place();
        match parser.peek() {
            Token::End if !document.operations.is_empty() => return Ok(document),
            Token::Punctuator('{') => {
                let selections = parser.selections()?;
                document.operations.push(Operation {
                    kind: OperationKind::Query,
                    name: None,
                    variables: Vec::new(),
                    selections,
                    at,
                });
            }
            Token::Name(word) => {
                let kind = match word.as_str() {
                    "query" => OperationKind::Query,
                    "mutation" => OperationKind::Mutation,
                    "subscription" => OperationKind::Subscription,
                    "fragment" => {
                        parser.next();
                        let name = parser.name()?;
                        parser.keyword("on")?;
                        parser.name()?;
                        parser.directives()?;
                        document.fragments.insert(name, parser.selections()?);
                        continue;
                    }
                    _ => return Err(parser.wrong()),
                };
                parser.next();
                document.operations.push(parser.operation(kind, at)?);
            }
            _ => return Err(parser.wrong()),
        }
    }
}

struct Parser {
    tokens: Vec<(Token, Place)>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, SyntaxError>;

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn place(&self) -> Place {
        let last = self.tokens.len().saturating_sub(1);
        self.tokens.get(self.at.min(last)).map_or(Place { line: 1, column: 1 }, |(_, place)| *place)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn wrong(&self) -> SyntaxError {
        let token = match self.peek() {
            Token::Name(name) => name.clone(),
            Token::Punctuator('.') => "...".into(),
            Token::Punctuator(c) => c.to_string(),
            Token::Int(number) => number.to_string(),
            Token::Float(number) => number.to_string(),
            Token::Text(_) => "\"".into(),
            Token::End => "<EOF>".into(),
        };
        SyntaxError { at: self.place(), token }
    }

    fn is(&self, c: char) -> bool {
        *self.peek() == Token::Punctuator(c)
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.is(c);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, c: char) -> Parsed<()> {
        if self.take(c) { Ok(()) } else { Err(self.wrong()) }
    }

    fn name(&mut self) -> Parsed<String> {
        match self.peek().clone() {
            Token::Name(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.wrong()),
        }
    }

    fn keyword(&mut self, word: &str) -> Parsed<()> {
        if *self.peek() == Token::Name(word.to_owned()) {
            self.at += 1;
            return Ok(());
        }
        Err(self.wrong())
    }

    fn operation(&mut self, kind: OperationKind, at: Place) -> Parsed<Operation> {
        let name = if matches!(self.peek(), Token::Name(_)) { Some(self.name()?) } else { None };
        let mut variables = Vec::new();
        if self.take('(') {
            while !self.take(')') {
                let at = self.place();
                self.expect('$')?;
                let name = self.name()?;
                self.expect(':')?;
                let kind = self.kind()?;
                let default = if self.take('=') { Some(self.value()?) } else { None };
                self.directives()?;
                variables.push(VariableDefinition { name, kind, default, at });
            }
        }
        self.directives()?;
        Ok(Operation { kind, name, variables, selections: self.selections()?, at })
    }

    fn kind(&mut self) -> Parsed<String> {
        self.deeper(|parser| {
            let mut kind = if parser.take('[') {
                let of = parser.kind()?;
                parser.expect(']')?;
                format!("[{of}]")
            } else {
                parser.name()?
            };
            if parser.take('!') {
                kind.push('!');
            }
            Ok(kind)
        })
    }

    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.wrong());
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }

    fn selections(&mut self) -> Parsed<Vec<Selection>> {
        self.deeper(|parser| {
            parser.expect('{')?;
            let mut selections = vec![parser.selection()?];
            while !parser.take('}') {
                selections.push(parser.selection()?);
            }
            Ok(selections)
        })
    }

    fn selection(&mut self) -> Parsed<Selection> {
        let at = self.place();
        if self.take('.') {
            if let Token::Name(word) = self.peek().clone()
                && word != "on"
            {
                self.at += 1;
                return Ok(Selection::Spread { name: word, directives: self.directives()?, at });
            }
            if self.keyword("on").is_ok() {
                self.name()?;
            }
            let directives = self.directives()?;
            return Ok(Selection::Inline { directives, selections: self.selections()? });
        }
        let first = self.name()?;
        let (alias, name) = if self.take(':') { (Some(first), self.name()?) } else { (None, first) };
        let arguments = self.arguments()?;
        let directives = self.directives()?;
        let selections = if self.is('{') { self.selections()? } else { Vec::new() };
        Ok(Selection::Field(Field { alias, name, arguments, directives, selections, at }))
    }

    fn arguments(&mut self) -> Parsed<Vec<(String, Value)>> {
        let mut arguments = Vec::new();
        if self.take('(') {
            while !self.take(')') {
                let name = self.name()?;
                self.expect(':')?;
                arguments.push((name, self.value()?));
            }
        }
        Ok(arguments)
    }

    fn directives(&mut self) -> Parsed<Vec<Directive>> {
        let mut directives = Vec::new();
        while self.take('@') {
            directives.push(Directive { name: self.name()?, arguments: self.arguments()? });
        }
        Ok(directives)
    }

    fn value(&mut self) -> Parsed<Value> {
        self.deeper(|parser| match parser.peek().clone() {
            Token::Punctuator('$') => {
                parser.at += 1;
                Ok(Value::Variable(parser.name()?))
            }
            Token::Punctuator('[') => {
                parser.at += 1;
                let mut items = Vec::new();
                while !parser.take(']') {
                    items.push(parser.value()?);
                }
                Ok(Value::List(items))
            }
            Token::Punctuator('{') => {
                parser.at += 1;
                let mut members = Vec::new();
                while !parser.take('}') {
                    let name = parser.name()?;
                    parser.expect(':')?;
                    members.push((name, parser.value()?));
                }
                Ok(Value::Object(members))
            }
            token => {
                let json = match token {
                    Token::Name(word) => match word.as_str() {
                        "true" => true.into(),
                        "false" => false.into(),
                        "null" => serde_json::Value::Null,
                        _ => word.into(),
                    },
                    Token::Int(number) => number.into(),
                    Token::Float(number) => number.into(),
                    Token::Text(text) => text.into(),
                    _ => return Err(parser.wrong()),
                };
                parser.at += 1;
                Ok(Value::Json(json))
            }
        })
    }
}

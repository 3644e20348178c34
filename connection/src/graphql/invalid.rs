//! [`InvalidGraphQl`]: why a GraphQL operation was not sent.

/// Why a GraphQL operation was not sent. Names parts of the document, and contains no value.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidGraphQl {
    /// The document is malformed.
    #[error("invalid GraphQL document at line {line}, column {column}: expected {expected}")]
    #[non_exhaustive]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is expected there.
        expected: &'static str,
    },
    /// The document has no operation.
    #[error("invalid GraphQL document: it has no operation")]
    NoOperation,
    /// The document has several operations, and none was chosen.
    #[error("the GraphQL document has several operations ({}). Choose one with `operation`", operations.join(", "))]
    #[non_exhaustive]
    OperationRequired {
        /// The names of the operations.
        operations: Vec<String>,
    },
    /// The document has no operation of this name.
    #[error("the GraphQL document has no operation `{name}`")]
    #[non_exhaustive]
    UnknownOperation {
        /// The name that was chosen.
        name: String,
    },
    /// The operation is a subscription.
    #[error("Salesforce has no GraphQL subscriptions")]
    Subscription,
    /// The operation declares no variable of this name.
    #[error("the GraphQL operation declares no variable `${name}`")]
    #[non_exhaustive]
    UnknownVariable {
        /// The variable, without `$`.
        name: String,
    },
    /// A variable that the operation requires is missing or `null`.
    #[error("the GraphQL variable `${name}` of type {declared} is missing or null")]
    #[non_exhaustive]
    MissingVariable {
        /// The variable, without `$`.
        name: String,
        /// Its type in the document.
        declared: String,
    },
    /// The value of a variable has another type than the document says.
    #[error("the GraphQL variable `${name}` is {found}, and the document declares {declared}")]
    #[non_exhaustive]
    VariableType {
        /// The variable, without `$`.
        name: String,
        /// Its type in the document.
        declared: String,
        /// The type of the value in JSON.
        found: &'static str,
    },
    /// The value of a variable cannot be written as JSON, for example a number that is not finite.
    #[error("the GraphQL variable `${name}` cannot be written as JSON")]
    #[non_exhaustive]
    VariableValue {
        /// The variable, without `$`.
        name: String,
    },
    /// The value with all variables is not a struct or a map.
    #[error("the GraphQL variables are not a struct or a map")]
    Variables,
}

crate::debug::debug_as_display!(InvalidGraphQl);

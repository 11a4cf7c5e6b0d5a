//! Why a statement is not run, in words, with its place.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::Span;

/// Why a statement is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StatementError {
    /// There is none.
    #[error("the statement is empty: send SQL such as SELECT id, status FROM sys_invocation")]
    Empty,
    /// It is no SQL.
    #[error("this is no SQL: {0}")]
    Syntax(String),
    /// A part of it is not understood.
    #[error("{reason}{}", place(*span))]
    Refused {
        /// What it is, and what to do.
        reason: String,
        /// Where it is.
        span: Span,
    },
}

fn place(span: Span) -> String {
    match (span.start.line, span.start.column) {
        (0, _) => String::new(),
        (line, column) => format!(" (line {line}, column {column})"),
    }
}

impl StatementError {
    /// About the whole statement.
    pub(super) fn plain(reason: impl Into<String>) -> Self {
        Self::Refused {
            reason: reason.into(),
            span: Span::empty(),
        }
    }
}

/// About a part of a statement.
pub(super) fn refuse<T>(span: Span, reason: impl Into<String>) -> Result<T, StatementError> {
    Err(StatementError::Refused {
        reason: reason.into(),
        span,
    })
}

impl From<ParserError> for StatementError {
    fn from(error: ParserError) -> Self {
        match error {
            ParserError::TokenizerError(reason) | ParserError::ParserError(reason) => {
                // `Expected: an expression, found: FROM at Line: 1, Column: 8`
                Self::Syntax(
                    reason
                        .replace(" at Line: ", ", at line ")
                        .replace(", Column: ", ", column "),
                )
            }
            ParserError::RecursionLimitExceeded => {
                Self::plain("the statement is nested too deeply: take it apart, for instance WITH")
            }
        }
    }
}

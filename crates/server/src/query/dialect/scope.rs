//! Names: which columns can be said at a place of a statement, and how the engine calls them.

use super::super::cell::Kind;
use super::super::table::Table;
use super::error::{StatementError, refuse};
use super::{nearest, table_names};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Spanned};
use sqlparser::tokenizer::Span;

/// A column that can be said.
#[derive(Debug, Clone)]
pub(super) struct Visible {
    /// The table or alias that may stand before it.
    pub(super) qualifier: Option<String>,
    /// Its name.
    pub(super) name: String,
    /// What its values are.
    pub(super) kind: Kind,
    /// It is not part of `*`.
    pub(super) extra: bool,
    /// It is the other side of a USING: only its qualified name means it.
    pub(super) merged: bool,
    /// How the engine calls it.
    pub(super) sql: String,
}

/// What can be said at a place, and around it.
#[derive(Default)]
pub(super) struct Scope<'a> {
    pub(super) columns: Vec<Visible>,
    /// The statement around a subquery.
    pub(super) around: Option<&'a Scope<'a>>,
}

/// A column that was found.
pub(super) struct Found<'a> {
    pub(super) column: &'a Visible,
    /// It belongs to a statement around this one.
    pub(super) is_outer: bool,
}

impl<'a> Scope<'a> {
    /// What a name means.
    ///
    /// # Errors
    /// If it means nothing, or more than one thing.
    pub(super) fn find(&self, name: &[Ident]) -> Result<Found<'_>, StatementError> {
        let span = Span::union_iter(name.iter().map(|part| part.span));
        let (qualifier, column) = match name {
            [column] => (None, column),
            [qualifier, column] => (Some(qualifier), column),
            // A schema before the table says nothing more.
            [_, qualifier, column] | [_, _, qualifier, column] => (Some(qualifier), column),
            _ => return refuse(span, "this is no name of a column"),
        };
        let (qualifier, wanted) = (qualifier.map(folded), folded(column));
        let mut scope = Some(self);
        let mut is_outer = false;
        while let Some(here) = scope {
            let mut hits = here.columns.iter().filter(|column| {
                column.name == wanted
                    && match &qualifier {
                        None => !column.merged,
                        Some(_) => column.qualifier == qualifier,
                    }
            });
            if let Some(column) = hits.next() {
                if hits.next().is_some() {
                    return refuse(
                        span,
                        format!("{wanted} is ambiguous: say of which table, as in t.{wanted}"),
                    );
                }
                return Ok(Found { column, is_outer });
            }
            scope = here.around;
            is_outer = true;
        }
        self.unknown(qualifier.as_deref(), &wanted, span)
    }

    fn unknown<T>(
        &self,
        qualifier: Option<&str>,
        wanted: &str,
        span: Span,
    ) -> Result<T, StatementError> {
        let of_table =
            |column: &&Visible| qualifier.is_none() || column.qualifier.as_deref() == qualifier;
        let qualified = match qualifier {
            Some(qualifier) => format!("{qualifier}.{wanted}"),
            None => wanted.to_owned(),
        };
        if qualifier.is_some() && !self.columns.iter().any(|column| of_table(&column)) {
            let tables = self.columns.iter().filter_map(|c| c.qualifier.as_deref());
            let hint = nearest(qualifier.unwrap_or_default(), tables)
                .map(|near| format!(": did you mean {near}.{wanted}?"));
            return refuse(
                span,
                format!(
                    "no table is called {} here{}",
                    qualifier.unwrap_or_default(),
                    hint.unwrap_or_default()
                ),
            );
        }
        let names = self
            .columns
            .iter()
            .filter(of_table)
            .map(|c| c.name.as_str());
        let hint = match nearest(wanted, names) {
            Some(near) => format!(": did you mean {near}?"),
            None if self.columns.is_empty() => {
                ": there is no table to take it from. A text stands in single quotes".to_owned()
            }
            None => ". A text stands in single quotes, and DESCRIBE lists columns".to_owned(),
        };
        refuse(span, format!("there is no column {qualified}{hint}"))
    }
}

/// A name as it is compared: in lower case unless it is quoted.
pub(super) fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

/// The parts of a name, in the case in which they are compared.
pub(super) fn parts(name: &ObjectName) -> Result<Vec<String>, StatementError> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(part) => Ok(folded(part)),
            ObjectNamePart::Function(_) => refuse(name.span(), "this is no name"),
        })
        .collect()
}

/// The table of a name.
///
/// # Errors
/// If there is none.
pub(super) fn table(name: &ObjectName) -> Result<&'static Table, StatementError> {
    let parts = parts(name)?;
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    let wanted = match parts[..] {
        [table] | ["public", table] | ["restate", "public", table] => table.to_owned(),
        ["information_schema", table] | ["restate", "information_schema", table] => {
            format!("information_schema.{table}")
        }
        _ => parts.join("."),
    };
    if let Some(table) = Table::find(&wanted) {
        return Ok(table);
    }
    let hint = match nearest(&wanted, table_names()) {
        Some(near) => format!(": did you mean {near}?"),
        None => ": SHOW TABLES lists all".to_owned(),
    };
    refuse(name.span(), format!("there is no table {wanted}{hint}"))
}

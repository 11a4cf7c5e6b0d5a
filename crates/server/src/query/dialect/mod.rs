//! The dialect: SQL as PostgreSQL's tools write it comes in, one statement of SQLite goes out,
//! with the name and the kind of each column of its answer.
//!
//! ```text
//!   text ──sqlparser──▶ tree ──▶ query ▸ select ▸ from ──▶ SQL of SQLite, columns, tables
//!                                  └─ expression ▸ operator, call, aggregate, cast ─┘
//! ```
//!
//! This is a compiler, not a filter: what goes out is written here, piece by piece, from a tree
//! of which every part is known. So what is not known is refused with its place, names are
//! looked up before the engine sees them, and each value has a kind: a time compared with a
//! text is a time, a truth in the answer a truth. Start at [`compile`].
//!
//! Absent on purpose: everything that writes, and settings.

mod aggregate;
mod call;
mod cast;
mod error;
mod expression;
mod from;
mod literal;
mod operator;
mod query;
mod scope;
mod select;
mod typed;

pub(super) use error::StatementError;

use super::cell::Kind;
use super::table::{TABLES, Table};
use error::refuse;
use query::Compiler;
use scope::Scope;
use sqlparser::ast::{
    DescribeAlias, ObjectName, ShowStatementFilter, ShowStatementOptions, Spanned, Statement,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use typed::quote;

/// Bytes of a statement: its tree must fit on the stack of whoever takes it apart.
const TEXT_BYTES_MAX: usize = 512 << 10;

/// A statement for the engine.
pub(super) struct Compiled {
    /// Its text.
    pub(super) sql: String,
    /// What its answer consists of.
    pub(super) columns: Vec<Output>,
    /// The tables that it reads.
    pub(super) tables: Vec<&'static Table>,
    /// The plan is asked for, not the rows.
    pub(super) explain: bool,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    /// Its name.
    pub(super) name: String,
    /// What its values are.
    pub(super) kind: Kind,
}

/// Reads a statement. `now_ms` is the time that it calls now; `limits` what SHOW ALL shows.
///
/// # Errors
/// If it is not one statement that reads, or names what is not there.
pub(super) fn compile(
    text: &str,
    now_ms: i64,
    limits: &[(&str, String)],
) -> Result<Compiled, StatementError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(StatementError::plain(format!(
            "the statement has {} bytes, at most {TEXT_BYTES_MAX} are read: shorten it",
            text.len()
        )));
    }
    if text.contains('\0') {
        return Err(StatementError::plain(
            "the statement contains a NUL character: remove it",
        ));
    }
    let mut statements = Parser::parse_sql(&GenericDialect {}, text)?;
    let statement = match (statements.pop(), statements.is_empty()) {
        (None, _) => return Err(StatementError::Empty),
        (Some(statement), true) => statement,
        (Some(second), false) => {
            return refuse(
                second.span(),
                "one statement at a time is run: send the others on their own",
            );
        }
    };
    Statements { now_ms, limits }.compile(&statement)
}

struct Statements<'a> {
    now_ms: i64,
    limits: &'a [(&'a str, String)],
}

impl Statements<'_> {
    fn compile(&self, statement: &Statement) -> Result<Compiled, StatementError> {
        match statement {
            Statement::Query(query) => {
                let mut compiler = Compiler::new(self.now_ms);
                let body = compiler.query(query, &Scope::default())?;
                let names = body.columns.iter().map(|column| column.name.clone());
                let kinds = body.columns.iter().map(|column| column.kind);
                Ok(Compiled {
                    columns: outputs(names.zip(kinds)),
                    sql: body.sql,
                    tables: compiler.tables(),
                    explain: false,
                })
            }
            Statement::Explain {
                analyze: false,
                statement,
                ..
            } => {
                let compiled = self.compile(statement)?;
                if compiled.explain {
                    return refuse(statement.span(), "an EXPLAIN cannot be explained");
                }
                Ok(Compiled {
                    columns: outputs(texts(&["plan_type", "plan"])),
                    explain: true,
                    ..compiled
                })
            }
            Statement::Explain { .. } => refuse(
                statement.span(),
                "EXPLAIN ANALYZE is not there: use EXPLAIN",
            ),
            Statement::ExplainTable {
                describe_alias: DescribeAlias::Describe | DescribeAlias::Desc,
                table_name,
                ..
            } => {
                let table = scope::table(table_name)?;
                self.columns_of(table, "column_name, data_type, is_nullable")
            }
            Statement::ShowTables { show_options, .. } => {
                let filter = filter(show_options, "table_name")?;
                self.rewritten(&format!("SELECT * FROM information_schema.tables{filter}"))
            }
            Statement::ShowColumns { show_options, .. } => {
                let name = named_table(show_options).ok_or_else(|| {
                    StatementError::plain("say of which table: SHOW COLUMNS FROM sys_invocation")
                })?;
                self.columns_of(
                    scope::table(name)?,
                    "table_catalog, table_schema, table_name, column_name, data_type, is_nullable",
                )
            }
            Statement::ShowVariable { variable } => {
                let wanted: Vec<_> = variable.iter().map(|word| word.value.as_str()).collect();
                let wanted = wanted.join(".");
                let all = wanted.eq_ignore_ascii_case("all");
                let rows: Vec<_> = self
                    .limits
                    .iter()
                    .filter(|(name, _)| all || wanted.eq_ignore_ascii_case(name))
                    .map(|(name, value)| format!("({}, {})", quote(name), quote(value)))
                    .collect();
                if rows.is_empty() {
                    return refuse(
                        statement.span(),
                        format!("there is no setting {wanted}: SHOW ALL lists those of statements"),
                    );
                }
                Ok(Compiled {
                    sql: format!("VALUES {}", rows.join(", ")),
                    columns: outputs(texts(&["name", "value"])),
                    tables: Vec::new(),
                    explain: false,
                })
            }
            other => refuse(
                other.span(),
                "only statements that read are run here: SELECT, VALUES, EXPLAIN, DESCRIBE and SHOW",
            ),
        }
    }

    fn columns_of(&self, table: &Table, columns: &str) -> Result<Compiled, StatementError> {
        let name = table.name.rsplit('.').next().unwrap_or(table.name);
        self.rewritten(&format!(
            "SELECT {columns} FROM information_schema.columns WHERE table_name = {} \
             ORDER BY ordinal_position",
            quote(name)
        ))
    }

    /// A statement that stands for another.
    fn rewritten(&self, text: &str) -> Result<Compiled, StatementError> {
        compile(text, self.now_ms, self.limits)
    }
}

fn texts<'a>(names: &'a [&'a str]) -> impl Iterator<Item = (String, Kind)> + 'a {
    names.iter().map(|name| ((*name).to_owned(), Kind::Text))
}

/// The table in `SHOW COLUMNS FROM table`.
fn named_table(options: &ShowStatementOptions) -> Option<&ObjectName> {
    options.show_in.as_ref()?.parent_name.as_ref()
}

fn filter(options: &ShowStatementOptions, column: &str) -> Result<String, StatementError> {
    use sqlparser::ast::ShowStatementFilterPosition::{Infix, Suffix};
    Ok(match &options.filter_position {
        None => String::new(),
        Some(Infix(filter) | Suffix(filter)) => match filter {
            ShowStatementFilter::Like(pattern) => {
                format!(" WHERE {column} LIKE {}", quote(pattern))
            }
            ShowStatementFilter::ILike(pattern) => {
                format!(" WHERE {column} ILIKE {}", quote(pattern))
            }
            ShowStatementFilter::Where(condition) => format!(" WHERE {condition}"),
            ShowStatementFilter::NoKeyword(_) => {
                return Err(StatementError::plain(
                    "filter with LIKE: SHOW TABLES LIKE 'sys_%'",
                ));
            }
        },
    })
}

/// Gives every column a name of its own: an answer in JSON could not hold two of one name.
fn outputs(columns: impl Iterator<Item = (String, Kind)>) -> Vec<Output> {
    let mut outputs: Vec<Output> = Vec::new();
    for (name, kind) in columns {
        let mut unique = name.clone();
        let mut number = 2;
        while outputs.iter().any(|output| output.name == unique) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        outputs.push(Output { name: unique, kind });
    }
    outputs
}

/// The name most like a mistaken one, if it is at all like it.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// The names of the tables that tell of what runs.
fn table_names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name)
}

//! FROM: tables, subqueries and joins of them, and the columns that they bring.

use super::error::{StatementError, refuse};
use super::query::{Column, Compiler};
use super::scope::{Scope, Visible, folded, parts, table};
use super::select::Level;
use sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, ObjectName, Spanned, TableAlias, TableFactor,
    TableWithJoins,
};

/// An item of FROM.
pub(super) struct Relation {
    pub(super) sql: String,
    pub(super) columns: Vec<Visible>,
}

impl Compiler {
    pub(super) fn joined(
        &mut self,
        item: &TableWithJoins,
        around: &Scope<'_>,
    ) -> Result<Relation, StatementError> {
        let mut left = self.relation(&item.relation, around)?;
        for join in &item.joins {
            left = self.join(left, join, around)?;
        }
        Ok(left)
    }

    fn join(
        &mut self,
        mut left: Relation,
        join: &Join,
        around: &Scope<'_>,
    ) -> Result<Relation, StatementError> {
        let right = self.relation(&join.relation, around)?;
        let span = join.relation.span();
        let (word, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                ("JOIN", constraint)
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                ("LEFT JOIN", constraint)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                ("RIGHT JOIN", constraint)
            }
            JoinOperator::FullOuter(constraint) => ("FULL JOIN", constraint),
            JoinOperator::CrossJoin(constraint) => ("CROSS JOIN", constraint),
            _ => {
                return refuse(
                    span,
                    "this kind of JOIN is not known: use INNER, LEFT, RIGHT or FULL",
                );
            }
        };
        let seam = left.columns.len();
        left.columns.extend(right.columns);
        let on = match constraint {
            JoinConstraint::None => String::new(),
            JoinConstraint::On(condition) => {
                let scope = Scope {
                    columns: left.columns.clone(),
                    around: Some(around),
                };
                let typed = self.expr(condition, &scope, &mut Level::default())?;
                format!(" ON {}", typed.sql)
            }
            JoinConstraint::Using(names) => {
                let keeps_right = word == "RIGHT JOIN";
                if word == "FULL JOIN" {
                    return refuse(span, "FULL JOIN takes ON, not USING");
                }
                let mut equal = Vec::new();
                for name in names {
                    equal.push(merge(&mut left.columns, seam, name, keeps_right)?);
                }
                format!(" ON {}", equal.join(" AND "))
            }
            _ => return refuse(span, "this JOIN is not understood: join ON a condition"),
        };
        left.sql = format!("{} {word} {}{on}", left.sql, right.sql);
        Ok(left)
    }

    fn relation(
        &mut self,
        factor: &TableFactor,
        around: &Scope<'_>,
    ) -> Result<Relation, StatementError> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => self.named_relation(name, alias.as_ref()),
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                ..
            } => {
                // What stands beside it in FROM cannot be said in it.
                let body = self.query(subquery, around)?;
                let ours = self.alias();
                Ok(Relation {
                    sql: format!("({}) AS \"{ours}\"", body.sql),
                    columns: visible(body.columns, &ours, alias.as_ref())?,
                })
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => {
                let inner = self.joined(table_with_joins, around)?;
                Ok(Relation {
                    sql: format!("({})", inner.sql),
                    ..inner
                })
            }
            _ => refuse(
                factor.span(),
                "only tables, subqueries and joins of them can be selected from",
            ),
        }
    }

    fn named_relation(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
    ) -> Result<Relation, StatementError> {
        let ours = self.alias();
        if let [only] = &parts(name)?[..]
            && let Some(named) = self.named.iter().rev().find(|named| named.name == *only)
        {
            let sql = format!("\"{}\" AS \"{ours}\"", named.alias);
            let mut columns = named.columns.clone();
            for column in &mut columns {
                column.qualifier = Some(only.clone());
            }
            return Ok(Relation {
                sql,
                columns: visible(columns, &ours, alias)?,
            });
        }
        let found = table(name)?;
        if !self.tables.iter().any(|known| known.name == found.name) {
            self.tables.push(found);
        }
        let last = found.name.rsplit('.').next().unwrap_or(found.name);
        let columns = found.columns.iter();
        let mut columns: Vec<Visible> = columns
            .map(|column| Visible {
                qualifier: Some(last.to_owned()),
                name: column.name.to_owned(),
                kind: column.kind,
                extra: column.extra,
                merged: false,
                sql: format!("\"{ours}\".\"{}\"", column.name),
            })
            .collect();
        if let Some(alias) = alias {
            alias_columns(&mut columns, alias)?;
        }
        Ok(Relation {
            sql: format!("\"{}\" AS \"{ours}\"", found.name),
            columns,
        })
    }
}

/// The columns of a query, as they can be said outside of it. Without an alias they keep the
/// tables that they come from.
fn visible(
    columns: Vec<Column>,
    ours: &str,
    alias: Option<&TableAlias>,
) -> Result<Vec<Visible>, StatementError> {
    let columns = columns.into_iter().enumerate();
    let mut columns: Vec<Visible> = columns
        .map(|(at, column)| Visible {
            qualifier: column.qualifier,
            name: column.name,
            kind: column.kind,
            extra: false,
            merged: false,
            sql: format!("\"{ours}\".\"c{at}\""),
        })
        .collect();
    if let Some(alias) = alias {
        alias_columns(&mut columns, alias)?;
    }
    Ok(columns)
}

fn alias_columns(columns: &mut [Visible], alias: &TableAlias) -> Result<(), StatementError> {
    if alias.columns.len() > columns.len() {
        return refuse(
            alias.name.span,
            "the alias names more columns than there are",
        );
    }
    for column in columns.iter_mut() {
        column.qualifier = Some(folded(&alias.name));
    }
    for (column, name) in columns.iter_mut().zip(&alias.columns) {
        column.name = folded(&name.name);
    }
    Ok(())
}

/// Joins two columns of one name, of which one remains; gives the condition.
fn merge(
    columns: &mut [Visible],
    seam: usize,
    name: &ObjectName,
    keeps_right: bool,
) -> Result<String, StatementError> {
    let wanted = parts(name)?.pop().unwrap_or_default();
    let (left, right) = columns.split_at_mut(seam);
    let find = |side: &mut [Visible]| side.iter().position(|c| c.name == wanted && !c.merged);
    let (Some(at_left), Some(at_right)) = (find(left), find(right)) else {
        return refuse(
            name.span(),
            format!("{wanted} is not a column of both tables"),
        );
    };
    let (one, two) = (&mut left[at_left], &mut right[at_right]);
    let equal = format!("({} = {})", one.sql, two.sql);
    if keeps_right {
        one.merged = true;
    } else {
        two.merged = true;
    }
    Ok(equal)
}

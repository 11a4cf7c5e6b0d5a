//! One SELECT: what it answers with, its groups, and the order of its rows.

use super::super::cell::Kind;
use super::error::{StatementError, refuse};
use super::expression::inside;
use super::query::{Body, Column, Compiler};
use super::scope::{Scope, folded, parts};
use super::typed::Typed;
use sqlparser::ast::{
    Distinct, ExcludeSelectItem, Expr, GroupByExpr, Ident, NamedWindowExpr, ObjectName,
    OrderByExpr, OrderBySort, Select, SelectItem, SelectItemQualifiedWildcardKind, Spanned, Value,
    WindowSpec,
};
use sqlparser::tokenizer::Span;

/// One SELECT while its expressions are read.
#[derive(Default)]
pub(super) struct Level {
    /// Columns that were said outside of aggregates, and where.
    pub(super) loose: Vec<(String, Span)>,
    /// The expressions of GROUP BY.
    pub(super) group: Vec<String>,
    /// How many aggregates were said.
    pub(super) aggregates: usize,
    /// An aggregate is being read.
    pub(super) in_aggregate: bool,
    /// Columns of the answer that can be said by their names here.
    outputs: Vec<(Column, Typed)>,
    /// They come before the columns of the tables.
    outputs_first: bool,
    /// What WINDOW has named.
    pub(super) windows: Vec<(String, WindowSpec)>,
}

impl Level {
    /// The column of the answer that a name means here.
    pub(super) fn alias(&self, name: &Ident, scope: &Scope<'_>) -> Option<Typed> {
        let wanted = folded(name);
        let typed = self
            .outputs
            .iter()
            .find(|(column, _)| column.name == wanted)
            .map(|(_, typed)| typed)?;
        let hidden = !self.outputs_first && scope.columns.iter().any(|c| c.name == wanted);
        (!hidden).then(|| typed.clone())
    }
}

impl Compiler {
    /// A SELECT, and the terms of the ORDER BY that follows it.
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        around: &Scope<'_>,
    ) -> Result<(Body, Vec<String>), StatementError> {
        check_select(select)?;
        let mut from = Vec::new();
        let mut scope = inside(around);
        for item in &select.from {
            let relation = self.joined(item, around)?;
            from.push(relation.sql);
            scope.columns.extend(relation.columns);
        }
        let mut level = Level::default();
        for window in &select.named_window {
            let NamedWindowExpr::WindowSpec(spec) = &window.1 else {
                return refuse(
                    window.0.span,
                    "a window is defined by a list in parentheses",
                );
            };
            level.windows.push((folded(&window.0), spec.clone()));
        }
        let condition = match &select.selection {
            None => None,
            Some(condition) => {
                let typed = self.expr(condition, &scope, &mut level)?;
                if level.aggregates > 0 {
                    return refuse(
                        condition.span(),
                        "WHERE looks at single rows: use HAVING for aggregates",
                    );
                }
                Some(typed.sql)
            }
        };
        // What WHERE says is said of rows, not of groups. The groups may name columns of the
        // answer, and which columns are in a group is known when they are: hence twice.
        let outputs = self.outputs(select, &scope, &mut level)?;
        let group = self.group(select, &outputs, &scope, &mut level)?;
        level.loose.clear();
        level.aggregates = 0;
        let outputs = self.outputs(select, &scope, &mut level)?;
        level.outputs = outputs.clone();
        let having = match &select.having {
            None => None,
            Some(having) => Some(self.expr(having, &scope, &mut level)?.sql),
        };
        level.outputs_first = true;
        let mut terms = Vec::new();
        for term in order {
            terms.push(self.term(term, &outputs, &scope, &mut level)?);
        }
        let grouped = !group.is_empty() || level.aggregates > 0 || having.is_some();
        if grouped && let Some((name, span)) = level.loose.first() {
            return refuse(
                *span,
                format!(
                    "{name} differs within a group: add it to GROUP BY, or say first_value({name})"
                ),
            );
        }
        let items: Vec<_> = outputs
            .iter()
            .enumerate()
            .map(|(at, (_, typed))| format!("{} AS \"c{at}\"", typed.sql))
            .collect();
        let distinct = match &select.distinct {
            Some(Distinct::Distinct) => "DISTINCT ",
            _ => "",
        };
        let mut sql = format!("SELECT {distinct}{}", items.join(", "));
        if !from.is_empty() {
            sql += &format!(" FROM {}", from.join(" CROSS JOIN "));
        }
        if let Some(condition) = condition {
            sql += &format!(" WHERE {condition}");
        }
        if !group.is_empty() {
            sql += &format!(" GROUP BY {}", group.join(", "));
        }
        match having {
            // The engine has no HAVING without groups, but this is one group.
            Some(having) if group.is_empty() && level.aggregates == 0 => {
                sql += &format!(" GROUP BY NULL HAVING {having}");
            }
            Some(having) => sql += &format!(" HAVING {having}"),
            None => {}
        }
        let columns = outputs.into_iter().map(|(column, _)| column).collect();
        Ok((Body { sql, columns }, terms))
    }

    /// The columns of the answer.
    pub(super) fn outputs(
        &mut self,
        select: &Select,
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Vec<(Column, Typed)>, StatementError> {
        let mut outputs = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let typed = self.expr(expr, scope, level)?;
                    outputs.push((named(expr, typed.kind), typed));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let typed = self.expr(expr, scope, level)?;
                    let column = Column {
                        qualifier: None,
                        name: folded(alias),
                        kind: typed.kind,
                    };
                    outputs.push((column, typed));
                }
                SelectItem::Wildcard(options) => {
                    if scope.columns.is_empty() {
                        return refuse(item.span(), "there is no table to take * from: add FROM");
                    }
                    let without = excluded(options.opt_exclude.as_ref(), item)?;
                    all(scope, None, &without, item.span(), level, &mut outputs);
                }
                SelectItem::QualifiedWildcard(of, options) => {
                    let SelectItemQualifiedWildcardKind::ObjectName(name) = of else {
                        return refuse(item.span(), "a table or its alias stands before .*");
                    };
                    let qualifier = parts(name)?.pop().unwrap_or_default();
                    let without = excluded(options.opt_exclude.as_ref(), item)?;
                    let before = outputs.len();
                    all(
                        scope,
                        Some(&qualifier),
                        &without,
                        item.span(),
                        level,
                        &mut outputs,
                    );
                    if outputs.len() == before {
                        return refuse(item.span(), format!("no table is called {qualifier} here"));
                    }
                }
                SelectItem::ExprWithAliases { .. } => {
                    return refuse(item.span(), "a column has one name");
                }
            }
        }
        Ok(outputs)
    }

    /// The terms of GROUP BY, which the level then knows.
    fn group(
        &mut self,
        select: &Select,
        outputs: &[(Column, Typed)],
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<Vec<String>, StatementError> {
        let GroupByExpr::Expressions(terms, modifiers) = &select.group_by else {
            return refuse(
                select.span(),
                "GROUP BY ALL is not understood: name the columns",
            );
        };
        if !modifiers.is_empty() {
            return refuse(select.span(), "GROUP BY takes expressions only");
        }
        let mut group = Vec::new();
        for term in terms {
            let typed = match ordinal(term, outputs.len())? {
                Some(at) => outputs[at].1.clone(),
                None => {
                    level.outputs = outputs.to_vec();
                    let before = level.aggregates;
                    let typed = self.expr(term, scope, level);
                    level.outputs = Vec::new();
                    if level.aggregates > before {
                        return refuse(term.span(), "an aggregate cannot make the groups");
                    }
                    typed?
                }
            };
            // A number would be taken for a place.
            group.push(match typed.constant {
                Some(_) => format!("({})", typed.sql),
                None => typed.sql.clone(),
            });
            level.group.push(typed.sql);
        }
        Ok(group)
    }

    /// A term of ORDER BY: a place or a name of the answer, or an expression.
    fn term(
        &mut self,
        term: &OrderByExpr,
        outputs: &[(Column, Typed)],
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<String, StatementError> {
        let sql = match ordinal(&term.expr, outputs.len())? {
            Some(at) => (at + 1).to_string(),
            None => {
                let typed = self.expr(&term.expr, scope, level)?;
                let place = outputs
                    .iter()
                    .position(|(_, output)| output.sql == typed.sql);
                place.map_or(typed.sql, |at| (at + 1).to_string())
            }
        };
        direction(term, sql)
    }

    /// The terms of an ORDER BY within a window or an aggregate.
    pub(super) fn order_within(
        &mut self,
        order: &[OrderByExpr],
        scope: &Scope<'_>,
        level: &mut Level,
    ) -> Result<String, StatementError> {
        let mut terms = Vec::new();
        for term in order {
            let typed = self.expr(&term.expr, scope, level)?;
            terms.push(direction(term, typed.sql)?);
        }
        Ok(terms.join(", "))
    }
}

/// What a column without an alias is called.
pub(super) fn named(expr: &Expr, kind: Kind) -> Column {
    let (qualifier, name) = match expr {
        Expr::Identifier(name) => (None, folded(name)),
        Expr::CompoundIdentifier(name) => {
            let mut name = name.iter().rev();
            let column = name.next().map(folded).unwrap_or_default();
            (name.next().map(folded), column)
        }
        Expr::Function(function) => (
            None,
            function.to_string().replacen(
                &function.name.to_string(),
                &function.name.to_string().to_lowercase(),
                1,
            ),
        ),
        other => (None, other.to_string()),
    };
    Column {
        qualifier,
        name,
        kind,
    }
}

/// Adds all columns that `*` means.
pub(super) fn all(
    scope: &Scope<'_>,
    qualifier: Option<&str>,
    without: &[String],
    span: Span,
    level: &mut Level,
    outputs: &mut Vec<(Column, Typed)>,
) {
    for column in &scope.columns {
        let meant = match qualifier {
            None => !column.merged,
            Some(_) => column.qualifier.as_deref() == qualifier,
        };
        if meant && !column.extra && !without.contains(&column.name) {
            if !level.group.contains(&column.sql) {
                level.loose.push((column.name.clone(), span));
            }
            outputs.push((
                Column {
                    qualifier: column.qualifier.clone(),
                    name: column.name.clone(),
                    kind: column.kind,
                },
                Typed::new(column.sql.clone(), column.kind),
            ));
        }
    }
}

fn excluded(
    exclude: Option<&ExcludeSelectItem>,
    item: &SelectItem,
) -> Result<Vec<String>, StatementError> {
    let (SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)) = item else {
        return Ok(Vec::new());
    };
    let unknown = options.opt_ilike.is_some()
        || options.opt_replace.is_some()
        || options.opt_rename.is_some()
        || options.opt_alias.is_some();
    if unknown {
        return refuse(item.span(), "only EXCLUDE (…) may follow *");
    }
    let names: Vec<&ObjectName> = match exclude {
        None => Vec::new(),
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names.iter().collect(),
    };
    let mut without = Vec::new();
    for name in names {
        without.extend(parts(name)?.pop());
    }
    if let Some(except) = &options.opt_except {
        without.push(folded(&except.first_element));
        without.extend(except.additional_elements.iter().map(folded));
    }
    Ok(without)
}

/// The place, from 0 on, of the output that a number names.
pub(super) fn ordinal(expr: &Expr, outputs: usize) -> Result<Option<usize>, StatementError> {
    let Expr::Value(value) = expr else {
        return Ok(None);
    };
    let Value::Number(digits, _) = &value.value else {
        return Ok(None);
    };
    match digits.parse::<usize>() {
        Ok(place) if (1..=outputs).contains(&place) => Ok(Some(place - 1)),
        _ => refuse(
            value.span,
            format!("there is no column {digits} in the answer, it has {outputs}"),
        ),
    }
}

/// A term with its direction. Without a word for them, nulls are last going up and first going
/// down.
pub(super) fn direction(term: &OrderByExpr, sql: String) -> Result<String, StatementError> {
    if term.with_fill.is_some() {
        return refuse(
            term.expr.span(),
            "WITH FILL is not understood: leave it out",
        );
    }
    let descends = match &term.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(_)) => {
            return refuse(term.expr.span(), "order by ASC or DESC");
        }
    };
    let nulls_first = term.options.nulls_first.unwrap_or(descends);
    let direction = if descends { "DESC" } else { "ASC" };
    let nulls = if nulls_first { "FIRST" } else { "LAST" };
    Ok(format!("{sql} {direction} NULLS {nulls}"))
}

/// Refuses the parts of a SELECT that nothing here reads.
fn check_select(select: &Select) -> Result<(), StatementError> {
    if select.projection.is_empty() {
        return refuse(select.span(), "say what to select: * or names of columns");
    }
    let unknown = [
        (select.top.is_some(), "TOP (use LIMIT)"),
        (select.into.is_some(), "INTO"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (
            !select.connect_by.is_empty(),
            "CONNECT BY (use WITH RECURSIVE)",
        ),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.qualify.is_some(), "QUALIFY (use a subquery)"),
        (select.value_table_mode.is_some(), "AS VALUE"),
        (select.exclude.is_some(), "EXCLUDE (put it behind *)"),
        (select.select_modifiers.is_some(), "a modifier of SELECT"),
        (
            matches!(select.distinct, Some(Distinct::On(_))),
            "DISTINCT ON (use first_value)",
        ),
    ];
    match unknown.iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => refuse(select.span(), format!("{what} is not understood here")),
        None => Ok(()),
    }
}

//! `information_schema`: the tables and columns that there are, as rows.

use super::stored::Listed;
use super::{Cell, Column, ColumnName, Kind, TABLES, Table, columns, int, names, text};

/// What its tables are called in the engine; in SQL a dot follows the schema.
pub(super) const PREFIX: &str = "information_schema.";

/// The catalogue and the schema that all tables are in.
pub(crate) const CATALOG: &str = "restate";
pub(crate) const SCHEMA: &str = "public";

const TABLE: &[Column<&'static Table>] = columns! {
    "table_catalog" Text |_| text(CATALOG);
    "table_schema" Text |r| text(split(r).0);
    "table_name" Text |r| text(split(r).1);
    "table_type" Text |r| text(if r.is_catalog() { "VIEW" } else { "BASE TABLE" });
};

/// A column, and its table and place there.
struct ColumnRow {
    table: &'static Table,
    place: u32,
    column: ColumnName,
}

const COLUMN: &[Column<ColumnRow>] = columns! {
    "table_catalog" Text |_| text(CATALOG);
    "table_schema" Text |r| text(split(r.table).0);
    "table_name" Text |r| text(split(r.table).1);
    "column_name" Text |r| text(r.column.name);
    "ordinal_position" U64 |r| int(r.place);
    "column_default" Text |_| Cell::Null;
    "is_nullable" Text |r| {
        let always = (r.table.name, r.column.name) == ("sys_invocation", "status");
        text(if always { "NO" } else { "YES" })
    };
    "data_type" Text |r| text(r.column.kind.name());
    "character_maximum_length" U64 |_| Cell::Null;
    "character_octet_length" U64 |r| match r.column.kind {
        Kind::Text | Kind::Binary => Cell::Int(i64::MAX),
        _ => Cell::Null,
    };
    "numeric_precision" U64 |r| match r.column.kind {
        Kind::U32 => int(32),
        Kind::U64 | Kind::I64 => int(64),
        _ => Cell::Null,
    };
    "numeric_precision_radix" U64 |r| match r.column.kind {
        Kind::U32 | Kind::U64 | Kind::I64 => int(2),
        _ => Cell::Null,
    };
    "numeric_scale" U64 |r| match r.column.kind {
        Kind::U32 | Kind::U64 | Kind::I64 => int(0),
        _ => Cell::Null,
    };
    "datetime_precision" U64 |_| Cell::Null;
    "interval_type" Text |_| Cell::Null;
};

const SCHEMATA: &[Column<&'static str>] = columns! {
    "catalog_name" Text |_| text(CATALOG);
    "schema_name" Text |r| text(*r);
    "schema_owner" Text |_| Cell::Null;
    "default_character_set_catalog" Text |_| Cell::Null;
    "default_character_set_schema" Text |_| Cell::Null;
    "default_character_set_name" Text |_| Cell::Null;
    "sql_path" Text |_| Cell::Null;
};

pub(super) fn tables() -> Vec<Table> {
    vec![
        Table {
            name: "information_schema.tables",
            columns: names(TABLE),
            keys: &[],
            open: |_, _| Listed::of(TABLE, TABLES.iter()),
        },
        Table {
            name: "information_schema.columns",
            columns: names(COLUMN),
            keys: &[("table_name", 20)],
            open: |_, wish| {
                let wanted = wish.text("table_name").map(str::to_owned);
                let tables = TABLES
                    .iter()
                    .filter(move |table| wanted.as_ref().is_none_or(|name| name == split(table).1));
                let rows = tables.flat_map(|table| {
                    let columns = (0..).zip(table.columns.iter());
                    columns.map(move |(place, column)| ColumnRow {
                        table,
                        place,
                        column: *column,
                    })
                });
                Listed::of(COLUMN, rows)
            },
        },
        Table {
            name: "information_schema.schemata",
            columns: names(SCHEMATA),
            keys: &[],
            open: |_, _| {
                let schema = PREFIX.trim_end_matches('.');
                Listed::of(SCHEMATA, [SCHEMA, schema].into_iter())
            },
        },
    ]
}

/// Schema and name of a table.
fn split(table: &Table) -> (&'static str, &'static str) {
    table.name.split_once('.').unwrap_or((SCHEMA, table.name))
}

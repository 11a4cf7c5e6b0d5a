//! What a statement asks for, seen from outside: SQL text in, the tables, columns and rows
//! that it can possibly touch out.
//!
//! This is no parser. It reads words and looks for the one form in which rows can be left
//! out safely; whatever it does not recognise, it leaves to the engine with all rows.

use super::read::Wish;
use super::table::Table;
use std::collections::BTreeSet;

/// A statement, ready for the engine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its text, in the engine's dialect.
    pub(crate) sql: String,
    /// The tables it names.
    pub(crate) tables: BTreeSet<Table>,
    /// The rows and columns it needs of them.
    pub(crate) wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A word without quotes, in lower case.
    Word(String),
    /// A name in double quotes.
    Name(String),
    /// A text in single quotes.
    Text(String),
    /// Anything else; operators of one or two characters.
    Symbol(String),
}

impl Statement {
    /// Reads the words of a statement.
    pub(crate) fn read(sql: &str) -> Self {
        let (tokens, sql) = tokens(sql);
        let named: Vec<Table> = tokens
            .iter()
            .filter_map(|token| match token {
                Token::Word(name) | Token::Name(name) => {
                    Table::ALL.into_iter().find(|table| table.name() == name)
                }
                _ => None,
            })
            .collect();
        let equal = if named.len() == 1 && is_plain(&tokens) {
            conditions(&tokens).into_iter().collect()
        } else {
            Default::default()
        };
        Self {
            sql,
            wish: Wish {
                equal,
                columns: columns(&tokens),
            },
            tables: named.into_iter().collect(),
        }
    }
}

/// The names that occur; nothing if a star stands for all of them.
fn columns(tokens: &[Token]) -> Option<BTreeSet<String>> {
    let symbol = |at: Option<&Token>, text: &str| matches!(at, Some(Token::Symbol(symbol)) if symbol == text);
    let mut names = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Word(name) | Token::Name(name) => {
                names.insert(name.clone());
            }
            Token::Symbol(star) if star == "*" => {
                let before = at.checked_sub(1).and_then(|before| tokens.get(before));
                let counts = symbol(before, "(") && symbol(tokens.get(at + 1), ")");
                if !counts {
                    return None;
                }
            }
            _ => {}
        }
    }
    Some(names)
}

/// Whether what stands in WHERE holds for every row of the one table.
fn is_plain(tokens: &[Token]) -> bool {
    let selects = tokens.iter().filter(|token| is_word(token, "select"));
    selects.count() == 1
        && !tokens.iter().any(|token| {
            [
                "or",
                "union",
                "except",
                "intersect",
                "between",
                "case",
                "with",
                "join",
            ]
            .iter()
            .any(|word| is_word(token, word))
        })
}

/// The conditions `column = 'text'` that WHERE joins by AND.
fn conditions(tokens: &[Token]) -> Vec<(String, String)> {
    let Some(begin) = tokens.iter().position(|token| is_word(token, "where")) else {
        return Vec::new();
    };
    let end = tokens[begin..]
        .iter()
        .position(|token| {
            ["group", "order", "limit", "having", "window"]
                .iter()
                .any(|word| is_word(token, word))
                || *token == Token::Symbol(";".into())
        })
        .map_or(tokens.len(), |length| begin + length);
    let mut depth = 0;
    let mut parts: Vec<Vec<&Token>> = vec![Vec::new()];
    for token in &tokens[begin + 1..end] {
        match token {
            Token::Symbol(symbol) if symbol == "(" => depth += 1,
            Token::Symbol(symbol) if symbol == ")" => depth -= 1,
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if !(depth == 0 && is_word(token, "and")) => part.push(token),
            _ => parts.push(Vec::new()),
        }
    }
    parts
        .into_iter()
        .filter_map(|part| {
            let condition = match part.as_slice() {
                [
                    Token::Word(_) | Token::Name(_),
                    Token::Symbol(dot),
                    rest @ ..,
                ] if dot == "." => rest,
                whole => whole,
            };
            match condition {
                [
                    Token::Word(column) | Token::Name(column),
                    Token::Symbol(equals),
                    Token::Text(text),
                ] if equals == "=" || equals == "==" => Some((column.clone(), text.clone())),
                _ => None,
            }
        })
        .collect()
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found == word)
}

/// The tokens of a text, and the text with words quoted that are names here and keywords
/// to the engine.
fn tokens(sql: &str) -> (Vec<Token>, String) {
    let mut tokens = Vec::new();
    let mut written = String::with_capacity(sql.len() + 16);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '\'' | '"' => {
                let len = quoted_len(rest, first);
                let inner = rest[1..len].strip_suffix(first).unwrap_or(&rest[1..len]);
                let inner = inner.replace(&format!("{first}{first}"), &first.to_string());
                tokens.push(if first == '"' {
                    Token::Name(inner)
                } else {
                    Token::Text(inner)
                });
                len
            }
            _ if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            _ if first.is_whitespace() => first.len_utf8(),
            _ if first.is_alphanumeric() || first == '_' => {
                let len = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..len].to_ascii_lowercase()));
                len
            }
            _ => {
                let double = ["==", "!=", "<>", "<=", ">=", "||"]
                    .iter()
                    .any(|operator| rest.starts_with(operator));
                let len = if double { 2 } else { first.len_utf8() };
                tokens.push(Token::Symbol(rest[..len].to_owned()));
                len
            }
        };
        if rest[..len].eq_ignore_ascii_case("index") {
            written.push_str("\"index\"");
        } else {
            written.push_str(&rest[..len]);
        }
        rest = &rest[len..];
    }
    (tokens, written)
}

/// Length of a quoted text with its quotes; a doubled quote does not end it.
fn quoted_len(text: &str, quote: char) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        if bytes[at] != quote as u8 {
            at += 1;
        } else if bytes.get(at + 1) == Some(&(quote as u8)) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(sql: &str) -> Vec<(String, String)> {
        Statement::read(sql).wish.equal.into_iter().collect()
    }

    fn pair(column: &str, text: &str) -> (String, String) {
        (column.to_owned(), text.to_owned())
    }

    #[test]
    fn conditions_of_one_table_are_recognised() {
        let sql = "SELECT id, status FROM sys_invocation i WHERE i.id = 'inv_1' AND status == 'a''b' \
                   AND (x = 'y' AND z = 'w') AND target LIKE 'S/%' ORDER BY id";
        assert_eq!(equal(sql), [pair("id", "inv_1"), pair("status", "a'b")]);
    }

    #[test]
    fn doubtful_conditions_are_left_to_the_engine() {
        for sql in [
            "SELECT id FROM sys_invocation WHERE id = 'a' OR id = 'b'",
            "SELECT id FROM sys_invocation WHERE NOT id = 'a'",
            "SELECT id FROM sys_invocation WHERE id = 'a' || 'b'",
            "SELECT id FROM sys_invocation WHERE id = 'a' COLLATE nocase",
            "SELECT id FROM sys_invocation WHERE 'x' BETWEEN 'a' AND id = 'a'",
            "SELECT id FROM sys_invocation -- WHERE id = 'a'",
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM state WHERE key = 'a')",
            "SELECT s.id FROM sys_journal s, sys_invocation i WHERE s.id = 'a'",
        ] {
            assert_eq!(equal(sql), [], "{sql}");
        }
    }

    #[test]
    fn only_what_is_named_is_needed() {
        let read = Statement::read("SELECT COUNT(*) FROM STATE WHERE \"key\" = 'state sys_inbox'");
        assert_eq!(read.tables, BTreeSet::from([Table::State]));
        let columns = read.wish.columns.unwrap();
        assert!(columns.contains("key") && !columns.contains("value"));
        assert_eq!(
            Statement::read("SELECT s.* FROM state s").wish.columns,
            None
        );
    }

    #[test]
    fn names_that_are_keywords_are_quoted_and_texts_are_left_alone() {
        let read =
            Statement::read("SELECT sj.index, 'index', \"index\" FROM sys_journal sj -- index");
        assert_eq!(
            read.sql,
            "SELECT sj.\"index\", 'index', \"index\" FROM sys_journal sj -- index"
        );
    }

    #[test]
    fn text_without_an_end_is_read_to_its_end() {
        for sql in ["SELECT 'a", "SELECT \"ä", "/* ä", "'", "''"] {
            assert_eq!(Statement::read(sql).sql, sql);
        }
    }
}

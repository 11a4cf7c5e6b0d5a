//! SQL from what people ask for: names and texts come in, conditions go out, properly quoted.

use std::fmt;

/// A text as a literal of SQL.
pub(crate) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A pattern that matches what contains a text, as an operand of LIKE.
fn containing(value: &str) -> String {
    let mut pattern = String::with_capacity(value.len() + 2);
    for c in value.chars() {
        if matches!(c, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    format!("{} ESCAPE '\\'", text(&format!("%{pattern}%")))
}

/// Conditions that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions(Vec<String>);

impl Conditions {
    /// None, which every row meets.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether every row meets them.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one in SQL.
    pub(crate) fn holds(&mut self, condition: impl Into<String>) {
        self.0.push(condition.into());
    }

    /// Adds that a column has this text.
    pub(crate) fn equal(&mut self, column: &str, value: &str) {
        self.holds(format!("{column} = {}", text(value)));
    }

    /// Adds that a column has one of these texts; none of them means any.
    pub(crate) fn one_of(&mut self, column: &str, values: &[String]) {
        match values {
            [] => {}
            // The server can look up one text faster than a list of one.
            [value] => self.equal(column, value),
            values => {
                let list: Vec<_> = values.iter().map(|value| text(value)).collect();
                self.holds(format!("{column} IN ({})", list.join(", ")));
            }
        }
    }

    /// Adds that a column contains this text.
    pub(crate) fn contains(&mut self, column: &str, value: &str) {
        self.holds(format!("{column} LIKE {}", containing(value)));
    }
}

impl fmt::Display for Conditions {
    /// With WHERE and a space in front, if there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, condition) in self.0.iter().enumerate() {
            write!(
                f,
                "{}{condition}",
                if at == 0 { " WHERE " } else { " AND " }
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        for (value, quoted) in [
            ("plain", "'plain'"),
            ("l'k", "'l''k'"),
            ("' OR 1=1 --", "''' OR 1=1 --'"),
            ("\\' \"x\"", "'\\'' \"x\"'"),
            ("", "''"),
        ] {
            assert_eq!(text(value), quoted);
        }
    }

    #[test]
    fn conditions_are_joined() {
        let mut all = Conditions::new();
        assert_eq!(all.to_string(), "");
        all.equal("key", "a'b");
        all.one_of("status", &list(&["running"]));
        all.one_of("service", &list(&["A", "B'"]));
        all.one_of("handler", &[]);
        all.holds("(x > 1 OR y)");
        assert_eq!(
            all.to_string(),
            " WHERE key = 'a''b' AND status = 'running' AND service IN ('A', 'B''') AND (x > 1 OR y)"
        );
    }

    #[test]
    fn what_is_contained_has_no_wildcards() {
        let mut all = Conditions::new();
        all.contains("f", "50%_'\\");
        assert_eq!(
            all.to_string(),
            " WHERE f LIKE '%50\\%\\_''\\\\%' ESCAPE '\\'"
        );
    }
}

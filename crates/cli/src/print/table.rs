//! Tables: cells come in, aligned lines go out, fitted to a width where there is one.
//!
//! Identifiers are never cut, for people copy them; where there is too little room, flexible
//! columns are cut first, then optional ones are left out. That is why this is no crate's table:
//! those wrap or cut every column alike.

use console::{Alignment, measure_text_width, pad_str, truncate_str};

const GAP: usize = 2;

/// A column: its title, and what may be done to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    /// It may be cut to so much; nothing: it is never cut.
    least: Option<usize>,
    /// It is left out before the table is wider than it should be.
    is_optional: bool,
    is_number: bool,
}

impl Column {
    /// One that is always there in full.
    pub(crate) const fn fixed(title: &'static str) -> Self {
        Self {
            title,
            least: None,
            is_optional: false,
            is_number: false,
        }
    }

    /// One that may be cut.
    pub(crate) const fn flexible(title: &'static str, least: usize) -> Self {
        Self {
            least: Some(least),
            ..Self::fixed(title)
        }
    }

    /// One of numbers.
    pub(crate) const fn number(title: &'static str) -> Self {
        Self {
            is_number: true,
            ..Self::fixed(title)
        }
    }

    /// The same, but it may be left out.
    pub(crate) const fn optional(self) -> Self {
        Self {
            is_optional: true,
            ..self
        }
    }
}

/// Cells in columns.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// No rows yet.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self {
            columns: columns.into(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, titles first, each with a line end.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        let kept = self.kept(width);
        let titles = kept
            .iter()
            .map(|(at, width)| (self.columns[*at].title.to_owned(), *at, *width));
        let mut text = super::faint(aligned(titles, &self.columns));
        text.push('\n');
        for row in &self.rows {
            let cells = kept.iter().map(|(at, width)| {
                let cell = row.get(*at).cloned().unwrap_or_default();
                (cell, *at, *width)
            });
            text.push_str(&aligned(cells, &self.columns));
            text.push('\n');
        }
        text
    }

    /// Which columns there is room for, and how wide each is.
    fn kept(&self, width: Option<usize>) -> Vec<(usize, usize)> {
        let natural = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells
                .map(|cell| measure_text_width(cell))
                .chain([measure_text_width(self.columns[at].title)])
                .max()
                .unwrap_or_default()
        };
        let mut kept: Vec<_> = (0..self.columns.len())
            .map(|at| (at, natural(at)))
            .collect();
        let Some(width) = width else {
            return kept;
        };
        loop {
            let wide = |kept: &[(usize, usize)]| {
                kept.iter().map(|(_, width)| width + GAP).sum::<usize>() - GAP.min(kept.len() * GAP)
            };
            // The widest of those that may shrink gives way first.
            while wide(&kept) > width {
                let widest = kept
                    .iter_mut()
                    .filter(|(at, width)| {
                        self.columns[*at].least.is_some_and(|least| *width > least)
                    })
                    .max_by_key(|(_, width)| *width);
                match widest {
                    Some((_, width)) => *width -= 1,
                    None => break,
                }
            }
            if wide(&kept) <= width {
                return kept;
            }
            let optional = kept
                .iter()
                .rposition(|(at, _)| self.columns[*at].is_optional);
            match optional {
                Some(at) => {
                    kept.remove(at);
                    // What was cut to make room for it gets that room.
                    for (at, width) in &mut kept {
                        *width = natural(*at);
                    }
                }
                None => return kept,
            }
        }
    }
}

fn aligned(cells: impl Iterator<Item = (String, usize, usize)>, columns: &[Column]) -> String {
    let parts: Vec<_> = cells
        .map(|(cell, at, width)| {
            let alignment = if columns[at].is_number {
                Alignment::Right
            } else {
                Alignment::Left
            };
            let cell = truncate_str(&cell, width, "…");
            pad_str(&cell, width, alignment, None).into_owned()
        })
        .collect();
    parts.join(&" ".repeat(GAP)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            Column::fixed("ID"),
            Column::flexible("TARGET", 6),
            Column::number("N"),
            Column::flexible("NOTE", 8).optional(),
        ]);
        table.row([
            "inv_1".to_owned(),
            "Shop/orders".to_owned(),
            "7".to_owned(),
            "a long remark".to_owned(),
        ]);
        table.row([
            "inv_22".to_owned(),
            "é".to_owned(),
            "1,234".to_owned(),
            String::new(),
        ]);
        table
    }

    #[test]
    fn without_a_width_nothing_is_cut() {
        assert_eq!(
            table().render(None),
            "ID      TARGET           N  NOTE\n\
             inv_1   Shop/orders      7  a long remark\n\
             inv_22  é            1,234\n"
        );
    }

    #[test]
    fn flexible_columns_give_way_before_optional_ones_go() {
        assert_eq!(
            table().render(Some(36)),
            "ID      TARGET          N  NOTE\n\
             inv_1   Shop/orde…      7  a long r…\n\
             inv_22  é           1,234\n"
        );
        assert_eq!(
            table().render(Some(24)),
            "ID      TARGET         N\n\
             inv_1   Shop/ord…      7\n\
             inv_22  é          1,234\n"
        );
    }

    #[test]
    fn an_identifier_is_never_cut() {
        let narrow = table().render(Some(5));
        assert!(narrow.contains("inv_22"), "{narrow}");
    }
}

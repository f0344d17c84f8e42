// SPDX-License-Identifier: MPL-2.0
//! Columns that line up.

use std::fmt;

pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&str]) -> Table {
        Table {
            head: head.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Whether a cell is a number, and so belongs to the right.
fn is_figure(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && cell
            .chars()
            .all(|c| c.is_ascii_digit() || ".-/".contains(c))
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for row in all() {
            write!(f, " ")?;
            for (column, cell) in row.iter().enumerate() {
                let width = width(column);
                let figures = self
                    .rows
                    .iter()
                    .all(|row| row.get(column).is_none_or(|cell| is_figure(cell)));
                if figures {
                    write!(f, " {cell:>width$} ")?;
                } else {
                    write!(f, " {cell:<width$} ")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right() {
        let mut table = Table::new(&["who", "n"]);
        table.row(vec!["a".to_owned(), "5".to_owned()]);
        table.row(vec!["bcde".to_owned(), "100".to_owned()]);
        assert_eq!(
            table.to_string(),
            "  who     n \n  a       5 \n  bcde  100 \n"
        );
    }
}

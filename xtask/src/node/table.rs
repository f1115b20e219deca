//! The figures as a table of Markdown.

use std::fmt::{self, Display};

/// Figures, each with what it was measured over.
pub(super) struct Table(Vec<[String; 3]>);

impl Table {
    pub(super) fn new() -> Self {
        Self(vec![["what", "measured", "over"].map(str::to_owned)])
    }

    pub(super) fn row(&mut self, what: impl Into<String>, measured: String, over: impl Into<String>) {
        self.0.push([what.into(), measured, over.into()]);
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, row) in self.0.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if number == 0 {
                writeln!(f, "|---|---:|---|")?;
            }
        }
        Ok(())
    }
}

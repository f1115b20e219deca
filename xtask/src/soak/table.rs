//! The outcome for people: what clients did, and what processes held before and after.

use std::fmt::Write as _;

use super::Figures;
use crate::Problem;

/// What one process held.
#[derive(Debug)]
pub(super) struct Holding {
    name: String,
    pub(super) before: Figures,
    /// After each half of the load, when it was quiet again.
    after: [Option<Figures>; 2],
}

impl Holding {
    pub(super) fn new(name: String, before: Figures) -> Self {
        Self { name, before, after: [None; 2] }
    }

    /// Notes what it holds after this half.
    pub(super) fn then(&mut self, half: u64, figures: Figures) {
        self.after[usize::from(half > 0)] = Some(figures);
    }

    /// What is left over, and should not be; memory only where it may grow by so much.
    pub(super) fn left_over(&self, max_growth_kib: Option<u64>) -> Vec<Problem> {
        let mut left = Vec::new();
        for after in self.after.iter().flatten() {
            if !after.is_back_to(&self.before) {
                left.push(format!(
                    "{}: there is more than before: {after:?}, and it was {:?}",
                    self.name, self.before
                ));
            }
        }
        if let (Some(growth), Some(most)) = (self.growth_kib(), max_growth_kib)
            && growth > i128::from(most)
        {
            left.push(format!("{}: memory has grown by {growth} KiB, and {most} may be", self.name));
        }
        left
    }

    /// What memory has grown by in the second half.
    fn growth_kib(&self) -> Option<i128> {
        let resident = |half: usize| self.after[half].and_then(|figures| figures.resident_kib);
        Some(i128::from(resident(1)?) - i128::from(resident(0)?))
    }
}

/// The table of events, over HTTP and over stdio.
pub(super) fn counts(rows: &[(&str, [u64; 2])]) -> String {
    let mut table = format!("{:32}{:>10}{:>10}\n", "", "HTTP", "stdio");
    for (name, numbers) in rows {
        let [web, lines] =
            numbers.map(|number| if number == 0 { "-".to_owned() } else { number.to_string() });
        _ = writeln!(table, "{name:32}{web:>10}{lines:>10}");
    }
    table
}

/// The table of what processes hold: before, after the first half, after the second.
pub(super) fn holdings(holdings: &[Holding]) -> String {
    let mut table = format!(
        "{:20}{:>14}{:>14}{:>14}{:>36}\n",
        "held when quiet", "tasks", "descriptors", "threads", "resident KiB"
    );
    for holding in holdings {
        let column = |of: fn(&Figures) -> Option<u64>| {
            if of(&holding.before).is_none() {
                return "not measured".to_owned();
            }
            let after = holding.after.map(|figures| number(figures.as_ref().and_then(of)));
            format!("{} {} {}", number(of(&holding.before)), after[0], after[1])
        };
        let growth = match holding.growth_kib() {
            Some(growth) => format!("{} ({growth:+})", column(|figures| figures.resident_kib)),
            None => column(|figures| figures.resident_kib),
        };
        _ = writeln!(
            table,
            "{:20}{:>14}{:>14}{:>14}{growth:>36}",
            holding.name,
            column(|figures| Some(figures.tasks)),
            column(|figures| figures.descriptors),
            column(|figures| figures.threads),
        );
    }
    table
        + "(before the load, after its first half, after its second; in brackets, the growth in the second)\n"
}

/// A number, or that there is none.
pub(super) fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_over_is_told() {
        let figures = |tasks, resident| Figures {
            tasks,
            descriptors: None,
            threads: Some(2),
            resident_kib: Some(resident),
        };
        let mut holding = Holding::new("a".to_owned(), figures(1, 1000));
        holding.then(0, figures(1, 2000));
        holding.then(1, figures(1, 2100));
        assert!(holding.left_over(Some(100)).is_empty());
        assert_eq!(holding.left_over(Some(99)).len(), 1);
        assert!(holding.left_over(None).is_empty());
        holding.then(1, figures(2, 2000));
        assert_eq!(holding.left_over(None).len(), 1);
        assert!(holdings(&[holding]).contains("2000 2000 (+0)"));
    }
}

//! The report: a measured number beside what it is judged by.

use std::fmt::Write;

/// What a number should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// At most this, in the row's unit.
    AtMost(f64),
    /// At least this, in the row's unit.
    AtLeast(f64),
    /// At most so many times the peer.
    TimesAtMost(f64),
    /// At least so many times the peer.
    TimesAtLeast(f64),
}

/// One line of the report.
pub(crate) struct Row {
    what: String,
    measured: f64,
    unit: &'static str,
    peer: Option<(String, f64)>,
    goal: Option<Goal>,
}

/// The rows as a Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from("| what | measured | floor or peer | ratio | goal | |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", row.line());
    }
    text
}

// === impl Goal ===

impl Goal {
    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most} {unit}"),
            Self::AtLeast(least) => format!("≥ {least} {unit}"),
            Self::TimesAtMost(most) => format!("≤ {most} ×"),
            Self::TimesAtLeast(least) => format!("≥ {least} ×"),
        }
    }

    fn is_met(self, measured: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::AtMost(most) => measured <= most,
            Self::AtLeast(least) => measured >= least,
            Self::TimesAtMost(most) => ratio.is_some_and(|ratio| ratio <= most),
            Self::TimesAtLeast(least) => ratio.is_some_and(|ratio| ratio >= least),
        }
    }
}

// === impl Row ===

impl Row {
    /// A number alone.
    pub(crate) fn new(what: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            measured,
            unit,
            peer: None,
            goal: None,
        }
    }

    /// What to compare it with, in the same unit.
    pub(crate) fn beside(mut self, name: impl Into<String>, peer: f64) -> Self {
        self.peer = Some((name.into(), peer));
        self
    }

    /// What it should be.
    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    fn line(&self) -> String {
        let Self { what, unit, .. } = self;
        let measured = number(self.measured);
        let peer = self
            .peer
            .as_ref()
            .map(|(name, peer)| format!("{} {unit} ({name})", number(*peer)));
        let ratio = self.peer.as_ref().map(|(_, peer)| self.measured / peer);
        let verdict = self
            .goal
            .map(|goal| match goal.is_met(self.measured, ratio) {
                true => "met",
                false => "**missed**",
            });
        format!(
            "| {what} | {measured} {unit} | {} | {} | {} | {} |",
            peer.unwrap_or_default(),
            ratio.map(|it| format!("{it:.2} ×")).unwrap_or_default(),
            self.goal.map(|goal| goal.text(unit)).unwrap_or_default(),
            verdict.unwrap_or_default(),
        )
    }
}

/// Three digits that count, or all before the point.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(row: &Row) -> String {
        let line = row.line();
        line.trim_end_matches([' ', '|'])
            .rsplit('|')
            .next()
            .unwrap()
            .trim()
            .to_owned()
    }

    #[test]
    fn a_row_shows_what_it_is_judged_by() {
        let row = Row::new("commit, median", 0.3, "ms")
            .beside("fsync", 0.25)
            .goal(Goal::TimesAtMost(1.5));
        assert_eq!(
            row.line(),
            "| commit, median | 0.30 ms | 0.25 ms (fsync) | 1.20 × | ≤ 1.5 × | met |"
        );
        assert!(table(&[row]).starts_with("| what |"));
    }

    #[test]
    fn a_goal_that_is_missed_says_so() {
        let slow = || Row::new("x", 8.0, "MB").beside("y", 2.0);
        assert_eq!(verdict(&slow().goal(Goal::AtMost(6.0))), "**missed**");
        assert_eq!(verdict(&slow().goal(Goal::AtMost(8.0))), "met");
        assert_eq!(verdict(&slow().goal(Goal::TimesAtLeast(5.0))), "**missed**");
        assert_eq!(verdict(&slow().goal(Goal::TimesAtLeast(4.0))), "met");
        assert_eq!(verdict(&slow().goal(Goal::TimesAtMost(3.9))), "**missed**");
        let few = Row::new("x", 29_999.0, "/s").goal(Goal::AtLeast(30_000.0));
        assert_eq!(verdict(&few), "**missed**");
        let alone = Row::new("x", 1.0, "MB").goal(Goal::TimesAtMost(2.0));
        assert_eq!(verdict(&alone), "**missed**", "no peer, no ratio");
    }
}

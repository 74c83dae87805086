//! The demo's last words.

use super::history::hand_overs_ms;
use super::judge::{Ending, Verdict};
use super::plan::Plan;
use super::trace::{Fact, Trace};
use std::fmt::Write;
use std::time::Duration;

/// What happened, and whether every promise was kept.
pub(super) fn text(
    plan: &Plan,
    trace: &Trace,
    ending: &Ending,
    verdicts: &[Verdict],
    took: Duration,
) -> String {
    let back = trace
        .facts()
        .iter()
        .filter(|fact| matches!(fact, Fact::Up(_)));
    let (back, machines) = (back.count(), plan.names.len());
    let (most, slots) = (trace.most_down(), plan.slots);
    let took = took.as_secs_f64();
    let mut text = format!(
        "\n{back} of {machines} machines rebooted and came back in {took:.1} s\n\
         at most {most} down at once, {slots} allowed\n",
    );
    if let Some(name) = &plan.fails {
        let _ = writeln!(
            text,
            "{name} did not come back, as told; an operator ended its hold"
        );
    }
    text.push_str(&hand_over_line(hand_overs_ms(&ending.history)));
    text.push('\n');
    for verdict in verdicts {
        let mark = if verdict.faults.is_empty() {
            "kept"
        } else {
            "BROKEN"
        };
        let _ = writeln!(text, "  {mark:<6}  {}", verdict.promise); // a string takes everything
        for fault in &verdict.faults {
            let _ = writeln!(text, "          {fault}"); // as above
        }
    }
    let is_good = verdicts.iter().all(|verdict| verdict.faults.is_empty());
    text.push_str(match is_good {
        true => "\nevery invariant held\n",
        false => "\nnot every invariant held\n",
    });
    text
}

fn hand_over_line(mut spans_ms: Vec<f64>) -> String {
    spans_ms.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (spans_ms.first(), spans_ms.last()) else {
        return String::new();
    };
    let median = spans_ms[spans_ms.len() / 2];
    let count = spans_ms.len();
    format!(
        "a free slot was claimed again after {min:.0} / {median:.0} / {max:.0} ms \
         (least, median, most of {count})\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            names: vec!["a".to_owned(), "b".to_owned()],
            slots: 1,
            fails: None,
            down_secs: 1,
            keeps: false,
        }
    }

    #[test]
    fn a_broken_promise_names_what_broke_it() {
        let verdicts = [
            Verdict {
                promise: "the first",
                faults: Vec::new(),
            },
            Verdict {
                promise: "the second",
                faults: vec!["a and b were down".to_owned()],
            },
        ];
        let (trace, ending) = (Trace::default(), Ending::default());
        let text = text(&plan(), &trace, &ending, &verdicts, Duration::from_secs(3));
        assert!(
            text.contains("0 of 2 machines") && text.contains("3.0 s"),
            "{text}"
        );
        assert!(text.contains("kept    the first\n"), "{text}");
        assert!(
            text.contains("BROKEN  the second\n          a and b were down\n"),
            "{text}"
        );
    }

    #[test]
    fn hand_overs_are_told_least_first() {
        let line = hand_over_line(vec![30.0, 10.0, 20.0]);
        assert!(line.contains("10 / 20 / 30 ms"), "{line}");
        assert_eq!(hand_over_line(Vec::new()), "");
    }
}

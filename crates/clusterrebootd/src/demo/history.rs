//! The group's history, read again by rules of the demo's own: does it tell the same story, and
//! how quickly was a free slot taken?

use super::plan::Plan;
use jiff::Timestamp;
use reboot_core::group::HistoryEntry;
use std::collections::BTreeMap;

/// What the history says about one machine.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Count {
    fences: u32,
    returns: u32,
    breaks: u32,
}

#[derive(Default)]
struct Reader {
    holds: BTreeMap<u64, String>,
    newest: u64,
    counts: BTreeMap<String, Count>,
    faults: Vec<String>,
}

/// Everything that is wrong with the history of a demo that has ended.
pub(super) fn faults(entries: &[HistoryEntry], plan: &Plan) -> Vec<String> {
    let mut reader = Reader::default();
    for entry in entries {
        reader.read(entry, plan.slots as usize);
    }
    for (number, node) in &reader.holds {
        let fault = format!("hold {number} of {node} was never ended");
        reader.faults.push(fault);
    }
    for name in &plan.names {
        let count = reader.counts.get(name).copied().unwrap_or_default();
        let is_failing = plan.is_failing(name);
        let expected = Count {
            fences: 1,
            returns: u32::from(!is_failing),
            breaks: u32::from(is_failing),
        };
        if count != expected {
            let fault = format!("{name}: {count}, expected {expected}");
            reader.faults.push(fault);
        }
    }
    reader.faults
}

/// From every release to the claim that took the free slot, in milliseconds. The first claims,
/// which waited for no slot, are none; nor is one that waited for an operator.
pub(super) fn hand_overs_ms(entries: &[HistoryEntry]) -> Vec<f64> {
    let mut free_since: Vec<Option<Timestamp>> = Vec::new();
    let mut spans = Vec::new();
    for entry in entries {
        let Ok(at) = entry.at.parse::<Timestamp>() else {
            continue;
        };
        match entry.event.as_str() {
            "release" | "expire" => free_since.push(Some(at)),
            "break" => free_since.push(None),
            "claim" if !free_since.is_empty() => {
                let since = free_since.remove(0);
                // Times are those of the requests: a claim on its way when the slot came free
                // was made before it, and waited for nothing.
                let millis = |since| (at.duration_since(since).as_secs_f64() * 1000.0).max(0.0);
                let span = since.map(millis);
                spans.extend(span);
            }
            _ => {}
        }
    }
    spans
}

// === impl Reader ===

impl Reader {
    fn read(&mut self, entry: &HistoryEntry, slots: usize) {
        let (Some(number), Some(node)) = (entry.number, &entry.node) else {
            return; // about the group, not a hold
        };
        let node = node.as_str().to_owned();
        match entry.event.as_str() {
            "claim" => self.claim(number, node, slots),
            event => self.move_hold(event, number, &node, &entry.detail),
        }
    }

    fn claim(&mut self, number: u64, node: String, slots: usize) {
        if number <= self.newest {
            let newest = self.newest;
            self.fault(format!("hold {number} of {node} came after hold {newest}"));
        }
        self.newest = self.newest.max(number);
        self.holds.insert(number, node);
        let count = self.holds.len();
        if count > slots {
            self.fault(format!(
                "hold {number} was granted as number {count} of {slots}"
            ));
        }
    }

    fn move_hold(&mut self, event: &str, number: u64, node: &str, detail: &str) {
        if self.holds.get(&number).map(String::as_str) != Some(node) {
            self.fault(format!(
                "{event} of hold {number} by {node}, which has no such hold"
            ));
        }
        let count = self.counts.entry(node.to_owned()).or_default();
        match (event, detail) {
            ("fence", _) => count.fences += 1,
            ("release", "returned") => count.returns += 1,
            ("break", _) => count.breaks += 1,
            _ => {}
        }
        if matches!(event, "release" | "break" | "expire") {
            self.holds.remove(&number);
        }
    }

    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }
}

// === impl Count ===

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            fences,
            returns,
            breaks,
        } = self;
        write!(
            f,
            "fenced {fences}, returned {returns}, unlocked {breaks} times"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::id::NodeName;

    fn entry(second: u32, event: &str, node: &str, number: u64, detail: &str) -> HistoryEntry {
        HistoryEntry {
            at: format!("2026-03-07T11:45:{second:02}Z"),
            event: event.to_owned(),
            node: Some(NodeName::new(node).unwrap()),
            number: Some(number),
            detail: detail.to_owned(),
        }
    }

    fn plan(fails: Option<&str>) -> Plan {
        Plan {
            names: vec!["node-1".to_owned(), "node-2".to_owned()],
            slots: 1,
            fails: fails.map(str::to_owned),
            down_secs: 1,
            keeps: false,
        }
    }

    fn reboot(from: u32, node: &str, number: u64) -> Vec<HistoryEntry> {
        vec![
            entry(from, "claim", node, number, ""),
            entry(from + 1, "fence", node, number, ""),
            entry(from + 2, "return", node, number, ""),
            entry(from + 3, "release", node, number, "returned"),
        ]
    }

    #[test]
    fn a_good_history_has_no_faults() {
        let good = [reboot(0, "node-1", 1), reboot(5, "node-2", 2)].concat();
        assert_eq!(faults(&good, &plan(None)), Vec::<String>::new());
        assert_eq!(hand_overs_ms(&good), [2000.0]);
    }

    #[test]
    fn a_claim_that_was_on_its_way_waited_for_nothing_and_one_after_an_unlock_does_not_count() {
        let early = [
            entry(0, "claim", "node-1", 1, ""),
            entry(5, "release", "node-1", 1, "returned"),
            entry(4, "claim", "node-2", 2, ""),
            entry(8, "break", "node-2", 2, "root: dead"),
            entry(30, "claim", "node-1", 3, ""),
        ];
        assert_eq!(hand_overs_ms(&early), [0.0]);
    }

    #[test]
    fn an_unlocked_machine_is_expected_to_be_unlocked() {
        let broken = [
            entry(5, "claim", "node-2", 2, ""),
            entry(6, "fence", "node-2", 2, ""),
            entry(20, "break", "node-2", 2, "root: dead"),
        ];
        let history = [reboot(0, "node-1", 1), broken.to_vec()].concat();
        assert_eq!(
            faults(&history, &plan(Some("node-2"))),
            Vec::<String>::new()
        );
        assert_eq!(faults(&history, &plan(None)).len(), 1);
    }

    #[test]
    fn every_kind_of_bad_history_is_noticed() {
        let overlapping = vec![
            entry(0, "claim", "node-1", 1, ""),
            entry(0, "claim", "node-2", 2, ""),
        ];
        let old_number = [reboot(0, "node-1", 2), reboot(5, "node-2", 1)].concat();
        let mut twice = [reboot(0, "node-1", 1), reboot(5, "node-2", 2)].concat();
        twice.extend(reboot(10, "node-1", 3));
        let mut unended = [reboot(0, "node-1", 1), reboot(5, "node-2", 2)].concat();
        unended.truncate(7);
        let mut stranger = [reboot(0, "node-1", 1), reboot(5, "node-2", 2)].concat();
        stranger[1] = entry(1, "fence", "node-2", 1, "");
        for (history, word) in [
            (overlapping, "number 2 of 1"),
            (old_number, "came after"),
            (twice, "fenced 2"),
            (unended, "never ended"),
            (stranger, "no such hold"),
        ] {
            let found = faults(&history, &plan(None)).join("\n");
            assert!(found.contains(word), "{word}: {found}");
        }
    }
}

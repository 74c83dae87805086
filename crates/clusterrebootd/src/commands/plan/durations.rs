//! How long reboots took, as the history tells.

use super::words::{count, duration};
use crate::cli::PlanArgs;
use reboot_core::agent::Settings;
use reboot_core::group::HistoryEntry;
use reboot_core::id::NodeName;
use reboot_core::past::{PastReboot, between_ms, median, past_reboots};
use reboot_sim::plan::Durations;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is assumed where nothing is known.
const ASSUMED: Durations = Durations {
    drain_ms: 10_000,
    down_ms: 90_000,
    check_ms: 10_000,
};

/// What is known of each node.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    finished: BTreeMap<NodeName, Vec<Durations>>,
}

// === impl Known ===

impl Known {
    /// Learns from the lines of one group's history, oldest first. The delay and the soak are
    /// settings of their own, and no part of what is learned.
    pub(super) fn learn(&mut self, history: &[HistoryEntry], settings: &Settings) {
        for past in past_reboots(history) {
            let took = took(&past, settings);
            self.finished.entry(past.node).or_default().extend(took);
        }
    }

    /// A node's own medians, or else the fleet's, or else what is assumed.
    pub(super) fn of(&self, node: &NodeName) -> Durations {
        let own = self.finished.get(node).and_then(|them| medians(them));
        own.or_else(|| self.fleet()).unwrap_or(ASSUMED)
    }

    fn fleet(&self) -> Option<Durations> {
        let all: Vec<Durations> = self.finished.values().flatten().copied().collect();
        medians(&all)
    }

    /// Where the durations are from, in a sentence.
    pub(super) fn told(&self, nodes: &[NodeName]) -> String {
        let has_own = |node: &&NodeName| self.finished.get(*node).is_some_and(|it| !it.is_empty());
        let own = nodes.iter().filter(has_own).count();
        let parts = |it: Durations| {
            let [drain, down, check] = [it.drain_ms, it.down_ms, it.check_ms].map(duration);
            format!("drain {drain}, down {down}, check {check}")
        };
        let Some(fleet) = self.fleet() else {
            return format!(
                "no finished reboot is known, so assumed: {}",
                parts(ASSUMED)
            );
        };
        let medians = parts(fleet);
        match nodes.len() - own {
            0 => format!("durations are each node's own in the history (median of all: {medians})"),
            rest if own == 0 => {
                let rest = count(rest, "node");
                format!("durations of {rest} are the history's median: {medians}")
            }
            rest => {
                let (own, rest) = (count(own, "node"), count(rest, "node"));
                format!(
                    "durations of {own} are their own in the history, of {rest} the median of \
                     all: {medians}"
                )
            }
        }
    }
}

/// `None` of a client without an agent, which does not tell when it was back.
fn took(past: &PastReboot, settings: &Settings) -> Option<Durations> {
    let (claimed, fenced, returned) = (past.claimed?, past.fenced?, past.returned?);
    Some(Durations {
        drain_ms: between_ms(claimed, fenced)?.saturating_sub(settings.delay_ms),
        down_ms: between_ms(fenced, returned)?,
        check_ms: between_ms(returned, past.released?)?.saturating_sub(settings.soak_ms),
    })
}

fn medians(them: &[Durations]) -> Option<Durations> {
    let median = |part: fn(&Durations) -> u64| median(them.iter().map(part).collect());
    Some(Durations {
        drain_ms: median(|it| it.drain_ms)?,
        down_ms: median(|it| it.down_ms)?,
        check_ms: median(|it| it.check_ms)?,
    })
}

/// Puts in what the command line says.
pub(super) fn overruled(mut durations: Durations, args: &PlanArgs) -> Durations {
    let ms = |given: Option<Duration>| given.map(|it| it.as_secs() * 1000);
    durations.drain_ms = ms(args.drain_time).unwrap_or(durations.drain_ms);
    durations.down_ms = ms(args.down_time).unwrap_or(durations.down_ms);
    durations.check_ms = ms(args.check_time).unwrap_or(durations.check_ms);
    durations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: &str, event: &str, node: &str, number: u64) -> HistoryEntry {
        HistoryEntry {
            at: format!("2026-11-21T06:{at}Z"),
            event: event.to_owned(),
            node: NodeName::new(node).ok(),
            number: Some(number),
            detail: "returned".to_owned(),
        }
    }

    fn settings() -> Settings {
        Settings {
            delay_ms: 2_000,
            soak_ms: 1_000,
            ..reboot_sim::world::settings("a", 1)
        }
    }

    fn reboot(node: &str, number: u64, minute: u64, down_secs: u64) -> Vec<HistoryEntry> {
        let at = |secs: u64| format!("{:02}:{:02}", minute + secs / 60, secs % 60);
        let back = 6 + down_secs;
        vec![
            line(&at(0), "claim", node, number),
            line(&at(6), "fence", node, number),
            line(&at(back), "return", node, number),
            line(&at(back + 4), "release", node, number),
        ]
    }

    #[test]
    fn a_node_has_its_own_median_and_a_new_one_the_fleets() {
        let mut history = Vec::new();
        for (number, down_secs) in [(1, 30), (2, 50), (3, 40)] {
            history.extend(reboot("a", number, number * 2, down_secs));
        }
        history.extend(reboot("b", 4, 20, 100));
        history.extend(reboot("b", 5, 30, 100));
        let mut known = Known::default();
        known.learn(&history, &settings());
        let node = |name: &str| NodeName::new(name).unwrap();
        let own = known.of(&node("a"));
        assert_eq!(
            (own.drain_ms, own.down_ms, own.check_ms),
            (4_000, 40_000, 3_000)
        );
        assert_eq!(known.of(&node("b")).down_ms, 100_000);
        assert_eq!(known.of(&node("c")).down_ms, 50_000);
        let told = known.told(&[node("a"), node("c")]);
        assert!(told.contains("of 1 node are their own"), "{told}");
    }

    #[test]
    fn what_was_broken_given_back_or_is_unfinished_teaches_nothing() {
        let whole = reboot("a", 1, 2, 30);
        let mut given_back = whole[3].clone();
        given_back.detail = "given back".to_owned();
        let mut backwards = whole.clone();
        backwards[2].at = "2026-11-21T05:00:00Z".to_owned();
        for history in [
            whole[..3].to_vec(),
            whole[1..].to_vec(),
            vec![given_back],
            backwards,
        ] {
            let mut known = Known::default();
            known.learn(&history, &settings());
            assert_eq!(
                known.of(&NodeName::new("a").unwrap()),
                ASSUMED,
                "{history:?}"
            );
        }
    }
}

//! A plan as a table, and as JSON.

use super::Shown;
use super::words::{between, count, duration, listed, moment, short};
use crate::commands::table::table as lined_up;
use crate::plain::plain;
use jiff::Timestamp;
use reboot_sim::plan::{Lane, Plan, Span, Wait, What};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many nodes are named where several have the same reason.
const NAMED_MAX: usize = 5;

/// The answer in a line.
pub(super) fn headline(shown: &Shown) -> String {
    let Shown { plan, zone, .. } = shown;
    let (done, all) = (plan.done(), count(plan.lanes.len(), "node"));
    let whole = duration(between(plan.start, plan.horizon));
    let last = plan.lanes.iter().filter_map(|lane| lane.done).max();
    let by = |end: Timestamp| {
        let took = duration(between(plan.start, end));
        format!("{took}, at {}", moment(end, &zone.rules))
    };
    match (plan.end, last) {
        (Some(end), _) => format!("{done} of {all} done in {}", by(end)),
        (None, Some(end)) => {
            format!(
                "only {done} of {all} done within {whole}; the last in {}",
                by(end)
            )
        }
        (None, None) => format!("0 of {all} done within {whole}: nothing moves"),
    }
}

/// The plan for people.
pub(super) fn table(shown: &Shown) -> String {
    let mut text = format!("{}\n{}\n\n", headline(shown), slots(&shown.plan));
    let titles = ["ORDER", "NODE", "SLOT", "DOWN", "DONE", "WAITED FOR"];
    text.push_str(&lined_up(titles, &rows(shown)));
    let reasons = reasons(&shown.plan);
    if !reasons.is_empty() {
        text.push_str("\nwhat blocks:\n");
    }
    for (reason, nodes) in reasons {
        let line = format!("  {}: {reason}", listed(&nodes, NAMED_MAX));
        text.push_str(&(plain(&line) + "\n"));
    }
    text.push_str("\nassumed:\n");
    for assumption in &shown.assumptions {
        text.push_str(&format!("  {}\n", plain(assumption)));
    }
    text
}

fn slots(plan: &Plan) -> String {
    let groups = plan.groups.iter();
    let slots = groups.map(|(name, max)| format!("group {name}: {}", count(*max as usize, "slot")));
    Vec::from_iter(slots).join(", ")
}

/// In the order in which nodes go down, then those that never do.
fn rows(shown: &Shown) -> Vec<[String; 6]> {
    let places: BTreeMap<_, _> = shown.plan.order.iter().zip(1..).collect();
    let mut lanes: Vec<(usize, &Lane)> = shown
        .plan
        .lanes
        .iter()
        .map(|lane| (places.get(&lane.node).copied().unwrap_or(usize::MAX), lane))
        .collect();
    lanes.sort_by_key(|(place, _)| *place);
    let cell = |at: Option<Timestamp>| {
        at.map_or_else(|| "-".to_owned(), |at| short(at, &shown.zone.rules))
    };
    let row = |(place, lane): (usize, &Lane)| {
        let is_placed = place < usize::MAX;
        [
            if is_placed {
                place.to_string()
            } else {
                "-".to_owned()
            },
            lane.node.to_string(),
            cell(lane.claims()),
            cell(lane.goes_down()),
            lane.done
                .map_or_else(|| "never".to_owned(), |at| cell(Some(at))),
            waits(lane),
        ]
    };
    lanes.into_iter().map(row).collect()
}

fn waits(lane: &Lane) -> String {
    let waits = lane.waits().into_iter().filter(|(_, ms)| *ms >= 1000);
    let words = waits.map(|(wait, ms)| format!("{} {}", in_words(wait), duration(ms)));
    let words = Vec::from_iter(words);
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(", "),
    }
}

pub(super) fn in_words(wait: Wait) -> &'static str {
    match wait {
        Wait::Slot => "a slot",
        Wait::Window => "the window",
        Wait::Cooldown => "the cooldown",
        Wait::Peers => "other nodes",
        Wait::Pause => "the end of a pause",
        Wait::DailyCap => "the daily cap",
        Wait::Other => "something else",
    }
}

/// Each reason with the nodes that have it, most first.
fn reasons(plan: &Plan) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for lane in plan.never() {
        for reason in &lane.blocked_by {
            reasons.entry(reason).or_default().push(lane.node.as_str());
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
    reasons
}

/// The plan for programs.
pub(super) fn json(shown: &Shown) -> Value {
    let plan = &shown.plan;
    let closed = shown.closed.iter();
    let closed: Vec<Value> = closed
        .map(|it| json!({"from": stamp(it.from), "to": stamp(it.to)}))
        .collect();
    json!({
        "summary": headline(shown),
        "start": stamp(plan.start),
        "end": plan.end.map(stamp),
        "seconds": plan.end.map(|end| between(plan.start, end) / 1000),
        "horizon": stamp(plan.horizon),
        "nodes": plan.lanes.len(),
        "done": plan.done(),
        "max": plan.groups,
        "order": plan.order,
        "lanes": plan.lanes.iter().map(lane_json).collect::<Vec<_>>(),
        "closed": closed,
        "timezone": shown.zone.name,
        "assumed": shown.assumptions,
    })
}

/// A moment for programs, in milliseconds.
fn stamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn lane_json(lane: &Lane) -> Value {
    let waits = lane.waits().into_iter();
    let waits = waits.map(|(wait, ms)| json!({"for": wait.name(), "seconds": ms / 1000}));
    json!({
        "node": lane.node,
        "group": lane.group,
        "claimed": lane.claims().map(stamp),
        "down": lane.goes_down().map(stamp),
        "done": lane.done.map(stamp),
        "waits": waits.collect::<Vec<_>>(),
        "blocked_by": lane.blocked_by,
        "spans": lane.spans.iter().map(span_json).collect::<Vec<_>>(),
    })
}

fn span_json(span: &Span) -> Value {
    let mut value =
        json!({"what": span.what.name(), "from": stamp(span.from), "to": stamp(span.to)});
    if let What::Waiting(wait) = span.what {
        value["for"] = json!(wait.name());
        value["says"] = json!(span.says);
    }
    value
}

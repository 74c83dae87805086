//! What the rules and the dashboard ask Prometheus for.

use crate::tool::shipped;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Names of metrics begin with one of these; `up` is Prometheus' own.
const PREFIXES: [&str; 3] = ["clusterrebootd_", "fleetlock_", "process_"];

/// A metric that is asked for, and the labels it is chosen by.
pub(crate) type Asked = BTreeMap<String, BTreeSet<String>>;

/// The names of all alerts.
pub(crate) fn alerts() -> BTreeSet<String> {
    let rules = std::fs::read_to_string(shipped("prometheus/alerts.yml")).unwrap();
    let names = rules
        .lines()
        .filter_map(|line| line.split_once("- alert: "));
    names.map(|(_, name)| name.to_owned()).collect()
}

/// Every expression of the rules and of the dashboard.
pub(crate) fn expressions() -> Vec<String> {
    // Every word of the rules that looks like a metric is one: texts name none.
    let mut all = vec![std::fs::read_to_string(shipped("prometheus/alerts.yml")).unwrap()];
    for panel in dashboard()["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            all.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    all
}

pub(crate) fn dashboard() -> Value {
    let text = std::fs::read_to_string(shipped("grafana/clusterrebootd.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The metrics that an expression names.
pub(crate) fn asked(expression: &str, asked: &mut Asked) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        let word = &rest[start..];
        let end = word.find(|c| !is_name(c)).unwrap_or(word.len());
        let (name, after) = word.split_at(end);
        rest = after;
        if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            let labels = asked.entry(name.to_owned()).or_default();
            labels.extend(chosen_by(after));
        }
    }
}

/// The labels of a selector that follows a name.
fn chosen_by(after: &str) -> Vec<String> {
    let Some((selector, _)) = after.strip_prefix('{').and_then(|it| it.split_once('}')) else {
        return Vec::new();
    };
    let label = |pair: &str| {
        let (name, _) = pair.split_once(['=', '!']).unwrap();
        name.trim().to_owned()
    };
    selector.split(',').map(label).collect()
}

/// The labels that an expression groups or matches by.
pub(crate) fn grouped_by(expression: &str) -> BTreeSet<String> {
    let lists = [" by (", " on ("].into_iter().flat_map(|word| {
        let lists = expression.split(word).skip(1);
        lists.filter_map(|rest| rest.split_once(')'))
    });
    let labels = lists.flat_map(|(list, _)| list.split(','));
    labels.map(|label| label.trim().to_owned()).collect()
}

#[test]
fn metrics_and_labels_are_found_in_expressions() {
    let mut found = Asked::new();
    let expression = r#"sum by (le, group) (rate(fleetlock_a{kind!="x",job=~"$j"}[5m]))
        / on (job) process_b > 0 unless up == 1"#;
    asked(expression, &mut found);
    let labels = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
    let expected = [
        ("fleetlock_a".to_owned(), labels(&["job", "kind"])),
        ("process_b".to_owned(), BTreeSet::new()),
    ];
    assert_eq!(found, expected.into());
    assert_eq!(grouped_by(expression), labels(&["group", "job", "le"]));
}

#[test]
fn the_dashboard_uses_the_variables_that_it_has() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let mut known: BTreeSet<&str> = variables
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    known.insert("__rate_interval");
    let mut used = BTreeSet::new();
    let expressions = expressions();
    for expression in &expressions[1..] {
        for rest in expression.split('$').skip(1) {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            assert!(known.contains(&rest[..end]), "{expression}");
            used.insert(&rest[..end]);
        }
    }
    known.remove("datasource");
    assert_eq!(used, known);
}

#[test]
fn every_panel_of_the_dashboard_has_a_place_of_its_own() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{panel}");
            }
        }
    }
}

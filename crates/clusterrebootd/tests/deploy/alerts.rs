//! The alert rules, by Prometheus' own tool.

use crate::queries::alerts;
use crate::tool::{good, shipped};
use std::collections::BTreeSet;

fn promtool(args: &[&str]) -> String {
    good("promtool", "prometheus", args)
}

#[test]
fn prometheus_takes_the_rules_and_the_configuration() {
    let rules = shipped("prometheus/alerts.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()]);
    let config = shipped("prometheus/prometheus.yml");
    promtool(&["check", "config", config.to_str().unwrap()]);
}

#[test]
fn every_alert_fires_on_what_it_is_for_and_on_nothing_else() {
    let tests = shipped("prometheus/alerts_test.yml");
    promtool(&["test", "rules", tests.to_str().unwrap()]);
}

#[test]
fn no_alert_is_without_a_test_that_sees_it_fire() {
    let tests = std::fs::read_to_string(shipped("prometheus/alerts_test.yml")).unwrap();
    let cases = tests.split("alertname: ").skip(1);
    let firing = cases.filter(|case| {
        let rest = case.split("- name:").next();
        rest.is_some_and(|rest| rest.contains("exp_labels"))
    });
    let seen: BTreeSet<&str> = firing.filter_map(|case| case.lines().next()).collect();
    let missing: Vec<_> = alerts().into_iter().collect();
    let missing = missing.iter().filter(|name| !seen.contains(name.as_str()));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
}

//! The alert rules, by Prometheus' own tool.

use crate::guide::{block, repository};
use crate::queries::alerts;
use crate::tool::{good, shipped};
use std::collections::BTreeSet;
use std::process::Command;

fn promtool(args: &[&str]) -> String {
    good("promtool", "prometheus", args)
}

#[test]
fn prometheus_takes_the_rules_and_the_configuration() {
    let rules = shipped("prometheus/alerts.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()]);
}

/// The configuration is taken, and every alert fires on what it is for and on nothing else.
#[test]
fn configuration_and_rules_are_tried_as_written() {
    let script = block("docs/monitoring.md", "*Dashboards, New, Import*.");
    assert_eq!(script.matches("promtool ").count(), 2, "{script}");
    let mut shell = Command::new("sh");
    let output = shell.args(["-euc", &script]).current_dir(repository());
    let output = output.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
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

//! Configuration files: defaults, rules, and reports.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use clusterrebootd_cli::config::{
    Default as KeyDefault, DetectorSettingsKind, EtcdLayout, Kind, NODE_KEYS, Settings,
    StoreSettings,
};
use serde_json::json;
use std::path::{Path, PathBuf};

const LEAST: &str = "\
node_name: node-a
reboot_required_detectors: [{type: file, path: /run/reboot-required}]
health_script: /bin/true
store: {embedded: {}}
";

fn parse(text: &str) -> Result<Settings, String> {
    Settings::parse(Path::new("config.yaml"), text).map_err(|problems| problems.render(false))
}

fn least_with(text: &str) -> Result<Settings, String> {
    parse(&format!("{LEAST}{text}\n"))
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = std::fs::read_to_string(file("tests/config/ten-mistakes.yaml")).unwrap();
    insta::assert_snapshot!("ten_mistakes", parse(&text).unwrap_err());
}

#[test]
fn an_empty_file_is_told_what_it_must_have() {
    insta::assert_snapshot!("empty_file", parse("").unwrap_err());
}

#[test]
fn a_report_for_programs_has_every_part_of_a_problem() {
    let error = Settings::parse(Path::new("c.yaml"), &format!("{LEAST}lock_ttl_sec: 10\n"));
    let report = error.unwrap_err().to_json();
    assert_eq!(
        report,
        json!({"file": "c.yaml", "readable": true, "valid": false, "problems": [{
            "key": "lock_ttl_sec", "line": 5, "column": 15, "found": null,
            "cause": "10 must be greater than health_timeout_sec (30)",
            "remedy": "raise it to at least 31",
        }]})
    );
}

#[test]
fn colours_only_when_asked_for() {
    let problems = Settings::parse(Path::new("c.yaml"), "a: 1").unwrap_err();
    assert!(!problems.render(false).contains('\u{1b}'));
    assert!(problems.render(true).contains("\u{1b}[31m^\u{1b}[0m"));
}

#[test]
fn the_example_is_valid() {
    let settings = Settings::load(&file("../../examples/config.yaml")).unwrap();
    assert_eq!(settings.min_reboot_interval_secs, 300);
    assert!(
        matches!(settings.store, StoreSettings::Embedded { .. }),
        "it runs as it is"
    );
}

#[test]
fn a_file_of_the_original_package_means_the_defaults() {
    let settings = Settings::load(&file("tests/config/packaged.yaml")).unwrap();
    let least = least_with("").unwrap();
    let mut expected = least.clone();
    expected.detectors = settings.detectors.clone();
    expected.health_script = "/usr/local/bin/check".into();
    expected.store = settings.store.clone();
    assert_eq!(settings, expected);
    assert_eq!(
        settings.detectors[1].name,
        "command:/usr/bin/needs-restarting"
    );
    assert!(matches!(
        &settings.detectors[1].kind,
        DetectorSettingsKind::Command { timeout_secs: None, success_exit_codes, .. }
            if success_exit_codes == &[1]
    ));
}

#[test]
fn defaults_in_force_are_those_of_the_table() {
    let listing = least_with("").unwrap().listing();
    for key in NODE_KEYS
        .iter()
        .filter(|key| key.is_leaf() && !key.path.contains("[]"))
    {
        let expected = match key.default {
            KeyDefault::Text(text) => json!(text),
            KeyDefault::Whole(number) => json!(number),
            KeyDefault::Flag(flag) => json!(flag),
            KeyDefault::Texts(texts) => json!(texts),
            KeyDefault::Nothing => json!(null),
            KeyDefault::Required | KeyDefault::Computed(_) => continue,
        };
        let is_other_store = key.path.starts_with("etcd_")
            || key.path.starts_with("store.") && !key.path.starts_with("store.embedded");
        if !is_other_store {
            assert_eq!(listing.get(key.path), Some(&expected), "{}", key.path);
        }
    }
    assert_eq!(listing["health_stale_after_sec"], 180, "4 × (15 + 30)");
}

#[test]
fn every_key_of_the_listing_is_in_the_table() {
    let etcd = LEAST.replace("{embedded: {}}", "{etcd: {endpoints: [a:1]}}");
    let server = LEAST.replace("{embedded: {}}", "{server: {url: http://a}}");
    let kubernetes = LEAST.replace("{embedded: {}}", "{kubernetes: }");
    for text in [LEAST, &etcd, &server, &kubernetes] {
        for key in parse(text).unwrap().listing().keys() {
            assert!(NODE_KEYS.iter().any(|known| known.path == key), "{key}");
        }
    }
}

#[test]
fn the_table_is_sound() {
    for (index, key) in NODE_KEYS.iter().enumerate() {
        assert!(
            !key.doc.is_empty() && key.doc.ends_with('.'),
            "{}",
            key.path
        );
        let is_known = |path: &str| NODE_KEYS[..index].iter().any(|other| other.path == path);
        assert!(!is_known(key.path), "{} stands twice", key.path);
        let parent = key.parent().trim_end_matches("[]");
        assert!(
            parent.is_empty() || is_known(parent),
            "{} before its section",
            key.path
        );
        if let (Kind::Whole { min, max }, KeyDefault::Whole(number)) = (key.kind, key.default) {
            assert!((min..=max).contains(&number), "{}", key.path);
        }
    }
}

/// What is added to a file that is valid, and what the report must say.
const REFUSED: &[(&str, &str)] = &[
    ("check_interval_sec: -1", "is negative"),
    ("check_interval_sec: 1.5", "is not a whole number"),
    ("check_interval_sec: 999999999999", "is too large"),
    ("check_interval_sec: '60'", "write 60 without quotes"),
    (
        "check_interval_sec: [60]",
        "must be a whole number, but is a list",
    ),
    ("min_reboot_interval_sec: -300", "is negative"),
    ("max: 1001", "write at most 1000"),
    ("max_reboots_per_day: -1", "is negative"),
    ("group: a/b", "is not a group name"),
    (
        "backoff_min_sec: 61",
        "raise backoff_max_sec to at least 61",
    ),
    (
        "backoff_max_sec: 4",
        "4 must not be below backoff_min_sec (5): raise it",
    ),
    ("lock_ttl_sec: 30", "raise it to at least 31"),
    (
        "health_timeout_sec: 90",
        "90 must be less than lock_ttl_sec (90, the default): raise lock_ttl_sec to at least 91",
    ),
    ("health_stale_after_sec: 89", "raise it to at least 90"),
    ("lock_key: /", "names no key"),
    ("reboot_command: ['', -r]", "begins with an empty text"),
    (
        "reboot_command: /sbin/reboot",
        "write it as a list: [\"/sbin/reboot\"]",
    ),
    ("reboot_method: kexec", "write one of command, logind, soft"),
    ("log_format: jsn", "did you mean json?"),
    ("hooks_dir: hooks", "is not an absolute path"),
    ("dry_run: perhaps", "is neither true nor false"),
    ("dry_run: 'true'", "write true without quotes"),
    (
        "cluster_policies: {min_healthy_fraction: 0}",
        "out of range",
    ),
    (
        "cluster_policies: {min_healthy_fraction: 1.5}",
        "is above 1",
    ),
    (
        "cluster_policies: {min_healthy_absolute: -1}",
        "is negative",
    ),
    (
        "cluster_policies: {fallback_nodes: ['']}",
        "cluster_policies.fallback_nodes[0]",
    ),
    (
        "cluster_policies: {fallback_node: []}",
        "did you mean `fallback_nodes`?",
    ),
    ("windows: {timezone: Mars/Base}", "time zone database"),
    (
        "windows: {deny: ['']}",
        "windows.deny[0]: the window is empty",
    ),
    (
        "windows: {deny: [Mon 24:00-08:00]}",
        "config.yaml:5:22: windows.deny[0]: `24:00`",
    ),
    (
        "windows: {deny: ['Mon 08:00-25:00']}",
        "5:29: windows.deny[0]: `25:00`",
    ),
    (
        "windows: {allow: [Mon 08:00]}",
        "windows.allow[0]: the window ends where",
    ),
    (
        "windows: {allow: [Monn 08:00-09:00]}",
        "did you mean `mon`?",
    ),
    ("deny: []", "did you mean `windows.deny`?"),
    (
        "metrics: {enabled: true, listen: nowhere}",
        "is not an address to listen on",
    ),
    (
        "etcd_endpoints: [etcd:2379]",
        "is given beside store.embedded",
    ),
    (
        "etcd_tls: {enabled: true}",
        "is given beside store.embedded",
    ),
    (
        "etcd_namespace: n",
        "remove etcd_namespace, or store.embedded",
    ),
    ("max: 2\nmax: 3", "is given twice, first in line 5"),
    ("max: !secret 2", "the tag !secret has no meaning here"),
    ("max: *slots", "not valid YAML"),
    ("max: [", "not valid YAML"),
    ("---\nmax: 2", "a second document begins here"),
    ("[a]: b", "a key must be a text"),
    (
        "x: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
        "more than 16 lists and sections stand in each other",
    ),
    ("frobnicate: 1", "clusterrebootd.yaml(5) lists the keys"),
];

#[test]
fn each_rule_refuses_with_what_to_do() {
    for (text, expected) in REFUSED {
        let report = least_with(text).expect_err(text);
        assert!(report.contains(expected), "{text}\n{report}");
        assert!(report.ends_with("\n1 problem"), "{text}\n{report}");
    }
}

#[test]
fn what_is_allowed_is_allowed() {
    for text in [
        "max: 0",
        "max: &slots 2",
        "lock_ttl_sec: 31",
        "health_stale_after_sec: 90",
        "backoff_max_sec: 5",
        "metrics: {enabled: false, listen: nowhere}",
        "metrics: {enabled: true, listen: ':9090'}",
        "etcd_tls: {enabled: false}",
        "etcd_endpoints: []",
        "cluster_policies:",
        "windows: {timezone: UTC}",
        "dry_run: yes",
        "---",
    ] {
        least_with(text).unwrap();
    }
    assert_eq!(
        least_with("max: 0").unwrap().max,
        0,
        "0 is a value where it is in range"
    );
}

#[test]
fn detectors_need_what_their_type_needs() {
    let with =
        |item: &str| parse(&LEAST.replace("{type: file, path: /run/reboot-required}", item)).err();
    for (item, expected) in [
        ("", "is empty: add at least one detector"),
        ("{path: /a}", "[0].type: is missing"),
        ("{type: file}", "[0].path: is missing for type file"),
        ("{type: command}", "[0].cmd: is missing for type command"),
        (
            "{type: command, cmd: ['']}",
            "[0].cmd: begins with an empty text",
        ),
        (
            "{type: command, cmd: [a], success_exit_codes: [256]}",
            "write at most 255",
        ),
        ("{type: preset}", "[0].preset: is missing for type preset"),
        ("{type: preset, preset: debain}", "did you mean debian?"),
        (
            "{type: file, path: /a}, {type: file, path: /a}",
            "\"file:/a\" is the name",
        ),
        (
            "{type: file, path: /a, name: x}, {type: file, path: /b, name: x}",
            "[1].name",
        ),
        ("7", "must be a section of keys"),
    ] {
        let report = with(item).expect(item);
        assert!(report.contains(expected), "{item}\n{report}");
        assert!(report.ends_with("\n1 problem"), "{item}\n{report}");
    }
    assert_eq!(with("{type: preset, preset: kernel}"), None);
}

#[test]
fn exactly_one_store_is_chosen() {
    let with = |store: &str| parse(&LEAST.replace("store: {embedded: {}}", store));
    for (store, expected) in [
        ("", "store: is missing: write `store:` with one of"),
        ("store: {}", "store: is missing"),
        ("etcd_namespace: n", "store: is missing"),
        ("store: embedded", "write the keys beneath `store:`"),
        (
            "store: {embedded: , etcd: {endpoints: [a:1]}}",
            "is given beside store.embedded",
        ),
        ("store: {etcd: {}}", "store.etcd.endpoints: is missing"),
        (
            "store: {etcd: {endpoints: []}}",
            "store.etcd.endpoints: is empty",
        ),
        ("store: {etcd: {endpoints: [a]}}", "is not an endpoint"),
        (
            "store: {etcd: {endpoints: [a:1], username: u}}",
            "password_file: is missing",
        ),
        ("store: {fleetlock: }", "store.fleetlock.url: is missing"),
        (
            "store: {fleetlock: {url: 'http://a', username: u}}",
            "store.fleetlock.password_file: is missing beside username",
        ),
        (
            "store: {fleetlock: {url: 'http://a', token_file: /t, username: u, password_file: /p}}",
            "store.fleetlock.token_file: is given beside username",
        ),
        (
            "store: {fleetlock: {url: 'http://a', ca_file: /c}}",
            "store.fleetlock.url: is not encrypted, though certificates are given",
        ),
        ("store: {server: }", "store.server.url: is missing"),
        ("store: {server: {url: a}}", "is not a URL"),
        (
            "store: {server: {url: http://a, ca_file: /ca}}",
            "store.server.url: is not encrypted, though certificates are given",
        ),
        (
            "store: {server: {url: https://a, cert_file: /c}}",
            "store.server.key_file: is missing beside cert_file",
        ),
        ("store: {sever: {url: http://a}}", "did you mean `server`?"),
        ("etcd_endpoints: ['']", "is not an endpoint"),
        (
            "etcd_endpoints: [a:1]\netcd_tls: {enabled: true, cert_file: /c}",
            "key_file: is missing",
        ),
        (
            "etcd_endpoints: [a:1]\netcd_tls: {enabled: true, key_file: /k}",
            "cert_file: is missing",
        ),
    ] {
        let report = with(store).expect_err(store);
        assert!(report.contains(expected), "{store}\n{report}");
    }
}

#[test]
fn flat_and_nested_etcd_keys_mean_the_same() {
    let flat = "etcd_endpoints: [a:1]\netcd_namespace: n\n\
                etcd_tls: {enabled: true, ca_file: /ca, cert_file: /c, key_file: /k}";
    let nested = "store: {etcd: {endpoints: [a:1], namespace: n, \
                  tls: {enabled: true, ca_file: /ca, cert_file: /c, key_file: /k}}}";
    let with = |store: &str| parse(&LEAST.replace("store: {embedded: {}}", store)).unwrap();
    assert_eq!(with(flat), with(nested));
    let StoreSettings::Etcd(etcd) = with(flat).store else {
        panic!("etcd was chosen")
    };
    assert_eq!(etcd.layout, EtcdLayout::Native);
    assert!(etcd.tls.is_some_and(|tls| tls.identity.is_some()));
}

#[test]
fn aliases_and_merge_keys_work_and_cannot_grow_without_bound() {
    let text = LEAST.replace(
        "[{type: file, path: /run/reboot-required}]",
        "[&first {type: file, path: /a}, {<<: *first, path: /b}, {<<: [*first], name: c}]",
    );
    let names: Vec<String> = parse(&text)
        .unwrap()
        .detectors
        .into_iter()
        .map(|detector| detector.name)
        .collect();
    assert_eq!(names, ["file:/a", "file:/b", "c"]);
    let bomb: String = (1..9)
        .map(|level| {
            format!(
                "a{level}: &a{level} [{}]\n",
                vec![format!("*a{}", level - 1); 9].join(",")
            )
        })
        .collect();
    let report = parse(&format!("a0: &a0 [x]\n{bomb}")).unwrap_err();
    assert!(
        report.contains("the file holds more than 20000 values"),
        "{report}"
    );
}

#[test]
fn a_file_that_means_more_than_it_says_is_refused_with_what_to_do() {
    let long = "x".repeat(300_000);
    let aliases = "- *long\n".repeat(10);
    let report = parse(&format!("a: &long {long}\nb:\n{aliases}")).unwrap_err();
    let told = "the file's texts are longer than 2097152 bytes: use fewer aliases";
    assert!(report.contains(told), "{report}");
    for text in [
        "- ".repeat(100),
        "{a: ".repeat(100),
        format!("a: [{}", ": ".repeat(100)),
    ] {
        let report = parse(&text).unwrap_err();
        let told = "more than 16 lists and sections stand in each other";
        assert!(report.contains(told), "{report}");
    }
}

#[test]
fn a_report_is_no_longer_than_somebody_can_read() {
    let keys: String = (0..300).map(|n| format!("unknown_{n}: {n}, ")).collect();
    let report = parse(&format!("{{{keys}}}")).unwrap_err();
    assert!(
        report.ends_with("problems, the first 100 shown"),
        "{report}"
    );
    assert!(report.len() < 100_000, "{} bytes", report.len());
    let long = "y".repeat(10_000);
    let report = parse(&format!("{LEAST}\n{long}: 1 # {long}\n")).unwrap_err();
    assert!(report.len() < 2_000, "{report}");
    assert!(report.contains("yyy…\n"), "{report}");
    let report = parse(&format!("{LEAST}\n\"a\\u001b[31m\\nb\": 1\n")).unwrap_err();
    assert!(
        report.contains("a\u{fffd}[31m\u{fffd}b: is not a known key"),
        "{report}"
    );
}

#[test]
fn scripts_see_the_settings() {
    let text = "node_name: node-a\nhealth_script: /bin/true\ndry_run: true\n\
        reboot_required_detectors: [{type: file, path: /a}]\n\
        etcd_endpoints: [a:1, b:2]\nmetrics: {enabled: true}\n\
        cluster_policies: {min_healthy_fraction: 0.5, min_healthy_absolute: 2,\n  \
        forbid_if_only_fallback_left: true, fallback_nodes: [x, y]}\n\
        windows: {allow: ['Mon,Tue 01:00-02:00'], deny: ['Fri 18:00-Mon 06:00', '* 12:00-13:00']}";
    let lines = |settings: &Settings, endpoint| {
        let pairs = settings.static_environment(endpoint).into_iter();
        pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
    };
    insta::assert_snapshot!(
        "environment",
        lines(&parse(text).unwrap(), Some("[::]:9")).join("\n")
    );
    assert!(
        lines(&parse(text).unwrap(), None).contains(&"RC_METRICS_ENDPOINT=127.0.0.1:9090".into())
    );
    assert_eq!(
        lines(&least_with("").unwrap(), None),
        [
            "RC_NODE_NAME=node-a",
            "RC_DRY_RUN=false",
            "RC_LOCK_KEY=/cluster/clusterrebootd/lock",
            "RC_KILL_SWITCH_FILE=/etc/clusterrebootd/disable",
            "RC_CLUSTER_FORBID_IF_ONLY_FALLBACK_LEFT=false",
        ]
    );
}

#[test]
fn a_reload_can_say_what_changed() {
    let before = least_with("").unwrap();
    assert_eq!(before.diff(&before), []);
    let after =
        parse(&format!("{LEAST}max: 2\n").replace("{embedded: {}}", "{server: {url: http://a}}"))
            .unwrap();
    let changes: Vec<String> = before
        .diff(&after)
        .into_iter()
        .map(|change| format!("{} {} {}", change.key, change.before, change.after))
        .collect();
    assert_eq!(
        changes,
        [
            "max 1 2",
            "store.embedded.path \"/var/lib/clusterrebootd/fleet.db\" null",
            "store.server.url null \"http://a\"",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let load = |name: &str| {
        Settings::load(&dir.path().join(name))
            .unwrap_err()
            .render(false)
    };
    assert!(load("missing.yaml").contains("cannot be read: No such file"));
    std::fs::write(dir.path().join("large"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert!(load("large").contains("longer than 1048576 bytes"));
    std::fs::write(dir.path().join("latin1"), b"a: b\nc: \xe4\n").unwrap();
    assert!(load("latin1").contains("not UTF-8 text, first in line 2"));
}

#[test]
fn what_may_surprise_is_warned_about() {
    assert!(least_with("").unwrap().warnings()[0].contains("this machine only"));
    let etcd = LEAST.replace("{embedded: {}}", "{etcd: {endpoints: [a:1]}}");
    assert!(parse(&etcd).unwrap().warnings().is_empty());
    let near = parse(&etcd.replace("a:1]", "a:1], namespace: prod/groups")).unwrap();
    assert!(near.warnings()[0].contains("its part \"groups\""));
    let never = parse(&format!("{etcd}windows: {{deny: ['* 00:00-00:00']}}")).unwrap();
    assert!(never.warnings()[0].contains("no moment of the week"));
}

#[test]
fn a_script_that_will_block_every_pass_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("check");
    let text = LEAST.replace("/bin/true", script.to_str().unwrap());
    let warnings = || parse(&text).unwrap().warnings_here().join("\n");
    assert!(warnings().contains("No such file"), "{}", warnings());
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    for (mode, expected) in [
        (0o600, "is not an executable file"),
        (0o722, "can be changed by others"),
        (0o755, ""),
    ] {
        std::fs::set_permissions(&script, PermissionsExt::from_mode(mode)).unwrap();
        let warnings = warnings();
        assert!(warnings.contains(expected), "{mode:o}: {warnings}");
        assert_eq!(
            warnings.is_empty(),
            expected.is_empty(),
            "{mode:o}: {warnings}"
        );
    }
}

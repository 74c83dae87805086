//! Every rule can fail: a small tidy tree, each time with one thing wrong.

use std::fs;

use super::*;

const LOCK: &str = "\
[[package]]
name = \"serde\"
version = \"1.0.0\"
source = \"registry+https://github.com/rust-lang/crates.io-index\"
";

const TIDY: &[(&str, &str)] = &[
    ("Cargo.lock", LOCK),
    (
        "deny.toml",
        "[bans]\ndeny = [{ crate = \"openssl\", reason = \"one TLS stack\" }]\n",
    ),
    (
        "README.md",
        "# Fleet\n\nSee [the rules](docs/rules.md#who-is-next) and `[no](link)`.\n",
    ),
    (
        "docs/rules.md",
        "# Rules\n\n## Who is next?\n\n[Back](../README.md)\n",
    ),
    (
        "crates/reboot-core/Cargo.toml",
        "[package]\nname = \"reboot-core\"\n",
    ),
    ("crates/reboot-core/src/lib.rs", "//! The rules.\n"),
    (
        "crates/reboot-host/Cargo.toml",
        "[package]\nname = \"reboot-host\"\n",
    ),
    ("crates/reboot-host/src/lib.rs", "//! The node.\n"),
];

/// Writes a tree to disk, reads it back as tidy does and returns what it says.
fn violations(files: &[(&str, &str)]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let findings = check(&Tree::load(root.path()).unwrap());
    findings
        .violations
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// What tidy says of the tidy tree with these files added or replaced.
fn violations_with(files: &[(&str, &str)]) -> Vec<String> {
    violations(&[TIDY, files].concat())
}

/// Asserts that one file breaks one rule, and that the report starts with `report`.
#[track_caller]
fn assert_one(path: &str, text: &str, report: &str) {
    let found = violations_with(&[(path, text)]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with(report), "{found:#?}");
}

const CORE: &str = "crates/reboot-core/src/lib.rs";
const HOST: &str = "crates/reboot-host/src/lib.rs";

#[test]
fn a_tidy_tree_has_no_violations() {
    assert_eq!(violations(TIDY), Vec::<String>::new());
}

#[test]
fn every_violation_is_listed_at_once_in_order() {
    let found = violations_with(&[
        (HOST, "fn f() { todo!() }\n"),
        (CORE, "fn f() { dbg!(1); }\n"),
    ]);
    let places: Vec<_> = found
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    let core = "crates/reboot-core/src/lib.rs:1";
    let host = "crates/reboot-host/src/lib.rs:1";
    assert_eq!(places, [core, core, host, host], "{found:#?}");
}

#[test]
fn an_arrow_that_points_up_is_found() {
    let manifest = "[package]\nname = \"reboot-host\"\n\n[dependencies]\n\
        reboot-core = \"1\"\nreboot-agent.workspace = true\n";
    let report = "crates/reboot-host/Cargo.toml:6: reboot-host may not depend on reboot-agent";
    assert_one("crates/reboot-host/Cargo.toml", manifest, report);
}

#[test]
fn an_arrow_in_disguise_is_found() {
    let path = "crates/reboot-host/Cargo.toml";
    let report = "crates/reboot-host/Cargo.toml:5: reboot-host may not depend on reboot-store";
    let tables = [
        "dev-dependencies",
        "build-dependencies",
        "target.'cfg(unix)'.dependencies",
    ];
    for table in tables {
        let manifest = format!(
            "[package]\nname = \"reboot-host\"\n\n[{table}]\n\
             place = {{ package = \"reboot-store\", path = \"../reboot-store\" }}\n"
        );
        assert_one(path, &manifest, report);
    }
}

#[test]
fn a_crate_without_a_place_in_the_tree_is_found() {
    let report = "crates/reboot-new/Cargo.toml:1: reboot-new is not in the tree of crates";
    assert_one(
        "crates/reboot-new/Cargo.toml",
        "[package]\nname = \"reboot-new\"\n",
        report,
    );
}

#[test]
fn a_manifest_that_does_not_parse_is_found() {
    let report = "crates/reboot-host/Cargo.toml:2: is not TOML";
    assert_one(
        "crates/reboot-host/Cargo.toml",
        "[package]\nname = \n",
        report,
    );
}

#[test]
fn the_core_stands_on_few_crates_and_tests_it_with_any() {
    let path = "crates/reboot-core/Cargo.toml";
    let manifest = "[package]\nname = \"reboot-core\"\n[dependencies]\nserde = \"1\"\n\
        tokio = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";
    let report = "crates/reboot-core/Cargo.toml:5: reboot-core may not depend on tokio";
    assert_one(path, manifest, report);
}

#[test]
fn the_core_does_nothing_impure() {
    let impure = [
        "use std::fs;",
        "use std::{fmt, net::{IpAddr, TcpStream as Wire}};",
        "fn f() { std::process::abort() }",
        "fn f() { let _ = ::std::env::args(); }",
        "fn f() { let _ = vec![std::thread::current()]; }",
        "fn f(since: std::time::Instant) {}",
        "use std::time::SystemTime;",
        "fn f() { jiff::Timestamp::now(); }",
        "use std::collections::{BTreeMap, HashMap};",
        "use tokio::sync::mpsc;",
        "async fn f() {}",
        "fn f() { println!(); }",
        "fn f() { eprintln!(); }",
        "fn f() { tracing::info!(\"\"); }",
        "fn f() { rand::random() }",
    ];
    for line in impure {
        let found = violations_with(&[(CORE, &format!("//! The rules.\n\n{line}\n"))]);
        assert!(!found.is_empty(), "{line}");
        let expected = "crates/reboot-core/src/lib.rs:3: reboot-core may not";
        assert!(
            found.iter().all(|report| report.starts_with(expected)),
            "{line}: {found:#?}"
        );
    }
}

#[test]
fn the_cores_tests_and_the_other_crates_may_act() {
    let acts = "//! Acts.\nuse std::fs;\nfn f() { println!(); }\n";
    let core = "//! Has tests.\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod inline {\n\
        use std::fs;\n}\n";
    let files = [
        (CORE, core),
        ("crates/reboot-core/src/tests.rs", acts),
        ("crates/reboot-core/src/tests/deeper.rs", acts),
        ("crates/reboot-core/tests/rules.rs", acts),
        (HOST, acts),
    ];
    assert_eq!(violations_with(&files), Vec::<String>::new());
}

#[test]
fn a_module_that_only_sounds_like_a_test_is_no_test() {
    let core = "//! Not a test.\n#[cfg(not(test))]\nmod real {\nuse std::fs;\n}\n";
    assert_one(
        CORE,
        core,
        "crates/reboot-core/src/lib.rs:4: reboot-core may not use std::fs",
    );
}

#[test]
fn a_missing_core_is_found() {
    let without = TIDY
        .iter()
        .copied()
        .filter(|(path, _)| !path.contains("reboot-core"));
    let found = violations(&without.collect::<Vec<_>>());
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("the rules' crate is gone"), "{found:#?}");
}

#[test]
fn a_function_of_71_lines_is_found_and_one_of_70_is_not() {
    let short = "fn short() {}\n".repeat(3);
    let long = |lines: usize| format!("//! Long.\n{short}fn f() {{{}}}\n", "\n".repeat(lines - 1));
    assert_eq!(violations_with(&[(HOST, &long(70))]), Vec::<String>::new());
    let report = "crates/reboot-host/src/lib.rs:5: fn f has 71 lines, the limit is 70";
    assert_one(HOST, &long(71), report);
}

#[test]
fn functions_that_are_long_on_the_whole_are_found() {
    let text = format!("//! Long.\nfn f() {{{}}}\n", "\n".repeat(10));
    assert_one(HOST, &text, "crates:1: the median function has 11 lines");
}

#[test]
fn a_file_of_601_lines_is_found_and_one_of_600_is_not() {
    let long = |lines: usize| format!("//! Long.\n{}", "\n".repeat(lines - 1));
    assert_eq!(violations_with(&[(HOST, &long(600))]), Vec::<String>::new());
    assert_one(
        HOST,
        &long(601),
        "crates/reboot-host/src/lib.rs:601: 601 lines, the limit is 600",
    );
}

#[test]
fn a_line_of_101_columns_is_found_unless_an_address_makes_it_so() {
    let wide = |columns: usize| format!("//! {}\n", "é".repeat(columns - 4));
    assert_eq!(violations_with(&[(HOST, &wide(100))]), Vec::<String>::new());
    assert_one(
        HOST,
        &wide(101),
        "crates/reboot-host/src/lib.rs:1: 101 columns",
    );
    let address = format!("//! <https://example.org/{}>\n", "a".repeat(100));
    assert_eq!(violations_with(&[(HOST, &address)]), Vec::<String>::new());
}

#[test]
fn a_module_without_docs_is_found() {
    assert_one(
        HOST,
        "// No docs.\n",
        "crates/reboot-host/src/lib.rs:1: no module docs",
    );
}

#[test]
fn a_file_that_does_not_parse_is_found() {
    assert_one(
        HOST,
        "//! Broken.\nfn f( {}\n",
        "crates/reboot-host/src/lib.rs:2: does not parse",
    );
}

#[test]
fn a_lint_silenced_without_a_reason_is_found() {
    let silenced = ["#![allow(missing_docs)]", "#[allow(dead_code)]\nfn f() {}"];
    let more = [
        "#[expect(dead_code)]\nfn f() {}",
        "#![cfg_attr(unix, allow(dead_code))]",
    ];
    for text in [silenced, more].concat() {
        let report = "crates/reboot-host/src/lib.rs:2: a lint is silenced without a reason";
        assert_one(HOST, &format!("//! The node.\n{text}\n"), report);
    }
}

#[test]
fn a_lint_silenced_with_a_reason_is_fine() {
    let text = "//! The node.\n#![cfg_attr(test, allow(clippy::unwrap_used))]\n\
        // Reason.\n#[allow(dead_code)]\nfn f() {}\n\
        #[allow(dead_code)] // Reason.\nfn g() {}\n\
        #[expect(dead_code, reason = \"reason\")]\nfn h() {}\n";
    assert_eq!(violations_with(&[(HOST, text)]), Vec::<String>::new());
}

#[test]
fn unfinished_code_is_found_even_inside_a_macro() {
    for name in ["todo", "dbg", "unimplemented"] {
        let text = format!("//! The node.\nfn f() {{ assert!({name}!()); }}\n");
        let report = format!("crates/reboot-host/src/lib.rs:2: {name}! is left in");
        assert_one(HOST, &text, &report);
    }
}

#[test]
fn a_skipped_test_is_found() {
    let report = "crates/reboot-host/src/lib.rs:2: a skipped test";
    for attribute in [
        "#[ignore]",
        "#[ignore = \"slow\"]",
        "#[cfg_attr(unix, ignore)]",
    ] {
        assert_one(
            HOST,
            &format!("//! The node.\n{attribute}\nfn f() {{}}\n"),
            report,
        );
    }
    let example = "//! The node.\n/// ```rust,ignore\n/// f();\n/// ```\nfn f() {}\n";
    assert_one(
        HOST,
        example,
        "crates/reboot-host/src/lib.rs:2: a skipped example",
    );
}

#[test]
fn a_test_that_sleeps_is_found_and_a_daemon_that_sleeps_is_not() {
    let path = "crates/reboot-host/tests/node.rs";
    let sleeps = [
        "fn f() { std::thread::sleep(WHILE); }",
        "use std::thread;\n\nfn f() { thread::sleep(WHILE); }",
        "use tokio::time::{self, sleep};",
        "#[tokio::test]\nasync fn f() { tokio::time::sleep(WHILE).await; }",
    ];
    for text in sleeps {
        let found = violations_with(&[(path, text)]);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(": a test sleeps: "), "{text}: {found:#?}");
        let daemon = format!("//! The node.\n{}\n", text.replace("#[tokio::test]", ""));
        assert_eq!(violations_with(&[(HOST, &daemon)]), Vec::<String>::new());
    }
}

#[test]
fn unsafe_code_is_found() {
    let text = "//! The node.\nunsafe fn f() {}\n";
    assert_one(HOST, text, "crates/reboot-host/src/lib.rs:2: unsafe code");
}

#[test]
fn a_machines_own_path_is_found_and_a_longer_path_is_not() {
    let path = concat!("/wo", "rk/main");
    assert_one("notes.txt", &format!("ok\nsee {path}\n"), "notes.txt:2: ");
    let longer = format!("see /var/lib{path} and https://example.org{path}\n");
    assert_eq!(
        violations_with(&[("notes.txt", &longer)]),
        Vec::<String>::new()
    );
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let cases = [
        ("[a](missing.md)", "docs/a.md:1: missing.md leads nowhere"),
        (
            "[a](../../outside.md)",
            "docs/a.md:1: ../../outside.md leads nowhere",
        ),
        ("[a]: missing.md", "docs/a.md:1: missing.md leads nowhere"),
        (
            "[a](rules.md#gone)",
            "docs/a.md:1: docs/rules.md has no heading #gone",
        ),
        ("[a](#gone)", "docs/a.md:1: docs/a.md has no heading #gone"),
    ];
    for (text, report) in cases {
        assert_one("docs/a.md", text, report);
    }
}

#[test]
fn links_elsewhere_to_directories_and_in_code_are_fine() {
    let text = "[a](https://example.org/x.md) [b](../crates) [c](/docs/rules.md)\n\
        ```\n[d](missing.md)\n```\n";
    assert_eq!(
        violations_with(&[("docs/a.md", text)]),
        Vec::<String>::new()
    );
}

#[test]
fn a_banned_crate_is_found() {
    let lock = format!("{LOCK}\n[[package]]\nname = \"openssl\"\nversion = \"0.10.0\"\n");
    assert_one(
        "Cargo.lock",
        &lock,
        "Cargo.lock:7: openssl is banned (one TLS stack)",
    );
}

#[test]
fn a_crate_from_elsewhere_is_found() {
    let lock = LOCK.replace(
        "registry+https://github.com/rust-lang/",
        "git+https://example.org/",
    );
    assert_one(
        "Cargo.lock",
        &lock,
        "Cargo.lock:4: source git+https://example.org/",
    );
}

#[test]
fn a_banned_crate_is_let_pass_under_its_wrappers_only() {
    let deny = "[bans]\ndeny = [{ crate = \"openssl\", reason = \"one TLS stack\", \
                wrappers = [\"lab\"] }]\n";
    let lock = |dependent: &str| {
        let needs = "dependencies = [\n \"openssl 0.10.0\",\n]\n";
        let openssl = "[[package]]\nname = \"openssl\"\nversion = \"0.10.0\"\n";
        format!("{LOCK}\n{openssl}\n[[package]]\nname = \"{dependent}\"\n{needs}")
    };
    let found = |dependent: &str| {
        let lock = lock(dependent);
        violations_of_lock(deny, &lock)
    };
    assert_eq!(found("lab"), [""; 0]);
    let report = found("other");
    assert!(
        report[0].starts_with("Cargo.lock:7: openssl is banned"),
        "{report:?}"
    );
}

/// What tidy says of the tidy tree with these bans and this lock.
fn violations_of_lock(deny: &str, lock: &str) -> Vec<String> {
    let mut files = TIDY.to_vec();
    files.retain(|(path, _)| !["deny.toml", "Cargo.lock"].contains(path));
    files.push(("deny.toml", deny));
    files.push(("Cargo.lock", lock));
    violations(&files)
}

#[test]
fn a_ban_that_cannot_be_checked_is_found() {
    let report = "deny.toml:2: a ban that tidy cannot check";
    assert_one(
        "deny.toml",
        "[bans]\ndeny = [{ crate = \"openssl\" }]\n",
        report,
    );
    assert_one("deny.toml", "[bans]\ndeny = [\"openssl@1\"]\n", report);
    assert_one("deny.toml", "[graph]\n", "deny.toml:1: no bans");
}

#[test]
fn git_tells_which_files_belong_to_the_tree() {
    let root = tempfile::tempdir().unwrap();
    let init = std::process::Command::new("git")
        .args(["init", "-q"])
        .arg(root.path())
        .status();
    assert!(init.unwrap().success());
    fs::write(root.path().join(".gitignore"), "/target\n").unwrap();
    fs::create_dir(root.path().join("target")).unwrap();
    fs::write(root.path().join("target/built.md"), "[a](missing.md)").unwrap();
    fs::write(root.path().join("new.md"), "[a](missing.md)").unwrap();
    let tree = Tree::load(root.path()).unwrap();
    assert!(tree.has("new.md") && tree.has(".gitignore"));
    assert!(!tree.has("target") && !tree.has("target/built.md"));
}

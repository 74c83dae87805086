//! Texts made to hurt: too long to keep, each a story of its own.

use crate::configuration;
use crate::output::{LIMIT, detect};
use clusterrebootd_cli::config::Settings;
use reboot_core::group::Group;
use reboot_fuzz::{Limit, held};
use reboot_host::detector::DetectorResult;
use std::time::Duration;

/// Almost as long as a configuration may be.
const LONG: usize = 1_000_000;

/// A megabyte may take its time, but not more than these.
const SLOW: Limit = Limit {
    base_bytes: 16 * 1024 * 1024,
    bytes_per_byte: 64,
    base_time: Duration::from_secs(8),
    time_per_byte: Duration::ZERO,
};

fn configured(make: impl FnOnce() -> String) {
    held(&SLOW, || make().into_bytes(), configuration::check);
}

/// The piece, again and again, to this length.
fn filled(piece: &str, len: usize) -> String {
    piece.repeat(len / piece.len())
}

#[test]
fn a_long_text_behind_many_aliases_is_not_copied_for_each() {
    configured(|| {
        let aliases = "- *long\n".repeat(15_000);
        format!("a: &long \"{}\"\nb:\n{aliases}", "x".repeat(800_000))
    });
}

#[test]
fn anchors_within_anchors_do_not_multiply() {
    configured(|| {
        let level = |level| {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            format!("a{level}: &a{level} [{aliases}]\n")
        };
        let levels = (1..12).map(level).collect::<String>();
        format!("a: &a0 [x, x, x, x, x, x, x, x, x]\n{levels}")
    });
    configured(|| filled("- &a [*a]\n", LONG));
}

/// The parser counts levels of brackets, not of `a: b: c:` within them.
#[test]
fn pairs_within_pairs_in_brackets_do_not_fill_the_stack() {
    configured(|| format!("a: [{}", filled(": ", LONG)));
    configured(|| format!("a: [{}", filled("k: ", LONG)));
    configured(|| format!("[? {}", filled("? k : ", LONG)));
}

#[test]
fn unknown_keys_without_number_are_told_in_a_short_report() {
    let keys = |end: &str| -> String {
        let key = |n| format!("unknown_key_number_{n}: {n}{end}");
        (0..9_900).map(key).collect()
    };
    configured(|| keys("\n"));
    configured(|| format!("{{{}}}", keys(",")));
    configured(|| {
        let items = (0..6_000).map(|n| format!("- {{type: {n}}}\n"));
        format!("reboot_required_detectors:\n{}", items.collect::<String>())
    });
}

#[test]
fn a_key_or_a_word_as_long_as_the_file_is_no_spelling_to_mend() {
    for (before, piece, after) in [
        ("\"", "n", "\": 1\n"),
        ("? ", "n", "\n: 1\n"),
        ("log_level: ", "n", "\n"),
        ("max: ", "9", "\n"),
        ("max: ", "_", "\n"),
        ("node_name: \"", "\\0", "\"\n"),
        ("windows: {deny: [\"", "n", "\"]}\n"),
        ("windows: {timezone: \"", "n", "\"}\n"),
        ("windows: {timezone: \"", "a/", "\"}\n"),
        ("store: {server: {url: \"http://", "n", "\"}}\n"),
        ("health_script: /", "x/", "\n"),
        ("dry_run: ", "x", "\n"),
        ("cluster_policies: {min_healthy_fraction: ", "0", "}\n"),
        ("cluster_policies: {min_healthy_fraction: 1e", "9", "}\n"),
        ("reboot_command: [", "a,", "]\n"),
    ] {
        configured(|| format!("{before}{}{after}", filled(piece, LONG)));
    }
}

#[test]
fn repeated_and_merged_keys_are_found_in_time() {
    let keys = || {
        (0..4_000)
            .map(|n| format!("k{n}: {n}\n "))
            .collect::<String>()
    };
    configured(|| filled("max: 1\n", LONG));
    configured(|| format!("a: &a\n {}\nb:\n <<: *a\n {}\n", keys(), keys()));
    configured(|| format!("a: &a {{x: 1}}\nb:\n {}\n", "<<: *a\n ".repeat(6_000)));
}

/// Whatever the piece is, a text full of it is read or refused in time.
#[test]
fn a_text_of_any_piece_of_yaml_is_read_in_time() {
    for piece in PIECES {
        for before in ["", "a: ", "a: [", "a: {", "a: \"", "a: |\n  ", "? "] {
            held(
                &Limit::default(),
                || format!("{before}{}", filled(piece, 60_000)).into_bytes(),
                configuration::check,
            );
        }
    }
}

const PIECES: &[&str] = &[
    "[",
    "{",
    "- ",
    "? ",
    ": ",
    "a: ",
    "!",
    "!<",
    "!a ",
    "%TAG !a! b\n",
    "%YAML 1.2\n",
    "#",
    "# \n",
    "---\n",
    "--- a\n",
    "...\n",
    "'",
    "\"",
    "\\",
    "\"\\u0041\"",
    "|\n",
    ">\n",
    "|1\n",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "[]",
    "{}",
    "[a, ",
    "a,",
    "*a ",
    "<<: ",
    "a\n",
    "a: b\n",
    "a: |\n  b\n",
    "a:\n- b\n",
    "- - - ",
    "&",
    "&a ",
    "\0",
    "ä",
    "𝄞",
    "\"a\n",
];

#[test]
fn a_file_longer_than_any_configuration_is_not_read_to_its_end() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let length = file.as_file().set_len(100 * 1024 * 1024 * 1024);
    length.expect("a sparse file can be made");
    let four_megabytes = Limit {
        base_bytes: 4 * 1024 * 1024,
        ..Limit::default()
    };
    held(&four_megabytes, Vec::new, |_| {
        let read = Settings::load(file.path());
        let problems = read.expect_err("it is longer than a configuration may be");
        assert!(problems.render(false).contains("longer than"), "{problems}");
    });
}

#[test]
fn a_record_with_too_many_holds_is_refused() {
    let hold = |n: u64| {
        format!(
            r#"{{"number":{n},"node":"n{n}","machineID":"m{n}","instance":"i","session":"s",
            "phase":"rebooting","boot":{{"boot_id":"b"}},"fenced":true,"need":"","pid":1,
            "acquired_at":"","interval_secs":0,"last_request":"r"}}"#
        )
    };
    let record = |count: u64| {
        let holds: Vec<String> = (1..=count).map(hold).collect();
        let holds = holds.join(",");
        let head = r#"{"version":1,"epoch":1,"generation":100000,"max":1000,"holds":["#;
        format!("{head}{holds}]}}").into_bytes()
    };
    held(
        &SLOW,
        || record(1000),
        |text| {
            assert!(Group::from_json(str::from_utf8(text).expect("it is text")).is_ok());
        },
    );
    held(
        &SLOW,
        || record(100_000),
        |text| {
            let read = Group::from_json(str::from_utf8(text).expect("it is text"));
            let broken = read.map(drop).expect_err("no group has so many slots");
            assert!(broken.to_string().contains("100000 hold"), "{broken}");
        },
    );
}

#[test]
fn json_nested_without_end_is_refused_not_followed() {
    for open in ["[", "{\"a\":", "{\"version\":1,\"later\":["] {
        held(
            &SLOW,
            || filled(open, LONG).into_bytes(),
            |text| {
                assert!(Group::from_json(str::from_utf8(text).expect("it is text")).is_err());
            },
        );
    }
}

/// A detector that never stops printing is ended at its timeout, and its output is not kept.
#[test]
fn output_without_end_stays_small_and_ends_at_the_timeout() {
    let limit = Limit {
        base_time: Duration::from_secs(20),
        ..LIMIT
    };
    for endless in [
        "exec cat /dev/zero",
        "exec yes",
        "while :; do printf '\\377'; done",
    ] {
        held(&limit, Vec::new, |_| {
            let report = detect(endless, Duration::from_millis(300));
            let error = format!("{:?}", report.result);
            assert!(matches!(report.result, DetectorResult::Error(_)), "{error}");
            assert!(error.contains("timed out"), "{error}");
            assert!(report.output.len() < 50_000);
        });
    }
}

/// Ten megabytes in one line: the beginning, the end, and how much is left out between.
#[test]
fn a_line_of_ten_megabytes_is_cut_in_the_middle() {
    let limit = Limit {
        base_time: Duration::from_secs(10),
        ..LIMIT
    };
    held(&limit, Vec::new, |_| {
        let script = "head -c 10000000 /dev/zero | tr '\\0' x";
        let report = detect(script, Duration::from_secs(30));
        assert_eq!(report.result, DetectorResult::Clear);
        assert!(report.output.contains("[... 9983616 bytes left out ...]"));
        assert!(report.output.len() < 17_000);
    });
}

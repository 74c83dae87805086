//! What stands in a store or on a node's disk as JSON: read, held to its rules, written back.

use reboot_core::agent::Notebook;
use reboot_core::fleet::NodeRecord;
use reboot_core::group::{Facts, Group, HistoryEntry, Identity, Pause, Request, apply};
use reboot_core::line::{Line, Ticket};
use reboot_core::undo::Undo;
use reboot_fuzz::{Input, Limit, fuzz_test};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt::Debug;

const WORDS: &[&str] = &[
    "\"version\":",
    "\"epoch\":",
    "\"generation\":",
    "\"max\":",
    "\"holds\":[",
    "\"number\":",
    "\"phase\":\"claimed\",",
    "\"features\":[\"later\"],",
    "\"pause\":null,",
    "\"later\":{},",
    "\"later\":1.1,",
    "\"undo\":[\"a\",\"a\"],",
    "\"boot\":{\"boot_id\":\"b\"},",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "1.7976931348623157e308",
    "\"$serde_json::private::Number\":\"1\",",
    "\"extra\":{},",
    "\"command\":null,",
    "\"fenced\":true,",
    ",",
    "\n",
];

fuzz_test!(
    group,
    Input {
        name: "group",
        words: WORDS,
        runs: 2500,
        limit: Limit::default(),
        check: &check_group,
    }
);

fuzz_test!(
    record,
    Input {
        name: "record",
        words: WORDS,
        runs: 2500,
        limit: Limit::default(),
        check: &check_record,
    }
);

/// A record, and after it one request a line.
fn check_group(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let Ok(mut group) = Group::from_json(first) else {
        return;
    };
    check_kept(first, &group);
    let facts = Facts {
        sessions: group
            .holds
            .iter()
            .map(|hold| hold.session.clone())
            .collect(),
        ..Facts::default()
    };
    let extra = group.extra.clone();
    for line in lines.take(20) {
        let Ok(request) = serde_json::from_str::<Request>(line) else {
            continue;
        };
        for facts in [&facts, &Facts::default()] {
            if let Ok(applied) = apply(&group, &request, facts) {
                assert_eq!(applied.group.check(), Ok(()), "{request:?}");
                group = applied.group;
            }
        }
    }
    assert_eq!(group.extra, extra, "a field of a later version is lost");
}

/// What is read is what is written, and nothing that is not understood is lost.
fn check_kept(text: &str, group: &Group) {
    let written = group.to_json();
    assert_eq!(Group::from_json(&written).as_ref(), Ok(group));
    let after = serde_json::from_str(&written).expect("what is written can be read");
    // A value that nobody looks at may be none: `1e400` within `boot`.
    if let Ok(before) = serde_json::from_str(text) {
        assert_no_loss(&before, &after, "");
    }
}

/// Values that are written as they are understood: a version that adds to them lists a feature.
const CLOSED: [&str; 2] = ["boot", "pause"];

/// Every field of `before` is in `after`, but for those that mean the same when they are absent.
fn assert_no_loss(before: &Value, after: &Value, path: &str) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let is_kept = |(name, value): &(&String, &Value)| {
                !is_nothing(value) && !CLOSED.contains(&name.as_str())
            };
            for (name, value) in before.iter().filter(is_kept) {
                let path = format!("{path}.{name}");
                let there = after.get(name);
                let there = there.unwrap_or_else(|| panic!("{path} is lost: {value}"));
                assert_no_loss(value, there, &path);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len(), "{path}");
            for (before, after) in before.iter().zip(after) {
                assert_no_loss(before, after, &format!("{path}[]"));
            }
        }
        _ => assert_eq!(before, after, "{path}"),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// One text, as each of the records that may stand there.
fn check_record(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for text in text.lines().take(8) {
        round_trip::<NodeRecord>(text);
        round_trip::<Identity>(text);
        round_trip::<Ticket>(text);
        round_trip::<HistoryEntry>(text);
        round_trip::<Pause>(text);
        round_trip::<Undo>(text);
        round_trip::<Line>(text);
        round_trip::<Notebook>(text);
        check_extra(
            text,
            serde_json::from_str(text).map(|record: NodeRecord| record.extra),
        );
        check_extra(
            text,
            serde_json::from_str(text).map(|notebook: Notebook| notebook.extra),
        );
    }
}

fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str) {
    let Ok(value) = serde_json::from_str::<T>(text) else {
        return;
    };
    let written = serde_json::to_string(&value).expect("every record has a JSON form");
    let again = serde_json::from_str::<T>(&written);
    assert_eq!(again.ok().as_ref(), Some(&value), "{text} became {written}");
}

/// What is not understood is kept as it was.
fn check_extra(text: &str, extra: serde_json::Result<Map<String, Value>>) {
    // A value that nobody looks at may be none: `1e400` within `boot`.
    let (Ok(extra), Ok(whole)) = (extra, serde_json::from_str::<Value>(text)) else {
        return;
    };
    for (name, value) in extra {
        assert_eq!(whole[&name], value, "{name}");
    }
}

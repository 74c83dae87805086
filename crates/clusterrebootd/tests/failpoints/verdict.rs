//! What must be true in the end, wherever the machine was struck.

use crate::bench::read_ledger;
use crate::pair::Pair;
use reboot_host::journal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Stops both machines and looks at everything they left behind. `calls` is how often the struck
/// machine's command must have run.
pub(crate) fn judge(pair: &mut Pair, calls: usize) {
    let codes = (pair.struck.stop(), pair.other.stop());
    assert_eq!(codes, (0, 0), "{}", pair.bench.logs());
    judge_commands(pair, calls);
    judge_machine(pair);
    let history = history(pair);
    let fenced = judge_history(&history);
    assert_eq!(pair.struck.has("run/rebooted"), fenced == 1, "{history:#?}");
    assert!(fenced >= calls, "{history:#?}");
}

/// One at a time, and as often as it should be.
fn judge_commands(pair: &Pair, calls: usize) {
    assert_eq!(
        (pair.struck.calls(), pair.other.calls()),
        (calls, 1),
        "{}",
        pair.bench.logs()
    );
    let (most, _) = read_ledger(&pair.bench.lines("ledger"));
    assert_eq!(
        most,
        1,
        "one was down at a time: {:?}",
        pair.bench.lines("ledger")
    );
    for machine in [&pair.struck, &pair.other] {
        let wrong = machine.lines("wrong");
        assert!(
            wrong.is_empty(),
            "{}: {wrong:?}\n{}",
            machine.name,
            pair.bench.logs()
        );
    }
}

/// Nothing is left changed, noted or held.
fn judge_machine(pair: &Pair) {
    for entry in fs::read_dir(&pair.struck.dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.starts_with("changed."),
            "{name} is left\n{}",
            pair.bench.logs()
        );
    }
    let notebook = journal::load(&pair.struck.file("state")).unwrap();
    if let Some(notebook) = notebook {
        assert!(notebook.changes.is_empty(), "{notebook:?}");
        assert_eq!(notebook.command, None);
    }
    assert_eq!(pair.bench.holds().len(), 0);
}

fn history(pair: &Pair) -> Vec<Value> {
    let ran = pair
        .struck
        .run(&["history", "--limit", "1000", "-o", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    report["history"].as_array().unwrap().clone()
}

/// One hold after the other, each from its claim to its end in the order of the phases. Returns
/// how many of the struck machine's holds were fenced and ended by its return.
fn judge_history(history: &[Value]) -> usize {
    let mut current: Option<(u64, usize)> = None;
    let (mut last_number, mut fenced, mut finished) = (0, BTreeSet::new(), 0);
    for entry in history {
        let (event, number) = (entry["event"].as_str().unwrap(), entry["number"].as_u64());
        let number = number.unwrap_or_else(|| panic!("{entry} has no number"));
        if event == "claim" {
            assert_eq!(current, None, "two holds at once: {history:#?}");
            assert!(number > last_number, "{history:#?}");
            (current, last_number) = (Some((number, 0)), number);
            continue;
        }
        let (held, rank) = current.unwrap_or_else(|| panic!("{event} of nothing: {history:#?}"));
        assert_eq!(number, held, "{history:#?}");
        let next = rank_of(event, rank);
        assert!(next >= rank, "{event} out of order: {history:#?}");
        current = (next < ENDED).then_some((held, next));
        if event == "fence" {
            fenced.insert(number);
        }
        let is_ours = entry["node"] == "struck" && entry["detail"] == "returned";
        finished += usize::from(is_ours && event == "release" && fenced.contains(&number));
    }
    // A claim whose lease has ended is removed by the next writer, and there may be none.
    assert!(current.is_none_or(|(_, rank)| rank == 0), "{history:#?}");
    finished
}

/// The rank at which a hold is over.
const ENDED: usize = 4;

/// How far a hold is after this event.
fn rank_of(event: &str, before: usize) -> usize {
    match event {
        "adopt" => before,
        "drain" => 1,
        "fence" => 2,
        "return" => 3,
        "release" | "expire" | "break" => ENDED,
        _ => panic!("{event} is not expected here"),
    }
}

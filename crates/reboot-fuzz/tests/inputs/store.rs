//! The embedded store over a database that somebody has been at: every text in it, every number,
//! and the pages themselves.

use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Health, NodeRecord};
use reboot_core::group::{Action, Claim, Identity, Owner, Pause, Phase, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Ticket;
use reboot_core::order::Order;
use reboot_core::undo::Undo;
use reboot_core::write::Write;
use reboot_fuzz::{Input, Limit, fuzz_test};
use reboot_store::embedded::{EmbeddedStore, Options, maintenance};
use reboot_store::{Interest, Store};
use rusqlite::{Connection, params};
use serde_json::Map;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

const WORDS: &[&str] = &[
    "\ngroups.record ",
    "\ngroups.name ",
    "\nsessions.identity ",
    "\nsessions.expires_ms ",
    "\ntickets.ticket ",
    "\ntickets.number ",
    "\ntimers.duration_ms ",
    "\ntimers.expires_ms ",
    "\ntimers.number ",
    "\nnodes.record ",
    "\nnodes.owed ",
    "\norders.ordered ",
    "\nhistory.entry ",
    "\nhistory.number ",
    "\nmeta.pause ",
    "\nmeta.epoch ",
    "\nmeta.revision ",
    "\nmeta.last_ticket ",
    "\npage 100 255",
    "{\"node\":\"n1\",",
    "\"generation\":18446744073709551615,",
    "9223372036854775807",
    "[]",
    "null",
];

/// The columns that a line may name.
const COLUMNS: &[&str] = &[
    "meta.epoch",
    "meta.revision",
    "meta.boot_id",
    "meta.last_ticket",
    "meta.pause",
    "groups.name",
    "groups.record",
    "sessions.session",
    "sessions.node",
    "sessions.instance",
    "sessions.identity",
    "sessions.duration_ms",
    "sessions.expires_ms",
    "tickets.group_name",
    "tickets.node",
    "tickets.number",
    "tickets.session",
    "tickets.ticket",
    "timers.name",
    "timers.number",
    "timers.node",
    "timers.duration_ms",
    "timers.expires_ms",
    "nodes.node",
    "nodes.record",
    "nodes.owed",
    "nodes.duration_ms",
    "nodes.expires_ms",
    "orders.node",
    "orders.ordered",
    "history.group_name",
    "history.number",
    "history.entry",
];

fuzz_test!(
    store,
    Input {
        name: "store",
        words: WORDS,
        runs: 60,
        limit: Limit {
            base_bytes: 4 * 1024 * 1024,
            base_time: Duration::from_secs(2),
            ..Limit::default()
        },
        check: &check,
    }
);

/// A sound store with a row in every table.
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(sound);

/// Lines of `TABLE.COLUMN VALUE`, which stands in every row then, and of `page OFFSET BYTE`.
fn check(bytes: &[u8]) {
    let directory = crate::machine::directory();
    let path = directory.path().join("fleet.db");
    std::fs::write(&path, &*SOUND).expect("a file can be written");
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').take(30).collect();
    spoil_rows(&path, &lines);
    spoil_pages(&path, &lines);
    let is_sound = maintenance::check(&path).is_ok_and(|report| report.is_sound());
    if let Ok(shown) = maintenance::dump(&path) {
        assert!(shown.is_object());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(use_it(&path));
    restore(directory.path(), &path, is_sound);
}

fn spoil_rows(path: &Path, lines: &[&[u8]]) {
    let conn = Connection::open(path).expect("the sound store can be opened");
    for line in lines {
        let end = line.iter().position(|byte| *byte == b' ');
        let (name, value) = line.split_at(end.unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or_default();
        let name = COLUMNS.iter().find(|column| column.as_bytes() == name);
        let Some((table, column)) = name.and_then(|name| name.split_once('.')) else {
            continue;
        };
        let number = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse::<i64>().ok());
        let set = |value: &str| format!("UPDATE {table} SET {column} = {value}");
        // What the schema refuses cannot stand there.
        let _ = match number {
            Some(number) => conn.execute(&set("?1"), [number]),
            None => conn.execute(&set("CAST(?1 AS TEXT)"), params![value]),
        };
    }
}

fn spoil_pages(path: &Path, lines: &[&[u8]]) {
    let mut file = std::fs::read(path).expect("the store can be read");
    let places = lines.iter().filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let (offset, byte) = line.strip_prefix("page ")?.split_once(' ')?;
        Some((offset.parse::<usize>().ok()?, byte.parse::<u8>().ok()?))
    });
    let places: Vec<(usize, u8)> = places.collect();
    for (offset, byte) in &places {
        let at = offset % file.len();
        file[at] = *byte;
    }
    if !places.is_empty() {
        std::fs::write(path, file).expect("the store can be written");
    }
}

/// Everything that can be asked, twice: whatever it says, it goes on answering.
async fn use_it(path: &Path) {
    let options = Options {
        marks_ttl_ms: 86_400_000,
    };
    let Ok(store) = EmbeddedStore::open(path, options) else {
        return;
    };
    let group = GroupName::default();
    for write in writes("n2", "s2").into_iter().chain(writes("n1", "s1")) {
        let _ = store.write(write).await;
        if let Ok(fleet) = store.look().await {
            for name in fleet.nodes.keys() {
                fleet.peers_of(name);
                fleet.facts(&group, name);
            }
        }
    }
    let _ = store.history(&group, usize::MAX).await;
    let interest = Interest::Slot {
        group,
        node: node("n2"),
    };
    let waiting = store.changed(&interest, 0);
    let _ = tokio::time::timeout(Duration::from_millis(5), waiting).await;
}

/// A store that is sound can be backed up and restored; any other is refused or restored whole.
fn restore(directory: &Path, path: &Path, was_sound: bool) {
    let (backup, fresh) = (directory.join("backup.db"), directory.join("fresh.db"));
    let backed_up = maintenance::backup(path, &backup);
    if backed_up.is_err() {
        return;
    }
    let why = maintenance::Why {
        by: "operator".to_owned(),
        reason: "to see".to_owned(),
        at: "2026-01-01T00:00:00Z".to_owned(),
    };
    let before = maintenance::check(&backup).expect("what was backed up can be checked");
    if let Ok(restored) = maintenance::restore(&backup, &fresh, &why) {
        let report = maintenance::check(&fresh).expect("a restored store can be checked");
        assert!(
            report.is_sound(),
            "{:?} (before: {was_sound})",
            report.problems
        );
        assert!(restored.epoch > before.epoch && report.epoch == restored.epoch);
    }
}

// --- a sound store ---

fn sound() -> Vec<u8> {
    let directory = crate::machine::directory();
    let path = directory.path().join("fleet.db");
    let options = Options {
        marks_ttl_ms: 86_400_000,
    };
    let store = EmbeddedStore::open(&path, options).expect("a store can be made");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime can be made").block_on(async {
        for write in writes("n1", "s1").into_iter().chain(moves("n1")) {
            let written = store.write(write.clone()).await;
            written.unwrap_or_else(|trouble| panic!("{write:?}: {trouble}"));
        }
    });
    drop(store);
    assert!(maintenance::check(&path).is_ok_and(|report| report.is_sound()));
    std::fs::read(&path).expect("the store can be read")
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("a valid name")
}

fn identity(name: &str) -> Identity {
    Identity {
        node: node(name),
        machine_id: MachineId::new(format!("machine-of-{name}")).expect("a valid name"),
        boot: BootIdentity::of_boot("boot-1"),
        instance: Instance::new(format!("run-of-{name}")).expect("a valid name"),
    }
}

fn ask(id: &str, action: Action) -> Write {
    Write::Ask {
        group: GroupName::default(),
        create_with_max: Some(2),
        request: Request {
            id: RequestId::new(id).expect("a valid name"),
            at: "2026-01-01T00:00:00Z".to_owned(),
            action,
        },
    }
}

/// What a node writes on its way to a slot.
fn order(name: &str) -> Write {
    Write::Order {
        node: node(name),
        group: GroupName::default(),
        order: Order {
            by: "olga".to_owned(),
            reason: "a new disk".to_owned(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            not_before: None,
            boot: identity(name).boot,
            extra: Default::default(),
        },
    }
}

fn writes(name: &str, session: &str) -> Vec<Write> {
    let session = SessionId::new(session).expect("a valid name");
    let ticket = Ticket {
        number: 0,
        node: node(name),
        instance: identity(name).instance,
        session: session.clone(),
        since: String::new(),
    };
    vec![
        Write::OpenSession {
            session: session.clone(),
            identity: identity(name),
            ttl_ms: 90_000,
        },
        Write::Publish {
            record: Box::new(record(name)),
            stale_after_ms: 60_000,
        },
        Write::Join {
            group: GroupName::default(),
            ticket,
        },
        ask(&format!("claim-{name}"), claim(name, &session)),
        Write::KeepSession { session },
        Write::Undone {
            node: node(name),
            undone: Undo::of(["cordon".to_owned()]),
        },
        order(name),
        ask(&format!("break-{name}"), brk(9)),
        Write::pause_fleet(Some(pause()), "olga", ""),
        Write::pause_fleet(None, "olga", ""),
    ]
    .into_iter()
    // Breaking a hold that is not there is refused: only a spoiled store may have it.
    .filter(|write| {
        name != "n1"
            || !matches!(write, Write::Ask { request, .. } if request.action.verb() == "break")
    })
    .collect()
}

fn brk(number: u64) -> Action {
    Action::Break {
        number,
        by: "operator".to_owned(),
        reason: "to see".to_owned(),
    }
}

fn pause() -> Pause {
    Pause {
        by: "operator".to_owned(),
        reason: "to see".to_owned(),
        until: None,
        session: None,
    }
}

fn claim(name: &str, session: &SessionId) -> Action {
    Action::Claim(Claim {
        identity: identity(name),
        session: session.clone(),
        need: "kernel".to_owned(),
        pid: 7,
        interval_secs: 60,
        diagnostic: false,
    })
}

fn record(name: &str) -> NodeRecord {
    let identity = identity(name);
    NodeRecord {
        node: identity.node,
        machine_id: identity.machine_id,
        boot: identity.boot,
        instance: identity.instance,
        group: GroupName::default(),
        health: Health {
            healthy: true,
            stage: "publish".to_owned(),
            reason: String::new(),
        },
        reported_at: "2026-01-01T00:00:00Z".to_owned(),
        activity: "idle".to_owned(),
        need: None,
        waiting_for: Vec::new(),
        hold: None,
        extra: Map::new(),
    }
}

/// From the claim to the fence: deadline, cooldown, mark, history.
fn moves(name: &str) -> Vec<Write> {
    let owner = |expects| Owner {
        node: node(name),
        number: 1,
        instance: identity(name).instance,
        expects,
    };
    let drain = Action::Drain {
        owner: owner(Phase::Claimed),
        undo: Undo::of(["cordon".to_owned()]),
        deadline_secs: 600,
    };
    let fence = Action::Fence {
        owner: owner(Phase::Draining),
        boot: BootIdentity::of_boot("boot-1"),
        max_reboots_per_day: 3,
        deadline_secs: 600,
    };
    vec![ask("drain", drain), ask("fence", fence)]
}

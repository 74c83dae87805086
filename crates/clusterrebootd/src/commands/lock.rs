//! `lock`: the slots as an operator sees and mends them.

use super::operator::{commit, confirm, now, open, request_id, who, with_settings};
use crate::cli::{LockArgs, LockCommand, LockFormat};
use crate::config::Settings;
use crate::console::{print_json, print_then};
use crate::daemon;
use crate::exit::ExitCode;
use anyhow::{Result, anyhow, bail};
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::{Action, Hold, Pause, Reply, Request};
use reboot_core::id::GroupName;
use reboot_core::write::{Write, Written};
use reboot_store::Store;
use serde_json::{Value, json};

/// Runs the command.
pub(super) fn run(args: &LockArgs) -> ExitCode {
    with_settings(&args.config, |settings| {
        daemon::block_on(carry_out(settings, args))
    })
}

async fn carry_out(settings: &Settings, args: &LockArgs) -> Result<ExitCode> {
    let group = match &args.group {
        Some(name) => GroupName::new(name.as_str())?,
        None => settings.group.clone(),
    };
    let store = open(settings)?;
    let store = store.as_ref();
    match &args.command {
        LockCommand::Status { all_groups, output } => {
            let fleet = look(store).await?;
            status(&fleet, (!all_groups).then_some(&group), *output)
        }
        LockCommand::Unlock { id, reason, yes } => unlock(store, &group, (id, reason), *yes).await,
        LockCommand::SetMax { max } => set_max(store, group, *max).await,
        LockCommand::Pause { reason, until } => {
            let pause = Pause {
                by: who(),
                reason: reason.clone(),
                until: until.clone(),
            };
            pause_for(store, args.group.is_some().then_some(group), pause).await
        }
        LockCommand::Resume => resume(store, args.group.is_some().then_some(&group)).await,
    }
}

async fn look(store: &dyn Store) -> Result<Fleet> {
    store.look().await.map_err(|trouble| anyhow!("{trouble}"))
}

async fn ask(store: &dyn Store, group: GroupName, action: Action) -> Result<Reply> {
    let request = Request {
        id: request_id()?,
        at: now(),
        action,
    };
    match commit(
        store,
        Write::Ask {
            group,
            create_with_max: None,
            request,
        },
    )
    .await?
    {
        Written::Granted(reply) => Ok(reply),
        Written::Done | Written::Ticket(_) => bail!("the store answered something else"),
    }
}

// === status ===

fn status(fleet: &Fleet, only: Option<&GroupName>, output: LockFormat) -> Result<ExitCode> {
    let wanted = |name: &&GroupName| only.is_none_or(|only| only == *name);
    let names: Vec<&GroupName> = fleet.groups.keys().filter(wanted).collect();
    if let (Some(only), true) = (only, names.is_empty()) {
        bail!("there is no group {only} yet: it is made by the first claim of one of its nodes");
    }
    let groups = names.iter().map(|name| (*name, &fleet.groups[*name]));
    Ok(match output {
        LockFormat::Json => {
            let groups: Vec<Value> = groups.map(|(name, entry)| as_json(name, entry)).collect();
            print_json(
                &json!({"groups": groups, "pause": fleet.pause}),
                ExitCode::Success,
            )
        }
        LockFormat::Text => {
            let texts: Vec<String> = groups
                .map(|(name, entry)| as_text(name, entry, only.is_none()))
                .collect();
            print_then(texts.join("\n").as_bytes(), ExitCode::Success)
        }
        LockFormat::Wide => {
            let texts: Vec<String> = groups.map(|(name, entry)| as_table(name, entry)).collect();
            print_then(texts.join("\n").as_bytes(), ExitCode::Success)
        }
    })
}

/// As the old command printed it.
fn as_text(name: &GroupName, entry: &GroupEntry, is_named: bool) -> String {
    let group = &entry.group;
    let title = if is_named {
        format!("Group: {name}\n")
    } else {
        String::new()
    };
    let available = i64::from(group.max) - group.holds.len() as i64;
    let mut text = format!("{title}Available: {available}\nMax: {}\n", group.max);
    if !group.holds.is_empty() {
        text.push_str("\nMACHINE ID\n");
    }
    for hold in &group.holds {
        text.push_str(&format!("{}\n", hold.machine_id));
    }
    text
}

fn as_table(name: &GroupName, entry: &GroupEntry) -> String {
    let group = &entry.group;
    let mut text = as_text(name, entry, true)
        .lines()
        .take(3)
        .collect::<Vec<_>>()
        .join("\n");
    text.push('\n');
    if let Some(pause) = &group.pause {
        text.push_str(&format!("Paused: by {}, {}\n", pause.by, pause.reason));
    }
    for hold in &group.holds {
        let late = if entry.is_overdue(hold) {
            "  OVERDUE"
        } else {
            ""
        };
        text.push_str(&format!(
            "\n{}  {}  hold {}  since {}  boot {}{late}\n  machine {}\n",
            hold.node, hold.phase, hold.number, hold.acquired_at, hold.boot, hold.machine_id
        ));
    }
    for (place, ticket) in entry.line.tickets().iter().enumerate() {
        text.push_str(&format!(
            "waits {}  {}  since {}\n",
            place + 1,
            ticket.node,
            ticket.since
        ));
    }
    text
}

fn as_json(name: &GroupName, entry: &GroupEntry) -> Value {
    let hold = |hold: &Hold| {
        let mut value = serde_json::to_value(hold).unwrap_or_default();
        value["overdue"] = json!(entry.is_overdue(hold));
        value
    };
    json!({
        "group": name,
        "max": entry.group.max,
        "available": i64::from(entry.group.max) - entry.group.holds.len() as i64,
        "pause": entry.group.pause,
        "holds": entry.group.holds.iter().map(hold).collect::<Vec<_>>(),
        "line": entry.line.tickets(),
        "cooldown_left_ms": entry.cooldown.as_ref().map(|cooldown| cooldown.remaining_ms),
    })
}

// === changes ===

async fn unlock(
    store: &dyn Store,
    group: &GroupName,
    (id, reason): (&str, &str),
    is_sure: bool,
) -> Result<ExitCode> {
    let fleet = look(store).await?;
    let holds = fleet
        .groups
        .get(group)
        .map(|entry| entry.group.holds.as_slice());
    let is_it = |hold: &&Hold| hold.node.as_str() == id || hold.machine_id.as_str() == id;
    let Some(hold) = holds.unwrap_or_default().iter().find(is_it) else {
        bail!("{id} holds no slot of group {group}: see `clusterrebootd lock status -o wide`");
    };
    let what = format!(
        "hold {} of {} ({}), {} since {}",
        hold.number, hold.node, hold.machine_id, hold.phase, hold.acquired_at
    );
    confirm(
        &format!("{what}: is the machine really off, and shall the hold be broken?"),
        is_sure,
    )?;
    let (by, reason) = (who(), reason.to_owned());
    ask(
        store,
        group.clone(),
        Action::Break {
            number: hold.number,
            by,
            reason,
        },
    )
    .await?;
    Ok(print_then(
        format!("broken: {what}\n").as_bytes(),
        ExitCode::Success,
    ))
}

async fn set_max(store: &dyn Store, group: GroupName, max: u32) -> Result<ExitCode> {
    match ask(store, group, Action::SetMax { max, by: who() }).await? {
        Reply::MaxChanged { old, new } => Ok(print_then(
            format!("Old: {old}\nNew: {new}\n").as_bytes(),
            ExitCode::Success,
        )),
        _ => bail!("the store answered something else"),
    }
}

async fn pause_for(store: &dyn Store, only: Option<GroupName>, pause: Pause) -> Result<ExitCode> {
    if let Some(until) = &pause.until {
        let checked: Result<jiff::Timestamp, _> = until.parse();
        checked.map_err(|_| anyhow!("--until {until}: write it like 2026-12-24T06:00:00Z"))?;
    }
    let what = match only {
        Some(group) => {
            let text = format!("group {group}");
            ask(store, group, Action::Pause(pause)).await?;
            text
        }
        None => {
            commit(store, Write::PauseFleet(Some(pause))).await?;
            "the fleet".to_owned()
        }
    };
    let text = format!("paused {what}; `clusterrebootd lock resume` lets it go on\n");
    Ok(print_then(text.as_bytes(), ExitCode::Success))
}

async fn resume(store: &dyn Store, only: Option<&GroupName>) -> Result<ExitCode> {
    let fleet = look(store).await?;
    let mut text = String::new();
    if only.is_none() && fleet.pause.is_some() {
        commit(store, Write::PauseFleet(None)).await?;
        text.push_str("resumed the fleet\n");
    }
    for (name, entry) in &fleet.groups {
        if entry.group.pause.is_some() && only.is_none_or(|only| only == name) {
            ask(store, name.clone(), Action::Resume { by: who() }).await?;
            text.push_str(&format!("resumed group {name}\n"));
        }
    }
    if text.is_empty() {
        text.push_str("nothing was paused\n");
    }
    Ok(print_then(text.as_bytes(), ExitCode::Success))
}

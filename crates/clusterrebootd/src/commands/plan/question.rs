//! What is asked of the simulation: from the configuration, the store and the command line.

use super::durations::{Known, overruled};
use super::words::listed;
use crate::cli::PlanArgs;
use crate::commands::operator::in_words;
use crate::commands::operator::{look, open};
use crate::config::Settings;
use crate::console::complain;
use crate::daemon;
use anyhow::{Result, anyhow, bail};
use jiff::Timestamp;
use reboot_core::agent::{self, Mode};
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::Fleet;
use reboot_core::group::Identity;
use reboot_core::id::{GroupName, Instance, MachineId, NodeName};
use reboot_sim::plan::{PlannedNode, Question};
use std::collections::BTreeMap;

/// So many lines of each group's history are read.
const HISTORY_MAX: usize = 20_000;
/// The way out where no store tells of nodes.
const MAKE_UP: &str = "give --nodes N to plan for made-up ones";
/// So many names are listed.
const NAMED_MAX: usize = 5;

/// The question, and what it takes for granted.
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) assumptions: Vec<String>,
}

/// What the store tells.
#[derive(Default)]
struct Told {
    fleet: Fleet,
    durations: Known,
}

/// Puts the question together. Reads the store, if there is one; writes nothing.
pub(super) async fn ask(settings: &Settings, args: &PlanArgs) -> Result<Asked> {
    let mut rules = rules(settings)?;
    let mut assumptions = Vec::new();
    let mut told = tell(settings, args, &rules, &mut assumptions).await?;
    what_if(args, &mut rules, &mut told.fleet);
    let names = match args.nodes {
        Some(many) => {
            leave_groups_only(&mut told.fleet, &rules.group);
            (1..=many)
                .map(|it| NodeName::new(format!("node-{it}")))
                .collect::<Result<_, _>>()?
        }
        None => known(&told.fleet)?,
    };
    if let Some(name) = args.node.iter().find(|name| !names.contains(name)) {
        let known: Vec<&str> = names.iter().map(NodeName::as_str).collect();
        let known = listed(&known, NAMED_MAX);
        bail!("no node {name} is known (there are: {known}): see `clusterrebootd fleet list`");
    }
    if args.assume_healthy {
        make_healthy(&mut told.fleet);
        assumptions.push("every known node is taken as healthy and reporting".to_owned());
    }
    assumptions.extend(taken_for_granted(&told, &names, args));
    let nodes = names.iter().map(|name| planned(&told, &rules, name, args));
    let question = Question {
        nodes: nodes.collect::<Result<_>>()?,
        fleet: told.fleet,
        start: args.at.unwrap_or_else(Timestamp::now),
        horizon_ms: args.horizon.as_secs() * 1000,
    };
    Ok(Asked {
        question,
        assumptions,
    })
}

/// What is known, or made up where that is asked for.
async fn tell(
    settings: &Settings,
    args: &PlanArgs,
    rules: &agent::Settings,
    assumptions: &mut Vec<String>,
) -> Result<Told> {
    let is_made_up = args.nodes.is_some();
    if let Some(why) = no_store(settings)? {
        if !is_made_up {
            bail!("{why}, so no node is known: {MAKE_UP}");
        }
        assumptions.push(format!("{why}: the nodes are made up"));
        return Ok(Told::default());
    }
    let read = read(settings, rules).await;
    let is_remote = settings.store.own_file().is_none();
    match read {
        Err(error) if is_remote && is_made_up => {
            let said = format!(
                "the store cannot be read ({error:#}): the nodes are made up{}",
                instead(args, rules)
            );
            complain(&format!("warning: {said}"));
            assumptions.push(said);
            Ok(Told::default())
        }
        Err(error) if is_remote => Err(anyhow!("{error:#}; or {MAKE_UP}")),
        read => read,
    }
}

/// What stands in for that which the store would have told.
fn instead(args: &PlanArgs, rules: &agent::Settings) -> String {
    let slots = args.max.is_none();
    let slots = slots.then(|| format!("this file's slots ({})", rules.max));
    let given = [args.drain_time, args.down_time, args.check_time];
    let is_guessed = given.iter().any(Option::is_none);
    let guessed = is_guessed.then(|| "guessed durations".to_owned());
    let parts: Vec<String> = slots.into_iter().chain(guessed).collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!(", with {}", parts.join(" and ")),
    }
}

/// What this file tells every agent.
fn rules(settings: &Settings) -> Result<agent::Settings> {
    let identity = identity(&settings.node_name, None)?;
    let place = "plan".to_owned();
    let rules = daemon::agent_settings(settings, identity, Mode::Daemon, place)?;
    Ok(agent::Settings {
        is_dry_run: false,
        ..rules
    })
}

fn identity(node: &NodeName, machine_id: Option<&MachineId>) -> Result<Identity> {
    let machine_id = match machine_id {
        Some(known) => known.clone(),
        None => MachineId::new(format!("plan-{node}"))?,
    };
    Ok(Identity {
        node: node.clone(),
        machine_id,
        boot: BootIdentity::of_boot("plan"),
        instance: Instance::new("plan")?,
    })
}

/// Why there is no store to look into, if that is so.
fn no_store(settings: &Settings) -> Result<Option<String>> {
    let Some(path) = settings.store.own_file() else {
        return Ok(None);
    };
    let path_text = path.display();
    let is_there = path.try_exists().map_err(|error| {
        anyhow!(
            "whether there is a store at {path_text} cannot be told ({error}): run this as root"
        )
    })?;
    Ok((!is_there).then(|| format!("there is no store at {path_text}")))
}

/// Looks into the store.
async fn read(settings: &Settings, rules: &agent::Settings) -> Result<Told> {
    let store = open(settings)?;
    let fleet = look(store.as_ref()).await?;
    let mut durations = Known::default();
    for group in fleet.groups.keys() {
        let history = store.history(group, HISTORY_MAX).await;
        durations.learn(&history.map_err(in_words)?, rules);
    }
    Ok(Told { fleet, durations })
}

fn what_if(args: &PlanArgs, rules: &mut agent::Settings, fleet: &mut Fleet) {
    if let Some(max) = args.max {
        rules.max = max;
        for entry in fleet.groups.values_mut() {
            entry.group.max = max;
        }
    }
    if let Some(interval) = args.interval {
        rules.interval_secs = interval.as_secs();
    }
}

/// Made-up nodes share the group's slots, and nothing else that is there now.
fn leave_groups_only(fleet: &mut Fleet, group: &GroupName) {
    fleet.nodes.clear();
    fleet.owed.clear();
    fleet.pause = None;
    fleet.groups.retain(|name, _| name == group);
    for entry in fleet.groups.values_mut() {
        entry.group.holds.clear();
        entry.group.pause = None;
        entry.cooldown = None;
        entry.line = Default::default();
        entry.within_deadline.clear();
    }
}

fn make_healthy(fleet: &mut Fleet) {
    for entry in fleet.nodes.values_mut() {
        entry.is_fresh = true;
        entry.record.health.healthy = true;
        entry.record.health.reason.clear();
    }
}

/// Every node that the store knows, numbers in their order.
fn known(fleet: &Fleet) -> Result<Vec<NodeName>> {
    let holds = fleet.groups.values().flat_map(|entry| &entry.group.holds);
    let durable = holds.filter(|hold| hold.phase.is_durable());
    let holders = durable.map(|hold| hold.node.clone());
    let mut names: Vec<NodeName> = fleet.nodes.keys().cloned().chain(holders).collect();
    names.sort_by_cached_key(|name| natural(name.as_str()));
    names.dedup();
    match names.is_empty() {
        true => bail!("the store knows no node yet: {MAKE_UP}"),
        false => Ok(names),
    }
}

/// Texts and numbers by turns: `node-10` comes after `node-9`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts: Vec<(String, u64)> = vec![(String::new(), 0)];
    let mut was_digit = false;
    for c in name.chars() {
        if was_digit && !c.is_ascii_digit() {
            parts.push((String::new(), 0));
        }
        was_digit = c.is_ascii_digit();
        let Some((text, number)) = parts.last_mut() else {
            continue;
        };
        match c.to_digit(10) {
            Some(digit) => *number = number.saturating_mul(10).saturating_add(digit.into()),
            None => text.push(c),
        }
    }
    parts
}

fn planned(
    told: &Told,
    rules: &agent::Settings,
    name: &NodeName,
    args: &PlanArgs,
) -> Result<PlannedNode> {
    let record = told.fleet.nodes.get(name).map(|entry| &entry.record);
    let group = record.map(|record| record.group.clone());
    let settings = agent::Settings {
        identity: identity(name, record.map(|record| &record.machine_id))?,
        group: group.unwrap_or_else(|| rules.group.clone()),
        ..rules.clone()
    };
    Ok(PlannedNode {
        settings,
        durations: overruled(told.durations.of(name), args),
        needs: args.node.is_empty() || args.node.contains(name),
    })
}

fn taken_for_granted(told: &Told, names: &[NodeName], args: &PlanArgs) -> Vec<String> {
    let mut all = vec![
        "the need is seen at once, health scripts pass, no kill switch is set, nothing fails"
            .to_owned(),
    ];
    if names.len() > 1 {
        all.push("every node has the settings of this file".to_owned());
    }
    let given = [args.drain_time, args.down_time, args.check_time];
    if given.iter().any(Option::is_none) {
        all.push(told.durations.told(names));
    }
    if given.iter().any(Option::is_some) {
        all.push("durations given on the command line hold for every node".to_owned());
    }
    let marked: BTreeMap<_, _> = told
        .fleet
        .nodes
        .iter()
        .filter(|it| it.1.marks > 0)
        .collect();
    if !marked.is_empty() {
        all.push(
            "reboots of the last day count for max_reboots_per_day a whole day more".to_owned(),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_in_their_order() {
        let mut names = ["node-10", "node-9", "db-2-a", "db-10-a", "node", "db-2"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(
            names,
            ["db-2", "db-2-a", "db-10-a", "node", "node-9", "node-10"]
        );
    }
}

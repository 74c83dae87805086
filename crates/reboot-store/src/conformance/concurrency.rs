//! Many at once: the store's answers are those of one request after another.

use super::Harness;
use super::kit::{Agent, Fleetful, alive};
use reboot_core::group::{Group, HistoryEntry, Refusal, Reply, Request, apply};
use reboot_core::id::NodeName;
use reboot_core::write::Trouble;
use std::collections::BTreeSet;

const AGENTS: usize = 12;
const ROUNDS: usize = 8;
const MAX: u32 = 3;

/// Claims and gives back a number of times; tells the numbers it got.
async fn turns(agent: Agent) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..ROUNDS {
        match agent.try_claim().await {
            Ok(number) => {
                numbers.push(number);
                tokio::task::yield_now().await;
                agent.give_back(number).await;
            }
            Err(Trouble::Refused(_)) => tokio::task::yield_now().await,
            Err(trouble) => panic!("{trouble}"),
        }
    }
    numbers
}

/// Runs the agents at once and tells each one's numbers.
async fn run(fleet: &Fleetful<'_>) -> Vec<Vec<u64>> {
    let mut tasks = Vec::new();
    for at in 0..AGENTS {
        let agent = fleet.agent(&format!("node-{at}")).await;
        tasks.push(tokio::spawn(turns(agent)));
    }
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.unwrap());
    }
    numbers
}

/// I1, I5: at no time more holders than slots, and every hold has a number of its own.
pub async fn never_more_hold_than_max(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, MAX);
    let numbers = run(&fleet).await;
    for own in &numbers {
        assert!(own.is_sorted_by(|a, b| a < b), "they grow: {own:?}");
    }
    let granted: Vec<u64> = numbers.concat();
    let distinct: BTreeSet<u64> = granted.iter().copied().collect();
    assert_eq!(distinct.len(), granted.len(), "no number is given twice");
    assert_eq!(distinct.last().copied(), Some(granted.len() as u64));
    let history = fleet.store.history(&fleet.group, 10_000).await.unwrap();
    assert!(most_at_once(&history) <= MAX as usize);
    assert!(fleet.holders().await.is_empty());
}

/// Is admitted and says that it is back a number of times; tells the numbers it got.
async fn visits(agent: Agent) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..ROUNDS {
        match agent.admit().await {
            Ok(Reply::Held { number, .. }) => {
                numbers.push(number);
                tokio::task::yield_now().await;
                assert_eq!(agent.say_steady().await, Reply::Released);
            }
            Err(Trouble::Refused(_)) => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
    numbers
}

/// Every other one is a client without an agent, whose requests a store may commit together.
pub async fn guests_and_agents_never_hold_more_than_max(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, MAX);
    let mut tasks = Vec::new();
    for at in 0..2 * AGENTS {
        let mut agent = fleet.agent(&format!("node-{at}")).await;
        agent.max_reboots_per_day = u32::MAX;
        if at == 0 {
            // A store that remembers has seen the group.
            let number = agent.claim().await;
            agent.give_back(number).await;
            fleet.look().await;
        }
        tasks.push(match at % 2 {
            0 => tokio::spawn(turns(agent)),
            _ => tokio::spawn(visits(agent)),
        });
    }
    let mut numbers = vec![1];
    for task in tasks {
        let own = task.await.unwrap();
        assert!(own.is_sorted_by(|a, b| a < b), "they grow: {own:?}");
        numbers.extend(own);
    }
    numbers.sort_unstable();
    let each_once = Vec::from_iter(1..=numbers.len() as u64);
    assert_eq!(numbers, each_once, "every hold has a number of its own");
    let history = fleet.store.history(&fleet.group, 10_000).await.unwrap();
    assert!(most_at_once(&history) <= MAX as usize);
    assert!(fleet.holders().await.is_empty());
}

/// However many ask at once: when one goes that asks for a cooldown, it is the last.
pub async fn guests_at_once_meet_the_cooldown_of_one(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, AGENTS as u32);
    let mut guests = Vec::new();
    for at in 0..AGENTS {
        let mut guest = fleet.agent(&format!("node-{at}")).await;
        guest.interval_secs = if at % 4 == 3 { 600 } else { 0 };
        guests.push(guest);
    }
    let number = guests[0].claim().await;
    guests[0].give_back(number).await;
    fleet.look().await;
    let asked = guests.iter().cloned();
    let asked = asked.map(|guest| tokio::spawn(async move { guest.admit().await }));
    for task in Vec::from_iter(asked) {
        match task.await.unwrap() {
            Ok(_) | Err(Trouble::Refused(Refusal::CooldownRunning { .. })) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let history = fleet.store.history(&fleet.group, 10_000).await.unwrap();
    let admits = history.into_iter().filter(|line| line.event == "admit");
    let admitted = Vec::from_iter(admits.filter_map(|line| line.node));
    let asks_for_one = |node: &NodeName| {
        let mut guests = guests.iter();
        guests.any(|it| it.identity.node == *node && it.interval_secs > 0)
    };
    let first = admitted.iter().position(asks_for_one);
    assert_eq!(first, Some(admitted.len() - 1), "{admitted:?}");
}

fn most_at_once(history: &[HistoryEntry]) -> usize {
    let mut holders = BTreeSet::new();
    let mut most = 0;
    for line in history {
        match line.event.as_str() {
            "claim" | "admit" => assert!(holders.insert(line.number)),
            "release" => assert!(holders.remove(&line.number)),
            other => panic!("nobody asked for {other}"),
        }
        most = most.max(holders.len());
    }
    most
}

/// I10: every answer given at once is the answer of some order, one after another.
pub async fn history_linearizes_to_the_rules(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, MAX);
    let mut agents = Vec::new();
    for at in 0..AGENTS {
        agents.push(fleet.agent(&format!("node-{at}")).await);
    }
    let asked: Vec<(Agent, Request)> = agents
        .iter()
        .map(|agent| (agent.clone(), agent.claim_request(false)))
        .collect();
    let mut tasks = Vec::new();
    for (agent, request) in asked.clone() {
        tasks.push(tokio::spawn(async move { agent.send(request).await }));
    }
    let mut answers = Vec::new();
    for (task, (_, request)) in tasks.into_iter().zip(&asked) {
        answers.push((request.clone(), task.await.unwrap()));
    }
    let replayed = replay(&agents, answers);
    assert_eq!(fleet.record().await.holds, replayed.holds);
}

/// Grants in the order of their numbers, then refusals: the rules say the same.
fn replay(agents: &[Agent], mut answers: Vec<(Request, Result<Reply, Trouble>)>) -> Group {
    let sessions: Vec<_> = agents.iter().map(|agent| &agent.session).collect();
    let facts = alive(&sessions);
    answers.sort_by_key(|(_, answer)| match answer {
        Ok(Reply::Held { number, .. }) => *number,
        _ => u64::MAX,
    });
    let mut group = Group::create(MAX, 1, &[]).unwrap();
    for (request, answer) in answers {
        match apply(&group, &request, &facts) {
            Ok(applied) => {
                assert_eq!(answer, Ok(applied.reply));
                group = applied.group;
            }
            Err(refusal) => assert_eq!(answer, Err(Trouble::Refused(refusal))),
        }
    }
    group
}

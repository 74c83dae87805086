//! A second process: this very test program, run again. What it is to do stands in a file of
//! its working directory; without one it does a small piece of work of its own.

use super::harness::Shared;
use crate::conformance::kit::{Agent, Fleetful, LONG_MS};
use crate::embedded::clock::SystemClock;
use crate::embedded::database::Tuning;
use crate::embedded::{EmbeddedStore, Options};
use reboot_core::group::{Phase, Refusal, Reply, Request, Way};
use reboot_core::undo::Undo;
use reboot_core::write::Trouble;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const PLAN: &str = "store-test-plan.json";
const TEST: &str = "embedded::tests::child::a_process_does_what_its_plan_says";

/// What a process does with the store.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) enum Work {
    /// Claims and gives back, this often, for this many nodes at once; says each number.
    Turns { nodes: usize, rounds: usize },
    /// Claims on a lease of this many milliseconds, says so and waits to be killed.
    Claim { ttl_ms: u64 },
    /// Claims, drains, says so and waits to be killed.
    Drain { ttl_ms: u64 },
    /// Claims, says so, and gives back once its input ends.
    GiveBack,
    /// Commits this often, and says each commit that was acknowledged.
    Commits { count: usize, is_synced: bool },
    /// Commits this often, each until it is acknowledged; says what went wrong meanwhile.
    Persist { count: usize },
}

#[derive(Deserialize, Serialize)]
struct Plan {
    path: PathBuf,
    name: String,
    work: Work,
}

/// A running process and what it says.
pub(super) struct Process {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    _directory: tempfile::TempDir,
}

/// The command that runs a process on this database, and its working directory.
pub(super) fn command(path: &Path, name: &str, work: Work) -> (Vec<String>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let (path, name) = (path.to_owned(), name.to_owned());
    let plan = serde_json::to_string(&Plan { path, name, work }).unwrap();
    std::fs::write(directory.path().join(PLAN), plan).unwrap();
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap().to_owned();
    let words = ["--exact", TEST, "--nocapture", "--test-threads=1"];
    let words = words.into_iter().map(str::to_owned);
    (std::iter::once(program).chain(words).collect(), directory)
}

// === impl Process ===

impl Process {
    pub(super) fn start(path: &Path, name: &str, work: Work) -> Self {
        let (words, directory) = command(path, name, work);
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            said,
            _directory: directory,
        }
    }

    /// Waits until it says a line that starts so, and returns the rest.
    pub(super) fn hear(&mut self, start: &str) -> String {
        let mut line = String::new();
        while self.said.read_line(&mut line).unwrap() > 0 {
            if let Some((_, rest)) = line.split_once(start) {
                return rest.trim().to_owned();
            }
            line.clear();
        }
        panic!("the process ended without saying {start:?}");
    }

    /// Ends its input.
    pub(super) fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Kills it as the kernel does when memory is short.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for a good end, and returns what it said since.
    pub(super) fn finish(mut self) -> String {
        self.end_input();
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        said
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_process_does_what_its_plan_says() {
    let directory = tempfile::tempdir().unwrap();
    let own = Plan {
        path: directory.path().join("fleet.db"),
        name: "own".to_owned(),
        work: Work::Commits {
            count: 3,
            is_synced: true,
        },
    };
    let plan = match std::fs::read_to_string(PLAN) {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(_) => own,
    };
    match plan.work.clone() {
        Work::Turns { nodes, rounds } => turns(&plan, nodes, rounds).await,
        Work::Claim { ttl_ms } => claim(&plan, ttl_ms, false).await,
        Work::Drain { ttl_ms } => claim(&plan, ttl_ms, true).await,
        Work::GiveBack => give_back(&plan).await,
        Work::Commits { count, is_synced } => commits(&plan, count, is_synced).await,
        Work::Persist { count } => persist(&plan, count).await,
    }
}

fn say(line: &str) {
    println!("{line}");
}

async fn turns(plan: &Plan, nodes: usize, rounds: usize) {
    let shared = Shared::open(&plan.path);
    let fleet = Fleetful::new(&shared, 2);
    let mut tasks = Vec::new();
    for node in 0..nodes {
        let agent = fleet.agent(&format!("{}-{node}", plan.name)).await;
        tasks.push(tokio::spawn(async move {
            for _ in 0..rounds {
                match agent.try_claim().await {
                    Ok(number) => {
                        say(&format!("GOT {number}"));
                        agent.give_back(number).await;
                    }
                    Err(Trouble::Refused(_)) => tokio::task::yield_now().await,
                    Err(trouble) => panic!("{trouble}"),
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

async fn claim(plan: &Plan, ttl_ms: u64, is_draining: bool) {
    let shared = Shared::open(&plan.path);
    let fleet = Fleetful::new(&shared, 1);
    let agent = fleet.agent_for(&plan.name, "boot-a", ttl_ms).await;
    let number = agent.claim().await;
    if is_draining {
        agent.drain(number, Undo::default()).await.unwrap();
    }
    say(&format!("HOLDS {number}"));
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

async fn give_back(plan: &Plan) {
    let shared = Shared::open(&plan.path);
    let fleet = Fleetful::new(&shared, 1);
    let agent = fleet.agent(&plan.name).await;
    let number = agent.claim().await;
    say(&format!("HOLDS {number}"));
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    agent.give_back(number).await;
}

/// Every commit leaves a line of history: two to a round.
async fn commits(plan: &Plan, count: usize, is_synced: bool) {
    let tuning = Tuning {
        is_synced,
        checkpoint_pages: 25,
        ..Tuning::default()
    };
    let clock = Arc::new(SystemClock::new().unwrap());
    let store = EmbeddedStore::open_with(&plan.path, &Options::default(), tuning, clock);
    let shared = Shared(Arc::new(store.unwrap()));
    let fleet = Fleetful::new(&shared, 1);
    let agent = fleet.agent_for(&plan.name, "boot-a", LONG_MS).await;
    for round in 0..count.div_ceil(2) {
        let number = agent.claim().await;
        say(&format!("ACK {}", 2 * round + 1));
        agent.give_back(number).await;
        say(&format!("ACK {}", 2 * round + 2));
    }
    let history = fleet.store.history(&fleet.group, count).await.unwrap();
    assert_eq!(history.len(), count.next_multiple_of(2).min(count));
}

/// Repeats each request under its id until it is answered, as an agent does.
async fn insist(agent: &Agent, request: Request) -> Result<Reply, Refusal> {
    const TRIES_MAX: usize = 100;
    for _ in 0..TRIES_MAX {
        match agent.send(request.clone()).await {
            Ok(reply) => return Ok(reply),
            Err(Trouble::Refused(refusal)) => return Err(refusal),
            Err(trouble) => say(&format!("TROUBLE {}: {trouble}", trouble.kind())),
        }
    }
    panic!("no answer after {TRIES_MAX} tries");
}

async fn persist(plan: &Plan, count: usize) {
    let shared = Shared::open(&plan.path);
    let fleet = Fleetful::new(&shared, 1);
    let agent = fleet.agent(&plan.name).await;
    for _ in 0..count {
        let number = match insist(&agent, agent.claim_request(false)).await {
            Ok(Reply::Held { number, .. }) => number,
            other => panic!("a claim is answered with a hold, not {other:?}"),
        };
        say(&format!("GOT {number}"));
        let release =
            agent.release_request(number, Phase::Claimed, Way::GivenBack, Undo::default());
        match insist(&agent, release).await {
            // Gone already: the try whose answer was lost did it.
            Ok(Reply::Released) | Err(Refusal::HoldGone { .. }) => {}
            other => panic!("a claim is given back, not {other:?}"),
        }
    }
}

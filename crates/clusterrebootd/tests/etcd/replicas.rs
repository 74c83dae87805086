//! Several servers on one etcd: none grants what another has granted, though one is killed in the
//! middle.

use crate::lab;
use crate::place::Place;
use crate::program::Client;
use crate::scripts::no_forks;
use reboot_core::group::HistoryEntry;
use reboot_core::id::{GroupName, NodeName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const REPLICAS: usize = 3;
const CLIENTS: usize = 36;
const SLOTS: usize = 2;
/// So many slots each client is given; all together fit into the history that etcd keeps.
const GRANTS_EACH: usize = 8;
/// After so many grants of all, one server is killed.
const GRANTS_BEFORE: usize = 60;
/// So long may the slots take to be given back in the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server as a process of its own.
struct Replica {
    child: Child,
    address: String,
}

/// What all clients know together.
#[derive(Default)]
struct Ledger {
    grants: Mutex<usize>,
    bell: Condvar,
    /// Clients that hold for sure: from the answer until they say that they are steady.
    holding: AtomicUsize,
    most: AtomicUsize,
}

/// A client, and the server that it asks.
struct Asker {
    id: String,
    addresses: Arc<Vec<String>>,
    at: usize,
    line: Option<Client>,
}

// === impl Replica ===

impl Replica {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("clusterrebootd"));
        command.args(["serve", "--config", config.to_str().unwrap()]);
        let guard = no_forks();
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        drop(guard);
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).expect(&line);
        let address = started["fields"]["address"].as_str().expect(&line);
        let address = address.to_owned();
        // Read on, or it would wait for its reader.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

// === impl Ledger ===

impl Ledger {
    fn granted(&self) {
        *self.grants.lock().unwrap() += 1;
        self.bell.notify_all();
        let now = self.holding.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn gives_back(&self) {
        self.holding.fetch_sub(1, Ordering::SeqCst);
    }

    fn wait_for(&self, grants: usize) {
        let now = self.grants.lock().unwrap();
        drop(self.bell.wait_while(now, |now| *now < grants).unwrap());
    }
}

// === impl Asker ===

impl Asker {
    fn new(number: usize, addresses: &Arc<Vec<String>>) -> Self {
        Self {
            id: format!("client-{number}"),
            addresses: addresses.clone(),
            at: number % addresses.len(),
            line: None,
        }
    }

    /// Asks its server, or from its end on the next one.
    fn ask(&mut self, path: &str) -> Option<u16> {
        if self.line.is_none() {
            self.line = Client::of(&self.addresses[self.at]).ok();
        }
        let line = self.line.as_mut();
        let answer = line.and_then(|line| line.fleetlock(path, &self.id));
        if answer.is_none() {
            self.line = None;
            self.at = (self.at + 1) % self.addresses.len();
        }
        answer
    }

    fn give_back(&mut self) {
        loop {
            match self.ask("/v1/steady-state") {
                Some(200) => return,
                Some(503) | None => {} // whether it did is not known
                Some(other) => panic!("{}: {other}", self.id),
            }
        }
    }

    /// Answers how many slots it was given for sure.
    fn work(mut self, ledger: &Ledger) -> (String, usize) {
        let mut grants = 0;
        while grants < GRANTS_EACH {
            match self.ask("/v1/pre-reboot") {
                Some(200) => {
                    ledger.granted();
                    grants += 1;
                    // Asked again it is the same hold; without an answer it holds as well.
                    let again = self.ask("/v1/pre-reboot");
                    assert!(matches!(again, Some(200 | 503) | None), "{again:?}");
                    ledger.gives_back();
                    self.give_back();
                }
                Some(423) => {}
                Some(503) | None => self.give_back(),
                Some(other) => panic!("{}: {other}", self.id),
            }
        }
        (self.id, grants)
    }
}

/// Goes through the history; answers how often each client was admitted.
fn judge(history: &[HistoryEntry]) -> BTreeMap<String, usize> {
    let mut holds = BTreeSet::new();
    let mut last = 0;
    let mut admitted: BTreeMap<String, usize> = BTreeMap::new();
    for entry in history {
        let node = entry.node.as_ref().unwrap().to_string();
        let number = entry.number.unwrap();
        match entry.event.as_str() {
            "admit" => {
                assert!(number > last, "a number came again: {entry:?}");
                last = number;
                *admitted.entry(node.clone()).or_default() += 1;
                let is_twice = holds.iter().any(|(_, holder)| *holder == node);
                assert!(!is_twice, "it held already: {entry:?}");
                holds.insert((number, node));
            }
            "release" => assert!(holds.remove(&(number, node)), "it had none: {entry:?}"),
            other => panic!("nobody asked for {other}"),
        }
        assert!(holds.len() <= SLOTS, "more than {SLOTS}: {holds:?}");
    }
    assert_eq!(holds, BTreeSet::new());
    admitted
}

fn is_idle(place: &Place) -> bool {
    let fleet = lab::wait_for(async { place.open().look().await }).unwrap();
    let entry = &fleet.groups[&GroupName::default()];
    entry.group.holds.is_empty()
}

#[test]
fn three_servers_on_one_etcd_never_admit_too_many_though_one_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path());
    let config = dir.path().join("server.yaml");
    let text = format!(
        "listen: 127.0.0.1:0\nstore: {}\nlimits: {{requests_per_second: 0}}\n\
         groups: {{default: {{max: {SLOTS}, wait_sec: 1}}}}\n",
        place.setting()
    );
    std::fs::write(&config, text).unwrap();
    let mut replicas: Vec<_> = (0..REPLICAS).map(|_| Replica::start(&config)).collect();
    let addresses = replicas.iter().map(|it| it.address.clone()).collect();
    let (addresses, ledger) = (Arc::new(addresses), Arc::new(Ledger::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (asker, ledger) = (Asker::new(number, &addresses), ledger.clone());
            thread::spawn(move || asker.work(&ledger))
        })
        .collect();
    ledger.wait_for(GRANTS_BEFORE);
    replicas[0].kill();
    let known: Vec<_> = clients.into_iter().map(|it| it.join().unwrap()).collect();
    assert!(ledger.most.load(Ordering::SeqCst) <= SLOTS);
    // What the killed server had under way may have come after its client's word.
    let end = Instant::now() + PATIENCE;
    while !is_idle(&place) {
        assert!(Instant::now() < end, "somebody still holds");
        (0..CLIENTS).for_each(|number| Asker::new(number, &addresses).give_back());
    }
    let history = lab::wait_for(async {
        let store = place.open();
        store.history(&GroupName::default(), 1_000).await
    });
    let admitted = judge(&history.unwrap());
    for (id, grants) in known {
        assert!(
            admitted[&id] >= grants,
            "{id} was told {grants}: {admitted:?}"
        );
    }
}

#[test]
#[should_panic(expected = "more than 2")]
fn the_judge_objects_to_one_too_many() {
    let admit = |number: u64| HistoryEntry {
        at: String::new(),
        event: "admit".to_owned(),
        node: NodeName::new(format!("n{number}")).ok(),
        number: Some(number),
        detail: String::new(),
    };
    judge(&[admit(1), admit(2), admit(3)]);
}

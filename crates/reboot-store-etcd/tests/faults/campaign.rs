//! A run: members, nodes, an operator, faults, and the evidence of it all.

use crate::chance::Chance;
use crate::disk::SmallDisk;
use crate::journal::{Journal, Notes};
use crate::judge::Evidence;
use crate::node::{Habits, Node, Shared, pause};
use crate::operator::Operator;
use crate::recorder::Recorder;
use crate::weather::{Blow, ClientWeather, Counts, MemberWeather};
use crate::{LOCK_KEY, NAMESPACE, PREFIX, groups};
use reboot_lab::{Etcd, LabOptions, Proxy};
use reboot_store_etcd::client::{Client, Options};
use reboot_store_etcd::{EtcdStore, Layout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long a run is, and of what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Plan {
    /// Claims that come to their release, at least.
    pub(crate) cycles: u64,
    /// It ends after this time, cycles or not.
    pub(crate) longest: Duration,
    /// How long all is well between two faults of members, at most.
    pub(crate) calm: Duration,
    /// What chance begins with.
    pub(crate) seed: u64,
    /// What befalls members.
    pub(crate) blows: Vec<Blow>,
}

/// A run that is over.
pub(crate) struct Campaign {
    pub(crate) evidence: Evidence,
    pub(crate) blows: Counts,
    pub(crate) gusts: Counts,
    /// How often a member ended for want of room.
    pub(crate) disk_ends: u64,
    pub(crate) took: Duration,
}

/// Nodes that want the slots of the first group.
const BUSY_NODES: u64 = 12;
/// Nodes that want those of the second, where a cooldown runs.
const SLOW_NODES: u64 = 3;
/// Of the second group, in seconds.
const COOLDOWN_SECS: u64 = 2;
/// Of a thousand calls, so many are cut off.
const KILLS_PER_MILLE: u64 = 10;
/// A reboot counts for so long here, not for a day.
const MARKS_TTL_MS: u64 = 20_000;

/// How long a calm run may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn layout() -> Layout {
    Layout::Native {
        namespace: NAMESPACE.to_owned(),
        lock_key: LOCK_KEY.to_owned(),
    }
}

pub(crate) fn store(endpoints: &[String]) -> EtcdStore {
    let client = Client::new(Options {
        call_timeout: Duration::from_millis(1500),
        connect_timeout: Duration::from_millis(400),
        ..Options::new(endpoints)
    });
    EtcdStore::new(client.unwrap(), &layout()).with_marks_ttl_ms(MARKS_TTL_MS)
}

/// Three members, one of them on a small disk, and every fault.
pub(crate) async fn stormy(plan: Plan) -> Campaign {
    let start = Instant::now();
    let mut chance = Chance::new(plan.seed);
    let options = LabOptions {
        wires: true,
        // A member that was away for long is sent a snapshot.
        flags: ["--snapshot-count=5000", "--max-wals=2", "--max-snapshots=2"]
            .map(str::to_owned)
            .to_vec(),
        ..LabOptions::default()
    };
    let mut etcd = Etcd::cluster(3, &options).await.unwrap();
    let disk = SmallDisk::under(&mut etcd, 2).await;
    let mut crew = Crew::new(&etcd);
    let mut fronts = Vec::new();
    for (name, habits) in fleet() {
        let front = front(&etcd).await;
        let endpoints = front
            .iter()
            .map(|proxy| format!("http://{}", proxy.address()));
        let store = store(&Vec::from_iter(endpoints));
        // Every other one remembers as a server does.
        let store = match fronts.len() % 2 {
            0 => store,
            _ => store.for_many_nodes(),
        };
        crew.add(store, &name, habits, chance.fork());
        fronts.push(front);
    }
    crew.add_operator(store(&etcd.endpoints()), chance.fork());
    let gusts = ClientWeather {
        fronts,
        shared: crew.shared.clone(),
        chance: chance.fork(),
    };
    let gusts = tokio::spawn(gusts.run());
    let mut members = MemberWeather {
        etcd,
        disk,
        shared: crew.shared.clone(),
        chance: chance.fork(),
        blows: plan.blows,
        recorded: crew.recorder.revision(),
        counts: Counts::new(),
        calm: plan.calm,
    };
    members
        .run(|| crew.cycles() >= plan.cycles || start.elapsed() >= plan.longest)
        .await;
    crew.shared.stop.store(true, Ordering::SeqCst);
    let gusts = gusts.await.unwrap();
    let evidence = crew.gather(&mut members.etcd).await;
    Campaign {
        evidence,
        blows: members.counts,
        gusts,
        disk_ends: members.disk.ends,
        took: start.elapsed(),
    }
}

/// One member, no fault but agents that are killed, until it is enough.
pub(crate) async fn calm(seed: u64, is_enough: impl Fn(&Notes) -> bool) -> Evidence {
    let mut chance = Chance::new(seed);
    let mut etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let mut crew = Crew::new(&etcd);
    for (name, habits) in fleet() {
        crew.add(store(&etcd.endpoints()), &name, habits, chance.fork());
    }
    crew.add_operator(store(&etcd.endpoints()), chance.fork());
    crew.wait_until(is_enough).await;
    crew.shared.stop.store(true, Ordering::SeqCst);
    crew.gather(&mut etcd).await
}

/// The nodes of a run, with what each is like.
fn fleet() -> Vec<(String, Habits)> {
    let [busy, slow] = groups();
    let habits = |group, interval_secs| Habits {
        group,
        interval_secs,
        kills_per_mille: KILLS_PER_MILLE,
    };
    let one = (0..BUSY_NODES).map(|at| (format!("busy-{at}"), habits(busy.clone(), 0)));
    let other =
        (0..SLOW_NODES).map(|at| (format!("slow-{at}"), habits(slow.clone(), COOLDOWN_SECS)));
    one.chain(other).collect()
}

/// A network of one client's own, to each member.
async fn front(etcd: &Etcd) -> Vec<Proxy> {
    let mut front = Vec::new();
    for member in 0..etcd.size() {
        front.push(Proxy::start(etcd.client_address(member)).await.unwrap());
    }
    front
}

/// All who ask, and who writes it down.
pub(crate) struct Crew {
    pub(crate) shared: Arc<Shared>,
    pub(crate) recorder: Recorder,
    tasks: JoinSet<()>,
}

// === impl Crew ===

impl Crew {
    pub(crate) fn new(etcd: &Etcd) -> Self {
        let journal = Arc::new(Journal::new());
        let recorder = Recorder::start(&etcd.endpoints(), PREFIX, journal.clone());
        let stop = AtomicBool::new(false);
        Self {
            shared: Arc::new(Shared { journal, stop }),
            recorder,
            tasks: JoinSet::new(),
        }
    }

    pub(crate) fn add(&mut self, store: EtcdStore, name: &str, habits: Habits, chance: Chance) {
        let node = Node::new(store, name, habits, self.shared.clone(), chance);
        self.tasks.spawn(node.run());
    }

    pub(crate) fn add_operator(&mut self, store: EtcdStore, chance: Chance) {
        let shared = self.shared.clone();
        let operator = Operator {
            store,
            shared,
            chance,
        };
        self.tasks.spawn(operator.run());
    }

    pub(crate) fn cycles(&self) -> u64 {
        self.shared.journal.read(|notes| notes.cycles)
    }

    /// Waits until enough was done.
    async fn wait_until(&self, is_enough: impl Fn(&Notes) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shared.journal.read(&is_enough) {
            assert!(Instant::now() < deadline, "only {} cycles", self.cycles());
            pause(Duration::from_millis(20)).await;
        }
    }

    /// Everything that was written down, once all have ended.
    pub(crate) async fn gather(mut self, etcd: &mut Etcd) -> Evidence {
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let (last, etcd_version) = (end(etcd).await, version(etcd).await);
        let changes = self.recorder.finish(last).await;
        let mut notes = self.shared.journal.read(Clone::clone);
        notes.tries.sort_by_key(|it| it.answered);
        let keys = store(&["127.0.0.1:1".to_owned()]).keys().clone();
        Evidence {
            etcd_version,
            keys,
            changes,
            notes,
        }
    }
}

/// All is well for good: writes the last change, and tells its revision.
async fn end(etcd: &mut Etcd) -> i64 {
    etcd.wait_healthy().await.unwrap();
    let key = format!("{PREFIX}end");
    etcd.etcdctl(&["put", &key, "end"]).await.unwrap();
    let got = etcd.etcdctl(&["get", &key, "-w", "json"]).await;
    let got: serde_json::Value = serde_json::from_str(&got.unwrap()).unwrap();
    got["kvs"][0]["mod_revision"].as_i64().unwrap()
}

/// Which etcd it is: `3.4.23`.
async fn version(etcd: &Etcd) -> String {
    let status = etcd.etcdctl(&["endpoint", "status", "-w", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status.unwrap()).unwrap();
    status[0]["Status"]["version"].as_str().unwrap().to_owned()
}

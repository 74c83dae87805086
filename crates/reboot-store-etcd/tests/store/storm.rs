//! Clients without an agent, at two servers that go together, through networks that fail.

use crate::together::{admit, ask, fresh_namespace, made, node, server, steady};
use reboot_core::group::{HistoryEntry, Reply};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::Trouble;
use reboot_lab::{Etcd, LabOptions, Proxy};
use reboot_store::Store;
use reboot_store_etcd::EtcdStore;
use reboot_store_etcd::client::{Client, Options};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

const CLIENTS: u32 = 16;
const MAX: u32 = 3;
/// How often each is to reboot: its lines of history all stay.
const REBOOTS: usize = 8;
/// How long a call may take: what is held in the network is given up after it.
const CALL_TIMEOUT: Duration = Duration::from_millis(200);
/// How long all of it may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// After so many requests the weather changes.
const WHIM: u64 = 20;

/// Two servers, each behind a network of its own.
struct Sea {
    servers: Vec<Arc<EtcdStore>>,
    networks: Vec<Proxy>,
    requests: AtomicU64,
    /// Requests of which nobody knew whether they had happened.
    unknown: AtomicU64,
}

// === impl Sea ===

impl Sea {
    async fn new(etcd: &Etcd, namespace: &str) -> Self {
        let (mut servers, mut networks) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let network = Proxy::start(etcd.client_address(0)).await.unwrap();
            let options = Options {
                call_timeout: CALL_TIMEOUT,
                ..Options::new([format!("http://{}", network.address())])
            };
            servers.push(server(&Client::new(options).unwrap(), namespace));
            networks.push(network);
        }
        Self {
            servers,
            networks,
            requests: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        }
    }

    /// Another weather with every so many requests, each time at the other server.
    fn turn(&self) {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        if !count.is_multiple_of(WHIM) {
            return;
        }
        let whim = count / WHIM;
        self.networks.iter().for_each(Proxy::heal);
        let network = &self.networks[usize::from(whim.is_multiple_of(2))];
        match whim % 8 {
            1 | 2 => network.cut_replies(),
            3 => network.cut(),
            5 => network.hold_requests(),
            6 => network.delay(Duration::from_millis(20)),
            _ => {}
        }
    }

    /// Reboots so often, at whichever server; tells the numbers of the holds it was told of.
    async fn visit(&self, at: u32) -> Vec<u64> {
        let mut told = Vec::new();
        let mut is_down = false;
        let mut done = 0;
        for attempt in usize::try_from(at).unwrap().. {
            if done == REBOOTS {
                break;
            }
            self.turn();
            let server = &self.servers[attempt % self.servers.len()];
            let action = if is_down { steady(at) } else { admit(at) };
            match ask(server, action).await {
                Ok(Reply::Held { number, .. }) => {
                    told.push(number);
                    is_down = true;
                }
                // It was given back, by this request or by one whose answer was lost.
                Ok(Reply::Released | Reply::Done) => {
                    is_down = false;
                    done += 1;
                }
                Ok(other) => panic!("{other:?}"),
                Err(Trouble::Unknown(_)) => {
                    self.unknown.fetch_add(1, Ordering::Relaxed);
                }
                Err(Trouble::Refused(_) | Trouble::Unavailable(_)) => {
                    tokio::task::yield_now().await;
                }
                Err(Trouble::Broken(why)) => panic!("{why}"),
            }
            server.look().await.ok(); // as a server does, when it can
        }
        told
    }
}

/// What the history tells: who was admitted under which number. Fails where it could not be.
fn admitted(history: &[HistoryEntry]) -> BTreeMap<u64, NodeName> {
    let (mut holders, mut admitted) = (BTreeMap::new(), BTreeMap::new());
    for line in history {
        let (Some(node), Some(number)) = (line.node.clone(), line.number) else {
            continue;
        };
        match line.event.as_str() {
            "admit" => {
                let is_second = holders.values().any(|it| *it == node);
                assert!(!is_second, "{node} holds twice");
                holders.insert(number, node.clone());
                let before = admitted.insert(number, node);
                assert_eq!(before, None, "{number} was given twice");
            }
            "release" => assert_eq!(holders.remove(&number), Some(node), "{number}"),
            other => panic!("nobody asked for {other}"),
        }
        assert!(holders.len() <= MAX as usize, "{holders:?}");
    }
    assert!(holders.is_empty(), "{holders:?}");
    admitted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_were_told_is_what_happened_whatever_the_network_does() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let direct = Client::new(Options::new(etcd.endpoints())).unwrap();
    let namespace = fresh_namespace();
    let observer = server(&direct, &namespace);
    made(&observer, MAX).await;
    let sea = Arc::new(Sea::new(&etcd, &namespace).await);
    for server in &sea.servers {
        while server.look().await.is_err() {} // a busy machine is slower than its calls may be
    }
    let mut tasks = JoinSet::new();
    for at in 1..=CLIENTS {
        let sea = sea.clone();
        tasks.spawn(async move { (node(at), sea.visit(at).await) });
    }
    let told = timeout(PATIENCE, tasks.join_all()).await;
    let told = told.expect("everybody gets an answer in the end");
    let fleet = observer.look().await.unwrap();
    assert!(fleet.groups[&GroupName::default()].group.holds.is_empty());
    let history = observer.history(&GroupName::default(), 1000).await.unwrap();
    let admitted = admitted(&history);
    for (node, numbers) in &told {
        let distinct = BTreeSet::from_iter(numbers);
        assert_eq!(
            (numbers.len(), distinct.len()),
            (REBOOTS, REBOOTS),
            "{node}"
        );
        for number in distinct {
            assert_eq!(admitted.get(number), Some(node), "{number}");
        }
    }
    assert_eq!(admitted.len(), CLIENTS as usize * REBOOTS + 1);
    let unknown = sea.unknown.load(Ordering::Relaxed);
    assert!(unknown > 0, "no answer was lost: this run shows nothing");
}

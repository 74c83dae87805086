//! Faults, one after the other: of members, and of the network between clients and members.

use crate::LEASE_MS;
use crate::chance::Chance;
use crate::disk::SmallDisk;
use crate::journal::Nap;
use crate::node::{Shared, pause};
use reboot_lab::{Etcd, Proxy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What befalls members.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Blow {
    LeaderKilled,
    FollowerKilled,
    MostKilled,
    AllKilled,
    MemberRestarted,
    LeaderStopped,
    FollowerStopped,
    /// The leader neither hears nor is heard by the others.
    LeaderParted,
    /// The leader hears the others, who do not hear it.
    LeaderMute,
    /// The others hear the leader, which does not hear them.
    LeaderDeaf,
    FollowerParted,
    LeaderMoved,
    Compacted,
    DiskFull,
}

/// What befalls the network of some clients.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Gust {
    /// Connections end, new ones too.
    Cut,
    /// Nothing gets through, either way.
    Silence,
    /// Requests do not arrive until it is over.
    RequestsHeld,
    /// Requests arrive, replies do not until it is over.
    RepliesHeld,
    /// Everything takes its time.
    Slow,
}

/// From a member, or to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    From,
    To,
}

pub(crate) const BLOWS: &[Blow] = &[
    Blow::LeaderKilled,
    Blow::FollowerKilled,
    Blow::MostKilled,
    Blow::AllKilled,
    Blow::MemberRestarted,
    Blow::LeaderStopped,
    Blow::FollowerStopped,
    Blow::LeaderParted,
    Blow::LeaderMute,
    Blow::LeaderDeaf,
    Blow::FollowerParted,
    Blow::LeaderMoved,
    Blow::Compacted,
    Blow::DiskFull,
];

pub(crate) const GUSTS: &[Gust] = &[
    Gust::Cut,
    Gust::Silence,
    Gust::RequestsHeld,
    Gust::RepliesHeld,
    Gust::Slow,
];

/// How often each struck.
pub(crate) type Counts = BTreeMap<String, u64>;

/// What strikes members.
pub(crate) struct MemberWeather {
    pub(crate) etcd: Etcd,
    pub(crate) disk: SmallDisk,
    pub(crate) shared: Arc<Shared>,
    pub(crate) chance: Chance,
    /// What may strike.
    pub(crate) blows: Vec<Blow>,
    /// Up to where history is written down and may be compacted.
    pub(crate) recorded: watch::Receiver<i64>,
    pub(crate) counts: Counts,
    /// How long all is well between two blows, at most.
    pub(crate) calm: Duration,
}

/// What strikes clients: for each the way to each member.
pub(crate) struct ClientWeather {
    pub(crate) fronts: Vec<Vec<Proxy>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) chance: Chance,
}

// === impl MemberWeather ===

impl MemberWeather {
    /// Each blow once, in some order; then any, until it is enough.
    pub(crate) async fn run(&mut self, is_enough: impl Fn() -> bool) {
        let mut left = Vec::new();
        while !(self.has_had_all() && is_enough()) {
            if left.is_empty() {
                left.clone_from(&self.blows);
            }
            let at = self.chance.below(u64::try_from(left.len()).unwrap());
            let blow = left.swap_remove(usize::try_from(at).unwrap());
            self.blow(blow).await;
        }
    }

    fn has_had_all(&self) -> bool {
        self.counts.len() == self.blows.len()
    }

    async fn blow(&mut self, blow: Blow) {
        self.strike(blow).await;
        *self.counts.entry(format!("{blow:?}")).or_default() += 1;
        self.etcd.wait_healthy().await.unwrap();
        let (revision, now) = (*self.recorded.borrow(), self.shared.journal.now().ms);
        println!("{blow:?} outlived at revision {revision}, after {now} ms");
        self.calm().await;
    }

    /// A while in which all is well.
    async fn calm(&mut self) {
        let most = u64::try_from(self.calm.as_millis()).unwrap();
        let least = most / 2;
        pause(Duration::from_millis(
            least + self.chance.below(most - least),
        ))
        .await;
    }

    /// Shorter than any lease, as a rule.
    async fn a_moment(&mut self) {
        pause(Duration::from_millis(100 + self.chance.below(1200))).await;
    }

    async fn strike(&mut self, blow: Blow) {
        let leader = self.etcd.leader().await.unwrap();
        let follower = (leader + 1) % self.etcd.size();
        match blow {
            Blow::LeaderKilled => self.kill(&[leader]).await,
            Blow::FollowerKilled => self.kill(&[follower]).await,
            Blow::MostKilled => self.kill(&[leader, follower]).await,
            Blow::AllKilled => self.kill(&[0, 1, 2]).await,
            Blow::MemberRestarted => {
                self.etcd.terminate(leader).unwrap();
                self.etcd.restart(leader).unwrap();
            }
            Blow::LeaderStopped => self.nap(leader).await,
            Blow::FollowerStopped => self.stop(follower).await,
            Blow::LeaderParted => self.part(leader, &[Way::From, Way::To]).await,
            Blow::LeaderMute => self.part(leader, &[Way::From]).await,
            Blow::LeaderDeaf => self.part(leader, &[Way::To]).await,
            Blow::FollowerParted => {
                self.cut_off(follower, &[Way::From, Way::To]);
                pause(Duration::from_millis(LEASE_MS + 500)).await;
                self.etcd.heal();
            }
            Blow::LeaderMoved => {
                self.etcd.move_leader().await.unwrap();
            }
            Blow::Compacted => self.compact().await,
            Blow::DiskFull => self.disk.fill_under(&mut self.etcd).await,
        }
    }

    async fn kill(&mut self, members: &[usize]) {
        members.iter().for_each(|member| self.etcd.kill(*member));
        self.a_moment().await;
        for member in members {
            self.etcd.restart(*member).unwrap();
        }
    }

    /// For longer than any lease lasts.
    async fn stop(&mut self, member: usize) {
        self.etcd.stop(member).unwrap();
        pause(Duration::from_millis(LEASE_MS + 1000)).await;
        self.etcd.cont(member).unwrap();
    }

    /// Stops the leader, and notes when: what it tells right afterwards may be of the past.
    async fn nap(&mut self, leader: usize) {
        let journal = self.shared.journal.clone();
        let from = journal.now();
        self.etcd.stop(leader).unwrap();
        pause(Duration::from_millis(LEASE_MS + 1000)).await;
        let until = journal.now();
        self.etcd.cont(leader).unwrap();
        journal.note(|notes| notes.naps.push(Nap { from, until }));
    }

    /// Parts the leader from the others until they have another one, and for a moment more.
    async fn part(&mut self, leader: usize, ways: &[Way]) {
        self.cut_off(leader, ways);
        self.etcd.new_leader(leader).await.unwrap();
        self.a_moment().await;
        self.etcd.heal();
    }

    fn cut_off(&self, member: usize, ways: &[Way]) {
        let others = (0..self.etcd.size()).filter(|other| *other != member);
        for (other, way) in others.flat_map(|other| ways.iter().map(move |way| (other, way))) {
            match way {
                Way::From => self.etcd.part(member, other),
                Way::To => self.etcd.part(other, member),
            }
        }
    }

    /// Takes the past away under watches that begin there, and makes the files small.
    async fn compact(&mut self) {
        let revision = self.recorded.borrow().to_string();
        self.etcd.etcdctl(&["compact", &revision]).await.unwrap();
        self.etcd.etcdctl(&["defrag"]).await.unwrap();
    }
}

// === impl ClientWeather ===

impl ClientWeather {
    /// Gusts until the run is over; tells how many of each.
    pub(crate) async fn run(mut self) -> Counts {
        let mut counts = Counts::new();
        for gust in GUSTS.iter().cycle() {
            if self.shared.is_over() {
                return counts;
            }
            self.blow(*gust).await;
            *counts.entry(format!("{gust:?}")).or_default() += 1;
            pause(Duration::from_millis(100 + self.chance.below(600))).await;
        }
        counts
    }

    /// Strikes some clients, on their ways to all members or to one.
    async fn blow(&mut self, gust: Gust) {
        let alone = self.chance.below(6);
        let mut struck = Vec::new();
        for front in &self.fronts {
            let is_struck = self.chance.per_mille(300);
            for (member, proxy) in (0..).zip(front) {
                if is_struck && (alone > 2 || alone == member) {
                    strike(proxy, gust);
                    struck.push(proxy);
                }
            }
        }
        // Mostly shorter than a call may take, so that what was late is answered all the same.
        let longest = match self.chance.per_mille(300) {
            true => 3500,
            false => 900,
        };
        pause(Duration::from_millis(100 + self.chance.below(longest))).await;
        struck.iter().for_each(|proxy| proxy.heal());
    }
}

fn strike(proxy: &Proxy, gust: Gust) {
    match gust {
        Gust::Cut => proxy.cut(),
        Gust::Silence => proxy.silence(),
        Gust::RequestsHeld => proxy.hold_requests(),
        Gust::RepliesHeld => proxy.cut_replies(),
        Gust::Slow => proxy.delay(Duration::from_millis(40)),
    }
}

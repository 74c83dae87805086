//! A node: lives of its agent, one after the other, each of which may be cut off at any call.

use crate::chance::Chance;
use crate::journal::{Journal, Moment, Outcome, Seen, Try};
use crate::{LEASE_MS, SLOTS};
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Hold, Identity, Owner, Phase, Reply, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Ticket;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::{Interest, Store};
use reboot_store_etcd::EtcdStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// An agent's life is over: it was killed, or its machine goes down, or it starts anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The agent is gone; the machine runs on.
    Killed,
    /// The machine lost its power.
    PowerLost,
    /// The machine goes down, as it was commanded.
    Rebooted,
    /// The run is over.
    Stopped,
}

/// How a node is.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) group: GroupName,
    /// Its cooldown, in seconds; 0 is none.
    pub(crate) interval_secs: u64,
    /// Of a thousand calls, so many are cut off.
    pub(crate) kills_per_mille: u64,
}

/// What all nodes share.
pub(crate) struct Shared {
    pub(crate) journal: Arc<Journal>,
    pub(crate) stop: AtomicBool,
}

/// A machine with an agent on it.
pub(crate) struct Node {
    pub(crate) store: EtcdStore,
    pub(crate) name: NodeName,
    pub(crate) habits: Habits,
    pub(crate) shared: Arc<Shared>,
    pub(crate) chance: Chance,
    boots: u64,
    /// The hold by which a command was issued in this boot, as its disk has it.
    pub(crate) issued: Option<u64>,
    former: Option<Instance>,
    pub(crate) identity: Identity,
    pub(crate) session: SessionId,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// A request under an id and a time of its own.
    pub(crate) fn request(&self, action: Action) -> Request {
        let number = self.journal.number();
        let (secs, nanos) = (number / 1_000_000_000, number % 1_000_000_000);
        Request {
            id: RequestId::new(format!("request-{number}")).unwrap(),
            at: format!("2026-01-01T00:00:{secs:02}.{nanos:09}Z"),
            action,
        }
    }

    /// Writes down a try that was answered just now.
    pub(crate) fn note_try(
        &self,
        group: &GroupName,
        request: &Request,
        asked: Moment,
        outcome: Outcome,
    ) {
        let noted = Try {
            group: group.clone(),
            request: request.clone(),
            asked,
            answered: self.journal.now(),
            outcome,
        };
        self.journal.note(|notes| notes.tries.push(noted));
    }
}

// === impl Node ===

impl Node {
    pub(crate) fn new(
        store: EtcdStore,
        name: &str,
        habits: Habits,
        shared: Arc<Shared>,
        chance: Chance,
    ) -> Self {
        let identity = Identity {
            node: NodeName::new(name).unwrap(),
            machine_id: MachineId::new(format!("machine-of-{name}")).unwrap(),
            boot: BootIdentity::of_boot("none"),
            instance: Instance::new("none").unwrap(),
        };
        Self {
            store,
            name: identity.node.clone(),
            habits,
            shared,
            chance,
            boots: 1,
            issued: None,
            former: None,
            identity,
            session: SessionId::new("none").unwrap(),
        }
    }

    /// One life after the other, until the run is over.
    pub(crate) async fn run(mut self) {
        loop {
            self.begin();
            let Err(end) = self.live().await else {
                continue;
            };
            self.former = Some(self.identity.instance.clone());
            match end {
                End::Killed => {}
                End::PowerLost | End::Rebooted => self.boot(),
                End::Stopped => return,
            }
        }
    }

    /// A new run of the agent.
    fn begin(&mut self) {
        let number = self.shared.journal.number();
        self.identity.instance = Instance::new(format!("run-{number}")).unwrap();
        self.identity.boot = BootIdentity::of_boot(format!("{}-boot-{}", self.name, self.boots));
        self.session = SessionId::new(format!("session-{number}")).unwrap();
    }

    /// The machine goes down and comes back.
    fn boot(&mut self) {
        self.boots += 1;
        self.issued = None;
        let back = self.shared.journal.now();
        let name = &self.name;
        self.shared.journal.note(|notes| {
            let mut commands = notes.commands.iter_mut().rev();
            if let Some(last) = commands.find(|it| it.node == *name) {
                last.back.get_or_insert(back);
            }
        });
    }

    async fn live(&mut self) -> Result<(), End> {
        if let Some(former) = self.former.clone()
            && self.chance.per_mille(700)
        {
            // It had the node's lock file, so the former run is proven dead.
            let _ = self.write(Write::EndInstance { instance: former }).await?;
        }
        self.open().await?;
        loop {
            let Some(fleet) = self.look().await? else {
                continue;
            };
            let own = fleet.holds_of(&self.name).next();
            match own.map(|(group, hold)| (group.clone(), hold.clone())) {
                Some((group, hold)) => self.settle(&group, &hold).await?,
                None => self.seek(&fleet).await?,
            }
        }
    }

    async fn open(&mut self) -> Result<(), End> {
        let open = Write::OpenSession {
            session: self.session.clone(),
            identity: self.identity.clone(),
            ttl_ms: LEASE_MS,
        };
        loop {
            match self.write(open.clone()).await? {
                Ok(_) => return Ok(()),
                Err(Trouble::Refused(_)) => return Err(End::Killed),
                Err(_) => self.breathe().await,
            }
        }
    }

    /// A moment's rest, before the store is asked again.
    pub(crate) async fn breathe(&mut self) {
        pause(Duration::from_millis(20 + self.chance.below(80))).await;
    }

    /// Looks, and writes down what it saw; nothing if the store does not answer.
    async fn look(&mut self) -> Result<Option<Fleet>, End> {
        if self.shared.is_over() {
            return Err(End::Stopped);
        }
        let journal = self.shared.journal.clone();
        let asked = journal.now();
        let Ok(fleet) = self.store.look().await else {
            self.breathe().await;
            return Ok(None);
        };
        let groups = fleet.groups.iter();
        let seen = Seen {
            node: self.name.clone(),
            asked,
            answered: journal.now(),
            revision: i64::try_from(fleet.revision).unwrap(),
            groups: groups
                .map(|(name, it)| (name.clone(), it.group.clone()))
                .collect(),
        };
        journal.note(|notes| notes.looks.push(seen));
        Ok(Some(fleet))
    }

    /// A write, which may be cut off in the middle, and the agent with it.
    pub(crate) async fn write(&mut self, write: Write) -> Result<Result<Written, Trouble>, End> {
        if self.shared.is_over() {
            return Err(End::Stopped);
        }
        if !self.chance.per_mille(self.habits.kills_per_mille) {
            return Ok(self.store.write(write).await);
        }
        let left = Duration::from_micros(self.chance.below(12_000));
        let verb = verb(&write);
        match timeout(left, self.store.write(write)).await {
            Ok(answer) => Ok(answer),
            Err(_) => {
                let journal = &self.shared.journal;
                journal.note(|notes| *notes.kills.entry(verb).or_default() += 1);
                Err(match self.chance.per_mille(250) {
                    true => End::PowerLost,
                    false => End::Killed,
                })
            }
        }
    }

    /// One try of a request, written down with its outcome.
    async fn try_once(&mut self, group: &GroupName, request: &Request) -> Result<Outcome, End> {
        let write = Write::Ask {
            group: group.clone(),
            create_with_max: Some(SLOTS),
            request: request.clone(),
        };
        let journal = self.shared.journal.clone();
        let asked = journal.now();
        let answer = self.write(write).await;
        let outcome = match &answer {
            Ok(answer) => outcome(answer),
            Err(End::Stopped) => return Err(End::Stopped),
            Err(_) => Outcome::Unknown,
        };
        self.shared.note_try(group, request, asked, outcome.clone());
        answer.map(|_| outcome)
    }

    /// Asks until there is an answer: after an unknown result it looks, then repeats the very
    /// request. Nothing: refused.
    pub(crate) async fn ask(
        &mut self,
        group: &GroupName,
        action: Action,
    ) -> Result<Option<Reply>, End> {
        let request = self.shared.request(action);
        loop {
            match self.try_once(group, &request).await? {
                Outcome::Granted(reply) => {
                    if self.chance.per_mille(30) {
                        self.try_once(group, &request).await?; // a duplicate on its way
                    }
                    return Ok(Some(reply));
                }
                Outcome::Refused(_) => return Ok(None),
                Outcome::Unavailable => self.breathe().await,
                Outcome::Unknown => while self.look().await?.is_none() {},
            }
        }
    }

    /// No hold: what a break left is undone, then it waits in line and claims.
    async fn seek(&mut self, fleet: &Fleet) -> Result<(), End> {
        let undone = fleet.owed_by(&self.name);
        if !undone.is_empty() {
            let node = self.name.clone();
            let _ = self.write(Write::Undone { node, undone }).await?;
            return Ok(());
        }
        let group = match self.chance.per_mille(20) {
            true => crate::other_than(&self.habits.group),
            false => self.habits.group.clone(),
        };
        let is_rash = self.chance.per_mille(30);
        if is_rash || self.is_at_turn(fleet, &group) {
            return self.cycle(&group).await;
        }
        if !self.is_waiting(fleet, &group) && self.join(&group).await?.is_err() {
            return self.renew().await;
        }
        self.wait(&group, fleet.revision).await
    }

    fn is_waiting(&self, fleet: &Fleet, group: &GroupName) -> bool {
        let entry = fleet.groups.get(group);
        entry.is_some_and(|entry| entry.line.tickets().iter().any(|it| it.node == self.name))
    }

    /// Whether a slot is free that no one ahead will take.
    fn is_at_turn(&self, fleet: &Fleet, group: &GroupName) -> bool {
        let Some(entry) = fleet.groups.get(group) else {
            return true;
        };
        if entry.cooldown.is_some() || entry.group.pause.is_some() {
            return false;
        }
        let tickets = entry.line.tickets();
        let place = tickets.iter().position(|it| it.node == self.name);
        place.unwrap_or(tickets.len()) < entry.free()
    }

    async fn join(&mut self, group: &GroupName) -> Result<Result<Written, Trouble>, End> {
        let ticket = Ticket {
            number: 0,
            node: self.name.clone(),
            instance: self.identity.instance.clone(),
            session: self.session.clone(),
            since: "2026-01-01T00:00:00Z".to_owned(),
        };
        let group = group.clone();
        self.write(Write::Join { group, ticket }).await
    }

    /// Waits for a wake-up, or an audit.
    async fn wait(&mut self, group: &GroupName, seen: u64) -> Result<(), End> {
        let interest = Interest::Slot {
            group: group.clone(),
            node: self.name.clone(),
        };
        let audit = Duration::from_millis(1000);
        let woken = timeout(audit, self.store.changed(&interest, seen)).await;
        if let Ok(Err(_)) = woken {
            self.breathe().await;
        }
        self.renew().await
    }

    /// Renews the lease; an agent whose session has ended begins anew.
    pub(crate) async fn renew(&mut self) -> Result<(), End> {
        let session = self.session.clone();
        match self.write(Write::KeepSession { session }).await? {
            Err(Trouble::Refused(_)) => Err(End::Killed),
            _ => Ok(()),
        }
    }

    pub(crate) fn owner(&self, hold: &Hold) -> Owner {
        Owner {
            node: self.name.clone(),
            number: hold.number,
            instance: hold.instance.clone(),
            expects: hold.phase,
        }
    }

    pub(crate) fn owner_of(&self, number: u64, expects: Phase) -> Owner {
        Owner {
            node: self.name.clone(),
            number,
            instance: self.identity.instance.clone(),
            expects,
        }
    }
}

/// What an answer says of a request.
pub(crate) fn outcome(answer: &Result<Written, Trouble>) -> Outcome {
    match answer {
        Ok(Written::Granted(reply)) => Outcome::Granted(reply.clone()),
        Ok(other) => panic!("a group answers with a reply, not {other:?}"),
        Err(Trouble::Refused(refusal)) => Outcome::Refused(refusal.clone()),
        Err(Trouble::Unavailable(_)) => Outcome::Unavailable,
        Err(Trouble::Unknown(_)) => Outcome::Unknown,
        Err(Trouble::Broken(why)) => panic!("a record is broken: {why}"),
    }
}

fn verb(write: &Write) -> &'static str {
    match write {
        Write::OpenSession { .. } => "open",
        Write::KeepSession { .. } => "keep",
        Write::EndSession { .. } => "end session",
        Write::EndInstance { .. } => "end instance",
        Write::Publish { .. } => "publish",
        Write::Forget { .. } => "forget",
        Write::Undone { .. } => "undone",
        Write::Order { .. } => "order",
        Write::EndOrder { .. } => "end order",
        Write::Join { .. } => "join",
        Write::Leave { .. } => "leave",
        Write::Ask { request, .. } => request.action.verb(),
        Write::PauseFleet { .. } => "pause the fleet",
    }
}

/// What lasts, lasts.
pub(crate) async fn pause(time: Duration) {
    let mut ticks = tokio::time::interval(time);
    ticks.tick().await; // the first comes at once
    ticks.tick().await;
}

//! What every handler asks: for a slot, and to give it back. A refusal may come from the view,
//! it is only a "not now"; a grant is always a commit.

mod callers;
mod files;
mod judge;
mod reconcile;
mod room;

use crate::client::Client;
use crate::clock::time_of_day;
use crate::kind::{Kind, Refused};
use crate::metrics::Figures;
use crate::news::{News, Observer};
use crate::parking::Parking;
use crate::peer::Peer;
use crate::settings::{GroupRules, ServerSettings};
use crate::view::{Sight, View};
use axum::response::Response;
use callers::{Call, Callers};
use files::Files;
pub use files::{FileTrouble, WatchedFile};
use judge::{Obstacle, guest, held, judge};
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Refusal, Reply, Request};
use reboot_core::id::{GroupName, MachineId, NodeName, RequestId};
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Store;
pub(crate) use room::Queuer;
pub use room::Waiting;
use room::{Place, Room};
use std::borrow::Cow;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// How often a write whose answer was lost is asked again before the client is told.
const TRIES: u32 = 5;
/// Between those.
const TRY_PAUSE: Duration = Duration::from_millis(200);
/// Who waits looks again after this time though nothing told it to.
const WAIT_LOOK: Duration = Duration::from_secs(30);

/// For how long a request waits for a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wait {
    /// Not at all.
    Never,
    /// As the group's rules say.
    AsConfigured,
    /// Until the slot is there, or the client is not.
    Forever,
}

/// A client's wish for a slot.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Of which group.
    pub group: GroupName,
    /// What it calls itself.
    pub id: NodeName,
    /// The node it is.
    pub node: NodeName,
    /// What it speaks, for people: `fleetlock`, `lock-api`.
    pub protocol: &'static str,
    /// How long it waits.
    pub wait: Wait,
    /// Who asks, and from where.
    pub client: Client,
}

/// What every handler asks.
pub struct Desk {
    view: Arc<View>,
    settings: RwLock<Arc<ServerSettings>>,
    callers: Callers,
    room: Room,
    /// With thresholds, one admission after the other: each sees the one before.
    thresholds: tokio::sync::Mutex<()>,
    observer: Arc<dyn Observer>,
    figures: Figures,
    /// Whether a record may have other slots than the settings say.
    unreconciled: AtomicBool,
    reloaded: Notify,
    closing: watch::Sender<bool>,
    /// What strangers may do here, for the page.
    danger: OnceLock<String>,
    files: Files,
}

// === impl Desk ===

impl Desk {
    /// A desk in front of this view.
    pub fn new(view: Arc<View>, settings: ServerSettings, observer: Arc<dyn Observer>) -> Self {
        Self {
            view,
            settings: RwLock::new(Arc::new(settings)),
            callers: Callers::default(),
            room: Room::default(),
            thresholds: tokio::sync::Mutex::default(),
            observer,
            figures: Figures::default(),
            unreconciled: AtomicBool::new(true),
            reloaded: Notify::new(),
            closing: watch::Sender::new(false),
            danger: OnceLock::new(),
            files: Files::default(),
        }
    }

    /// The view that it stands before.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// What it is told at this moment.
    pub fn settings(&self) -> Arc<ServerSettings> {
        let settings = self.settings.read();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes by these settings from now on, for those who wait too; listener and prefix stay as
    /// they were.
    pub fn reload(&self, settings: ServerSettings) {
        let mut place = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(settings);
        drop(place);
        self.unreconciled.store(true, Ordering::SeqCst);
        self.reloaded.notify_one();
        for Waiting { group, count, .. } in self.room.waiting() {
            self.room.wake(&group, count);
        }
    }

    /// Shows on the page what strangers may do at this server, in a sentence.
    pub fn warn_of(&self, danger: &str) {
        let _ = self.danger.set(danger.to_owned()); // what was said first stays
    }

    /// What strangers may do, where that was told.
    pub(crate) fn danger(&self) -> Option<&str> {
        self.danger.get().map(String::as_str)
    }

    /// Ends every wait, with an answer that says why.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Turns true when the waits end.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Whether a client may be left waiting for a slot.
    fn may_wait(&self, wish: &Wish) -> bool {
        match wish.wait {
            Wait::Never => false,
            Wait::Forever => true,
            Wait::AsConfigured => {
                let settings = self.settings();
                let rules = settings.rules_of(&wish.group);
                rules.is_some_and(|rules| rules.wait_secs > 0)
            }
        }
    }

    /// The requests that wait for a slot, by group.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.room.waiting()
    }

    /// The first so many clients that wait for a slot of a group, and how many there are.
    pub(crate) fn queue(&self, group: &GroupName, count: usize) -> (Vec<Queuer>, usize) {
        self.room.line(group, count)
    }

    /// Changes whenever one of those comes, goes, or is told something else.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.room.moves()
    }

    /// What it has counted.
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// What its observer measures.
    pub(crate) fn observed(&self) -> String {
        self.observer.figures()
    }

    /// Tells an operator what should be seen to.
    pub(crate) fn warn(&self, text: &str) {
        self.tell(&News::Warning { text });
    }

    fn tell(&self, news: &News<'_>) {
        self.figures.told(news, &self.settings());
        self.observer.told(news);
    }

    /// Gives the client a slot, once and for all: when this answers well the hold is committed.
    /// A client that holds already is answered the same. Dropping the future ends the wait.
    ///
    /// # Errors
    /// Why not, or why not yet.
    pub async fn admit(self: &Arc<Self>, wish: &Wish) -> Result<u64, Refused> {
        self.admit_telling(wish, &Notify::new()).await
    }

    /// The same, answered in a protocol's own words; while the client waits, off its connection.
    pub(crate) async fn admit_answered(
        self: Arc<Self>,
        wish: Wish,
        parking: Parking,
        answer: impl FnOnce(&Wish, Result<u64, Refused>) -> Response + Send + 'static,
    ) -> Response {
        if !self.may_wait(&wish) {
            return answer(&wish, self.admit(&wish).await);
        }
        let waits = Arc::new(Notify::new());
        let told = waits.clone();
        let answered = async move { answer(&wish, self.admit_telling(&wish, &told).await) };
        parking.answer(answered, waits.notified()).await
    }

    /// Admits, and tells when the client begins to wait.
    async fn admit_telling(self: &Arc<Self>, wish: &Wish, waits: &Notify) -> Result<u64, Refused> {
        let start = Instant::now();
        let mut wish = Cow::Borrowed(wish);
        let answer = self.admit_or_wait(&mut wish, waits).await;
        let wish = wish.as_ref();
        self.figures.lock_took(start.elapsed());
        self.tell(&match &answer {
            Ok(number) => News::Admitted {
                wish,
                number: *number,
            },
            Err(refused) => News::NotAdmitted { wish, refused },
        });
        answer
    }

    async fn admit_or_wait(
        self: &Arc<Self>,
        wish: &mut Cow<'_, Wish>,
        waits: &Notify,
    ) -> Result<u64, Refused> {
        let call = self.callers.enter(&wish.id);
        let start = Instant::now();
        let mut place = None;
        loop {
            let settings = self.settings();
            rename(wish, settings.node_of(&wish.id))?;
            let Some(rules) = settings.rules_of(&wish.group) else {
                return Err(unknown_group(&wish.group));
            };
            let until = deadline(wish.wait, rules, start);
            // Boxed: whoever waits keeps no room for it.
            let attempt = Box::pin(self.attempt(wish, rules, &call, place.as_ref()));
            let obstacle = match attempt.await {
                Ok(number) => return Ok(number),
                Err(obstacle) => obstacle,
            };
            let is_over = until.is_some_and(|until| until <= Instant::now());
            if !obstacle.may_pass || is_over {
                return Err(obstacle.refused);
            }
            let why = &obstacle.refused.value;
            let place = place.get_or_insert_with(|| {
                waits.notify_one();
                let client = Queuer::new(wish.id.clone(), wish.protocol, why);
                self.room.join(&wish.group, client)
            });
            place.told(why);
            // Who joined after a reload's call was not called.
            if !Arc::ptr_eq(&settings, &self.settings()) {
                continue;
            }
            drop(settings);
            let look_again = obstacle.look_again.unwrap_or(WAIT_LOOK).min(WAIT_LOOK);
            tokio::select! {
                () = place.called() => {}
                () = sleep(look_again) => {}
                () = call.ended() => return Err(ended()),
                () = self.closed() => return Err(closing()),
                () = at(until) => {}
            }
        }
    }

    async fn attempt(
        self: &Arc<Self>,
        wish: &Wish,
        rules: &GroupRules,
        call: &Arc<Call>,
        place: Option<&Place<'_>>,
    ) -> Result<u64, Obstacle> {
        let ahead = || self.room.ahead(&wish.group, place);
        let mut sight = self.view.recent().await.map_err(Obstacle::firm)?;
        let mut verdict = judge(&sight, wish, rules, ahead());
        if verdict.is_err() && !self.view.is_current(&sight) {
            sight = self.view.fresh().await.map_err(Obstacle::firm)?;
            verdict = judge(&sight, wish, rules, ahead());
        }
        // Where no gate is closed the commit tells whether it holds still.
        if held(&sight, wish).is_some() && (verdict.is_err() || self.view.is_current(&sight)) {
            sight = self.confirm(call).await.map_err(Obstacle::firm)?;
            if let Some(number) = held(&sight, wish) {
                return Ok(number);
            }
            verdict = judge(&sight, wish, rules, ahead());
        }
        verdict?;
        let mut one_by_one = None;
        if rules.policies != Default::default() {
            one_by_one = Some(self.thresholds.lock().await);
            sight = self.view.fresh().await.map_err(Obstacle::firm)?;
            // Who holds already is admitted already.
            if held(&sight, wish).is_none() {
                judge(&sight, wish, rules, ahead())?;
            }
        }
        let known = held(&sight, wish);
        let answer = self.commit(wish, rules, call, known).await;
        drop(one_by_one);
        match answer {
            // Somebody was faster: a look tells who.
            Err(obstacle) if obstacle.may_pass => {
                let sight = self.view.fresh().await.map_err(Obstacle::firm)?;
                judge(&sight, wish, rules, ahead())?;
                Err(obstacle)
            }
            answer => answer,
        }
    }

    /// A new look, for a client that seems to hold already: if it does, it has its slot whatever
    /// window or pause there is now. An old look is not believed: a new grant meets every gate.
    async fn confirm(&self, call: &Call) -> Result<Sight, Refused> {
        let _turn = call.turn().await;
        let sight = self.view.fresh().await?;
        match call.is_ended() {
            true => Err(ended()),
            false => Ok(sight),
        }
    }

    /// Commits the admission, in a task of its own: it comes to its end though the client goes
    /// away meanwhile, and until then nothing else is committed for this client. `known` is the
    /// hold that it seems to have: the same once more is no change.
    async fn commit(
        self: &Arc<Self>,
        wish: &Wish,
        rules: &GroupRules,
        call: &Arc<Call>,
        known: Option<u64>,
    ) -> Result<u64, Obstacle> {
        let turn = call.turn().await;
        if call.is_ended() {
            return Err(Obstacle::firm(ended()));
        }
        refuse_gone(&wish.client.peer).map_err(Obstacle::firm)?;
        let write = Write::Ask {
            group: wish.group.clone(),
            create_with_max: Some(rules.max),
            request: request(Action::Admit(guest(wish, rules))),
        };
        let (view, own_call, client) = (self.view.clone(), call.clone(), wish.client.clone());
        let commit = tokio::spawn(async move {
            let written = write_surely(&view, &write).await;
            let is_known = |number: &u64| known == Some(*number);
            if !number_of(&written).as_ref().is_some_and(is_known) {
                client.record(&write, &written);
            }
            drop((turn, own_call));
            written
        });
        let written = commit.await.unwrap_or_else(|_| Err(broken_task()));
        match written {
            // Between the commit and now it said that it is steady: the hold is gone again.
            Ok(_) if call.is_ended() => Err(Obstacle::firm(ended())),
            Ok(_) => number_of(&written).ok_or_else(|| Obstacle::firm(strange_answer())),
            Err(Trouble::Refused(refusal)) => Err(Obstacle::of(&refusal)),
            Err(trouble) => Err(Obstacle::firm(Refused::from(trouble))),
        }
    }

    /// The client is back and steady: what it holds in the group is given back. Whoever holds
    /// nothing may say so too. Answers whether a hold was ended.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn steady(
        self: &Arc<Self>,
        group: &GroupName,
        id: &NodeName,
        client: &Client,
    ) -> Result<bool, Refused> {
        let start = Instant::now();
        let node = self.settings().node_of(id);
        let call = self.callers.enter(id);
        call.end_others();
        let turn = call.turn().await;
        refuse_gone(&client.peer)?;
        let write = Write::Ask {
            group: group.clone(),
            create_with_max: None,
            request: request(Action::Steady {
                node: node.clone(),
                id: own_name(id, &node),
            }),
        };
        let (view, own_client) = (self.view.clone(), client.clone());
        let commit = tokio::spawn(async move {
            let written = write_surely(&view, &write).await;
            if !is_of_no_group(&written) {
                own_client.record(&write, &written);
            }
            drop((turn, call));
            written
        });
        let written = commit.await.unwrap_or_else(|_| Err(broken_task()));
        let released = match written {
            Ok(Written::Granted(Reply::Released)) => Ok(true),
            answer if is_of_no_group(&answer) => Ok(false),
            Ok(_) => Ok(false),
            Err(trouble) => Err(Refused::from(trouble)),
        };
        if released == Ok(true) {
            self.room.wake(group, 1);
        }
        self.figures.unlock_took(start.elapsed());
        self.tell(&News::Steady {
            group,
            id,
            node: &node,
            client,
            released: &released,
        });
        released
    }

    /// Wakes those who wait, whenever a look shows a free slot; for ever.
    pub async fn follow(&self) {
        let mut looks = self.view.looks();
        loop {
            self.reconcile().await;
            if let Ok(sight) = looks.borrow_and_update().clone() {
                self.wake_all(&sight.fleet);
            }
            tokio::select! {
                // The sender lives as long as the view.
                _ = looks.changed() => {}
                () = self.reloaded.notified() => {}
            }
        }
    }

    fn wake_all(&self, fleet: &Fleet) {
        for Waiting { group, count, .. } in self.room.waiting() {
            let entry = fleet.groups.get(&group);
            let free = entry.map_or(count, |entry| entry.free());
            self.room.wake(&group, free.min(count));
        }
    }

    async fn closed(&self) {
        // The sender lives as long as this.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

/// The number of the hold that a commit made or found.
fn number_of(written: &Result<Written, Trouble>) -> Option<u64> {
    match written {
        Ok(Written::Granted(Reply::Held { number, .. })) => Some(*number),
        _ => None,
    }
}

/// Writes, and asks again where the answer was lost: the request's id makes that harmless.
async fn write_surely(view: &View, write: &Write) -> Result<Written, Trouble> {
    for _ in 1..TRIES {
        match view.write(write.clone()).await {
            Err(Trouble::Unknown(_)) => sleep(TRY_PAUSE).await,
            result => return result,
        }
    }
    view.write(write.clone()).await
}

/// Without a record of the group nobody holds anything in it.
fn is_of_no_group(answer: &Result<Written, Trouble>) -> bool {
    matches!(
        answer,
        Err(Trouble::Refused(
            Refusal::NoGroup { .. } | Refusal::GroupLost { .. }
        ))
    )
}

/// Whoever waits is the node that a reload says it is, if it may act for that one.
fn rename(wish: &mut Cow<'_, Wish>, node: NodeName) -> Result<(), Refused> {
    if wish.node == node {
        return Ok(());
    }
    wish.client.as_one_of(&node, &wish.id)?;
    wish.to_mut().node = node;
    Ok(())
}

fn deadline(wait: Wait, rules: &GroupRules, start: Instant) -> Option<Instant> {
    match wait {
        Wait::Never => Some(start),
        Wait::AsConfigured => Some(start + Duration::from_secs(rules.wait_secs)),
        Wait::Forever => None,
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}

/// What a client calls itself, where its node is named otherwise.
pub(crate) fn own_name(id: &NodeName, node: &NodeName) -> Option<MachineId> {
    let is_another = id != node;
    is_another.then(|| MachineId::new(id.as_str()).ok())?
}

/// A request of ours, under an id that no other has.
pub(crate) fn request(action: Action) -> Request {
    let Ok(id) = RequestId::new(uuid::Uuid::new_v4().to_string()) else {
        unreachable!("a UUID is a name");
    };
    Request {
        id,
        at: time_of_day(),
        action,
    }
}

fn refuse_gone(peer: &Peer) -> Result<(), Refused> {
    match peer.is_gone() {
        true => Err(Kind::LockHeld.because("the client went away: nothing was done for it")),
        false => Ok(()),
    }
}

/// A group that the configuration keeps out.
pub(crate) fn unknown_group(group: &GroupName) -> Refused {
    Kind::UnknownGroup.because(format!(
        "group {group} is not configured on this server: add it there, or use a group that is"
    ))
}

fn ended() -> Refused {
    Kind::LockHeld.because("this client said meanwhile that it is steady: ask for a slot again")
}

fn closing() -> Refused {
    Kind::StoreUnavailable.because("the server is about to stop: ask again in a moment")
}

fn strange_answer() -> Refused {
    Kind::InternalError.because("the store answered something else than was asked: report this")
}

fn broken_task() -> Trouble {
    Trouble::Broken("a bug of this program stopped the commit: report what its log says".to_owned())
}

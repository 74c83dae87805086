//! An operator at the desk: who it is, from where, and what it may have done. Every change is
//! written down.

use crate::client::Client;
use crate::clock::time_of_day;
use crate::desk::Desk;
use crate::doors::KnownBy;
use crate::kind::Refused;
use axum::extract::FromRequestParts;
use http::request::Parts;
use jiff::Timestamp;
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Pause, Reply, Request};
use reboot_core::id::{BadName, GroupName, NodeName, RequestId, SessionId};
use reboot_core::order::CannotOrder;
use reboot_core::reason::{BadReason, reason};
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Store;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Somebody who may change things.
pub(crate) struct Operator(Client);

/// Why a wish is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadWish {
    /// No reason, or a book.
    #[error("{0}")]
    Reason(#[from] BadReason),
    /// No time.
    #[error("until {0:?}: write a time, such as 2026-12-24T06:00:00Z")]
    Until(String),
    /// A time that is over.
    #[error("until {0:?}: that is over: name a time to come, such as 2026-12-24T06:00:00Z")]
    Over(String),
    /// No time to begin at.
    #[error("not before {0:?}: write a time, such as 2026-12-24T06:00:00Z")]
    Time(String),
    /// Another order than the one that was taken back.
    #[error("{0} was asked anew meanwhile, by {1}: look, and take that back if you mean it")]
    AskedAnew(NodeName, String),
    /// A node that takes no orders.
    #[error("{0}")]
    Order(#[from] CannotOrder),
    /// No name.
    #[error("{0}")]
    Name(#[from] BadName),
    /// The store has not done it.
    #[error("{0}")]
    Trouble(#[from] Trouble),
}

/// What an operator stops, or lets go on.
#[derive(Clone)]
enum Stopped {
    Fleet,
    Group(GroupName),
    Node(GroupName, NodeName),
}

// === impl Stopped ===

impl Stopped {
    fn of(group: Option<GroupName>) -> Self {
        group.map_or(Self::Fleet, Self::Group)
    }

    fn stop_in<'a>(&self, fleet: &'a Fleet) -> Option<&'a Pause> {
        let group = |name| fleet.groups.get(name).map(|entry| &entry.group);
        match self {
            Self::Fleet => fleet.pause.as_ref(),
            Self::Group(name) => group(name)?.pause.as_ref(),
            Self::Node(name, node) => group(name)?.held_back.get(node),
        }
    }
}

// === impl Operator ===

impl Operator {
    /// The name in records.
    pub(crate) fn by(&self) -> String {
        let Client { who, peer, .. } = &self.0;
        let ip = peer.address.ip();
        match who.known_by {
            KnownBy::Nothing => format!("somebody at {ip}"),
            KnownBy::Token | KnownBy::Password | KnownBy::Certificate => {
                format!("{} at {ip}", who.name)
            }
        }
    }

    /// Commits a change, and writes down that it was asked for.
    pub(crate) async fn commit(&self, desk: &Desk, write: Write) -> Result<Written, Trouble> {
        let answer = desk.view().write(write.clone()).await;
        self.0.record(&write, &answer);
        answer
    }

    /// Asks a group that is there.
    pub(crate) async fn ask(
        &self,
        desk: &Desk,
        group: GroupName,
        action: Action,
    ) -> Result<Reply, BadWish> {
        let write = Write::Ask {
            create_with_max: desk.settings().create_with_max(&group),
            group,
            request: Request {
                id: RequestId::new(Uuid::new_v4().to_string())?,
                at: time_of_day(),
                action,
            },
        };
        match self.commit(desk, write).await? {
            Written::Granted(reply) => Ok(reply),
            Written::Done | Written::Ticket(_) => {
                let text = "the store answered something else: report this".to_owned();
                Err(Trouble::Broken(text).into())
            }
        }
    }

    /// Pauses a group, or the fleet; with an end it stands on a lease that nobody renews.
    pub(crate) async fn pause(
        &self,
        desk: &Desk,
        group: Option<GroupName>,
        why: String,
        until: Option<String>,
    ) -> Result<(), BadWish> {
        let pause = self.stop(desk, why, until).await?;
        self.replace(desk, &Stopped::of(group), Some(pause)).await
    }

    /// Holds one node of a group back; with an end it stands on a lease as a pause does. What a
    /// client calls itself stands for its node.
    pub(crate) async fn hold_back(
        &self,
        desk: &Desk,
        (group, node): (GroupName, NodeName),
        why: String,
        until: Option<String>,
    ) -> Result<(), BadWish> {
        let node = desk.settings().node_meant(&node);
        let stop = self.stop(desk, why, until).await?;
        let what = Stopped::Node(group, node);
        self.replace(desk, &what, Some(stop)).await
    }

    /// Holds it back no longer, under whatever name it was held back.
    pub(crate) async fn let_go(
        &self,
        desk: &Desk,
        (group, node): (GroupName, NodeName),
    ) -> Result<(), BadWish> {
        for node in BTreeSet::from([desk.settings().node_meant(&node), node]) {
            let what = Stopped::Node(group.clone(), node);
            self.replace(desk, &what, None).await?;
        }
        Ok(())
    }

    /// A stop in this operator's name; with an end, on a lease that nobody renews.
    async fn stop(
        &self,
        desk: &Desk,
        why: String,
        until: Option<String>,
    ) -> Result<Pause, BadWish> {
        let reason = reason(&why)?;
        let session = match &until {
            Some(until) => Some(self.open_until(desk, until).await?),
            None => None,
        };
        Ok(Pause {
            by: self.by(),
            reason,
            until,
            session,
        })
    }

    /// Lets a group go on, or the fleet.
    pub(crate) async fn resume(
        &self,
        desk: &Desk,
        group: Option<GroupName>,
    ) -> Result<(), BadWish> {
        self.replace(desk, &Stopped::of(group), None).await
    }

    /// Puts a stop in the place of a former one, or ends that one. The lease that nothing stands
    /// on afterwards is ended; where that fails, it goes at its time.
    async fn replace(
        &self,
        desk: &Desk,
        what: &Stopped,
        stop: Option<Pause>,
    ) -> Result<(), BadWish> {
        let former = desk.view().current().await.ok();
        let former = former.and_then(|sight| what.stop_in(&sight.fleet)?.session.clone());
        let timer = stop.as_ref().and_then(|stop| stop.session.clone());
        let done = self.change(desk, what, stop).await;
        let idle = match &done {
            Ok(()) => former,
            // It may stand on it.
            Err(BadWish::Trouble(Trouble::Unknown(_))) => None,
            Err(_) => timer,
        };
        if let Some(session) = idle {
            let _ = desk.view().write(Write::EndSession { session }).await;
        }
        done
    }

    async fn change(
        &self,
        desk: &Desk,
        what: &Stopped,
        stop: Option<Pause>,
    ) -> Result<(), BadWish> {
        let by = self.by();
        let (group, action) = match (what.clone(), stop) {
            (Stopped::Fleet, stop) => {
                let write = Write::pause_fleet(stop, by, time_of_day());
                self.commit(desk, write).await?;
                return Ok(());
            }
            (Stopped::Group(group), Some(stop)) => (group, Action::Pause(stop)),
            (Stopped::Group(group), None) => (group, Action::Resume { by }),
            (Stopped::Node(group, node), Some(stop)) => (group, Action::HoldBack { node, stop }),
            (Stopped::Node(group, node), None) => (group, Action::LetGo { node, by }),
        };
        self.ask(desk, group, action).await.map(drop)
    }

    /// Changes a group's slots; answers them before and after.
    pub(crate) async fn set_max(
        &self,
        desk: &Desk,
        group: GroupName,
        max: u32,
    ) -> Result<(u32, u32), BadWish> {
        let by = self.by();
        match self.ask(desk, group, Action::SetMax { max, by }).await? {
            Reply::MaxChanged { old, new } => Ok((old, new)),
            _ => Ok((max, max)),
        }
    }

    /// Ends a hold.
    pub(crate) async fn unlock(
        &self,
        desk: &Desk,
        group: GroupName,
        number: u64,
        why: String,
    ) -> Result<(), BadWish> {
        let action = Action::Break {
            number,
            by: self.by(),
            reason: reason(&why)?,
        };
        self.ask(desk, group, action).await.map(drop)
    }

    async fn open_until(&self, desk: &Desk, until: &str) -> Result<SessionId, BadWish> {
        let at: Result<Timestamp, _> = until.parse();
        let at = at.map_err(|_| BadWish::Until(until.to_owned()))?;
        let left = at.duration_since(Timestamp::now()).as_millis();
        let Some(ttl_ms) = u64::try_from(left).ok().filter(|left| *left > 0) else {
            return Err(BadWish::Over(until.to_owned()));
        };
        let session = SessionId::new(format!("pause-{}", Uuid::new_v4()))?;
        let open = Write::open_timer(session.clone(), ttl_ms);
        self.commit(desk, open).await?;
        Ok(session)
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let client = Client::from_request_parts(parts, state).await?;
        client.who.as_operator()?;
        Ok(Self(client))
    }
}

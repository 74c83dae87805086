//! The documents of the fleet API.

use crate::desk::{Desk, Queuer};
use crate::estimate::{LINES_MAX, Outlook};
use crate::settings::ServerSettings;
use jiff::Timestamp;
use reboot_core::fleet::{Fleet, GroupEntry, NodeEntry};
use reboot_core::group::{Cooldown, HistoryEntry, Hold, Pause};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::order::Order;
use reboot_core::policy::Standing;
use reboot_store::Store;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// The whole fleet.
#[derive(Serialize, ToSchema)]
pub(super) struct FleetView {
    /// Grows with every change.
    revision: u64,
    /// The fleet's pause.
    pause: Option<PauseView>,
    groups: Vec<GroupView>,
    nodes: Vec<NodeView>,
}

/// A group: its slots, who holds, who waits.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupView {
    name: String,
    /// Slots; 0 lets nobody go.
    max: u32,
    /// Slots that nobody takes.
    free: usize,
    pause: Option<PauseView>,
    /// Nodes that an operator keeps from rebooting.
    held_back: Vec<HeldBackView>,
    cooldown: Option<CooldownView>,
    holds: Vec<HoldView>,
    /// First come, first served.
    waiting: Vec<TicketView>,
    /// When nobody will hold or wait any more; null when nobody does.
    estimate: Option<EstimateView>,
}

/// When a group's line will be done, if the next reboots are as the past ones.
#[derive(Serialize, ToSchema)]
pub(super) struct EstimateView {
    /// RFC 3339; null when it cannot be told.
    done_at: Option<String>,
    left_sec: Option<u64>,
    /// What it stands on, or why there is none.
    basis: String,
}

/// An operator's stop.
#[derive(Serialize, ToSchema)]
pub(super) struct PauseView {
    by: String,
    reason: String,
    /// When it ends by itself; null is when it is resumed.
    until: Option<String>,
}

/// A node that an operator keeps from rebooting.
#[derive(Serialize, ToSchema)]
pub(super) struct HeldBackView {
    node: String,
    by: String,
    reason: String,
    /// When it ends by itself; null is when it is let go.
    until: Option<String>,
}

/// A cooldown that runs.
#[derive(Serialize, ToSchema)]
pub(super) struct CooldownView {
    /// Whose reboot started it.
    node: String,
    started_at: String,
    duration_sec: u64,
    left_sec: u64,
}

/// Who holds a slot.
#[derive(Serialize, ToSchema)]
pub(super) struct HoldView {
    /// What names it: unlock by this.
    number: u64,
    node: String,
    machine_id: String,
    /// `claimed`, `draining`, `rebooting` or `returned`.
    phase: String,
    /// RFC 3339.
    since: String,
    /// The boot in which it was claimed.
    boot: String,
    /// Whether it did not come back in time.
    overdue: bool,
    /// What it speaks when no agent of ours is there: `fleetlock`, `lock-api`.
    guest: Option<String>,
}

/// Who waits.
#[derive(Serialize, ToSchema)]
pub(super) struct TicketView {
    /// 1 is the first.
    place: usize,
    node: String,
    /// RFC 3339.
    since: String,
    /// What keeps it: in its own words, or in those of the server that it waits at.
    waiting_for: Vec<String>,
    /// What it speaks when no agent of ours is there: `fleetlock`, `lock-api`. Such clients are
    /// known to the server that they wait at, and to no other.
    guest: Option<String>,
}

/// A node.
#[derive(Serialize, ToSchema)]
pub(super) struct NodeView {
    node: String,
    group: String,
    machine_id: String,
    boot: String,
    /// `healthy`, `unhealthy`, `down`, `overdue` or `stale`.
    standing: String,
    /// Why it is not healthy, in its own words.
    reason: String,
    activity: String,
    /// Why it wants a reboot, when it does.
    need: Option<String>,
    waiting_for: Vec<String>,
    /// What an operator asked of it.
    order: Option<OrderView>,
    /// RFC 3339.
    reported_at: String,
}

/// A reboot that an operator asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderView {
    by: String,
    reason: String,
    /// RFC 3339.
    at: String,
    /// RFC 3339; without it, as soon as it may.
    not_before: Option<String>,
    /// The boot that it is to end.
    boot: String,
}

/// A line of a group's history.
#[derive(Serialize, ToSchema)]
pub(super) struct HistoryView {
    /// RFC 3339.
    at: String,
    event: String,
    node: Option<String>,
    number: Option<u64>,
    detail: String,
}

/// How many slots a group is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MaxWish {
    /// 0 lets nobody go.
    #[schema(minimum = 0, maximum = 1000)]
    #[serde(deserialize_with = "whole")]
    pub(super) max: u32,
}

/// The slots before and after.
#[derive(Serialize, ToSchema)]
pub(super) struct MaxChanged {
    pub(super) old: u32,
    pub(super) new: u32,
}

/// A wish to stop.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseWish {
    /// Why; every node shows it.
    #[schema(max_length = 500, pattern = "\\S")]
    pub(super) reason: String,
    /// When it ends by itself, RFC 3339.
    #[schema(format = DateTime)]
    pub(super) until: Option<String>,
}

/// A wish for a reboot.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderWish {
    /// Why; the node shows it.
    #[schema(max_length = 500, pattern = "\\S")]
    pub(super) reason: String,
    /// Not before this time, RFC 3339; without it, as soon as it may.
    #[schema(format = DateTime)]
    pub(super) not_before: Option<String>,
}

/// A wish to end a hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnlockWish {
    /// Why; it stands in the history.
    #[schema(max_length = 500, pattern = "\\S")]
    pub(super) reason: String,
}

/// A whole number, however JSON spells it: `2.0` is 2.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = f64::deserialize(deserializer)?;
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    match is_whole {
        true => Ok(number as u32),
        false => Err(D::Error::custom(format!(
            "{number} is not a whole number from 0"
        ))),
    }
}

// === from what the store shows ===

impl FleetView {
    pub(super) async fn of(fleet: &Fleet, desk: &Desk) -> Self {
        Self {
            revision: fleet.revision,
            pause: fleet.pause.as_ref().map(PauseView::of),
            groups: groups(fleet, desk).await,
            nodes: nodes(fleet),
        }
    }
}

pub(super) async fn groups(fleet: &Fleet, desk: &Desk) -> Vec<GroupView> {
    let settings = desk.settings();
    let mut groups = Vec::new();
    for (name, entry) in settings.groups_of(fleet) {
        groups.push(GroupView::of(fleet, name, &entry, desk).await);
    }
    groups
}

pub(super) fn nodes(fleet: &Fleet) -> Vec<NodeView> {
    let nodes = fleet.nodes.iter();
    nodes
        .map(|(name, entry)| NodeView::of(fleet, name, entry))
        .collect()
}

impl GroupView {
    pub(super) async fn of(
        fleet: &Fleet,
        name: &GroupName,
        entry: &GroupEntry,
        desk: &Desk,
    ) -> Self {
        Self {
            name: name.to_string(),
            max: entry.group.max,
            free: entry.free(),
            pause: entry.group.pause.as_ref().map(PauseView::of),
            held_back: entry.group.held_back.iter().map(HeldBackView::of).collect(),
            cooldown: entry.cooldown.as_ref().map(CooldownView::of),
            holds: entry
                .group
                .holds
                .iter()
                .map(|hold| HoldView::of(entry, hold))
                .collect(),
            waiting: waiting(fleet, name, entry, desk),
            estimate: EstimateView::of(fleet, name, entry, desk).await,
        }
    }
}

/// Daemons in the store's line, and behind them the clients that wait at this server.
fn waiting(fleet: &Fleet, name: &GroupName, entry: &GroupEntry, desk: &Desk) -> Vec<TicketView> {
    let settings = desk.settings();
    let tickets = entry.line.tickets();
    let (clients, _) = desk.queue(name, usize::MAX);
    let tickets = (1..).zip(tickets).map(|(place, ticket)| {
        let node = fleet.nodes.get(&ticket.node);
        TicketView {
            place,
            node: ticket.node.to_string(),
            since: ticket.since.clone(),
            waiting_for: node.map_or(Vec::new(), |it| it.record.waiting_for.clone()),
            guest: None,
        }
    });
    let behind = entry.line.tickets().len() + 1;
    let clients = (behind..).zip(clients);
    let clients = clients.map(|(place, it)| TicketView::of_client(place, it, &settings));
    tickets.chain(clients).collect()
}

impl TicketView {
    fn of_client(place: usize, client: Queuer, settings: &ServerSettings) -> Self {
        Self {
            place,
            node: settings.node_of(&client.id).into(),
            since: client.since,
            waiting_for: vec![client.why],
            guest: Some(client.protocol.to_owned()),
        }
    }
}

impl EstimateView {
    /// Reads the history of a group in which somebody holds or waits.
    async fn of(fleet: &Fleet, name: &GroupName, entry: &GroupEntry, desk: &Desk) -> Option<Self> {
        let now = Timestamp::now();
        let outlook =
            |lines: &[HistoryEntry]| Outlook::of((desk, name), (fleet, entry), lines, now);
        let outlook = match outlook(&[]) {
            Outlook::Unknown => {
                let lines = desk.view().history(name, LINES_MAX).await;
                outlook(&lines.unwrap_or_default())
            }
            Outlook::Idle => return None,
            other => other,
        };
        let (done_at, left_sec) = match &outlook {
            Outlook::By(it) => (Some(it.at.to_string()), Some(it.left_secs)),
            _ => (None, None),
        };
        Some(Self {
            done_at,
            left_sec,
            basis: outlook.basis(),
        })
    }
}

impl PauseView {
    fn of(pause: &Pause) -> Self {
        Self {
            by: pause.by.clone(),
            reason: pause.reason.clone(),
            until: pause.until.clone(),
        }
    }
}

impl HeldBackView {
    fn of((node, stop): (&NodeName, &Pause)) -> Self {
        Self {
            node: node.to_string(),
            by: stop.by.clone(),
            reason: stop.reason.clone(),
            until: stop.until.clone(),
        }
    }
}

impl CooldownView {
    fn of(cooldown: &Cooldown) -> Self {
        Self {
            node: cooldown.node.to_string(),
            started_at: cooldown.started_at.clone(),
            duration_sec: cooldown.duration_secs,
            left_sec: cooldown.remaining_ms.div_ceil(1000),
        }
    }
}

impl HoldView {
    fn of(entry: &GroupEntry, hold: &Hold) -> Self {
        Self {
            number: hold.number,
            node: hold.node.to_string(),
            machine_id: hold.machine_id.to_string(),
            phase: hold.phase.to_string(),
            since: hold.acquired_at.clone(),
            boot: hold.boot.to_string(),
            overdue: entry.is_overdue(hold),
            guest: hold.guest.clone(),
        }
    }
}

impl NodeView {
    pub(super) fn of(fleet: &Fleet, name: &NodeName, entry: &NodeEntry) -> Self {
        let record = &entry.record;
        Self {
            node: name.to_string(),
            group: record.group.to_string(),
            machine_id: record.machine_id.to_string(),
            boot: record.boot.to_string(),
            standing: standing(&fleet.standing(name)).to_owned(),
            reason: record.health.reason.clone(),
            activity: record.activity.clone(),
            need: record.need.clone(),
            waiting_for: record.waiting_for.clone(),
            order: fleet.orders.get(name).map(OrderView::of),
            reported_at: record.reported_at.clone(),
        }
    }
}

impl OrderView {
    fn of(order: &Order) -> Self {
        Self {
            by: order.by.clone(),
            reason: order.reason.clone(),
            at: order.at.clone(),
            not_before: order.not_before.map(|start| start.to_string()),
            boot: order.boot.to_string(),
        }
    }
}

fn standing(standing: &Standing) -> &'static str {
    match standing {
        Standing::Healthy => "healthy",
        Standing::Unhealthy { .. } => "unhealthy",
        Standing::Down => "down",
        Standing::Overdue => "overdue",
        Standing::Stale => "stale",
    }
}

impl From<HistoryEntry> for HistoryView {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            at: entry.at,
            event: entry.event,
            node: entry.node.map(String::from),
            number: entry.number,
            detail: entry.detail,
        }
    }
}

//! What the page shows, as values: made of one look at the fleet, and of the server's own rules.

use super::history::{Deed, deeds};
use super::week::{Day, week};
use super::words::{When, span};
use crate::desk::{Desk, Queuer, WatchedFile};
use crate::estimate::{LINES_MAX, Outlook};
use crate::settings::ServerSettings;
use jiff::{Timestamp, Unit};
use reboot_core::fleet::{Fleet, GroupEntry, NodeEntry};
use reboot_core::group::{HistoryEntry, Hold, Pause};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::order::Order;
use reboot_core::policy::Standing;
use reboot_store::Store;

/// So many lines of a group's history are shown.
const HISTORY_MAX: usize = 20;
/// So many nodes, and so many of a line, are shown by name.
const ROWS_MAX: usize = 200;

/// Everything on the page.
#[derive(Clone, Debug)]
pub(super) struct Board {
    /// The look's revision; 0 without one.
    pub(super) revision: u64,
    /// How often those who wait at this server had moved, and nodes had said something else.
    pub(super) moves: u64,
    /// When it was drawn.
    pub(super) now: String,
    /// Where the state is kept.
    pub(super) store: String,
    pub(super) is_paused: bool,
    /// What needs somebody's eye, worst first.
    pub(super) alarms: Vec<Alarm>,
    pub(super) groups: Vec<GroupCard>,
    pub(super) nodes: Vec<NodeRow>,
    /// How many nodes are not among them.
    pub(super) more_nodes: usize,
}

/// Something that needs somebody's eye.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Alarm {
    /// Whether a roll stands still because of it.
    pub(super) is_bad: bool,
    pub(super) what: String,
    /// What to do about it.
    pub(super) remedy: String,
}

/// One group.
#[derive(Clone, Debug)]
pub(super) struct GroupCard {
    pub(super) name: String,
    pub(super) max: u32,
    pub(super) taken: usize,
    /// In words: `1 of 2 slots free`.
    pub(super) slots: String,
    pub(super) pause: Option<String>,
    pub(super) held_back: Vec<HeldBackRow>,
    pub(super) cooldown: Option<String>,
    pub(super) holders: Vec<HolderRow>,
    pub(super) waiters: Vec<WaiterRow>,
    pub(super) more_waiters: usize,
    /// When the line will be done, and what that stands on.
    pub(super) outlook: Option<String>,
    /// The zone that the windows mean.
    pub(super) zone: String,
    pub(super) week: Option<Vec<Day>>,
    pub(super) deeds: Vec<Deed>,
}

/// Who is kept from rebooting.
#[derive(Clone, Debug)]
pub(super) struct HeldBackRow {
    pub(super) node: String,
    /// By whom, until when and why.
    pub(super) words: String,
}

/// Who holds a slot.
#[derive(Clone, Debug)]
pub(super) struct HolderRow {
    pub(super) node: String,
    pub(super) phase: String,
    pub(super) number: u64,
    pub(super) since: When,
    pub(super) is_overdue: bool,
    /// What it speaks when it has no agent of ours.
    pub(super) guest: Option<String>,
}

/// Who waits.
#[derive(Clone, Debug)]
pub(super) struct WaiterRow {
    pub(super) place: usize,
    pub(super) node: String,
    pub(super) since: When,
    pub(super) reasons: Vec<String>,
    /// What it speaks when it has no agent of ours.
    pub(super) guest: Option<&'static str>,
}

/// A node by its own words.
#[derive(Clone, Debug)]
pub(super) struct NodeRow {
    pub(super) node: String,
    pub(super) group: String,
    /// `healthy`, `unhealthy`, `down`, `overdue`, `silent`.
    pub(super) health: &'static str,
    pub(super) why: String,
    pub(super) activity: String,
    pub(super) need: String,
    /// Why it does not reboot yet, though it needs to; by its own words.
    pub(super) waits: Vec<String>,
    /// Whether an operator asked for a reboot, which can be taken back.
    pub(super) is_ordered: bool,
    pub(super) reported: When,
    /// The worse, the earlier it stands.
    rank: u8,
}

// === impl Board ===

impl Board {
    /// What the newest look shows, below what is wrong with the server itself.
    pub(super) async fn of(desk: &Desk, now: Timestamp) -> Self {
        let mut board = Self::of_fleet(desk, now).await;
        let bad = WatchedFile::ALL.into_iter().filter(|it| desk.is_bad(*it));
        let bad: Vec<_> = bad.map(file_refused).collect();
        board.alarms.splice(0..0, bad);
        if let Some(danger) = desk.danger() {
            let alarm = Alarm {
                is_bad: true,
                what: danger.to_owned(),
                remedy: "Until then keep strangers from its address.".to_owned(),
            };
            board.alarms.insert(0, alarm);
        }
        board
    }

    /// A store that is away is an alarm, not an error.
    async fn of_fleet(desk: &Desk, now: Timestamp) -> Self {
        let store = desk.view().describe();
        let moves = *desk.moves().borrow();
        let sight = match desk.view().last_known().await {
            Ok(sight) => sight,
            Err(trouble) => return Self::without(store, &trouble.to_string(), moves, now),
        };
        let (moves, fleet) = (moves + sight.words(), sight.fleet);
        let settings = desk.settings();
        let mut groups = Vec::new();
        for (name, entry) in &settings.groups_of(&fleet) {
            let outlook = |lines: &[_]| Outlook::of((desk, name), (&fleet, entry), lines, now);
            let count = match outlook(&[]) {
                Outlook::Unknown => LINES_MAX,
                _ => HISTORY_MAX,
            };
            let lines = desk.view().history(name, count).await;
            let lines = lines.unwrap_or_default();
            let outlook = outlook(&lines);
            let lines = &lines[lines.len().saturating_sub(HISTORY_MAX)..];
            let mut card = GroupCard::of(name, entry, &fleet, &settings, lines, now);
            card.outlook = told(&outlook);
            card.add_clients(desk.queue(name, ROWS_MAX), &settings, now);
            groups.push(card);
        }
        let mut nodes = node_rows(&fleet, now);
        let more_nodes = nodes.len().saturating_sub(ROWS_MAX);
        let mut alarms = lost_groups(&fleet, &settings);
        alarms.extend(self::alarms(&fleet, &nodes));
        nodes.truncate(ROWS_MAX);
        Self {
            revision: fleet.revision,
            moves,
            now: clock(now),
            store,
            is_paused: fleet.pause.is_some(),
            alarms,
            groups,
            nodes,
            more_nodes,
        }
    }

    fn without(store: String, why: &str, moves: u64, now: Timestamp) -> Self {
        let alarm = Alarm {
            is_bad: true,
            what: format!("The store does not answer: {why}"),
            remedy: "Nobody new goes down until it does. Look after it.".to_owned(),
        };
        Self {
            revision: 0,
            moves,
            now: clock(now),
            store,
            is_paused: false,
            alarms: vec![alarm],
            groups: Vec::new(),
            nodes: Vec::new(),
            more_nodes: 0,
        }
    }
}

fn told(outlook: &Outlook) -> Option<String> {
    let basis = outlook.basis();
    match outlook {
        Outlook::Idle => None,
        Outlook::Stopped(_) | Outlook::Unknown => Some(format!("When it will be over: {basis}.")),
        Outlook::By(it) => {
            let left = span(it.left_secs);
            let at = clock(it.at.round(Unit::Minute).unwrap_or(it.at));
            Some(format!("Over in about {left} ({at}): {basis}."))
        }
    }
}

fn clock(now: Timestamp) -> String {
    When::of(&now.to_string(), now).at
}

// === impl GroupCard ===

impl GroupCard {
    fn of(
        name: &GroupName,
        entry: &GroupEntry,
        fleet: &Fleet,
        settings: &ServerSettings,
        lines: &[HistoryEntry],
        now: Timestamp,
    ) -> Self {
        let rules = settings.rules_of(name);
        let week = rules.and_then(|rules| week(&rules.windows, &rules.zone, now));
        let zone = rules.and_then(|rules| rules.zone.iana_name().map(str::to_owned));
        let (free, max) = (entry.free(), entry.group.max);
        let tickets = entry.line.tickets();
        Self {
            name: name.to_string(),
            max,
            taken: entry.group.holds.len() + entry.foreign.len(),
            slots: format!("{free} of {max} {} free", plural(max, "slot")),
            pause: entry.group.pause.as_ref().map(Pause::told),
            held_back: entry.group.held_back.iter().map(HeldBackRow::of).collect(),
            cooldown: entry.cooldown.as_ref().map(|cooldown| {
                let left = span(cooldown.remaining_ms.div_ceil(1000));
                format!("Cooldown: {left} left, started by {}", cooldown.node)
            }),
            holders: holders(entry, now),
            waiters: (1..)
                .zip(tickets.iter().take(ROWS_MAX))
                .map(|(place, ticket)| WaiterRow {
                    place,
                    node: ticket.node.to_string(),
                    since: When::of(&ticket.since, now),
                    reasons: reasons(fleet, &ticket.node),
                    guest: None,
                })
                .collect(),
            more_waiters: tickets.len().saturating_sub(ROWS_MAX),
            outlook: None,
            zone: zone.unwrap_or_else(|| "UTC".to_owned()),
            week,
            deeds: deeds(lines, now),
        }
    }

    /// Puts the clients that wait at this server behind the daemons in the store's line.
    fn add_clients(
        &mut self,
        (clients, count): (Vec<Queuer>, usize),
        settings: &ServerSettings,
        now: Timestamp,
    ) {
        let behind = self.waiters.len() + self.more_waiters + 1;
        let room = ROWS_MAX.saturating_sub(self.waiters.len());
        let rows = (behind..).zip(clients).take(room);
        let rows = rows.map(|(place, client)| WaiterRow {
            place,
            node: settings.node_of(&client.id).into(),
            since: When::of(&client.since, now),
            reasons: vec![client.why],
            guest: Some(client.protocol),
        });
        let before = self.waiters.len();
        self.waiters.extend(rows);
        self.more_waiters += count + before - self.waiters.len();
    }
}

// === impl HeldBackRow ===

impl HeldBackRow {
    fn of((node, stop): (&NodeName, &Pause)) -> Self {
        Self {
            node: node.to_string(),
            words: stop.words_of_node(node),
        }
    }
}

/// Tells a pause on the page.
trait Told {
    fn told(&self) -> String;
}

impl Told for Pause {
    fn told(&self) -> String {
        let until = self.until.as_ref();
        let until = until.map_or(String::new(), |until| format!(" until {until}"));
        format!("Paused by {}{until}: {}", self.by, self.reason)
    }
}

fn holders(entry: &GroupEntry, now: Timestamp) -> Vec<HolderRow> {
    let own = entry.group.holds.iter().map(|hold| HolderRow {
        node: hold.node.to_string(),
        phase: hold.phase.to_string(),
        number: hold.number,
        since: When::of(&hold.acquired_at, now),
        is_overdue: entry.is_overdue(hold),
        guest: hold.guest.clone(),
    });
    let foreign = entry.foreign.iter().map(|node| HolderRow {
        node: node.to_string(),
        phase: "held by another program".to_owned(),
        number: 0,
        since: When::of("", now),
        is_overdue: false,
        guest: None,
    });
    let mut rows: Vec<HolderRow> = own.chain(foreign).collect();
    rows.sort_by_key(|row| !row.is_overdue);
    rows
}

/// What a waiter says it waits for; without a word of its own it waits for a slot.
fn reasons(fleet: &Fleet, node: &NodeName) -> Vec<String> {
    let told = fleet.nodes.get(node).map(|entry| &entry.record.waiting_for);
    match told.filter(|told| !told.is_empty()) {
        Some(told) => told.clone(),
        None => vec!["for a free slot".to_owned()],
    }
}

// === nodes ===

fn node_rows(fleet: &Fleet, now: Timestamp) -> Vec<NodeRow> {
    let nodes = fleet.nodes.iter();
    let mut rows: Vec<NodeRow> = nodes
        .map(|(name, entry)| row(fleet, name, entry, now))
        .collect();
    rows.sort_by(|a, b| (a.rank, &a.node).cmp(&(b.rank, &b.node)));
    rows
}

fn row(fleet: &Fleet, name: &NodeName, entry: &NodeEntry, now: Timestamp) -> NodeRow {
    let (rank, health, why) = match fleet.standing(name) {
        Standing::Overdue => (0, "overdue", "it did not come back in time".to_owned()),
        Standing::Unhealthy { stage, reason } => (1, "unhealthy", format!("{reason} ({stage})")),
        Standing::Stale => (2, "silent", "it has not reported lately".to_owned()),
        Standing::Down => (
            3,
            "down",
            "it is drained, reboots, or is being checked".to_owned(),
        ),
        Standing::Healthy => (
            5 - u8::from(entry.record.need.is_some()),
            "healthy",
            String::new(),
        ),
    };
    NodeRow {
        node: name.to_string(),
        group: entry.record.group.to_string(),
        health,
        why,
        activity: entry.record.activity.clone(),
        need: wants(entry, fleet.orders.get(name)),
        waits: entry.record.waiting_for.clone(),
        is_ordered: fleet.orders.contains_key(name),
        reported: When::of(&entry.record.reported_at, now),
        rank,
    }
}

/// What it says it needs, and what was asked of it, as far as it has not heard of that.
fn wants(entry: &NodeEntry, order: Option<&Order>) -> String {
    let need = entry.record.need.iter().cloned();
    let order = order.map(Order::words);
    let news = order.filter(|words| !need.clone().any(|need| need.contains(words)));
    need.chain(news).collect::<Vec<_>>().join(", ")
}

// === alarms ===

/// Groups of the configuration whose record is gone though somebody holds in them.
fn lost_groups(fleet: &Fleet, settings: &ServerSettings) -> Vec<Alarm> {
    let missing = settings.groups.iter();
    let missing = missing.filter(|(name, _)| !fleet.groups.contains_key(name));
    let lost = missing.filter_map(|(name, rules)| {
        let refusal = fleet.unmade(name, rules.max).err()?;
        Some(Alarm {
            is_bad: true,
            what: format!("Group {name} is not there: {refusal}"),
            remedy: "Nobody of it goes down until it is.".to_owned(),
        })
    });
    lost.collect()
}

/// Not with its cause: that may quote what only operators should read.
fn file_refused(file: WatchedFile) -> Alarm {
    Alarm {
        is_bad: true,
        what: format!("{}.", file.danger()),
        remedy: "The server's log says where it is and what is wrong: mend it.".to_owned(),
    }
}

fn alarms(fleet: &Fleet, nodes: &[NodeRow]) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for (group, entry) in &fleet.groups {
        let holds = entry.group.holds.iter();
        alarms.extend(
            holds
                .filter(|hold| entry.is_overdue(hold))
                .map(|it| overdue(group, it)),
        );
    }
    if let Some(pause) = &fleet.pause {
        alarms.push(Alarm {
            is_bad: false,
            what: format!("The fleet stands still. {}.", pause.told()),
            remedy: "clusterrebootd lock resume".to_owned(),
        });
    }
    let bad = nodes
        .iter()
        .filter(|row| matches!(row.health, "unhealthy" | "silent"));
    alarms.extend(bad.take(ROWS_MAX).map(|row| Alarm {
        is_bad: false,
        what: format!("{} is {}: {}", row.node, row.health, row.why),
        remedy: match row.health {
            "silent" => format!(
                "If it is gone for good: clusterrebootd fleet forget {}",
                row.node
            ),
            _ => "Mend it: nodes with policies wait for it.".to_owned(),
        },
    }));
    alarms
}

fn overdue(group: &GroupName, hold: &Hold) -> Alarm {
    Alarm {
        is_bad: true,
        what: format!(
            "{} did not come back in time (group {group}, {})",
            hold.node, hold.phase
        ),
        remedy: format!(
            "Its slot stays taken. Once it is surely off or well: clusterrebootd lock unlock {}",
            hold.node
        ),
    }
}

fn plural(count: u32, word: &str) -> String {
    match count {
        1 => word.to_owned(),
        _ => format!("{word}s"),
    }
}

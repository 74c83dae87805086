//! Metrics for Prometheus, in its text format 0.0.4, which lets a counter have any name: those
//! of the original fleetlock stay as they were, without `_total`.

mod groups;

use crate::desk::{Desk, Waiting, WatchedFile};
use crate::kind::{KINDS, Kind};
use crate::news::News;
use crate::settings::ServerSettings;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use groups::{Label, Labels, OTHERS};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::Phase;
use reboot_core::id::GroupName;
use reboot_core::policy::Standing;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The content type of what is served.
pub const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Upper bounds of the latencies, in seconds; waits for a slot are in there.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0, 600.0];
/// Every phase that a hold can be in.
const PHASES: [Phase; 4] = [
    Phase::Claimed,
    Phase::Draining,
    Phase::Rebooting,
    Phase::Returned,
];
/// Every way a node can count.
const STANDINGS: [&str; 5] = ["healthy", "unhealthy", "stale", "down", "overdue"];
/// Statuses that are counted whatever was asked: strangers, floods, and what is the server's fault.
const REJECTIONS: [StatusCode; 5] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// What has been counted since the server started.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    locks: Latency,
    unlocks: Latency,
    rejections: [AtomicU64; REJECTIONS.len()],
    labels: Labels,
    groups: Mutex<BTreeMap<Label, Counted>>,
    connections: Connections,
}

/// What became of connections.
#[derive(Debug, Default)]
struct Connections {
    open: AtomicU64,
    /// Closed at once, as their address had too many.
    refused: AtomicU64,
    /// Left where they were, as none could be taken.
    failed: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct Counted {
    grants: u64,
    releases: u64,
    refusals: BTreeMap<Kind, u64>,
}

#[derive(Debug, Default)]
struct Latency {
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

/// The groups that are told of.
type Groups<'a> = BTreeMap<&'a GroupName, Cow<'a, GroupEntry>>;

/// Text in the making.
struct Page<'a> {
    text: String,
    settings: &'a ServerSettings,
    labels: &'a Labels,
}

/// What the figures of groups that share a label come to.
#[derive(Clone, Copy)]
enum Together {
    Sum,
    Greatest,
}

/// `/metrics`.
pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(desk): State<Arc<Desk>>) -> ([(http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, TYPE)], page(&desk))
}

/// What is measured at a desk.
pub fn page(desk: &Desk) -> String {
    let settings = desk.settings();
    let mut page = Page {
        text: String::new(),
        settings: &settings,
        labels: &desk.figures().labels,
    };
    let newest = desk.view().newest();
    let help = "1 while the store can be used, 0 while not";
    let is_up = newest.is_ok() && desk.view().failed_write().is_none();
    let up = [(String::new(), f64::from(u8::from(is_up)))];
    page.family("clusterrebootd_server_store_up", "gauge", help, up);
    if let Ok(sight) = newest {
        let groups = settings.groups_of(&sight.fleet);
        page.groups(&groups, &sight.fleet);
        page.holds(&groups);
        page.tickets(&groups);
        page.nodes(&sight.fleet);
    }
    page.waiting(&desk.waiting());
    page.files(desk);
    desk.figures().write(&mut page);
    page.text + &desk.observed()
}

// === impl Figures ===

impl Figures {
    /// Takes note, at a server that is told this.
    pub(crate) fn told(&self, news: &News<'_>, settings: &ServerSettings) {
        let count = |group: &GroupName, change: &dyn Fn(&mut Counted)| {
            self.count(self.labels.of(group, settings), change);
        };
        match news {
            News::Admitted { wish, .. } => count(&wish.group, &|it| it.grants += 1),
            News::NotAdmitted { wish, refused } => {
                let refuse = |it: &mut Counted| *it.refusals.entry(refused.kind).or_default() += 1;
                match refused.kind {
                    // Anybody can make up names.
                    Kind::UnknownGroup => self.count(OTHERS.into(), refuse),
                    _ => count(&wish.group, &refuse),
                }
            }
            News::Steady {
                group,
                released: Ok(true),
                ..
            } => count(group, &|it| it.releases += 1),
            News::Steady { .. } | News::MaxChanged { .. } | News::Warning { .. } => {}
            News::FileRefused(_) | News::FileTaken(_) => {}
        }
    }

    /// A request was answered with this status.
    pub(crate) fn answered(&self, status: StatusCode) {
        if let Some(at) = REJECTIONS.iter().position(|it| *it == status) {
            self.rejections[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request for a slot was answered after this time.
    pub(crate) fn lock_took(&self, time: Duration) {
        self.locks.observe(time);
    }

    /// A client's word that it is steady was answered after this time.
    pub(crate) fn unlock_took(&self, time: Duration) {
        self.unlocks.observe(time);
    }

    fn count(&self, label: Label, change: impl FnOnce(&mut Counted)) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        change(groups.entry(label).or_default());
    }

    /// A connection was taken.
    pub(crate) fn connected(&self) {
        self.connections.open.fetch_add(1, Ordering::Relaxed);
    }

    /// One that was taken has ended.
    pub(crate) fn disconnected(&self) {
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// One was closed at once, as its address had too many.
    pub(crate) fn refused_connection(&self) {
        self.connections.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// None could be taken.
    pub(crate) fn failed_to_accept(&self) {
        self.connections.failed.fetch_add(1, Ordering::Relaxed);
    }

    fn write(&self, page: &mut Page<'_>) {
        let requests = |latency: &Latency| [(String::new(), latency.count() as f64)];
        let (name, help) = ("fleetlock_lock_request_count", "Number of lock requests");
        page.family(name, "counter", help, requests(&self.locks));
        let (name, help) = (
            "fleetlock_unlock_request_count",
            "Number of unlock requests",
        );
        page.family(name, "counter", help, requests(&self.unlocks));
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let each = |figure: fn(&Counted) -> u64| {
            let one = move |(name, it): (&Label, &Counted)| (group_label(name), figure(it) as f64);
            groups.iter().map(one)
        };
        let (name, help) = (
            "clusterrebootd_server_grants_total",
            "Slots granted to clients",
        );
        page.family(name, "counter", help, each(|it| it.grants));
        let (name, help) = ("clusterrebootd_server_releases_total", "Slots given back");
        page.family(name, "counter", help, each(|it| it.releases));
        let refusals = groups.iter().flat_map(|(name, it)| {
            KINDS.iter().filter_map(move |kind| {
                let count = *it.refusals.get(kind)?;
                Some((
                    format!("{{group=\"{name}\",kind=\"{kind}\"}}"),
                    count as f64,
                ))
            })
        });
        let (name, help) = (
            "clusterrebootd_server_refusals_total",
            "Requests refused, by kind",
        );
        page.family(name, "counter", help, refusals);
        self.write_rejections(page);
        self.write_connections(page);
        page.latencies(&[("lock", &self.locks), ("unlock", &self.unlocks)]);
    }

    fn write_rejections(&self, page: &mut Page<'_>) {
        let rejections = REJECTIONS.iter().zip(&self.rejections);
        let rejections = rejections.map(|(status, count)| {
            let labels = format!("{{status=\"{}\"}}", status.as_u16());
            (labels, count.load(Ordering::Relaxed) as f64)
        });
        let name = "clusterrebootd_server_rejections_total";
        let help = "Requests turned away or failed, by status, whatever was asked";
        page.family(name, "counter", help, rejections);
    }
}

impl Figures {
    fn write_connections(&self, page: &mut Page<'_>) {
        let Connections {
            open,
            refused,
            failed,
        } = &self.connections;
        for (name, kind, help, count) in [
            (
                "clusterrebootd_server_connections",
                "gauge",
                "Connections that are open",
                open,
            ),
            (
                "clusterrebootd_server_connections_refused_total",
                "counter",
                "Connections closed at once, as their address had too many",
                refused,
            ),
            (
                "clusterrebootd_server_accept_failures_total",
                "counter",
                "Tries to take a connection that failed, for want of file descriptors most likely",
                failed,
            ),
        ] {
            let count = count.load(Ordering::Relaxed) as f64;
            page.family(name, kind, help, [(String::new(), count)]);
        }
    }
}

// === impl Latency ===

impl Latency {
    fn observe(&self, time: Duration) {
        let secs = time.as_secs_f64();
        if let Some(at) = BUCKETS.iter().position(|bound| secs <= *bound) {
            self.buckets[at].fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

// === impl Page ===

impl Page<'_> {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a text cannot fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    fn family(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        values: impl IntoIterator<Item = (String, f64)>,
    ) {
        self.head(name, kind, help);
        for (labels, value) in values {
            self.line(name, &labels, value);
        }
    }

    /// A figure of each group, with the labels that stand behind the group's; those of groups that
    /// share a label come to one.
    fn of_groups<'g>(
        &mut self,
        (name, help): (&str, &str),
        together: Together,
        values: impl IntoIterator<Item = (&'g GroupName, String, f64)>,
    ) {
        let mut all: BTreeMap<(Label, String), f64> = BTreeMap::new();
        for (group, rest, value) in values {
            let key = (self.labels.of(group, self.settings), rest);
            let sum = all.entry(key).or_default();
            *sum = match together {
                Together::Sum => *sum + value,
                Together::Greatest => sum.max(value),
            };
        }
        let line = |((group, rest), value)| (format!("{{group=\"{group}\"{rest}}}"), value);
        self.family(name, "gauge", help, all.into_iter().map(line));
    }

    fn groups(&mut self, groups: &Groups<'_>, fleet: &Fleet) {
        let held = |is: bool| f64::from(u8::from(is));
        let mut each = |name_and_help, together, figure: &dyn Fn(&GroupEntry) -> f64| {
            let all = groups.iter();
            let all = all.map(|(name, entry)| (*name, String::new(), figure(entry)));
            self.of_groups(name_and_help, together, all);
        };
        let (name, help) = (
            "fleetlock_lock_state",
            "State of the fleetlock lease (0 unlocked, 1 locked)",
        );
        let is_locked = |it: &GroupEntry| held(!it.group.holds.is_empty());
        each((name, help), Together::Greatest, &is_locked);
        let (name, help) = (
            "fleetlock_lock_transition_count",
            "Number of fleetlock lease transitions",
        );
        each((name, help), Together::Sum, &|it| {
            it.group.generation as f64
        });
        let (name, help) = ("clusterrebootd_server_overdue", "Holds past their deadline");
        let overdue = |it: &GroupEntry| {
            let holds = it.group.holds.iter();
            holds.filter(|hold| it.is_overdue(hold)).count() as f64
        };
        each((name, help), Together::Sum, &overdue);
        let is_paused = |it: &GroupEntry| held(fleet.pause.is_some() || it.group.pause.is_some());
        let (name, help) = (
            "clusterrebootd_server_paused",
            "1 while the group or the fleet is paused",
        );
        each((name, help), Together::Greatest, &is_paused);
        let (name, help) = ("clusterrebootd_server_slots", "Slots of a group");
        each((name, help), Together::Sum, &|it| f64::from(it.group.max));
    }

    fn holds(&mut self, groups: &Groups<'_>) {
        let holds = groups.iter().flat_map(|(name, entry)| {
            PHASES.iter().map(move |phase| {
                let holds = entry.group.holds.iter();
                let count = holds.filter(|hold| hold.phase == *phase).count();
                (*name, format!(",phase=\"{phase}\""), count as f64)
            })
        });
        let (name, help) = ("clusterrebootd_server_holds", "Holds of a group, by phase");
        self.of_groups((name, help), Together::Sum, holds);
    }

    fn tickets(&mut self, groups: &Groups<'_>) {
        let all = groups.iter().map(|(name, entry)| {
            let count = entry.line.tickets().len();
            (*name, String::new(), count as f64)
        });
        let name = "clusterrebootd_server_tickets";
        let help = "Daemons that wait in the line of a group";
        self.of_groups((name, help), Together::Sum, all);
    }

    /// Nodes with a record of their own, by how they count for the others.
    fn nodes(&mut self, fleet: &Fleet) {
        let mut counts: BTreeMap<&GroupName, [u32; STANDINGS.len()]> = BTreeMap::new();
        for (node, entry) in &fleet.nodes {
            let counts = counts.entry(&entry.record.group).or_default();
            counts[place_of(&fleet.standing(node))] += 1;
        }
        let all = counts.iter().flat_map(|(group, counts)| {
            STANDINGS.iter().zip(counts).map(move |(standing, count)| {
                let rest = format!(",standing=\"{standing}\"");
                (*group, rest, f64::from(*count))
            })
        });
        let name = "clusterrebootd_server_nodes";
        let help = "Nodes with a daemon, by how they count for the others";
        self.of_groups((name, help), Together::Sum, all);
    }

    fn waiting(&mut self, waiting: &[Waiting]) {
        let (name, help) = (
            "clusterrebootd_server_waiting",
            "Requests that wait for a slot",
        );
        let counts = waiting
            .iter()
            .map(|it| (&it.group, String::new(), it.count as f64));
        self.of_groups((name, help), Together::Sum, counts);
        let name = "clusterrebootd_server_longest_wait_seconds";
        let help = "For how long the first of them has waited";
        let waits = waiting
            .iter()
            .map(|it| (&it.group, String::new(), it.longest.as_secs_f64()));
        self.of_groups((name, help), Together::Greatest, waits);
    }

    fn files(&mut self, desk: &Desk) {
        let each = WatchedFile::ALL.into_iter().map(|file| {
            let labels = format!("{{file=\"{}\"}}", file.name());
            (labels, f64::from(u8::from(desk.is_bad(file))))
        });
        let name = "clusterrebootd_server_file_errors";
        let help = "1 while a file of secrets or certificates changed and cannot be used";
        self.family(name, "gauge", help, each);
    }

    fn latencies(&mut self, all: &[(&str, &Latency)]) {
        let name = "clusterrebootd_server_request_seconds";
        self.head(
            name,
            "histogram",
            "How long requests took, waits for a slot included",
        );
        for (request, latency) in all {
            let mut sum = 0;
            for (bound, bucket) in BUCKETS.iter().zip(&latency.buckets) {
                sum += bucket.load(Ordering::Relaxed);
                let labels = format!("{{request=\"{request}\",le=\"{bound}\"}}");
                self.line(&format!("{name}_bucket"), &labels, sum as f64);
            }
            let count = latency.count() as f64;
            let labels = format!("{{request=\"{request}\",le=\"+Inf\"}}");
            self.line(&format!("{name}_bucket"), &labels, count);
            let labels = format!("{{request=\"{request}\"}}");
            let secs = Duration::from_micros(latency.micros.load(Ordering::Relaxed)).as_secs_f64();
            self.line(&format!("{name}_sum"), &labels, secs);
            self.line(&format!("{name}_count"), &labels, count);
        }
    }
}

fn group_label(name: &str) -> String {
    format!("{{group=\"{name}\"}}")
}

/// The place in [`STANDINGS`].
fn place_of(standing: &Standing) -> usize {
    match standing {
        Standing::Healthy => 0,
        Standing::Unhealthy { .. } => 1,
        Standing::Stale => 2,
        Standing::Down => 3,
        Standing::Overdue => 4,
    }
}

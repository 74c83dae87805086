//! The metrics themselves, one method for everything that can happen.

use super::labels::{
    Activity, CheckResult, Claim, Finding, Health, HealthState, Phase, Publication, Reading,
    Switch, WindowState,
};
use super::process::ProcessCollector;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// Prometheus' own default buckets, in seconds.
pub(super) const BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// How metrics are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exposition {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

/// Every metric of the node daemon; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    outcomes: Counters<1>,
    detector_evaluations: Counters<2>,
    detector_seconds: Histograms<2>,
    health_checks: Counters<2>,
    health_seconds: Histograms<2>,
    lock_attempts: Counters<1>,
    lock_seconds: Histograms<1>,
    release_seconds: Histograms<1>,
    kill_switch_checks: Counters<2>,
    window_evaluations: Counters<1>,
    cooldown_checks: Counters<2>,
    cooldown_activations: Counters<1>,
    cooldown_clears: Counters<1>,
    cluster_health_checks: Counters<2>,
    cluster_health_updates: Counters<3>,
    store_up: Family<Labels<0>, Gauge>,
    store_down_since: Family<Labels<0>, Gauge>,
}

/// Names and values; the methods take typed ones, so none but the contract's get in.
type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

// === impl Exposition ===

impl Exposition {
    /// What a scraper that sends this `Accept` header is given.
    pub fn for_accept(accept: &str) -> Self {
        match accept.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    /// The content type to announce.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All of them, at nothing.
    pub fn new() -> Self {
        let mut root = Registry::default();
        root.register_collector(Box::new(ProcessCollector));
        let registry = root.sub_registry_with_prefix("clusterrebootd");
        let lock_attempts = "Tries for a slot";
        let shared = Shared {
            outcomes: counters(registry, "orchestration_outcomes", "Passes by outcome"),
            detector_evaluations: counters(registry, "detector_evaluations", "Detector runs"),
            detector_seconds: histograms(
                registry,
                "detector_evaluation_seconds",
                "How long detectors ran",
            ),
            health_checks: counters(registry, "health_checks", "Health script runs"),
            health_seconds: histograms(
                registry,
                "health_check_seconds",
                "How long the health script ran",
            ),
            lock_attempts: counters(registry, "lock_attempts", lock_attempts),
            lock_seconds: histograms(
                registry,
                "lock_acquire_seconds",
                "How long tries for a slot took",
            ),
            release_seconds: histograms(
                registry,
                "lock_release_seconds",
                "How long giving a slot back took",
            ),
            kill_switch_checks: counters(registry, "kill_switch_checks", "Looks at the switch"),
            window_evaluations: counters(registry, "window_evaluations", "Looks at the windows"),
            cooldown_checks: counters(registry, "cooldown_checks", "Looks at the cooldown"),
            cooldown_activations: counters(registry, "cooldown_activations", "Cooldowns begun"),
            cooldown_clears: counters(registry, "cooldown_clears", "Cooldowns ended"),
            cluster_health_checks: counters(
                registry,
                "cluster_health_checks",
                "Looks at the peers' health",
            ),
            cluster_health_updates: counters(
                registry,
                "cluster_health_updates",
                "Publications of this node's health",
            ),
            store_up: gauges(
                registry,
                "store_up",
                "1 while the store can be used, 0 while not",
            ),
            store_down_since: gauges(
                registry,
                "store_down_since_timestamp_seconds",
                "Since when the store cannot be used, 0 while it can",
            ),
            registry: root,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A pass ended; `status` is the outcome's name.
    pub fn pass_ended(&self, status: &'static str) {
        self.shared
            .outcomes
            .get_or_create(&[("status", status)])
            .inc();
    }

    /// A detector ran, for so many seconds.
    pub fn detector_evaluated(&self, phase: Phase, result: Finding, seconds: f64) {
        let labels = [("phase", phase.as_str()), ("result", result.as_str())];
        self.shared
            .detector_evaluations
            .get_or_create(&labels)
            .inc();
        self.shared
            .detector_seconds
            .get_or_create(&labels)
            .observe(seconds);
    }

    /// The health script ran, for so many seconds.
    pub fn health_checked(&self, phase: Phase, result: Health, seconds: f64) {
        let labels = [("phase", phase.as_str()), ("result", result.as_str())];
        self.shared.health_checks.get_or_create(&labels).inc();
        self.shared
            .health_seconds
            .get_or_create(&labels)
            .observe(seconds);
    }

    /// A slot was asked for; the reply took so many seconds.
    pub fn lock_attempted(&self, result: Claim, seconds: f64) {
        let labels = [("result", result.as_str())];
        self.shared.lock_attempts.get_or_create(&labels).inc();
        self.shared
            .lock_seconds
            .get_or_create(&labels)
            .observe(seconds);
    }

    /// A slot was given back; the reply took so many seconds.
    pub fn lock_released(&self, result: CheckResult, seconds: f64) {
        self.shared
            .release_seconds
            .get_or_create(&[("result", result.as_str())])
            .observe(seconds);
    }

    /// The kill switch was looked at; `stage` is before or under the slot.
    pub fn kill_switch_checked(&self, stage: Phase, result: Switch) {
        self.shared
            .kill_switch_checks
            .get_or_create(&[("stage", stage.as_str()), ("result", result.as_str())])
            .inc();
    }

    /// The windows were looked at.
    pub fn window_evaluated(&self, result: WindowState) {
        self.shared
            .window_evaluations
            .get_or_create(&[("result", result.as_str())])
            .inc();
    }

    /// The cooldown was looked at.
    pub fn cooldown_checked(&self, phase: Phase, result: Switch) {
        self.shared
            .cooldown_checks
            .get_or_create(&[("phase", phase.as_str()), ("result", result.as_str())])
            .inc();
    }

    /// A cooldown was begun or ended, or that failed.
    pub fn cooldown_changed(&self, activity: Activity, result: CheckResult) {
        let counters = match activity {
            Activity::Started => &self.shared.cooldown_activations,
            Activity::Cleared => &self.shared.cooldown_clears,
        };
        counters.get_or_create(&[("result", result.as_str())]).inc();
    }

    /// The peers' health was looked at.
    pub fn cluster_health_checked(&self, phase: Phase, result: Reading) {
        self.shared
            .cluster_health_checks
            .get_or_create(&[("phase", phase.as_str()), ("result", result.as_str())])
            .inc();
    }

    /// This node's health was published, or not.
    pub fn cluster_health_updated(&self, phase: Phase, status: HealthState, result: Publication) {
        let labels = [
            ("phase", phase.as_str()),
            ("status", status.as_str()),
            ("result", result.as_str()),
        ];
        self.shared
            .cluster_health_updates
            .get_or_create(&labels)
            .inc();
    }

    /// The store can be used.
    pub fn store_reached(&self) {
        self.set_store(1, 0);
    }

    /// The store cannot be used since this Unix time, in seconds.
    pub fn store_lost(&self, since_secs: i64) {
        self.set_store(0, since_secs);
    }

    fn set_store(&self, up: i64, since_secs: i64) {
        self.shared.store_up.get_or_create(&[]).set(up);
        let since = self.shared.store_down_since.get_or_create(&[]);
        since.set(since_secs);
    }

    /// All metrics as a scraper reads them.
    pub fn render(&self, exposition: Exposition) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.shared.registry);
        match exposition {
            Exposition::OpenMetrics => text,
            Exposition::Text => classic(&text),
        }
    }
}

/// This process's own figures alone, in the older format.
pub(crate) fn process_figures() -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ProcessCollector));
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = encode(&mut text, &registry);
    classic(&text)
}

fn counters<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> Counters<N> {
    let family = Counters::<N>::default();
    registry.register(name, help, family.clone());
    family
}

/// One without labels, which is not there before anything is known.
fn gauges(registry: &mut Registry, name: &str, help: &str) -> Family<Labels<0>, Gauge> {
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

fn histograms<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> Histograms<N> {
    let family = Histograms::<N>::new_with_constructor(|| Histogram::new(BUCKETS));
    registry.register(name, help, family.clone());
    family
}

/// Bounds that are whole numbers stand without a fraction there: `le="5"`.
fn whole_bounds(line: &str) -> String {
    line.replacen(".0\",", "\",", usize::from(line.contains("_bucket{le=\"")))
}

/// The older format knows a counter by its whole name, and no end marker.
fn classic(open_metrics: &str) -> String {
    let counters: Vec<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(&name) => {
                text.push_str(&format!("# {kind} {name}_total {rest}\n"));
            }
            _ => {
                text.push_str(&whole_bounds(line));
                text.push('\n');
            }
        }
    }
    text
}

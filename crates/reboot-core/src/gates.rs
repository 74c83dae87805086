//! The gates of a pass, in the order of the contract, and what each says when it is closed.

use crate::contention;
use crate::fleet::Fleet;
use crate::group::{Cooldown, Group, Hold};
use crate::id::GroupName;
use crate::mutation::Mutation;
use crate::need::{Detection, Satisfied};
use crate::order::Order;
use crate::outcome::{Blocker, Outcome};
use crate::policy;
use crate::settings::Settings;
use crate::undo::Undo;
use crate::window::Verdict;
use jiff::Timestamp;

/// A verdict is void when it is older than this at the fence's reply or at the command, in
/// milliseconds of the boot-time clock.
pub const VERDICT_LIFE_MS: u64 = 10_000;
/// Before the fence a verdict older than this is taken again, to leave time for the store.
pub const VERDICT_RENEW_MS: u64 = 5_000;

/// Something seen, and when.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Seen<T> {
    /// When the look ended, in milliseconds of the boot-time clock.
    pub at_ms: u64,
    /// What was seen.
    pub what: T,
}

/// Obstacles on the node itself that cost next to nothing to look at.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Local {
    /// Whether the kill switch file exists, or why that could not be told.
    pub kill_switch: Result<bool, String>,
    /// Who asks this node to wait (users' shutdown inhibitors), for people.
    pub inhibitors: Vec<String>,
}

/// How a run of the health script ended.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ScriptVerdict {
    /// It exited 0.
    Pass,
    /// It said no, with its exit code.
    Blocked(String),
    /// It timed out, or could not start.
    Failed(String),
}

/// What a look at the fleet means for this node.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Findings {
    /// The store's revision, to wait for the next.
    pub revision: u64,
    /// Epoch and generation of the group.
    pub mark: (u64, u64),
    /// What cluster health and policies say.
    pub cluster: Vec<String>,
    /// Who paused what, and why; everything that must be resumed, not only the first.
    pub pause: Option<String>,
    /// Who holds this node back, until when and why.
    pub held_back: Option<String>,
    /// The group's cooldown, while it runs.
    pub cooldown: Option<Cooldown>,
    /// Reboots of this node in the last day.
    pub marks: u32,
    /// Slots that nobody holds.
    pub free: usize,
    /// Who holds and who goes first, in words; empty when a slot is to be had.
    pub contention: String,
    /// How many wait ahead of this node; `None` when it does not wait.
    pub ahead: Option<usize>,
    /// Whether this node's turn has come.
    pub may_try: bool,
    /// Whether another live machine or boot bears this node's name.
    pub identity_conflict: bool,
    /// A hold under this node's name, wherever it is.
    pub own_hold: Option<(GroupName, Box<Hold>)>,
    /// What a broken hold left to be undone here.
    pub owed: Undo,
    /// What an operator ordered of this node, fulfilled or not.
    pub order: Option<Order>,
    /// The slots the record says, when they differ from what the settings say.
    pub other_max: Option<u32>,
}

/// All that a pass has seen so far.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Evidence {
    /// Kill switch and inhibitors.
    pub local: Option<Seen<Local>>,
    /// The detectors.
    pub detection: Option<Seen<Detection>>,
    /// The health script.
    pub health: Option<Seen<ScriptVerdict>>,
    /// The fleet, or why the store could not be read.
    pub fleet: Option<Seen<Result<Findings, String>>>,
}

// === impl Findings ===

impl Findings {
    /// Draws them from a look at the fleet.
    pub fn of(fleet: &Fleet, settings: &Settings) -> Self {
        let me = &settings.identity.node;
        let facts = fleet.facts(&settings.group, me);
        let peers = fleet.peers_to_judge(me);
        let blocks = policy::blocks(&settings.policies, me, &peers);
        let mut findings = Self {
            revision: fleet.revision,
            cluster: blocks.iter().map(ToString::to_string).collect(),
            pause: fleet.pause.as_ref().map(|it| it.words("the fleet")),
            marks: facts.marks,
            identity_conflict: facts.identity_conflict(),
            own_hold: fleet
                .holds_of(me)
                .next()
                .map(|(group, hold)| (group.clone(), Box::new(hold.clone()))),
            cooldown: facts.cooldown,
            owed: fleet.owed_by(me),
            order: fleet.orders.get(me).cloned(),
            free: settings.max as usize,
            ..Self::default()
        };
        findings.may_try = findings.free > 0;
        if let Some(entry) = fleet.groups.get(&settings.group) {
            findings.read_group(entry, settings);
        }
        findings
    }

    /// How many of the line may try at once: with an interval, claims go one after the other, and
    /// whoever is slow to claim would be overtaken again and again.
    fn open_to(&self, group: &Group, settings: &Settings) -> usize {
        let unfenced = |hold: &Hold| !hold.fenced && hold.node != settings.identity.node;
        match settings.interval_secs > 0 {
            false => self.free,
            true if group.holds.iter().any(unfenced) => 0,
            true => self.free.min(1),
        }
    }

    fn read_group(&mut self, entry: &crate::fleet::GroupEntry, settings: &Settings) {
        let group = &entry.group;
        let me = &settings.identity.node;
        self.mark = group.mark();
        self.free = entry.free();
        self.held_back = group.held_back.get(me).map(|it| it.words_of_node(me));
        let open_to = self.open_to(group, settings);
        self.ahead = entry.line.ahead_of(me);
        self.may_try = entry.line.may_try(me, open_to);
        if !self.may_try {
            self.contention = contention::words(entry, me, open_to);
        }
        let is_other = |written: u32| written != group.max;
        self.other_max = settings
            .max_as_written
            .is_some_and(is_other)
            .then_some(group.max);
        let by_group = group.pause.as_ref().map(|it| it.words("the group"));
        let by_max = (group.max == 0).then(|| "the group has no slots (max is 0)".to_owned());
        let causes = [self.pause.take(), by_group, by_max];
        let causes: Vec<String> = causes.into_iter().flatten().collect();
        self.pause = (!causes.is_empty()).then(|| causes.join("; "));
    }
}

// === impl Evidence ===

impl Evidence {
    /// When the oldest of the verdicts was taken; `None` when one is missing.
    pub fn oldest_ms(&self) -> Option<u64> {
        let times = [
            self.local.as_ref().map(|seen| seen.at_ms),
            self.detection.as_ref().map(|seen| seen.at_ms),
            self.health.as_ref().map(|seen| seen.at_ms),
            self.fleet.as_ref().map(|seen| seen.at_ms),
        ];
        times
            .into_iter()
            .try_fold(u64::MAX, |oldest, at| Some(oldest.min(at?)))
    }

    /// Whether every verdict is there and none is older than the limit.
    pub fn is_fresh(&self, now_ms: u64, limit_ms: u64) -> bool {
        if Mutation::VerdictsNeverExpire.is_on() {
            return true;
        }
        self.oldest_ms()
            .is_some_and(|oldest| now_ms.saturating_sub(oldest) <= limit_ms)
    }

    /// Forgets the verdicts older than the limit, so that they are taken again.
    pub fn drop_older_than(&mut self, now_ms: u64, limit_ms: u64) {
        let is_old = |at_ms: u64| {
            now_ms.saturating_sub(at_ms) > limit_ms && !Mutation::VerdictsNeverExpire.is_on()
        };
        self.local.take_if(|seen| is_old(seen.at_ms));
        self.detection.take_if(|seen| is_old(seen.at_ms));
        self.health.take_if(|seen| is_old(seen.at_ms));
        self.fleet.take_if(|seen| is_old(seen.at_ms));
    }

    /// What the fleet look found, when it worked.
    pub fn findings(&self) -> Option<&Findings> {
        self.fleet.as_ref().and_then(|seen| seen.what.as_ref().ok())
    }

    /// Whether the detectors ask for a reboot, when they were run.
    pub fn is_detected(&self) -> Option<bool> {
        self.detection.as_ref().map(|seen| seen.what.is_needed())
    }
}

/// What the gates are judged with, besides the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The need of the last reboot.
    pub satisfied: Option<&'a Satisfied>,
    /// Whether the reboot command was issued in this boot already, without a hold by now.
    pub was_issued: bool,
    /// Whether an operator's order asks for a reboot now.
    pub is_ordered: bool,
    /// Whether this node's own cooldown is no obstacle (its fence has started it).
    pub has_fenced: bool,
    /// The time of day.
    pub wall: Timestamp,
}

/// Every reason that blocks, in the order of the pass. A gate not looked at yet is silent.
pub fn judge(evidence: &Evidence, bench: &Bench<'_>) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    blockers.extend(judge_local(evidence));
    blockers.extend(judge_window(bench));
    judge_detection(evidence, bench, &mut blockers);
    judge_cluster(evidence, bench, &mut blockers);
    blockers.extend(judge_health(evidence));
    judge_restraints(evidence, bench, &mut blockers);
    blockers
}

fn judge_local(evidence: &Evidence) -> Option<Blocker> {
    match &evidence.local.as_ref()?.what.kill_switch {
        Ok(false) => None,
        Ok(true) => Some(Blocker::local(
            Outcome::KillSwitchActive,
            "the kill switch is present",
        )),
        Err(error) => Some(Blocker::local(Outcome::Error, error.clone())),
    }
}

fn judge_window(bench: &Bench<'_>) -> Option<Blocker> {
    let settings = bench.settings;
    let local = |at: Timestamp| {
        at.to_zoned(settings.zone.rules.clone())
            .strftime("%a %F %H:%M")
            .to_string()
    };
    match settings.windows.verdict(bench.wall, &settings.zone.rules) {
        Verdict::Allowed => None,
        Verdict::Deny { window, until } => {
            let until = until.map_or(String::new(), |at| format!(", until {}", local(at)));
            let message = format!("inside the deny window \"{window}\"{until}");
            Some(Blocker::local(Outcome::WindowDenied, message))
        }
        Verdict::OutsideAllow { opens } => {
            let opens = opens.map_or("none opens".to_owned(), |at| {
                format!("the next opens {}", local(at))
            });
            let message = format!("outside every allow window, {opens}");
            Some(Blocker::local(Outcome::WindowOutsideAllow, message))
        }
    }
}

fn judge_detection(evidence: &Evidence, bench: &Bench<'_>, blockers: &mut Vec<Blocker>) {
    let Some(seen) = &evidence.detection else {
        return;
    };
    let errors = seen.what.failed.iter();
    blockers.extend(errors.map(|error| Blocker::local(Outcome::Error, error.clone())));
    if !bench.is_ordered
        && let Some(satisfied) = bench.satisfied
        && satisfied.is_repeated_by(&seen.what)
    {
        let message = "the last reboot was for this very need and did not end it: look why, then \
                       clear what the detectors see";
        blockers.push(Blocker::local(Outcome::NeedIneffective, message));
    }
    if bench.was_issued && (bench.is_ordered || seen.what.is_needed()) {
        let message = "the reboot command was issued in this boot already, and the machine did \
                       not go down: reboot it by hand";
        blockers.push(Blocker::local(Outcome::RebootOverdue, message));
    }
}

fn judge_cluster(evidence: &Evidence, bench: &Bench<'_>, blockers: &mut Vec<Blocker>) {
    let Some(seen) = &evidence.fleet else { return };
    match &seen.what {
        Err(error) => {
            let message = format!("the store is out of reach: {error}");
            blockers.push(Blocker::shared(Outcome::LockUnavailable, message));
        }
        Ok(findings) if !bench.settings.mode.skips_lock() => {
            if findings.identity_conflict {
                let message = "another boot or machine is alive under this node's name: if it is \
                               this machine's former boot, its lease ends by itself; else rename \
                               or stop one of the two";
                blockers.push(Blocker::local(Outcome::IdentityConflict, message));
            }
            let blocks = findings.cluster.iter().cloned();
            blockers.extend(blocks.map(|text| Blocker::shared(Outcome::HealthBlocked, text)));
        }
        Ok(_) => {}
    }
}

fn judge_health(evidence: &Evidence) -> Option<Blocker> {
    match &evidence.health.as_ref()?.what {
        ScriptVerdict::Pass => None,
        ScriptVerdict::Blocked(why) | ScriptVerdict::Failed(why) => Some(Blocker::local(
            Outcome::HealthBlocked,
            format!("the health script says no: {why}"),
        )),
    }
}

fn judge_restraints(evidence: &Evidence, bench: &Bench<'_>, blockers: &mut Vec<Blocker>) {
    if let Some(inhibitors) = evidence.local.as_ref().map(|seen| &seen.what.inhibitors) {
        let held = inhibitors.iter().cloned();
        blockers.extend(held.map(|text| Blocker::local(Outcome::HeldBack, text)));
    }
    let Some(findings) = evidence.findings() else {
        return;
    };
    if let Some(pause) = &findings.pause {
        blockers.push(Blocker::shared(Outcome::Paused, pause.clone()));
    }
    if let Some(held_back) = &findings.held_back {
        blockers.push(Blocker::local(Outcome::HeldBack, held_back.clone()));
    }
    if bench.has_fenced {
        return;
    }
    let cap = bench.settings.max_reboots_per_day;
    if findings.marks >= cap {
        let message = format!(
            "rebooted {} times in the last day, {cap} are allowed",
            findings.marks
        );
        blockers.push(Blocker::local(Outcome::RebootLimit, message));
    }
    if let Some(cooldown) = &findings.cooldown {
        let left = cooldown.remaining_ms.div_ceil(1000);
        let message = format!(
            "cooldown started by {} runs, {left} s are left",
            cooldown.node
        );
        blockers.push(Blocker::shared(Outcome::CooldownActive, message));
    }
}

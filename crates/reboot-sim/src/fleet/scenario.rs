//! A fleet drawn from a seed: its nodes, their settings, what they will need, what will strike.

use super::Mode;
use super::coverage::Coverage;
use super::fault::{Stage, Strike};
use super::play::BIG_NODES;
use crate::world::{Kit, Machine, Random, settings};
use jiff::tz::TimeZone;
use reboot_core::agent::{Settings, Zone};
use reboot_core::backoff::Backoff;
use reboot_core::group::MAX_SLOTS;
use reboot_core::id::GroupName;
use reboot_core::policy::{Fraction, Policies};
use reboot_core::window::{Window, Windows};

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// What nodes may need a reboot for.
const NEEDS: [&str; 12] = [
    "kernel-6.1",
    "kernel-6.2",
    "kernel-6.3",
    "glibc-2.40",
    "glibc-2.41",
    "openssl-3.5",
    "openssl-3.6",
    "firmware-12",
    "firmware-13",
    "dbus-1.16",
    "systemd-258",
    "microcode-7",
];
/// Zones that are not whole hours off, or change their clocks at odd times.
const ZONES: [&str; 4] = [
    "UTC0",
    "EST5EDT,M3.2.0,M11.1.0",
    "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45",
    "<+0530>-5:30",
];
/// Windows, allowed and denied.
const ALLOWED: [&str; 4] = [
    "Mon-Sun 00:00-06:00",
    "Mon-Sun 20:00-04:00",
    "Mon,Wed,Fri 01:00-23:00",
    "Tue-Mon 10:00-16:30",
];
const DENIED: [&str; 3] = [
    "Mon-Fri 09:00-10:30",
    "Sun 00:00-24:00",
    "Mon-Sun 12:00-13:00",
];

/// A need that arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) at_ms: u64,
    pub(super) node: usize,
    pub(super) need: &'static str,
    /// It is there again after the reboot.
    pub(super) survives: bool,
}

/// A strike to come: at the first node that is found there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) stage: Stage,
    pub(super) strike: Strike,
    pub(super) after_ms: u64,
    /// So long after the node was found there.
    pub(super) delay_ms: u64,
}

/// All that a seed decides before the first event.
pub(super) struct Scenario {
    pub(super) machines: Vec<Machine>,
    pub(super) arrivals: Vec<Arrival>,
    pub(super) planned: Vec<Planned>,
    pub(super) duration_ms: u64,
    pub(super) start_secs: i64,
}

/// What all nodes of a fleet have in common.
struct House {
    base: Settings,
    groups: Vec<(GroupName, u32)>,
    kit: Kit,
    soft: Option<u32>,
}

// === impl Scenario ===

impl Scenario {
    pub(super) fn draw(seed: u64, mode: Mode, random: &mut Random) -> Self {
        let nodes = size(seed, random);
        let duration_ms = duration(nodes, random);
        let house = House::draw(nodes, mode, random);
        let machines = (0..nodes).map(|at| house.machine(at, random)).collect();
        Self {
            machines,
            arrivals: arrivals(nodes, duration_ms, random),
            planned: planned(seed, nodes, duration_ms, random),
            duration_ms,
            start_secs: START_SECS + random.below(YEAR_SECS).cast_signed(),
        }
    }
}

/// 2026-01-01, and the days from which a fleet's first is drawn.
const START_SECS: i64 = 1_767_225_600;
const YEAR_SECS: u64 = 365 * 86_400;

fn size(seed: u64, random: &mut Random) -> usize {
    let (low, high) = match seed % 5_000 {
        4_999 => (10_000, 10_000),
        at if at % 1_000 == 998 => (900, 1_100),
        at if at % 100 == 97 => (90, 110),
        at if at % 20 == 13 => (13, 40),
        at if at % 2 == 0 => (2, 4),
        _ => (3, 12),
    };
    random.between(low, high) as usize
}

fn duration(nodes: usize, random: &mut Random) -> u64 {
    match nodes {
        0..=12 if random.chance(10) => random.between(24, 96) * HOUR_MS,
        0..=12 => random.between(4, 18) * HOUR_MS,
        13..=200 => random.between(12, 48) * HOUR_MS,
        _ => 12 * HOUR_MS,
    }
}

fn arrivals(nodes: usize, duration_ms: u64, random: &mut Random) -> Vec<Arrival> {
    let count = match nodes {
        0..=12 => nodes as u64 * random.between(1, 3),
        13..=200 => nodes as u64 / 2,
        201..=2_000 => 40,
        _ => 4,
    };
    let last_ms = duration_ms * 3 / 4;
    let burst_ms = random.below(last_ms);
    let is_burst = nodes <= BIG_NODES && random.chance(60);
    let mut draw = || {
        let at_ms = match is_burst {
            true => burst_ms + random.below(10 * MINUTE_MS),
            false => random.below(last_ms),
        };
        let at_ms = at_ms + MINUTE_MS;
        Arrival {
            at_ms,
            node: random.below(nodes as u64) as usize,
            need: NEEDS[random.below(NEEDS.len() as u64) as usize],
            survives: random.chance(5),
        }
    };
    (0..count).map(|_| draw()).collect()
}

/// A cell as often as it is hard to hit.
fn weighed(cell: (Stage, Strike)) -> impl Iterator<Item = (Stage, Strike)> {
    let times = match cell {
        (_, Strike::StoreRestored | Strike::GroupDeleted) => 2,
        (Stage::Queued, _) => 2,
        _ => 1,
    };
    std::iter::repeat_n(cell, times)
}

/// Moments that are over before most strikes find them: every so many seeds look for them again.
const MOMENTS: [Stage; 3] = [
    Stage::ClaimInFlight,
    Stage::FenceInFlight,
    Stage::ReleaseInFlight,
];
const MOMENTS_EVERY: u64 = 25;
/// So many more strikes in such a seed.
const MOMENTS_STRIKES: u64 = 16;

/// What strikes in a moment; those the more often that mostly come too late.
fn momentary() -> Vec<(Stage, Strike)> {
    let is_momentary = |cell: &(Stage, Strike)| MOMENTS.contains(&cell.0);
    let again = |cell: (Stage, Strike)| {
        let is_slow = matches!(cell.1, Strike::SoftReboot | Strike::RolledBack);
        std::iter::repeat_n(cell, if is_slow { 8 } else { 1 })
    };
    let cells = Coverage::possible().filter(is_momentary);
    cells.flat_map(again).collect()
}

/// So many strikes a seed; the seeds walk through all cells together.
const STRIKES: u64 = 32;

fn planned(seed: u64, nodes: usize, duration_ms: u64, random: &mut Random) -> Vec<Planned> {
    let cells = Vec::from_iter(Coverage::possible().flat_map(weighed));
    let count = match random.chance(30) {
        true => random.between(1, 5),
        false => random.between(STRIKES / 2, STRIKES),
    };
    let draw = |number: u64| {
        let place = seed.wrapping_mul(STRIKES).wrapping_add(number);
        let (stage, strike) = cells[(place % cells.len() as u64) as usize];
        let delay_ms = match random.below(10) {
            0..=5 => 0,
            6..=8 => random.below(60),
            _ => random.below(2 * MINUTE_MS),
        };
        Planned {
            stage,
            strike,
            after_ms: random.below(duration_ms / 3),
            delay_ms,
        }
    };
    let mut drawn: Vec<Planned> = (0..count).map(draw).collect();
    if seed.is_multiple_of(MOMENTS_EVERY) {
        let cells = momentary();
        let first = seed / MOMENTS_EVERY * MOMENTS_STRIKES;
        let more = (first..first + MOMENTS_STRIKES).map(|place| {
            let (stage, strike) = cells[(place % cells.len() as u64) as usize];
            Planned {
                stage,
                strike,
                after_ms: random.below(duration_ms / 3),
                delay_ms: 0,
            }
        });
        drawn.extend(more);
    }
    // Ten thousand nodes that all settle anew take minutes to play.
    let is_fit = |it: &Planned| nodes <= BIG_NODES || !is_for_all(it.strike);
    drawn.retain(is_fit);
    drawn
}

/// Whether every node has to look for its holds anew.
fn is_for_all(strike: Strike) -> bool {
    matches!(strike, Strike::StoreRestored | Strike::GroupDeleted)
}

// === impl House ===

impl House {
    fn draw(nodes: usize, mode: Mode, random: &mut Random) -> Self {
        let mut base = settings("nobody", 1);
        let is_big = nodes > 200;
        base.check_interval_ms = random.between(2, 10) * MINUTE_MS * if is_big { 6 } else { 1 };
        base.publish_interval_ms = random.between(30, 240) * SECOND_MS;
        base.stale_after_ms = base.publish_interval_ms * random.between(4, 12) + MINUTE_MS;
        base.lock_ttl_ms = random.between(60, 300) * SECOND_MS;
        base.audit_interval_ms = random.between(2, 10) * MINUTE_MS;
        base.backoff = Backoff {
            min_ms: random.between(1, 10) * SECOND_MS,
            max_ms: random.between(30, 600) * SECOND_MS,
        };
        if random.chance(40) {
            base.interval_secs = random.between(60, 1_800);
        }
        base.reboot_timeout_ms = random.between(5, 20) * MINUTE_MS;
        base.soak_ms = *random.pick(&[0, 0, 30 * SECOND_MS, 5 * MINUTE_MS]);
        base.delay_ms = *random.pick(&[0, 0, 10 * SECOND_MS, MINUTE_MS]);
        base.max_reboots_per_day = random.between(1, 4) as u32;
        if random.chance(30) {
            draw_windows(&mut base, mode, random);
        }
        if random.chance(40) {
            base.policies = draw_policies(nodes, random);
        }
        let groups = random.between(1, if nodes > 6 { 3 } else { 1 });
        let group = |number: u64| {
            let name = match number {
                0 => Some(GroupName::default()),
                _ => GroupName::new(format!("group-{number}")).ok(),
            };
            name.unwrap_or_default()
        };
        let share = (nodes as u64 / groups).clamp(1, 2 * u64::from(MAX_SLOTS));
        let groups =
            (0..groups).map(|it| (group(it), random.between(1, (share / 2).max(1)) as u32));
        let groups = Vec::from_iter(groups);
        Self {
            base,
            groups,
            kit: draw_kit(random),
            soft: random.chance(70).then_some(0),
        }
    }

    fn machine(&self, at: usize, random: &mut Random) -> Machine {
        let (group, max) = self.groups[at % self.groups.len()].clone();
        let own = settings(&format!("node-{at}"), max);
        let settings = Settings {
            identity: own.identity,
            group,
            max,
            ..self.base.clone()
        };
        let mut machine = Machine::new(settings);
        machine.kit = Kit {
            off_ms: Some(random.between(20, 240) * SECOND_MS),
            script_ms: random.between(50, 6_000),
            ..self.kit.clone()
        };
        machine.soft = self.soft;
        machine.keeps_older_disks = true;
        machine
    }
}

fn draw_kit(random: &mut Random) -> Kit {
    let hooks: &[&[&'static str]] = &[&[], &["10-drain"], &["10-drain", "20-cordon"]];
    Kit {
        need: None,
        hooks: random.pick(hooks).to_vec(),
        hook_ms: random.between(200, 40_000),
        disk_ms: random.between(1, 80),
        ..Kit::default()
    }
}

fn draw_windows(base: &mut Settings, mode: Mode, random: &mut Random) {
    let parse = |text: &&str| Window::parse(text).ok();
    let allow = random.chance(60).then(|| *random.pick(&ALLOWED));
    let deny = random.chance(60).then(|| *random.pick(&DENIED));
    base.windows = Windows {
        allow: allow.iter().filter_map(parse).collect(),
        deny: deny.iter().filter_map(parse).collect(),
    };
    let name = match mode {
        Mode::Safety => *random.pick(&ZONES),
        Mode::Liveness => ZONES[0],
    };
    if let Ok(rules) = TimeZone::posix(name) {
        let name = name.to_owned();
        base.zone = Zone { name, rules };
    }
}

fn draw_policies(nodes: usize, random: &mut Random) -> Policies {
    let share = random.between(30, 60) as f64 / 100.0;
    let fraction = Fraction::new(share).ok().filter(|_| random.chance(50));
    let absolute = random.chance(50).then_some(nodes as u32 / 2);
    Policies {
        min_healthy_fraction: fraction,
        min_healthy_absolute: absolute,
        ..Policies::default()
    }
}

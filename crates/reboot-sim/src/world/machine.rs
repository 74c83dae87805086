//! A machine: what its agent finds there, what survives a crash, and what happens to it.

use super::Happening;
use super::agenda::Pending;
use super::clock::Clock;
use super::gates::Gate;
use super::net::Net;
use super::sleep::Sleep;
use reboot_core::agent::{
    Agent, Effect, Look, Mode, News, Notebook, ScriptPhase, Settings, Sight, Timer, Zone,
};
use reboot_core::backoff::Backoff;
use reboot_core::boot::BootIdentity;
use reboot_core::gates::{Local, ScriptVerdict};
use reboot_core::group::Identity;
use reboot_core::id::{GroupName, Instance, MachineId, NodeName};
use reboot_core::need::Detection;
use reboot_core::order::Order;
use reboot_core::outcome::Outcome;
use reboot_core::policy::Policies;
use reboot_core::window::Windows;
use std::collections::{BTreeMap, BTreeSet};

/// How long a machine is off while it reboots, unless a story says otherwise.
const OFF_MS: u64 = 45_000;

/// What the reboot command does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// It starts, and the machine goes down.
    Reboots,
    /// It cannot be started.
    CannotStart,
    /// It ends well, and the machine stays up.
    DoesNothing,
    /// It ends badly, and the machine stays up.
    Fails,
    /// It ends badly, and the machine goes down all the same.
    FailsAndReboots,
    /// It ends well, and the machine goes down so much later, in milliseconds.
    Delayed(u64),
}

/// What the agent finds on the machine.
#[derive(Clone, Debug)]
pub struct Kit {
    /// The kill switch is there.
    pub kill_switch: bool,
    /// Why it needs a reboot, if it does.
    pub need: Option<&'static str>,
    /// The need is there again after the reboot.
    pub need_survives: bool,
    /// An operator ordered a reboot of it, and it has not changed its boot since.
    pub is_ordered: bool,
    /// The phases in which the health script says no.
    pub blocked_phases: BTreeSet<ScriptPhase>,
    /// How long the health script takes.
    pub script_ms: u64,
    /// The hooks before the reboot.
    pub hooks: Vec<&'static str>,
    /// They fail.
    pub hooks_fail: bool,
    /// Their undoing fails.
    pub undo_fails: bool,
    /// The hooks after the reboot fail.
    pub post_hooks_fail: bool,
    /// The disk takes nothing.
    pub disk_fails: bool,
    /// How long the disk takes to sync.
    pub disk_ms: u64,
    /// How long hooks, their undoing and the checks after the return take.
    pub hook_ms: u64,
    /// How long the machine is off while it reboots; `None`: it never comes back.
    pub off_ms: Option<u64>,
    /// A user's shutdown inhibitor is held.
    pub is_inhibited: bool,
    /// What the reboot command does.
    pub command: Command,
    /// How long each thing takes, where it is known; else it is drawn.
    pub pace: Option<Pace>,
}

/// How long things take on a machine, in milliseconds, without anything drawn.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Pace {
    /// The hooks before the reboot.
    pub drain_ms: u64,
    /// From the command to the moment at which the machine is off.
    pub going_down_ms: u64,
    /// From power on to the start of the agent.
    pub start_ms: u64,
    /// The hooks after the reboot.
    pub check_ms: u64,
}

/// A reboot command that was started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issued {
    /// In which boot.
    pub boot: u32,
    /// The machine's need, when the hold was for it.
    pub need: Option<&'static str>,
    /// When.
    pub at_ms: u64,
    /// The name it was issued under, and the group.
    pub holder: (GroupName, NodeName),
    /// How often the machine's need had changed by then.
    pub need_changes: u32,
    /// When its hold was first fenced.
    pub fenced_ms: u64,
    /// Its hold was broken, or its mark lost: nobody knows what the reboot was for.
    pub is_forgiven: bool,
}

/// A machine with its agent.
pub struct Machine {
    /// What its agent is told.
    pub settings: Settings,
    /// What its boots and runs are called after; `None`: after its machine id.
    pub label: Option<String>,
    /// What its agent finds there.
    pub kit: Kit,
    /// Its notebook on disk.
    pub disk: Notebook,
    /// What stood on its disk before, where a story may put it back.
    pub keeps_older_disks: bool,
    /// Oldest first.
    pub older_disks: Vec<Notebook>,
    /// Its next boot is from this disk.
    pub disk_at_boot: Option<Notebook>,
    /// Its next boot is that of a machine installed anew, with this number.
    pub becomes_new: Option<usize>,
    /// What hooks did and nobody undid.
    pub changes: BTreeSet<String>,
    /// Its agent, while it runs.
    pub agent: Option<Agent>,
    /// Whether it is up.
    pub is_up: bool,
    /// Counts boots, soft ones too.
    pub boot: u32,
    /// Counts the boots of the kernel.
    pub kernel: u32,
    /// The boot in which two agents ran here with the lock lost: no promise is kept about marks.
    pub doubled_in: Option<u32>,
    /// Soft reboots in this boot; `None` where systemd does not tell.
    pub soft: Option<u32>,
    /// Its clocks.
    pub clock: Clock,
    /// What is on its way to it, or under way on it.
    pub(super) pending: Vec<Pending>,
    /// Counts the runs of the agent; what belongs to an earlier one is void.
    pub run: u32,
    /// The timers that its agent set.
    pub timers: BTreeMap<Timer, u64>,
    /// The revision already seen, and when the wait ends by itself.
    pub waiter: Option<(u64, u64)>,
    /// The order it knows, while it waits for another.
    pub awaits_order: Option<Option<Order>>,
    /// The former run, proven dead by the lock.
    pub dead_former: Option<Instance>,
    /// The process is held up until then.
    pub paused_until_ms: u64,
    /// Until when each of the two write queues is busy.
    pub queues_ms: [u64; 2],
    /// Events the agent has taken, over all its runs.
    pub events: usize,
    /// The reboot commands that were started.
    pub commands: Vec<Issued>,
    /// What its agent told, where a story keeps it.
    pub news: Vec<News>,
    /// The hold that was fenced last, and when it was first.
    pub(super) fence: (u64, u64),
    pub(super) asleep: Option<Sleep>,
    /// It bears another's name.
    pub is_clone: bool,
    /// The machine it runs on, when that is another's: two agents on one node.
    pub lodges_with: Option<usize>,
    /// Its way to the store.
    pub net: Net,
    /// The gates that are closed, and since when.
    pub(super) closed: BTreeMap<Gate, u64>,
    /// How often its need went, came or became another.
    pub(super) need_changes: u32,
    /// The boot in which the check after a return last passed.
    pub(super) checked: Option<BootIdentity>,
    /// Since when its disk, its name and its marks in the store are whole.
    pub whole_since_ms: u64,
    /// The last minute in which it took events, and how many.
    pub(super) minute: (u64, usize),
    /// The operator broke a hold: I1 does not count what follows in this boot.
    pub was_broken: bool,
}

/// Sensible settings of a node; stories change what they are about.
pub fn settings(name: &str, max: u32) -> Settings {
    Settings {
        identity: Identity {
            node: NodeName::new(name).expect("a valid name"),
            machine_id: MachineId::new(format!("machine-{name}")).expect("a valid id"),
            boot: BootIdentity::of_boot("unset"),
            instance: Instance::new("unset").expect("a valid instance"),
        },
        pid: 1,
        place: "memory".to_owned(),
        group: GroupName::default(),
        max,
        max_as_written: Some(max),
        mode: Mode::Daemon,
        is_dry_run: false,
        dead_former: None,
        check_interval_ms: 60_000,
        publish_interval_ms: 15_000,
        stale_after_ms: 180_000,
        lock_ttl_ms: 90_000,
        audit_interval_ms: 300_000,
        backoff: Backoff {
            min_ms: 5_000,
            max_ms: 60_000,
        },
        interval_secs: 0,
        reboot_timeout_ms: 600_000,
        hook_timeout_ms: 300_000,
        soak_ms: 0,
        delay_ms: 0,
        max_reboots_per_day: 3,
        windows: Windows::default(),
        zone: Zone::utc(),
        policies: Policies::default(),
    }
}

// === impl Kit ===

impl Default for Kit {
    fn default() -> Self {
        Self {
            kill_switch: false,
            need: Some("kernel"),
            need_survives: false,
            is_ordered: false,
            blocked_phases: BTreeSet::new(),
            script_ms: 500,
            hooks: Vec::new(),
            hooks_fail: false,
            undo_fails: false,
            post_hooks_fail: false,
            disk_fails: false,
            disk_ms: 5,
            hook_ms: 2_000,
            off_ms: Some(OFF_MS),
            is_inhibited: false,
            command: Command::Reboots,
            pace: None,
        }
    }
}

impl Kit {
    /// What a look at the machine sees; the fleet is not here.
    pub fn see(&self, look: Look) -> Sight {
        let inhibitors = self.is_inhibited.then_some("a user's work").into_iter();
        match look {
            Look::Local => Sight::Local(Local {
                kill_switch: Ok(self.kill_switch),
                inhibitors: inhibitors.map(str::to_owned).collect(),
            }),
            Look::Detectors => Sight::Detection(Detection {
                fired: self.need.iter().map(|_| "detector".to_owned()).collect(),
                fingerprint: self.need.unwrap_or_default().to_owned(),
                failed: Vec::new(),
            }),
            Look::Health(phase) if self.blocked_phases.contains(&phase) => {
                Sight::Health(ScriptVerdict::Blocked(format!("not well in {phase}")))
            }
            Look::Health(_) => Sight::Health(ScriptVerdict::Pass),
            Look::Fleet => panic!("the fleet is seen in the store"),
        }
    }

    /// How long an effect takes on the machine, in milliseconds.
    pub fn duration_ms(&self, effect: &Effect) -> u64 {
        match (effect, self.pace) {
            (Effect::RunHooks(_), Some(pace)) => return pace.drain_ms,
            (Effect::RunPostHooks, Some(pace)) => return pace.check_ms,
            (Effect::Undo(_), Some(_)) => return 1,
            _ => {}
        }
        match effect {
            Effect::Look {
                look: Look::Health(_),
                ..
            } => self.script_ms,
            Effect::RunHooks(_) | Effect::Undo(_) | Effect::RunPostHooks => self.hook_ms,
            Effect::Save { .. } => self.disk_ms,
            _ => 5,
        }
    }
}

// === impl Machine ===

impl Machine {
    /// A machine that is up and needs a reboot.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            label: None,
            kit: Kit::default(),
            disk: Notebook::default(),
            keeps_older_disks: false,
            older_disks: Vec::new(),
            disk_at_boot: None,
            becomes_new: None,
            changes: BTreeSet::new(),
            agent: None,
            is_up: true,
            boot: 1,
            kernel: 1,
            doubled_in: None,
            soft: None,
            clock: Clock::booted(0),
            pending: Vec::new(),
            run: 0,
            timers: BTreeMap::new(),
            waiter: None,
            awaits_order: None,
            dead_former: None,
            paused_until_ms: 0,
            queues_ms: [0, 0],
            events: 0,
            commands: Vec::new(),
            news: Vec::new(),
            fence: (0, 0),
            asleep: None,
            is_clone: false,
            lodges_with: None,
            net: Net::default(),
            closed: BTreeMap::new(),
            need_changes: 0,
            checked: None,
            whole_since_ms: 0,
            minute: (0, 0),
            was_broken: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &NodeName {
        &self.settings.identity.node
    }

    /// Whether it is up, in this boot.
    pub fn is_in(&self, boot: u32) -> bool {
        self.is_up && self.boot == boot
    }

    /// A boot has ended; was its hold broken, or its mark lost?
    pub(super) fn forgive(&mut self) {
        let is_excused = self.is_excused();
        self.was_broken = false;
        if is_excused && let Some(command) = self.commands.last_mut() {
            command.is_forgiven = true;
        }
    }

    /// What was done to its disk while it was off.
    pub(super) fn change_disks(&mut self) {
        if let Some(disk) = self.disk_at_boot.take() {
            self.disk = disk;
        }
        let number = self.becomes_new.take();
        let id = number.and_then(|it| MachineId::new(format!("machine-new-{it}")).ok());
        if let Some(id) = id {
            self.settings.identity.machine_id = id;
            self.disk = Notebook::default();
            self.older_disks.clear();
            self.changes.clear();
        }
    }

    fn label(&self) -> &str {
        let machine = &self.settings.identity.machine_id;
        self.label.as_deref().unwrap_or(machine.as_str())
    }

    /// The boot it is in, as systemd and the kernel tell it.
    pub fn boot_identity(&self) -> BootIdentity {
        BootIdentity {
            boot_id: format!("{}-boot-{}", self.label(), self.kernel),
            soft_reboots: self.soft.map(u64::from),
        }
    }

    /// A new run of the agent, with what the disk says.
    pub fn start(&mut self, seed: u64) {
        self.run += 1;
        let run = format!("{}-run-{}", self.label(), self.run);
        let boot = self.boot_identity();
        let identity = &mut self.settings.identity;
        identity.boot = boot;
        identity.instance = Instance::new(run).expect("a valid instance");
        let settings = Settings {
            dead_former: self.dead_former.take(),
            ..self.settings.clone()
        };
        self.queues_ms = [0, 0];
        self.agent = Some(Agent::new(settings, self.disk.clone(), seed));
    }

    /// What its agent had begun on the machine itself and has no answer to.
    pub(super) fn under_way(&self) -> Vec<Effect> {
        let begun = |pending: &Pending| match &pending.what {
            Happening::Carry(
                effect @ (Effect::Save { .. } | Effect::RunHooks(_) | Effect::IssueReboot),
            ) if pending.run == self.run => Some(effect.clone()),
            _ => None,
        };
        self.pending.iter().filter_map(begun).collect()
    }

    /// The agent's process is gone; what it had under way is void. Its lock file is free, and
    /// proves it dead to the next run in this boot.
    pub fn end_process(&mut self) {
        self.run += 1;
        self.dead_former = self.agent.take().map(|it| it.settings.identity.instance);
        self.timers.clear();
        self.waiter = None;
        self.awaits_order = None;
    }

    /// The machine is off; its next boot has no lock file.
    pub fn end_boot(&mut self) {
        self.end_process();
        self.dead_former = None;
        self.is_up = false;
        self.paused_until_ms = 0;
    }

    /// The last outcome that was told.
    pub fn outcome(&self) -> Option<Outcome> {
        let report = self.agent.as_ref()?.report.as_ref()?;
        Some(report.outcome)
    }

    /// Every outcome told so far, each change once.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let told = self.news.iter().filter_map(|news| match news {
            News::Outcome {
                report,
                is_new: true,
            } => Some(report.outcome),
            _ => None,
        });
        told.collect()
    }

    /// Whether nothing is to be done here any more: up, no need, nothing left changed.
    pub fn is_done(&self) -> bool {
        self.is_up && self.kit.need.is_none() && self.changes.is_empty() && self.is_resting()
    }

    /// Whether the agent lies between passes and has no hold.
    pub fn is_resting(&self) -> bool {
        let agent = self.agent.as_ref();
        agent.is_some_and(|agent| agent.activity() == "idle" && agent.hold.is_none())
    }
}

//! Any event in any state has an answer, and none but the orderly way leads to the command.

use jiff::Timestamp;
use proptest::prelude::*;
use reboot_core::agent::{
    Agent, CommandMark, Effect, Event, Input, Issue, Look, Mode, Notebook, Now, ScriptPhase, Sight,
    Tag, Timer, step,
};
use reboot_core::fleet::Fleet;
use reboot_core::gates::{Local, ScriptVerdict, VERDICT_LIFE_MS};
use reboot_core::group::{Action, Phase, Refusal, Reply};
use reboot_core::id::RequestId;
use reboot_core::need::Detection;
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write, Written};
use reboot_sim::world::settings;

/// An event in the making; what the agent asked for last is answered most of the time.
#[derive(Clone, Debug)]
struct Draw {
    kind: u8,
    /// How an effect ends; below 4 it fails in one way or another.
    outcome: u8,
    choice: u8,
    aims: bool,
    wait_ms: u64,
}

/// An agent, what it asked for and has no answer to, and what it was granted.
struct Bench {
    agent: Agent,
    now_ms: u64,
    open: Vec<Effect>,
    fence: Option<RequestId>,
    fenced_ms: Option<u64>,
    commands: usize,
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    let waits = prop_oneof![20 => 0..50_u64, 2 => 0..15_000_u64, 1 => 0..1_000_000_u64];
    let outcomes = prop_oneof![1 => 0..4u8, 20 => 4..20u8];
    let draw = (
        0..20u8,
        outcomes,
        any::<u8>(),
        prop::bool::weighted(0.9),
        waits,
    )
        .prop_map(|(kind, outcome, choice, aims, wait_ms)| Draw {
            kind,
            outcome,
            choice,
            aims,
            wait_ms,
        });
    prop::collection::vec(draw, 1..250)
}

// === impl Bench ===

impl Bench {
    fn new(is_diagnostic: bool, was_issued: bool) -> Self {
        let mut settings = settings("node-0", 1);
        settings.delay_ms = 10_000;
        if is_diagnostic {
            settings.mode = Mode::Diagnostic {
                skip_health: false,
                skip_lock: false,
                publishes: true,
            };
        }
        let mut notebook = Notebook::default();
        if was_issued {
            notebook.command = Some(CommandMark {
                boot: settings.identity.boot.clone(),
                attempts: 1,
                need: String::new(),
            });
            notebook.changes = Undo::of(["10-drain".to_owned()]);
        }
        Self {
            agent: Agent::new(settings, notebook, 1),
            now_ms: 0,
            open: Vec::new(),
            fence: None,
            fenced_ms: None,
            commands: 0,
        }
    }

    fn play(&mut self, draw: &Draw) {
        self.now_ms += draw.wait_ms;
        let event = match (draw.aims, self.open.is_empty()) {
            (true, false) => {
                // Mostly what was asked for last: else nothing gets far.
                let back = usize::from(draw.choice % 3) + 1;
                let at = self.open.len().saturating_sub(back);
                answer(self.open.remove(at), draw.outcome)
            }
            _ => stray(draw),
        };
        self.deliver(event);
    }

    fn deliver(&mut self, event: Event) {
        if let Event::Wrote {
            tag: Tag::Ask(id),
            result: Ok(_),
        } = &event
            && self.fence.as_ref() == Some(id)
        {
            self.fenced_ms = Some(self.now_ms);
        }
        let now = Now {
            boot_ms: self.now_ms,
            wall: Timestamp::UNIX_EPOCH,
        };
        for effect in step(&mut self.agent, Input { now, event }) {
            self.observe(effect);
        }
        assert!(self.open.len() < 1_000, "effects pile up");
    }

    fn observe(&mut self, effect: Effect) {
        match &effect {
            Effect::IssueReboot => {
                let fenced_ms = self
                    .fenced_ms
                    .take()
                    .expect("I2: a command without a fence");
                assert!(self.now_ms - fenced_ms <= VERDICT_LIFE_MS, "I7");
                assert!(
                    self.agent.settings.mode.is_daemon(),
                    "a diagnostic run reboots"
                );
                self.commands += 1;
            }
            Effect::Write {
                tag: Tag::Ask(id),
                write,
            } => {
                if let Write::Ask { request, .. } = &**write {
                    let is_fence = matches!(request.action, Action::Fence { .. });
                    self.fence = is_fence.then(|| id.clone());
                }
            }
            _ => {}
        }
        if !matches!(effect, Effect::Tell(_) | Effect::Exit) {
            self.open.push(effect);
        }
    }
}

/// What an effect might be answered.
fn answer(effect: Effect, kind: u8) -> Event {
    let result = || match kind {
        0 => Err("it failed".to_owned()),
        _ => Ok(()),
    };
    match effect {
        Effect::Look { pass, look, .. } => Event::Saw {
            pass,
            look,
            sight: sight(look, kind),
        },
        Effect::Write { tag, write } => Event::Wrote {
            tag,
            result: written(&write, kind),
        },
        Effect::SetTimer(timer, _) => Event::TimerFired(timer),
        Effect::Save { id, .. } => Event::Saved {
            id,
            result: result(),
        },
        Effect::PlanHooks if kind > 9 => Event::Planned(Ok(vec!["10-drain".to_owned()])),
        Effect::PlanHooks => Event::Planned(result().map(|()| Vec::new())),
        Effect::RunHooks(_) => Event::Hooked(result()),
        Effect::Undo(_) => Event::Undone(result()),
        Effect::RunPostHooks => Event::PostHooked(result()),
        Effect::IssueReboot if kind == 0 => Event::Issued(Issue::NotStarted("no".to_owned())),
        Effect::IssueReboot => Event::Issued(Issue::Started),
        Effect::AwaitChange { .. }
        | Effect::AwaitOrder { .. }
        | Effect::Wall { .. }
        | Effect::MarkReturned { .. }
        | Effect::Tell(_)
        | Effect::Exit => Event::Woken,
    }
}

fn sight(look: Look, kind: u8) -> Sight {
    match look {
        Look::Local => Sight::Local(Local {
            kill_switch: Ok(kind == 0),
            inhibitors: Vec::new(),
        }),
        Look::Detectors => Sight::Detection(Detection {
            fired: (kind > 0)
                .then(|| "detector".to_owned())
                .into_iter()
                .collect(),
            fingerprint: "kernel".to_owned(),
            failed: Vec::new(),
        }),
        Look::Health(_) if kind == 0 => Sight::Health(ScriptVerdict::Blocked("no".to_owned())),
        Look::Health(_) => Sight::Health(ScriptVerdict::Pass),
        Look::Fleet if kind == 0 => Sight::Fleet(Err(Trouble::Unavailable("off".to_owned()))),
        Look::Fleet => Sight::Fleet(Ok(std::sync::Arc::new(Fleet::default()))),
    }
}

fn written(write: &Write, kind: u8) -> Result<Written, Trouble> {
    match (kind, write) {
        (0, _) => Err(Trouble::Unknown("lost".to_owned())),
        (1, _) => Err(Trouble::Unavailable("off".to_owned())),
        (2, _) => Err(Trouble::Refused(Refusal::SessionEnded)),
        (3, Write::Ask { request, .. }) => match request.action.node() {
            Some(node) => Err(Trouble::Refused(Refusal::HoldGone {
                node: node.clone(),
                number: 1,
            })),
            None => Ok(Written::Done),
        },
        (_, Write::Ask { .. }) => Ok(Written::Granted(Reply::Held {
            number: 1,
            phase: Phase::Claimed,
        })),
        _ => Ok(Written::Done),
    }
}

/// An event that nobody asked for.
fn stray(draw: &Draw) -> Event {
    let timers = [
        Timer::Pass,
        Timer::Heartbeat,
        Timer::Session,
        Timer::Retry,
        Timer::Patience,
    ];
    let nothing = || Err("it failed".to_owned());
    match draw.kind {
        0 | 1 => Event::Started,
        2..=6 => Event::TimerFired(timers[usize::from(draw.choice) % timers.len()]),
        7 => Event::NeedHint,
        8 => Event::Woken,
        9 => Event::Saw {
            pass: u64::from(draw.choice % 8),
            look: Look::Health(ScriptPhase::Heartbeat),
            sight: sight(Look::Health(ScriptPhase::Heartbeat), draw.choice % 2),
        },
        10 => Event::Wrote {
            tag: [
                Tag::OpenSession,
                Tag::KeepSession,
                Tag::EndSession,
                Tag::Join,
            ][usize::from(draw.choice) % 4]
                .clone(),
            result: Err(Trouble::Refused(Refusal::SessionEnded)),
        },
        11 => Event::Saved {
            id: u64::from(draw.choice),
            result: Ok(()),
        },
        12 => Event::Planned(Ok(Vec::new())),
        13 => Event::Hooked(Ok(())),
        14 => Event::Undone(Ok(())),
        15 => Event::PostHooked(nothing()),
        16 => Event::Issued(Issue::Ended {
            is_success: draw.choice > 100,
            how: "it ended".to_owned(),
        }),
        17 => Event::Issued(Issue::Started),
        18 => Event::Reload(Box::new(settings("node-0", u32::from(draw.choice % 4)))),
        _ if draw.choice < 40 => Event::Terminate,
        _ => Event::NeedHint,
    }
}

fn play(draws: &[Draw], is_diagnostic: bool, was_issued: bool) -> usize {
    let mut bench = Bench::new(is_diagnostic, was_issued);
    bench.deliver(Event::Started);
    draws.iter().for_each(|draw| bench.play(draw));
    bench.commands
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_event_in_any_state_is_answered(draws in draws(), diagnostic: bool, issued: bool) {
        play(&draws, diagnostic, issued);
    }
}

/// The drawn lives must get as far as what they claim to check.
#[test]
fn the_drawn_lives_reach_the_command() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let lives = (0..3_000).map(|_| draws().new_tree(&mut runner).unwrap().current());
    let commands: usize = lives.map(|draws| play(&draws, false, false)).sum();
    assert!(commands > 20, "{commands}");
}

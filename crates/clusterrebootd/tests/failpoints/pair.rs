//! Two machines of one group with one slot: the one that is struck, and the one that waits.

use crate::bench::Bench;
use crate::machine::Machine;
use nix::sys::signal::Signal;
use std::fs;

/// A change of the node, while the slot must be its own.
const CHANGE: &str = r#"
[ ! -e "$DIR/../other/down" ] || echo "changed while the other is down" >> "$DIR/wrong"
touch "$DIR/changed.${0##*/}"
"#;

const UNDO: &str = r#"
name=${0##*/}
rm -f "$DIR/changed.${name%.undo}"
"#;

/// The machine goes down, drained as it should be.
const GO_DOWN: &str = r#"
[ -e "$DIR/changed.10-drain" ] && [ -e "$DIR/changed.20-mute" ] ||
    echo "goes down and is not drained" >> "$DIR/wrong"
echo "down $NODE" >> "$DIR/../ledger"
echo "$@" >> "$DIR/calls"
touch "$DIR/down"
"#;

/// The other goes down: nobody else may be disturbed then, unless an operator has taken the slot
/// from them.
const OTHER_GOES_DOWN: &str = r#"
for change in "$DIR"/../struck/changed.*; do
    [ -e "$DIR/../broken" ] || [ ! -e "$change" ] || echo "goes down, but $change" >> "$DIR/wrong"
done
echo "down $NODE" >> "$DIR/../ledger"
echo "$@" >> "$DIR/calls"
touch "$DIR/down"
"#;

/// The machines and their bench.
pub(crate) struct Pair {
    pub(crate) struck: Machine,
    pub(crate) other: Machine,
    pub(crate) bench: Bench,
}

// === impl Pair ===

impl Pair {
    /// Both switched off, both in need of a reboot.
    pub(crate) fn new() -> Self {
        let bench = Bench::new();
        let (mut struck, mut other) = (bench.machine("struck"), bench.machine("other"));
        struck.hasty().set("check_interval_sec", 1);
        struck.touch("sentinel");
        struck.script("reboot", GO_DOWN);
        for hook in ["10-drain", "20-mute"] {
            struck.script(&format!("hooks/pre-reboot.d/{hook}"), CHANGE);
            struck.script(&format!("hooks/pre-reboot.d/{hook}.undo"), UNDO);
        }
        struck.script("hooks/post-reboot.d/10-check", "exit 0");
        other.hasty().set("check_interval_sec", 5);
        other.touch("sentinel");
        other.script("reboot", OTHER_GOES_DOWN);
        Self {
            struck,
            other,
            bench,
        }
    }

    /// Starts the struck machine's daemon, which lists the points it passes; with a point, it is
    /// killed there.
    pub(crate) fn start_listing(&mut self, kill: Option<&str>) {
        let kill = kill.map(|point| format!("kill={point}"));
        self.struck.plan(kill.as_deref());
        self.struck.start();
    }

    /// Starts it, and it dies at this point; what it passed is forgotten.
    pub(crate) fn die_at(&mut self, point: &str) {
        self.start_listing(Some(point));
        self.wait_for_death();
        self.forget();
    }

    pub(crate) fn wait_for_death(&mut self) {
        let Self { struck, bench, .. } = self;
        bench.wait("killed", || struck.exit_code().is_some());
        assert_eq!(struck.end(Signal::SIGKILL), -9, "{}", bench.logs());
        struck.forget_plan();
    }

    /// Forgets what the daemon that died passed and said.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(self.struck.file("points")); // it may have passed none
        self.struck.forget_log();
    }

    /// The points passed since they were last forgotten.
    pub(crate) fn points(&self) -> Vec<String> {
        self.struck.lines("points")
    }

    pub(crate) fn has_passed(&self, point: &str) -> bool {
        self.points().iter().any(|it| it == point)
    }

    pub(crate) fn wait_for(&self, point: &str) {
        self.bench.wait(point, || self.has_passed(point));
    }

    /// Whoever is down gets power and boots, until both are at rest.
    pub(crate) fn roll_on(&mut self, calls: usize) {
        let Self {
            struck,
            other,
            bench,
        } = self;
        let is_at_rest = |it: &Machine| !it.has("down") && it.last_outcome() == "no_action";
        let is_done = |struck: &Machine, other: &Machine| {
            let has_gone = struck.calls() >= calls && other.has("run/rebooted");
            has_gone && is_at_rest(struck) && is_at_rest(other)
        };
        while !is_done(struck, other) {
            bench.wait("somebody goes down, or both are done", || {
                struck.has("down") || other.has("down") || is_done(struck, other)
            });
            for machine in [&mut *struck, &mut *other] {
                if machine.has("down") {
                    machine.power_cycle(bench, Signal::SIGTERM);
                }
            }
        }
        bench.wait_in_store("every slot is free, and nobody in line", |fleet| {
            let mut groups = fleet.groups.values();
            groups.all(|it| it.group.holds.is_empty() && it.line.tickets().is_empty())
        });
    }
}

//! Points before and after each effect that leaves something behind, where a test can kill the
//! process. Timers, wake-ups and log lines have none: nothing that a restart could read changes
//! there, so a kill beside them is a kill at the next point.
//!
//! Only builds with debug assertions have them. In all others the type is empty, nothing can fill
//! it, and passing a point does nothing.

#[cfg(debug_assertions)]
pub use plan::ParseError;
use reboot_core::agent::{Look, ScriptPhase};
use reboot_core::write::Write;
#[cfg(debug_assertions)]
use std::sync::{Arc, Mutex, PoisonError};

/// What is to happen at which point; by default nothing anywhere.
#[derive(Clone, Debug, Default)]
pub struct Failpoints {
    #[cfg(debug_assertions)]
    plan: Option<Arc<Mutex<plan::Plan>>>,
}

/// On which side of an effect.
#[derive(Clone, Copy, Debug)]
enum Side {
    Before,
    After,
}

// === impl Failpoints ===

impl Failpoints {
    /// The effect will be carried out now.
    pub(crate) fn before(&self, effect: &'static str) {
        self.pass(effect, Side::Before);
    }

    /// The effect was carried out, or answered, and nobody has been told yet.
    pub(crate) fn after(&self, effect: &'static str) {
        self.pass(effect, Side::After);
    }
}

#[cfg(not(debug_assertions))]
impl Failpoints {
    fn pass(&self, _: &'static str, _: Side) {}
}

#[cfg(debug_assertions)]
impl Failpoints {
    /// Reads a plan: parts with a comma between. `list=PATH` appends the name of each point that
    /// is passed to a file, `kill=POINT` sends SIGKILL to this process there, `stop=POINT`
    /// SIGSTOP. A point is `fence:before#1`: effect, side, and which time in this process.
    ///
    /// # Errors
    /// When a part makes no sense, or the file cannot be opened.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let plan = plan::Plan::parse(text)?;
        Ok(Self {
            plan: Some(Arc::new(Mutex::new(plan))),
        })
    }

    fn pass(&self, effect: &'static str, side: Side) {
        if let Some(plan) = &self.plan {
            let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
            plan.pass(effect, side);
        }
    }
}

/// The name of a look; a heartbeat's comes by the clock and has its own.
pub(crate) fn look_name(look: Look) -> &'static str {
    match look {
        Look::Local => "look-local",
        Look::Detectors => "look-detectors",
        Look::Health(ScriptPhase::Heartbeat) => "look-heartbeat",
        Look::Health(_) => "look-health",
        Look::Fleet => "look-fleet",
    }
}

/// The name of a write; the group's are named by their verb.
pub(crate) fn write_name(write: &Write) -> &'static str {
    match write {
        Write::OpenSession { .. } => "open-session",
        Write::KeepSession { .. } => "keep-session",
        Write::EndSession { .. } => "end-session",
        Write::EndInstance { .. } => "end-former",
        Write::Publish { .. } => "publish",
        Write::Forget { .. } => "forget",
        Write::Undone { .. } => "pay-debt",
        Write::Order { .. } => "order",
        Write::EndOrder { .. } => "end-order",
        Write::Join { .. } => "join-line",
        Write::Leave { .. } => "leave-line",
        Write::Ask { request, .. } => request.action.verb(),
        Write::PauseFleet { .. } => "pause-fleet",
    }
}

#[cfg(debug_assertions)]
mod plan {
    use super::Side;
    use nix::sys::signal::{Signal, raise};
    use std::collections::BTreeMap;
    use std::fmt;
    use std::fs::File;
    use std::io::Write;

    /// A plan that cannot be followed: which part, and why.
    #[derive(Debug, Eq, PartialEq)]
    pub struct ParseError(String);

    /// What is to happen, and how often each point was passed.
    #[derive(Debug, Default)]
    pub(super) struct Plan {
        list: Option<File>,
        strikes: BTreeMap<String, Signal>,
        passed: BTreeMap<String, u32>,
    }

    // === impl Plan ===

    impl Plan {
        pub(super) fn parse(text: &str) -> Result<Self, ParseError> {
            let mut plan = Self::default();
            for part in text.split(',') {
                match part.split_once('=') {
                    Some(("list", path)) => plan.list = Some(open(path)?),
                    Some(("kill", point)) => plan.strike(point, Signal::SIGKILL)?,
                    Some(("stop", point)) => plan.strike(point, Signal::SIGSTOP)?,
                    _ => return Err(ParseError(format!("{part}: not list=, kill= or stop="))),
                }
            }
            Ok(plan)
        }

        fn strike(&mut self, point: &str, signal: Signal) -> Result<(), ParseError> {
            let is_point = point.rsplit_once('#').is_some_and(|(name, number)| {
                let has_side = name.ends_with(":before") || name.ends_with(":after");
                has_side && number.parse().is_ok_and(|number: u32| number > 0)
            });
            if !is_point {
                return Err(ParseError(format!("{point}: not like fence:before#1")));
            }
            self.strikes.insert(point.to_owned(), signal);
            Ok(())
        }

        pub(super) fn pass(&mut self, effect: &str, side: Side) {
            let name = format!("{effect}:{side}");
            let number = self.passed.entry(name.clone()).or_default();
            *number += 1;
            let point = format!("{name}#{number}");
            if let Some(list) = &mut self.list {
                // One write, so that the line is whole whatever comes next.
                let written = list.write_all(format!("{point}\n").as_bytes());
                written.expect("a list of points that is not whole would mislead its test");
            }
            if let Some(signal) = self.strikes.get(&point) {
                raise(*signal).expect("a process may send signals to itself");
            }
        }
    }

    fn open(path: &str) -> Result<File, ParseError> {
        let opened = File::options().create(true).append(true).open(path);
        opened.map_err(|error| ParseError(format!("{path}: {error}")))
    }

    // === impl ParseError, Side ===

    impl fmt::Display for ParseError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl std::error::Error for ParseError {}

    impl fmt::Display for Side {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(match self {
                Self::Before => "before",
                Self::After => "after",
            })
        }
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_makes_no_sense_is_refused_by_its_part() {
        for part in [
            "",
            "kill",
            "kill=fence",
            "kill=fence:before",
            "kill=fence:before#0",
            "stop=fence:during#1",
            "list=/no/such/dir/list",
        ] {
            let error = Failpoints::parse(part).unwrap_err().to_string();
            let named = part.split_once('=').map_or(part, |(_, value)| value);
            assert!(error.starts_with(&format!("{named}: ")), "{part}: {error}");
        }
    }

    #[test]
    fn points_are_listed_as_they_are_passed_each_with_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("list");
        let plan = format!("list={},kill=never:before#1", list.display());
        let failpoints = Failpoints::parse(&plan).unwrap();
        failpoints.before("fence");
        failpoints.clone().after("fence");
        failpoints.before("fence");
        let text = std::fs::read_to_string(&list).unwrap();
        assert_eq!(text, "fence:before#1\nfence:after#1\nfence:before#2\n");
    }
}

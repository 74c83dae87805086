//! What of an agent shapes its decisions, for checkers that take two agents that will act alike
//! for one and the same.

use super::{Agent, Stage, Step};
use crate::gates::{Evidence, Findings};
use crate::id::SessionId;
use crate::outcome::Report;
use std::collections::BTreeMap;

/// The number of the pass, and of the save, under way: numbers only tell late answers apart.
pub const PRESENT: u64 = 1;

// === impl Agent ===

impl Agent {
    /// Forgets all that shapes words, jitter and the length of waits but no decision. The pass
    /// and the save under way are numbered [`PRESENT`].
    pub fn forget_history(&mut self) {
        self.seed = 0;
        self.failures = 0;
        self.attempts = 0;
        self.started_ms = 0;
        self.revision = 0;
        self.told = None;
        self.report = None;
        self.health = None;
        self.told_max = None;
        self.saw_cooldown = false;
        self.is_heartbeat_running = false;
        self.counter = 0;
        self.peers = BTreeMap::new();
        if let Some(asked) = &mut self.asked {
            asked.tries = 0;
        }
        if let Some(report) = &mut self.abort {
            *report = Report::plain(report.outcome, "");
        }
        match self.stage.reads_evidence() {
            true => forget_words(&mut self.evidence),
            false => self.evidence = Evidence::default(),
        }
        if let Some(pass) = &mut self.pass {
            forget_words(&mut pass.evidence);
            pass.id = PRESENT;
        }
        self.saving = self.saving.map(|_| PRESENT);
    }

    /// Its own numbers go on after this one.
    pub fn count_from(&mut self, counter: u64) {
        self.counter = counter;
    }

    /// Its session, and whether it believes that to be open.
    pub fn session(&self) -> Option<(&SessionId, bool)> {
        self.session.as_ref().map(|it| (it, self.is_session_open))
    }
}

// === impl Stage ===

impl Stage {
    /// Whether what the last pass saw is still asked for.
    fn reads_evidence(&self) -> bool {
        match self {
            Self::Claiming => true,
            Self::Holding(step) => matches!(
                step,
                Step::Confirming
                    | Step::Planning
                    | Step::Draining(_)
                    | Step::Noting(_)
                    | Step::Hooking
                    | Step::Waiting
                    | Step::LastLook
            ),
            _ => false,
        }
    }
}

/// Keeps of a look at the fleet what the gates ask.
fn forget_words(evidence: &mut Evidence) {
    if let Some(seen) = &mut evidence.fleet
        && let Ok(found) = &mut seen.what
    {
        *found = Findings {
            cluster: std::mem::take(&mut found.cluster),
            pause: found.pause.take(),
            cooldown: found.cooldown.take(),
            marks: found.marks,
            identity_conflict: found.identity_conflict,
            order: found.order.take(),
            ..Findings::default()
        };
    }
}

//! Before anything else: holds and debts that a former run of this node left behind.

use super::hold::{local_report, report_of};
use super::step::Turn;
use super::{Held, Newest, News, Purpose, Stage, Step, Tag};
use crate::gates::{Evidence, Findings};
use crate::group::{Action, Hold, Phase, Refusal, Way};
use crate::id::GroupName;
use crate::mutation::Mutation;
use crate::outcome::Outcome;
use crate::undo::Undo;
use crate::write::{Trouble, Write, Written};

// === impl Turn ===

impl Turn<'_> {
    /// Looks for our own holds in every group.
    pub(super) fn settle(&mut self) {
        if !self.agent.settings.mode.is_daemon() {
            return self.end_diagnosis("the claim is gone: somebody ended it");
        }
        self.agent.stage = Stage::Settling;
        self.agent.asked = None;
        self.agent.hold = None;
        self.begin_pass(Purpose::Peek, Evidence::default());
    }

    pub(super) fn settled(&mut self, evidence: &Evidence) {
        let Some(seen) = &evidence.fleet else { return };
        let findings = match &seen.what {
            Ok(findings) => findings.clone(),
            Err(error) => {
                let message = format!("the store is out of reach: {error}");
                self.tell_outcome(local_report(Outcome::LockUnavailable, message));
                self.retry_later();
                return;
            }
        };
        self.agent.owed = findings.owed.clone();
        match findings.own_hold {
            Some((group, hold)) => self.take_up(group, *hold),
            None => self.pay_debts(),
        }
    }

    fn take_up(&mut self, group: GroupName, hold: Hold) {
        let is_mine = hold.machine_id == self.agent.settings.identity.machine_id;
        if !is_mine && !Mutation::CloneMayAct.is_on() {
            let (node, number) = (hold.node, hold.number);
            return self.finish(report_of(&Refusal::OtherMachine { node, number }));
        }
        let is_ours = hold.instance == self.agent.settings.identity.instance;
        self.agent.hold = Some(Held {
            group,
            number: hold.number,
            phase: hold.phase,
            owner: hold.instance,
            need: hold.need,
            fenced: hold.fenced,
            boot: hold.boot,
            undo: hold.undo,
        });
        match is_ours {
            true => self.resume(),
            false => self.adopt(),
        }
    }

    fn adopt(&mut self) {
        let Some(session) = self.agent.session.clone() else {
            return;
        };
        let identity = self.agent.settings.identity.clone();
        let deadline_secs = self.agent.settings.return_deadline_secs();
        let return_within_secs = self.is_back().then_some(deadline_secs);
        self.set_step(Step::Adopting);
        self.ask_as_owner(|owner| Action::Adopt {
            owner,
            identity,
            session,
            return_within_secs,
        });
    }

    pub(super) fn adopted(&mut self) {
        if let Some(hold) = &mut self.agent.hold {
            hold.owner = self.agent.settings.identity.instance.clone();
        }
        self.tell_step("adopted", "took over the hold of a former run".to_owned());
        match self.is_back() {
            true => self.returned(),
            false => self.resume(),
        }
    }

    /// Whether the hold outlived its boot: what it was taken for is over.
    fn is_back(&self) -> bool {
        let is_it = |hold: &Held| {
            let is_new_boot = hold.boot.differs_from(&self.agent.settings.identity.boot)
                || Mutation::BootIgnored.is_on();
            hold.phase.is_durable() && is_new_boot
        };
        self.agent.hold.as_ref().is_some_and(is_it)
    }

    /// Goes on where the former run was, as far as that is safe.
    fn resume(&mut self) {
        let Some(hold) = &self.agent.hold else { return };
        match (hold.phase, self.is_back()) {
            // A broken hold may have left something to be undone.
            (Phase::Claimed, _) => self.undo_then(Way::GivenBack),
            (Phase::Draining | Phase::Rebooting | Phase::Returned, true) => self.record_return(),
            (Phase::Rebooting, false) if self.is_issued() && !Mutation::ReleaseOnStart.is_on() => {
                self.become_issued();
            }
            (Phase::Draining | Phase::Rebooting, false) => self.undo_then(Way::NeverIssued),
            (Phase::Returned, false) => self.record_return(),
        }
    }

    /// What is ours to undo without a hold: a broken hold's list, or one that a crash left.
    pub(super) fn pay_debts(&mut self) {
        let debts = self.debts();
        if debts.is_empty() {
            return self.find();
        }
        self.agent.stage = Stage::PayingDebts;
        self.begin_undo(debts);
    }

    pub(super) fn debts(&self) -> Undo {
        let mut debts = self.agent.notebook.changes.clone();
        debts.merge(&self.agent.owed);
        debts
    }

    pub(super) fn debts_undone(&mut self, done: &Undo, result: Result<(), String>) {
        match result {
            Ok(()) if !self.debts().left_after(done).is_empty() => self.pay_debts(),
            Ok(()) => {
                self.agent.notebook.changes = Undo::default();
                self.save();
                let undone = self.agent.owed.clone();
                if undone.is_empty() {
                    return self.find();
                }
                let node = self.agent.settings.identity.node.clone();
                self.write(Tag::Undone, Write::Undone { node, undone });
            }
            Err(error) => {
                self.tell_outcome(local_report(Outcome::HookFailed, error));
                self.retry_later();
            }
        }
    }

    pub(super) fn debt_paid(&mut self, result: &Result<Written, Trouble>) {
        self.complain("record what was undone", result);
        if self.agent.stage != Stage::PayingDebts {
            return;
        }
        if result.is_err() {
            self.retry_later();
            return;
        }
        self.agent.owed = Undo::default();
        self.find();
    }

    /// An agent that reads less than it has seen must not act: the store was put back.
    pub(super) fn refuse_older_state(&mut self, findings: Findings) -> Result<Findings, String> {
        let settings = &self.agent.settings;
        let place = format!("{}#{}", settings.place, settings.group);
        let (epoch, generation) = findings.mark;
        let newest = self
            .agent
            .notebook
            .newest
            .as_ref()
            .filter(|newest| newest.place == place);
        if let Some(newest) = newest {
            let seen = (newest.epoch, newest.generation);
            if findings.mark < seen {
                let remedy = match generation {
                    0 => format!(
                        "; if that was done, from a backup older than group {group}, make the \
                         group anew: `clusterrebootd lock set-max {max} --group {group}`",
                        group = settings.group,
                        max = settings.max
                    ),
                    _ => String::new(),
                };
                let error = format!(
                    "the store shows epoch {epoch}, generation {generation}, but epoch {}, \
                     generation {} was seen: it lost commits. Begin a new epoch: with \
                     `clusterrebootd store new-epoch` on etcd, with `store restore` on the \
                     embedded store{remedy}",
                    seen.0, seen.1
                );
                self.tell(News::Trouble {
                    what: "read the group",
                    error: error.clone(),
                });
                return Err(error);
            }
        }
        self.agent.notebook.newest = Some(Newest {
            place,
            epoch,
            generation,
        });
        Ok(findings)
    }
}

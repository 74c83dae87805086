//! From a node's claim to its release, and back into order after whatever interrupted it.

use crate::journal::Command;
use crate::node::{End, Node};
use reboot_core::group::{Action, Claim, Hold, Phase, Reply, Way};
use reboot_core::id::GroupName;
use reboot_core::undo::Undo;
use reboot_core::write::Write;

/// No hold of a run is ever overdue: that is another test's matter.
const DEADLINE_SECS: u64 = 120;
/// More than any run reboots a node: the cap is another test's matter.
const MAX_PER_DAY: u32 = 1_000_000;

// === impl Node ===

impl Node {
    /// Claims; under the slot mostly drains or not, fences and goes down.
    pub(crate) async fn cycle(&mut self, group: &GroupName) -> Result<(), End> {
        let claim = Action::Claim(Claim {
            identity: self.identity.clone(),
            session: self.session.clone(),
            need: "kernel".to_owned(),
            pid: 1,
            interval_secs: match *group == self.habits.group {
                true => self.habits.interval_secs,
                false => 0,
            },
            diagnostic: self.chance.per_mille(20),
        });
        let Some(Reply::Held { number, .. }) = self.ask(group, claim).await? else {
            return self.wait_a_while().await;
        };
        let (group_left, node) = (group.clone(), self.name.clone());
        let leave = Write::Leave {
            group: group_left,
            node,
        };
        let _ = self.write(leave).await?; // a ticket that stays goes with its lease
        self.go_down(group, number, Phase::Claimed).await
    }

    /// A refusal by the rules: renews the lease, and looks again.
    async fn wait_a_while(&mut self) -> Result<(), End> {
        self.breathe().await;
        self.renew().await
    }

    /// From a claim, or from where the former run left it, to the reboot, or back.
    async fn go_down(&mut self, group: &GroupName, number: u64, from: Phase) -> Result<(), End> {
        let mut phase = from;
        if phase == Phase::Claimed && self.chance.per_mille(50) {
            return self.release(group, number, phase, Way::GivenBack).await;
        }
        if phase == Phase::Claimed && self.chance.per_mille(400) {
            let drain = Action::Drain {
                owner: self.owner_of(number, phase),
                undo: Undo::of(["cordon".to_owned()]),
                deadline_secs: DEADLINE_SECS,
            };
            let Some(Reply::Held { phase: now, .. }) = self.ask(group, drain).await? else {
                return Ok(());
            };
            phase = now;
        }
        let fence = Action::Fence {
            owner: self.owner_of(number, phase),
            boot: self.identity.boot.clone(),
            max_reboots_per_day: MAX_PER_DAY,
            deadline_secs: DEADLINE_SECS,
        };
        let fenced = self.ask(group, fence).await?;
        if fenced.is_none() || self.chance.per_mille(30) {
            return Ok(()); // the next look settles the hold
        }
        self.command(group, number).await
    }

    /// The command; then the machine is gone.
    async fn command(&mut self, group: &GroupName, number: u64) -> Result<(), End> {
        self.issued = Some(number);
        let command = Command {
            at: self.shared.journal.now(),
            node: self.name.clone(),
            instance: self.identity.instance.clone(),
            boot: self.identity.boot.clone(),
            group: group.clone(),
            number,
            back: None,
        };
        self.shared
            .journal
            .note(|notes| notes.commands.push(command));
        if self.chance.per_mille(940) {
            // An orderly end; else the lease must end by itself.
            let session = self.session.clone();
            let _ = self.write(Write::EndSession { session }).await;
        }
        Err(End::Rebooted)
    }

    /// What to do with a hold that this node has.
    pub(crate) async fn settle(&mut self, group: &GroupName, hold: &Hold) -> Result<(), End> {
        if hold.instance != self.identity.instance {
            return self.adopt(group, hold).await;
        }
        let is_back = hold.boot.differs_from(&self.identity.boot);
        let number = hold.number;
        match hold.phase {
            Phase::Claimed if is_back || self.chance.per_mille(300) => {
                self.release(group, number, hold.phase, Way::GivenBack)
                    .await
            }
            Phase::Returned => self.release(group, number, hold.phase, Way::Returned).await,
            _ if is_back => self.come_back(group, hold).await,
            Phase::Claimed | Phase::Draining if self.chance.per_mille(500) => {
                self.go_down(group, number, hold.phase).await
            }
            Phase::Rebooting if self.issued == Some(number) => Err(End::Rebooted),
            Phase::Claimed => {
                self.release(group, number, hold.phase, Way::GivenBack)
                    .await
            }
            Phase::Draining | Phase::Rebooting => {
                self.release(group, number, hold.phase, Way::NeverIssued)
                    .await
            }
        }
    }

    async fn adopt(&mut self, group: &GroupName, hold: &Hold) -> Result<(), End> {
        let is_back = hold.phase.is_durable() && hold.boot.differs_from(&self.identity.boot);
        let is_back = is_back && self.chance.per_mille(700); // else in a commit of its own
        let adopt = Action::Adopt {
            owner: self.owner(hold),
            identity: self.identity.clone(),
            session: self.session.clone(),
            return_within_secs: is_back.then_some(DEADLINE_SECS),
        };
        match self.ask(group, adopt).await? {
            Some(_) => Ok(()),
            None => self.wait_a_while().await, // the former run's lease has not ended
        }
    }

    async fn come_back(&mut self, group: &GroupName, hold: &Hold) -> Result<(), End> {
        let back = Action::Return {
            owner: self.owner(hold),
            boot: self.identity.boot.clone(),
            deadline_secs: DEADLINE_SECS,
        };
        match self.ask(group, back).await? {
            Some(_) => Ok(()),
            None => self.wait_a_while().await,
        }
    }

    async fn release(
        &mut self,
        group: &GroupName,
        number: u64,
        expects: Phase,
        way: Way,
    ) -> Result<(), End> {
        let release = Action::Release {
            owner: self.owner_of(number, expects),
            boot: self.identity.boot.clone(),
            way,
            undone: Undo::of(["cordon".to_owned()]),
        };
        match self.ask(group, release).await? {
            Some(_) => self.shared.journal.note(|notes| notes.cycles += 1),
            None => self.wait_a_while().await?,
        }
        Ok(())
    }
}

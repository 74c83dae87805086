//! The step function: every event, in every stage, has an answer.

use super::{Agent, Asked, Effect, Event, Input, Issue, News, Now, Pass, Stage, Step, Tag, Timer};
use crate::agent::Purpose;
use crate::gates::Evidence;
use crate::group::{Action, Request};
use crate::id::{GroupName, RequestId};
use crate::write::{Trouble, Write, Written};

/// One step of an agent's life.
pub fn step(agent: &mut Agent, input: Input) -> Vec<Effect> {
    let mut turn = Turn {
        agent,
        now: input.now,
        out: Vec::new(),
    };
    turn.take(input.event);
    turn.out
}

/// One step under way: the agent, the time, and the effects so far.
pub(super) struct Turn<'a> {
    pub(super) agent: &'a mut Agent,
    pub(super) now: Now,
    pub(super) out: Vec<Effect>,
}

// === impl Turn ===

impl Turn<'_> {
    fn take(&mut self, event: Event) {
        if self.agent.is_gone() {
            return;
        }
        match event {
            Event::Started => self.start(),
            Event::TimerFired(timer) => self.timer_fired(timer),
            Event::NeedHint => self.need_hinted(),
            Event::Woken => self.woken(),
            Event::Saw { pass, look, sight } => self.saw(pass, look, sight),
            Event::Wrote { tag, result } => self.wrote(tag, result),
            Event::Saved { id, result } => self.saved(id, result),
            Event::Planned(result) => self.planned(result),
            Event::Hooked(result) => self.hooked(result),
            Event::Undone(result) => self.undone(result),
            Event::PostHooked(result) => self.post_hooked(result),
            Event::Issued(issue) => self.command_told(issue),
            Event::Reload(settings) => self.reload(*settings),
            Event::Terminate => self.leave(),
        }
    }

    fn timer_fired(&mut self, timer: Timer) {
        match timer {
            Timer::Pass => self.pass_due(),
            Timer::Heartbeat => self.heartbeat(),
            Timer::Session => self.renew_session(),
            Timer::Retry => self.retry(),
            Timer::Patience => self.patience_ended(),
        }
    }

    fn wrote(&mut self, tag: Tag, result: Result<Written, Trouble>) {
        match tag {
            Tag::OpenSession => self.session_opened(result),
            Tag::KeepSession => self.session_renewed(result),
            Tag::EndSession => self.session_ended(),
            Tag::EndFormer => self.complain("end the former session", &result),
            Tag::Publish => self.published(&result),
            Tag::Join => self.joined(&result),
            Tag::Leave => self.left_line(&result),
            Tag::Undone => self.debt_paid(&result),
            Tag::EndOrder => self.order_ended(&result),
            Tag::Ask(id) => self.answered(&id, result),
        }
    }

    fn command_told(&mut self, issue: Issue) {
        match issue {
            Issue::Started => self.command_started(),
            Issue::NotStarted(why) => self.command_not_started(&why),
            Issue::Ended { is_success, how } => self.command_ended(is_success, &how),
        }
    }

    /// The retry timer: what is tried again depends on what failed.
    fn retry(&mut self) {
        match &self.agent.stage {
            Stage::Opening => self.open_session(),
            Stage::Settling => self.settle(),
            Stage::PayingDebts => self.pay_debts(),
            Stage::Claiming => self.ask_again(),
            Stage::Holding(step) => match step.clone() {
                Step::Fencing { .. } if self.agent.asked.is_none() => self.last_look(),
                Step::UndoFailed(way) => self.undo_then(way),
                Step::PostFailed => self.run_post_hooks(),
                Step::Releasing(way) if self.agent.asked.is_none() => self.release(way),
                Step::Adopting if self.agent.asked.is_none() => self.settle(),
                Step::Returning if self.agent.asked.is_none() => self.record_return(),
                _ => self.ask_again(),
            },
            Stage::New | Stage::Resting | Stage::Passing | Stage::Leaving | Stage::Gone => {}
        }
    }

    // --- small tools that every file uses ---

    pub(super) fn emit(&mut self, effect: Effect) {
        self.out.push(effect);
    }

    pub(super) fn tell(&mut self, news: News) {
        self.out.push(Effect::Tell(news));
    }

    pub(super) fn write(&mut self, tag: Tag, write: Write) {
        self.emit(Effect::Write {
            tag,
            write: Box::new(write),
        });
    }

    pub(super) fn set_timer(&mut self, timer: Timer, delay_ms: u64) {
        self.emit(Effect::SetTimer(
            timer,
            self.now.boot_ms.saturating_add(delay_ms),
        ));
    }

    /// Tries what failed again after a growing, jittered delay.
    pub(super) fn retry_later(&mut self) -> u64 {
        let delay_ms = self.backoff_ms();
        self.set_timer(Timer::Retry, delay_ms);
        delay_ms
    }

    pub(super) fn backoff_ms(&mut self) -> u64 {
        let agent = &mut *self.agent;
        let delay_ms = agent.settings.backoff.delay_ms(agent.failures, agent.seed);
        agent.seed = crate::backoff::next_seed(agent.seed);
        agent.failures = agent.failures.saturating_add(1);
        delay_ms
    }

    pub(super) fn set_step(&mut self, step: Step) {
        self.agent.stage = Stage::Holding(step);
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.agent.counter += 1;
        self.agent.counter
    }

    /// The time for people.
    pub(super) fn wall_text(&self) -> String {
        self.now.wall.to_string()
    }

    pub(super) fn begin_pass(&mut self, purpose: Purpose, evidence: Evidence) {
        let id = self.next_number();
        self.agent.pass = Some(Pass {
            id,
            purpose,
            evidence,
            renewals: 0,
            looking: None,
        });
        self.advance();
    }

    /// Asks the group; the answer comes to `granted` or `refused`.
    pub(super) fn ask(&mut self, group: &GroupName, action: Action) {
        let number = self.next_number();
        let text = format!("{}.{number}", self.agent.settings.identity.instance);
        let Ok(id) = RequestId::new(text) else { return }; // an instance has these characters only
        let request = Request {
            id,
            at: self.wall_text(),
            action,
        };
        self.agent.asked = Some(Asked {
            group: group.clone(),
            request,
            tries: 0,
        });
        self.ask_again();
    }

    /// Sends the pending request (again), under the id it had.
    pub(super) fn ask_again(&mut self) {
        let Some(asked) = &mut self.agent.asked else {
            return;
        };
        asked.tries += 1;
        let tag = Tag::Ask(asked.request.id.clone());
        let write = Write::Ask {
            group: asked.group.clone(),
            create_with_max: Some(self.agent.settings.max),
            request: asked.request.clone(),
        };
        self.write(tag, write);
    }

    fn answered(&mut self, id: &RequestId, result: Result<Written, Trouble>) {
        if self
            .agent
            .asked
            .as_ref()
            .is_none_or(|asked| &asked.request.id != id)
        {
            return; // a late answer to what was given up
        }
        match result {
            Ok(written) => {
                self.doubt_session();
                self.agent.asked = None;
                self.agent.failures = 0;
                self.granted(written);
            }
            Err(Trouble::Refused(refusal)) => {
                self.doubt_session();
                self.agent.asked = None;
                self.refused(refusal);
            }
            Err(trouble) => self.unanswered(&trouble),
        }
    }

    pub(super) fn complain(&mut self, what: &'static str, result: &Result<Written, Trouble>) {
        if let Err(trouble) = result {
            self.tell(News::Trouble {
                what,
                error: trouble.to_string(),
            });
        }
    }
}

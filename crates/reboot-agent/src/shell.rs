//! The loop: an event in, a step, its effects out.

use crate::alarm::Alarm;
use crate::desk::{Desk, STORE_TIMEOUT};
use crate::failpoints::{Failpoints, look_name};
use crate::hands::Hands;
use crate::node::Node;
use crate::observer::{self, Observer};
use crate::report::{Report, send};
use jiff::Timestamp;
use reboot_core::agent::{Agent, Effect, Event, Half, Input, Look, News, Now};
use reboot_core::agent::{Settings, Sight, Timer, step};
use reboot_core::order::Order;
use reboot_core::write::Trouble;
use reboot_host::clock::boot_millis;
use reboot_host::watch::FileWatch;
use reboot_store::{Interest, Store};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How many results may wait for the loop.
const REPORTS_MAX: usize = 64;
/// A file that changes all the time starts at most one pass in this time.
const HINT_GAP: Duration = Duration::from_secs(1);

/// The longest pause before a store that cannot tell of an order is asked again.
const ORDER_GAP_MAX: Duration = Duration::from_secs(60);
/// After so long an idle node looks for an order though nothing told it of one.
const ORDER_AUDIT: Duration = Duration::from_secs(60 * 60);

/// What the process tells its agent.
#[derive(Debug)]
pub enum Control {
    /// Take over these settings, if the rules allow it.
    Reload(Box<Settings>, Box<Node>),
    /// Stop.
    Terminate,
}

/// Who waits for a change of the store.
struct Waiter {
    interest: Interest,
    /// The revision already seen.
    seen: u64,
    task: AbortHandle,
}

/// An agent with hands and eyes.
pub struct Shell {
    agent: Agent,
    node: Arc<Node>,
    store: Arc<dyn Store>,
    observer: Box<dyn Observer>,
    hands: Hands,
    desk: Desk,
    reports: mpsc::Receiver<Report>,
    sender: mpsc::Sender<Report>,
    pending: VecDeque<Event>,
    timers: BTreeMap<Timer, u64>,
    alarm: Alarm,
    tasks: JoinSet<()>,
    waiter: Option<Waiter>,
    watch: FileWatch,
    hint_from: Instant,
    offered: Option<Box<Node>>,
    failpoints: Failpoints,
}

// === impl Shell ===

impl Shell {
    /// Puts an agent on its machine. Must be called within a tokio runtime.
    pub fn new(
        agent: Agent,
        node: Node,
        store: Arc<dyn Store>,
        observer: Box<dyn Observer>,
        failpoints: Failpoints,
    ) -> Self {
        let (sender, reports) = mpsc::channel(REPORTS_MAX);
        let mut tasks = JoinSet::new();
        let desk = Desk::open(&store, &sender, &mut tasks, &failpoints);
        let poll = Duration::from_millis(agent.settings.check_interval_ms);
        let watch = FileWatch::new(node.watched_paths(), poll);
        let node = Arc::new(node);
        Self {
            hands: Hands::new(Arc::clone(&node), sender.clone(), failpoints.clone()),
            agent,
            node,
            store,
            observer,
            desk,
            reports,
            sender,
            pending: VecDeque::from([Event::Started]),
            timers: BTreeMap::new(),
            alarm: Alarm::new(),
            tasks,
            waiter: None,
            watch,
            hint_from: Instant::now(),
            offered: None,
            failpoints,
        }
    }

    /// Runs until the agent is done; returns it with its last report.
    pub async fn run(mut self, mut controls: mpsc::Receiver<Control>) -> Agent {
        while !self.agent.is_gone() {
            let event = match self.pending.pop_front() {
                Some(event) => event,
                None => match self.next_event(&mut controls).await {
                    Some(event) => event,
                    None => continue,
                },
            };
            self.take(event);
        }
        self.tasks.abort_all();
        self.agent
    }

    async fn next_event(&mut self, controls: &mut mpsc::Receiver<Control>) -> Option<Event> {
        let next = self
            .timers
            .iter()
            .min_by_key(|(_, at_ms)| **at_ms)
            .map(|(t, at)| (*t, *at));
        let at_ms = next.map_or(u64::MAX, |(_, at_ms)| at_ms);
        let is_daemon = self.agent.settings.mode.is_daemon();
        let hint_from = self.hint_from;
        tokio::select! {
            Some(report) = self.reports.recv() => self.read(report),
            () = self.alarm.reach(at_ms), if next.is_some() => {
                let (timer, _) = next?;
                self.timers.remove(&timer);
                Some(Event::TimerFired(timer))
            }
            Some(control) = controls.recv() => Some(self.control(control)),
            () = hint(&mut self.watch, hint_from), if is_daemon => {
                self.hint_from = Instant::now() + HINT_GAP;
                Some(Event::NeedHint)
            }
            Some(_) = self.tasks.join_next() => None,
        }
    }

    fn read(&mut self, report: Report) -> Option<Event> {
        match report {
            Report::Event(event) => return Some(event),
            Report::Detector(half, report) => self.observer.detector_ran(half, &report),
            Report::Script(phase, run) => self.observer.script_ran(phase, &run),
        }
        None
    }

    fn control(&mut self, control: Control) -> Event {
        match control {
            Control::Terminate => Event::Terminate,
            Control::Reload(settings, node) => {
                self.offered = Some(node);
                Event::Reload(settings)
            }
        }
    }

    fn take(&mut self, event: Event) {
        if let Some((errand, answer)) = observer::answer(&event) {
            self.observer.store_answered(errand, answer);
        }
        let now = Now {
            boot_ms: boot_millis(),
            wall: Timestamp::now(),
        };
        for effect in step(&mut self.agent, Input { now, event }) {
            self.perform(effect);
        }
        self.observer.stepped(&self.agent);
    }

    fn perform(&mut self, effect: Effect) {
        let tasks = &mut self.tasks;
        match effect {
            Effect::Look {
                pass,
                look: Look::Fleet,
                ..
            } => self.look_at_fleet(pass),
            Effect::Look { pass, look, slot } => {
                let half = if slot.is_held {
                    Half::PostLock
                } else {
                    Half::PreLock
                };
                self.hands.look(tasks, pass, look, (slot, half));
            }
            Effect::Write { tag, write } => self.pending.extend(self.desk.write(tag, *write)),
            Effect::SetTimer(timer, at_ms) => {
                self.timers.insert(timer, at_ms);
            }
            Effect::AwaitChange { seen } => self.await_change(seen),
            Effect::AwaitOrder { seen, known } => self.await_order(seen, known),
            Effect::Save { id, notebook } => {
                let result = self.hands.save(&notebook);
                self.pending.push_back(Event::Saved { id, result });
            }
            Effect::PlanHooks => self
                .pending
                .push_back(Event::Planned(self.hands.plan_hooks())),
            Effect::RunHooks(names) => self.hands.run_hooks(tasks, names),
            Effect::Undo(undo) => self.hands.undo(tasks, undo),
            Effect::RunPostHooks => self.hands.run_post_hooks(tasks),
            Effect::Wall { delay_secs } => self.hands.wall(tasks, delay_secs),
            Effect::IssueReboot => self.hands.issue_reboot(tasks),
            Effect::MarkReturned { need, number } => self.mark_returned(&need, number),
            Effect::Tell(news) => self.tell(&news),
            Effect::Exit => self.failpoints.before("exit"),
        }
    }

    fn tell(&mut self, news: &News) {
        if let News::Reloaded(verdict) = news
            && let Some(node) = self.offered.take()
            && verdict.is_ok()
        {
            self.take_node(*node);
        }
        self.observer.told(news, &self.agent);
    }

    fn take_node(&mut self, node: Node) {
        let poll = Duration::from_millis(self.agent.settings.check_interval_ms);
        self.watch = FileWatch::new(node.watched_paths(), poll);
        self.node = Arc::new(node);
        let (sender, failpoints) = (self.sender.clone(), self.failpoints.clone());
        self.hands = Hands::new(Arc::clone(&self.node), sender, failpoints);
    }

    fn mark_returned(&mut self, need: &str, number: u64) {
        if let Err(error) = self.hands.mark_returned(need, number) {
            let news = News::Trouble {
                what: "leave the marker of the reboot",
                error,
            };
            self.observer.told(&news, &self.agent);
        }
    }

    fn look_at_fleet(&mut self, pass: u64) {
        let (store, sender) = (Arc::clone(&self.store), self.sender.clone());
        let failpoints = self.failpoints.clone();
        self.tasks.spawn(async move {
            failpoints.before(look_name(Look::Fleet));
            let secs = STORE_TIMEOUT.as_secs();
            let late = Trouble::Unavailable(format!("the store did not answer within {secs} s"));
            let fleet = timeout(STORE_TIMEOUT, store.look())
                .await
                .unwrap_or(Err(late));
            failpoints.after(look_name(Look::Fleet));
            let sight = Sight::Fleet(fleet.map(Arc::new));
            let event = Event::Saw {
                pass,
                look: Look::Fleet,
                sight,
            };
            send(&sender, event).await;
        });
    }

    /// Waits for a change of the store, in place of any former wait, at most for the audit
    /// interval: the net under a lost wake-up.
    fn await_change(&mut self, seen: u64) {
        let settings = &self.agent.settings;
        let interest = Interest::Slot {
            group: settings.group.clone(),
            node: settings.identity.node.clone(),
        };
        let audit = Duration::from_millis(settings.audit_interval_ms);
        let (store, sender) = (Arc::clone(&self.store), self.sender.clone());
        self.wait(interest.clone(), seen, async move {
            if let Ok(Err(_)) = timeout(audit, store.changed(&interest, seen)).await {
                sleep(HINT_GAP).await; // a store that cannot tell is asked again, not at once
            }
            send(&sender, Event::Woken).await;
        });
    }

    /// Waits for another order than the known one, in place of any former wait but the very same.
    /// It lasts for as long as it takes: an idle node asks its store nothing.
    fn await_order(&mut self, seen: u64, known: Option<Order>) {
        let node = self.agent.settings.identity.node.clone();
        let interest = Interest::Order { node, known };
        // A revision that is lower than before is one of a store that was put back.
        let is_same = |former: &Waiter| {
            former.interest == interest && former.seen <= seen && !former.task.is_finished()
        };
        if self.waiter.as_ref().is_some_and(is_same) {
            return;
        }
        let (store, sender) = (Arc::clone(&self.store), self.sender.clone());
        self.wait(interest.clone(), seen, async move {
            let (began, mut gap) = (Instant::now(), HINT_GAP);
            loop {
                let asked = Instant::now();
                let wait = timeout(ORDER_AUDIT, store.changed(&interest, seen));
                if !matches!(wait.await, Ok(Err(_))) {
                    break;
                }
                if asked.elapsed() > ORDER_GAP_MAX {
                    gap = HINT_GAP; // it went well for long
                }
                sleep(gap).await;
                gap = ORDER_GAP_MAX.min(gap * 2);
            }
            sleep_until(began + HINT_GAP).await; // whatever a store tells, looks are no storm
            send(&sender, Event::Woken).await;
        });
    }

    fn wait<F>(&mut self, interest: Interest, seen: u64, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let Some(former) = self.waiter.take() {
            former.task.abort();
        }
        let task = self.tasks.spawn(task);
        self.waiter = Some(Waiter {
            interest,
            seen,
            task,
        });
    }
}

async fn hint(watch: &mut FileWatch, from: Instant) {
    sleep_until(from).await;
    watch.changed().await;
}

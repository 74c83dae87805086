//! The supervisor: starts the machines, has its hand on their power, watches the store, and shows
//! it all.

use super::guard::Guard;
use super::judge::{Ending, judge};
use super::machine::{Ended, Machine, Power};
use super::operator::{Deed, Operator};
use super::page::Page;
use super::place::{Files, Place};
use super::plan::Plan;
use super::screen::Screen;
use super::summary;
use super::trace::{Fact, Trace};
use super::view::{self, Row, State};
use crate::console;
use crate::exit::ExitCode;
use anyhow::{Context, Result};
use reboot_core::fleet::Fleet;
use reboot_core::group::{HistoryEntry, Hold};
use reboot_core::id::{GroupName, NodeName};
use reboot_store::embedded::{EmbeddedStore, Options};
use reboot_store::{Interest, Store};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often times that run down are shown anew. Everything else wakes the supervisor by itself.
const TICK: Duration = Duration::from_millis(100);
/// Longer histories are cut off; no roll of the demo writes so much.
const HISTORY_MAX: usize = 100_000;

/// The demo while it runs. Dropping it kills every daemon.
pub(super) struct Show {
    plan: Plan,
    program: PathBuf,
    machines: Vec<Machine>,
    ends: mpsc::Receiver<Ended>,
    reboots: Lines<BufReader<pipe::Receiver>>,
    operator: Option<Operator>,
    trace: Trace,
    fleet: Fleet,
    screen: Screen,
    started: Instant,
    /// When all were told to reboot.
    rolling_since: Option<Instant>,
    roll: Roll,
    last_news: Instant,
    store: EmbeddedStore,
    page: Option<Page>,
    guard: Guard,
    place: Place,
}

/// Who was told to reboot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Roll {
    /// Nobody yet: not all have reported.
    Gathering,
    /// The one that will fail.
    OneAhead,
    /// Everybody.
    All,
}

/// What woke the supervisor.
enum Wake {
    Ended(Ended),
    Reboot(String),
    Store,
    Tick,
}

// === impl Show: setting up ===

impl Show {
    /// Makes the directory, the store and the machines, and switches these on.
    ///
    /// # Errors
    /// When the directory cannot be made, or no daemon started.
    pub(super) fn set_up(plan: Plan) -> Result<Self> {
        let place = Place::make(&plan)?;
        let program = std::env::current_exe().context("this program cannot be found")?;
        let store = EmbeddedStore::open(&place.store(), Options::default())?;
        // For reading and writing, so that it never ends while no reboot command has it open.
        let power = pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(place.power());
        let reboots = BufReader::new(power.context("the pipe cannot be read")?).lines();
        let (ended, ends) = mpsc::channel(2 * plan.names.len());
        let new = |name: &String| Machine::new(name, place.files(name), ended.clone());
        let machines = plan.names.iter().map(new).collect();
        let mut show = Self {
            operator: Operator::new(&plan, &place, &program),
            screen: Screen::new(plan.names.len()),
            program,
            machines,
            ends,
            reboots,
            trace: Trace::default(),
            fleet: Fleet::default(),
            started: Instant::now(),
            rolling_since: None,
            roll: Roll::Gathering,
            last_news: Instant::now(),
            store,
            page: None,
            guard: Guard::post(&place, plan.keeps)?,
            place,
            plan,
        };
        for machine in &mut show.machines {
            machine.start(&show.program)?;
        }
        let root = show.place.root().display();
        let note = format!("everything is below {root}");
        show.note(&note);
        Ok(show)
    }

    /// Serves the page of this fleet. The demo goes on without it.
    pub(super) async fn open_page(&mut self) {
        let page = Page::open(&self.place.store()).await;
        match &page {
            Ok(page) => self.note(&format!("its page is {}", page.url())),
            Err(error) => self.note(&format!("it has no page: {error:#}")),
        }
        self.page = page.ok();
    }

    fn note(&mut self, text: &str) {
        self.screen.note(self.started.elapsed(), text);
    }
}

// === impl Show: the roll ===

impl Show {
    /// Lets every machine reboot.
    ///
    /// # Errors
    /// When the roll is stuck, a daemon died, or the store fails.
    pub(super) async fn roll(&mut self) -> Result<()> {
        while !self.is_over() {
            match self.wake().await? {
                Wake::Ended(ended) => self.ended(ended)?,
                Wake::Reboot(name) => self.reboot_issued(&name),
                Wake::Store | Wake::Tick => {}
            }
            self.look().await?;
            self.start_those_due()?;
            self.begin_when_ready()?;
            self.operate().await?;
            self.show();
            let silence = self.last_news.elapsed();
            anyhow::ensure!(
                silence < self.plan.patience(),
                "the roll is stuck: nothing happened for {} s",
                silence.as_secs()
            );
        }
        Ok(())
    }

    async fn wake(&mut self) -> Result<Wake> {
        let tick = Instant::now() + TICK;
        Ok(tokio::select! {
            biased;
            line = self.reboots.next_line() => Wake::Reboot(line?.unwrap_or_default()),
            Some(ended) = self.ends.recv() => Wake::Ended(ended),
            changed = self.store.changed(&Interest::Everything, self.fleet.revision) => {
                changed?;
                Wake::Store
            }
            () = sleep_until(tick) => Wake::Tick,
        })
    }

    fn reboot_issued(&mut self, name: &str) {
        let is_orderly = !self.plan.is_failing(name);
        let is_it = |machine: &&mut Machine| machine.name == name;
        let Some(machine) = self.machines.iter_mut().find(is_it) else {
            return;
        };
        machine.go_down(is_orderly);
        self.witness(Fact::Down(name.to_owned()));
    }

    fn ended(&mut self, ended: Ended) -> Result<()> {
        let is_failing = self.plan.is_failing(&ended.name);
        let down = Duration::from_secs(self.plan.down_secs);
        let is_it = |machine: &&mut Machine| machine.name == ended.name;
        let Some(machine) = self.machines.iter_mut().find(is_it) else {
            return Ok(());
        };
        if machine.power() == Power::GoingDown {
            machine.turn_off((!is_failing).then_some(down));
            return Ok(());
        }
        machine.turn_off(None);
        let (name, how) = (ended.name, ended.how);
        let log = machine.files.log();
        let error = format!(
            "the daemon of {name} ended by itself ({how}): see {}",
            log.display()
        );
        self.witness(Fact::Died(name, how));
        anyhow::bail!(error)
    }

    fn start_those_due(&mut self) -> Result<()> {
        let now = Instant::now();
        let is_due =
            |machine: &Machine| matches!(machine.power(), Power::Off(until) if until <= now);
        for at in 0..self.machines.len() {
            if is_due(&self.machines[at]) {
                let name = self.machines[at].name.clone();
                self.witness(Fact::Up(name));
                self.machines[at].start(&self.program)?;
            }
        }
        Ok(())
    }

    /// Once every daemon has reported, everybody needs a reboot at the same moment. One that will
    /// fail has a little start, so that there is somebody left whom it keeps from going down.
    fn begin_when_ready(&mut self) -> Result<()> {
        let reported = self.fleet.nodes.values().filter(|entry| entry.is_fresh);
        match self.roll {
            Roll::Gathering if reported.count() == self.machines.len() => {
                self.rolling_since = Some(Instant::now());
                self.last_news = Instant::now();
                self.note("an update was installed: every machine needs a reboot now");
                self.roll = match self.plan.fails {
                    Some(_) => Roll::OneAhead,
                    None => Roll::All,
                };
                let is_ahead = |name: &str| self.roll == Roll::All || self.plan.is_failing(name);
                self.need_reboots(is_ahead)
            }
            Roll::OneAhead
                if self
                    .holders()
                    .any(|hold| self.plan.is_failing(hold.node.as_str())) =>
            {
                self.roll = Roll::All;
                self.need_reboots(|name| !self.plan.is_failing(name))
            }
            Roll::Gathering | Roll::OneAhead | Roll::All => Ok(()),
        }
    }

    fn need_reboots(&self, is_chosen: impl Fn(&str) -> bool) -> Result<()> {
        let chosen = self
            .machines
            .iter()
            .filter(|machine| is_chosen(&machine.name));
        chosen
            .map(|machine| &machine.files)
            .try_for_each(Files::need_reboot)
    }

    fn holders(&self) -> impl Iterator<Item = &Hold> {
        let groups = self.fleet.groups.values();
        groups.flat_map(|entry| &entry.group.holds)
    }

    fn witness(&mut self, fact: Fact) {
        if self.trace.add(fact) {
            self.last_news = Instant::now();
        }
    }
}

// === impl Show: the store ===

impl Show {
    async fn look(&mut self) -> Result<()> {
        self.fleet = self.store.look().await?;
        let durable = self.holders().filter(|hold| hold.phase.is_durable());
        let names = durable.map(|hold| hold.node.as_str().to_owned()).collect();
        self.witness(Fact::Holders(names));
        Ok(())
    }

    async fn operate(&mut self) -> Result<()> {
        let now = Instant::now();
        let Some(operator) = &mut self.operator else {
            return Ok(());
        };
        let node = operator.node().to_owned();
        if is_overdue(&self.fleet, &node) && operator.call(now) {
            self.note(&format!(
                "{node} is overdue: it keeps its slot, and nobody else may go"
            ));
        }
        self.mend(&node, now).await
    }

    async fn mend(&mut self, node: &str, now: Instant) -> Result<()> {
        let Some(operator) = &mut self.operator else {
            return Ok(());
        };
        let Some(deed) = operator.next(now) else {
            return Ok(());
        };
        let line = operator.line(deed);
        let said = operator.perform(deed).await?;
        match deed {
            Deed::Unlock => {
                self.note(&format!("an operator finds {node} dead and ends its hold:"));
                self.witness(Fact::Unlocked(node.to_owned()));
            }
            Deed::Forget => self.note("its last health record blocks until it is forgotten:"),
        }
        line.lines().for_each(|line| self.note(line));
        said.lines()
            .for_each(|line| self.note(&format!("  {line}")));
        Ok(())
    }

    /// Whether every machine that can is back and well, and nobody holds or waits.
    fn is_over(&self) -> bool {
        let is_mended = self.operator.as_ref().is_none_or(Operator::is_done);
        let is_rolled = |machine: &Machine| {
            machine.reboots > 0 && (!machine.is_down() || self.plan.is_failing(&machine.name))
        };
        let is_needy = self
            .fleet
            .nodes
            .values()
            .any(|entry| entry.record.need.is_some());
        self.machines.iter().all(is_rolled)
            && is_mended
            && !is_needy
            && left_in(&self.fleet).is_empty()
    }
}

fn is_overdue(fleet: &Fleet, node: &str) -> bool {
    let Ok(node) = NodeName::new(node) else {
        return false;
    };
    let mut groups = fleet.groups.values();
    groups.any(|entry| {
        entry
            .group
            .hold_of(&node)
            .is_some_and(|hold| entry.is_overdue(hold))
    })
}

/// Holds and waiters.
fn left_in(fleet: &Fleet) -> Vec<String> {
    let mut left = Vec::new();
    for entry in fleet.groups.values() {
        let holds = entry.group.holds.iter();
        left.extend(holds.map(|hold| format!("{} still holds ({})", hold.node, hold.phase)));
        let tickets = entry.line.tickets().iter();
        left.extend(tickets.map(|ticket| format!("{} still waits", ticket.node)));
    }
    left
}

// === impl Show: what is seen ===

impl Show {
    fn show(&mut self) {
        let now = Instant::now();
        let row = |machine: &Machine| view::row(machine, &self.fleet, &self.plan, now);
        let rows: Vec<Row> = self.machines.iter().map(row).collect();
        let down = self.trace.down_after(self.trace.facts().len()).len();
        let done = rows.iter().filter(|row| row.state == State::Done).count();
        let (machines, slots) = (rows.len(), self.plan.slots);
        let head = format!("{done} of {machines} rebooted, {down} down, {slots} may be at once");
        self.screen.show(self.started.elapsed(), &head, &rows);
    }

    /// Ends every daemon, judges, and tells.
    pub(super) async fn finish(mut self, result: Result<()>) -> ExitCode {
        let history = self.store.history(&GroupName::default(), HISTORY_MAX).await;
        let left_in_store = left_in(&self.fleet);
        self.end_machines().await;
        let Self {
            plan,
            trace,
            machines,
            place,
            screen,
            rolling_since,
            ..
        } = self;
        drop(screen); // the terminal is as it was before the last words
        let history: Vec<HistoryEntry> = history.unwrap_or_default();
        let is_left = |machine: &&Machine| !machine.is_down() && machine.files.is_drained();
        let drained = machines.iter().filter(is_left);
        let ending = Ending {
            cut_short: result.err().map(|error| format!("{error:#}")),
            left_in_store,
            left_drained: drained.map(|machine| machine.name.clone()).collect(),
            history,
        };
        let verdicts = judge(&trace, &ending, &plan);
        let took = rolling_since
            .map(|since| since.elapsed())
            .unwrap_or_default();
        let text = summary::text(&plan, &trace, &ending, &verdicts, took);
        if plan.keeps {
            let root = place.root().display();
            console::print(format!("\nall files are kept: {root}\n").as_bytes());
        }
        let is_good = verdicts.iter().all(|verdict| verdict.faults.is_empty());
        let exit = match is_good {
            true => ExitCode::Success,
            false => ExitCode::RuntimeFailure,
        };
        console::print_then(text.as_bytes(), exit)
    }

    /// Ends every daemon before the roll is over.
    pub(super) async fn stop(mut self) {
        self.end_machines().await;
    }

    async fn end_machines(&mut self) {
        self.page = None;
        self.machines.iter().for_each(Machine::begin_end);
        for machine in &mut self.machines {
            machine.end().await;
        }
        self.guard.dismiss().await;
    }
}

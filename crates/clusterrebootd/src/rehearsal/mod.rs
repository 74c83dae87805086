//! `demo`: a fleet on one machine. Every "machine" is a real daemon with its own files, its own
//! scripts and its own boot identity; all share one real embedded store. A machine reboots by
//! stopping and coming back under a new boot identity.

mod judge;
mod machine;
mod mend;
mod screen;
mod site;
mod summary;
mod view;

use crate::cli::DemoArgs;
use crate::exit::ExitCode;
use anyhow::{Result, bail};
use judge::Judge;
use machine::Machine;
use mend::Mender;
use reboot_core::fleet::Fleet;
use reboot_store::Store;
use reboot_store::embedded::{EmbeddedStore, Options};
use screen::Screen;
use site::Site;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How often the machines are looked after.
const TICK: Duration = Duration::from_millis(50);
/// Beyond the reboots themselves, a roll that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fleet and everything that watches it.
struct Demo {
    site: Site,
    machines: Vec<Machine>,
    store: EmbeddedStore,
    judge: Judge,
    mender: Option<Mender>,
    screen: Screen,
    started: Instant,
}

/// Runs the demo; success only when every invariant held and every machine came back.
///
/// # Errors
/// What keeps the fleet from being set up.
pub(crate) async fn run(args: &DemoArgs) -> Result<ExitCode> {
    let mut demo = Demo::set_up(args)?;
    demo.screen.say(&format!(
        "{} machines, {} may be down at once; their files are in {}",
        args.nodes,
        args.slots,
        demo.site.path().display()
    ));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let outcome = tokio::select! {
        outcome = demo.roll() => outcome,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("told to stop")),
    };
    demo.end(outcome).await
}

// === impl Demo ===

impl Demo {
    fn set_up(args: &DemoArgs) -> Result<Self> {
        let site = Site::build(args)?;
        let store = EmbeddedStore::open(&site.store_path(), Options::default())?;
        let binary: PathBuf = std::env::current_exe()?;
        let down_for = Duration::from_secs(args.seconds);
        let machine = |name: &String| {
            let dies = args.fail.as_ref() == Some(name);
            Machine::power_on(name, site.home(name), &binary, down_for, dies)
        };
        let machines = site
            .names()
            .iter()
            .map(machine)
            .collect::<Result<Vec<_>>>()?;
        let mender = args
            .fail
            .as_ref()
            .map(|name| Mender::new(name, &binary, site.home(name)));
        Ok(Self {
            judge: Judge::new(args.slots as usize),
            screen: Screen::new(site.names().len()),
            started: Instant::now(),
            site,
            machines,
            store,
            mender,
        })
    }

    /// Until every machine that can has rebooted and nobody holds a slot.
    async fn roll(&mut self) -> Result<()> {
        let reboots = self
            .machines
            .iter()
            .map(Machine::down_for)
            .sum::<Duration>();
        let deadline = self.started + PATIENCE + reboots;
        let mut ticks = tokio::time::interval(TICK);
        let mut is_asked = false;
        while Instant::now() < deadline {
            ticks.tick().await;
            self.look_after_machines().await?;
            let fleet = self.store.look().await?;
            if !is_asked && fleet.nodes.len() == self.machines.len() {
                self.site.ask_all()?;
                self.screen.say("every machine needs a reboot now");
                is_asked = true;
            }
            self.show(&fleet);
            self.mend(&fleet).await?;
            if is_asked && self.is_done(&fleet) {
                return Ok(());
            }
        }
        bail!(
            "the roll did not end in time: see the logs in {}",
            self.site.path().display()
        )
    }

    async fn look_after_machines(&mut self) -> Result<()> {
        for machine in &mut self.machines {
            machine.look_after().await?;
        }
        let down = self.machines.iter().filter(|machine| machine.is_down());
        let broken = self.mender.as_ref().and_then(Mender::broken);
        let counted = down.map(Machine::name).filter(|name| Some(*name) != broken);
        self.judge.see(counted.map(str::to_owned).collect());
        Ok(())
    }

    fn show(&mut self, fleet: &Fleet) {
        let rows: Vec<view::Row> = self
            .machines
            .iter()
            .map(|machine| view::row(machine, fleet))
            .collect();
        self.screen.show(self.started.elapsed(), &rows);
    }

    async fn mend(&mut self, fleet: &Fleet) -> Result<()> {
        match &mut self.mender {
            Some(mender) => mender.mend(fleet, &mut self.screen).await,
            None => Ok(()),
        }
    }

    fn is_done(&self, fleet: &Fleet) -> bool {
        let is_free = fleet
            .groups
            .values()
            .all(|entry| entry.group.holds.is_empty());
        is_free && self.machines.iter().all(Machine::is_finished)
    }

    /// Ends every machine, judges, and tells.
    async fn end(mut self, outcome: Result<()>) -> Result<ExitCode> {
        let history = self
            .store
            .history(&Default::default(), 10_000)
            .await
            .unwrap_or_default();
        for machine in &mut self.machines {
            machine.power_off_for_good().await;
        }
        if let Err(error) = &outcome {
            self.judge.blame(&format!("{error:#}"));
        }
        for machine in &self.machines {
            self.judge
                .count(machine.name(), machine.reboots(), machine.is_dead());
        }
        let summary = summary::text(&self.judge, &history, self.started.elapsed());
        self.screen.say(&summary);
        match self.judge.is_content() {
            true => Ok(ExitCode::Success),
            false => {
                let kept = self.site.keep();
                self.screen
                    .say(&format!("the files are kept in {}", kept.display()));
                Ok(ExitCode::RuntimeFailure)
            }
        }
    }
}

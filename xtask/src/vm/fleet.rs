//! Three machines and the server they ask, as an operator sets them up.

use anyhow::{Context, bail, ensure};

use super::diary::{Boot, Diary};
use super::guest::file;
use super::image::Image;
use super::machine::Machine;
use super::server::{Past, Server};
use super::wait;

const NAMES: [&str; 3] = ["vm-a", "vm-b", "vm-c"];
/// What ends the phases of a hold.
const ENDS: [&str; 3] = ["release", "break", "expire"];
/// What is written at a machine's death: its last lines on the console.
const LAST_LINES: usize = 15;
/// The need that a reboot ends by itself, since it stands in memory.
const NEED: &str = "touch /var/run/reboot-required";

/// The machines, their server, and what happened to them.
pub(super) struct Fleet {
    pub(super) machines: Vec<Machine>,
    pub(super) server: Server,
    pub(super) diary: Diary,
    /// How much had happened when the fleet was last judged.
    judged: Seen,
}

/// How much has happened so far, to look at what follows only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) diary: usize,
    pub(super) history: usize,
}

// === impl Fleet ===

impl Fleet {
    /// Gives power to three fresh machines, sets up our package on each, and waits until all are in
    /// service.
    ///
    /// # Errors
    /// When one of them does not come so far.
    pub(super) fn start(image: &Image) -> anyhow::Result<Self> {
        println!("  three fresh machines, and a server with a fresh store");
        let server = Server::start(&image.program, &image.directory.join("server"))?;
        let diary = Diary::new();
        let mut machines = Vec::new();
        for name in NAMES {
            let mut machine = Machine::new(name, image, &diary)?;
            machine.power_on()?;
            machines.push(machine);
        }
        for machine in &mut machines {
            machine
                .wait_until_up()
                .with_context(|| machine.console(LAST_LINES))?;
            set_up(machine, server.port)?;
            println!("  {} has our package in service", machine.name);
        }
        let (diary_len, history) = (diary.len(), server.history()?.len());
        let judged = Seen {
            diary: diary_len,
            history,
        };
        let fleet = Self {
            machines,
            server,
            diary,
            judged,
        };
        fleet.settle()?;
        Ok(fleet)
    }

    /// How much has happened so far.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub(super) fn seen(&self) -> anyhow::Result<Seen> {
        let (diary, history) = (self.diary.len(), self.server.history()?.len());
        Ok(Seen { diary, history })
    }

    /// Gives every machine the need of a reboot, at once.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub(super) fn need(&mut self) -> anyhow::Result<()> {
        println!("  all machines need a reboot now");
        self.machines
            .iter_mut()
            .try_for_each(|it| it.run(NEED).map(drop))
    }

    /// Gives this machine the need of a reboot.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(super) fn need_of(&mut self, name: &str) -> anyhow::Result<()> {
        println!("  {name} needs a reboot now");
        self.machine(name)?.run(NEED).map(drop)
    }

    /// The machine of this name.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn machine(&mut self, name: &str) -> anyhow::Result<&mut Machine> {
        let found = self.machines.iter_mut().find(|it| it.name == name);
        found.with_context(|| format!("no machine is named {name}"))
    }

    /// Waits until the history has, after so many entries, so many of this event.
    ///
    /// # Errors
    /// When it has not.
    pub(super) fn wait_for(&self, event: &str, count: usize, since: Seen) -> anyhow::Result<()> {
        let what = format!("{count} × {event} in the history");
        wait::until(&what, || {
            let history = self.server.history()?;
            let since = history.iter().skip(since.history);
            let seen = since.filter(|it| it.event == event).count();
            Ok((seen >= count).then_some(()))
        })
    }

    /// Waits until somebody holds the slot in this phase, and tells who.
    ///
    /// # Errors
    /// When nobody does.
    pub(super) fn wait_for_phase(&self, phase: &str) -> anyhow::Result<String> {
        let what = format!("somebody holds the slot, {phase}");
        wait::until(&what, || {
            let holder = self.server.holder()?;
            Ok(holder.filter(|it| it.1 == phase).map(|it| it.0))
        })
    }

    /// Waits until the machine is on its way down.
    ///
    /// # Errors
    /// When it stays up.
    pub(super) fn wait_until_down(&self, name: &str) -> anyhow::Result<()> {
        let what = format!("{name} goes down");
        wait::until(&what, || Ok((!self.diary.is_up(name)).then_some(())))
    }

    /// Waits until the machine has come up since then.
    ///
    /// # Errors
    /// When it has not.
    pub(super) fn wait_until_rebooted(&self, name: &str, since: Seen) -> anyhow::Result<()> {
        wait::until(&format!("{name} is up again"), || {
            let is_back = !self.boots(name, since).is_empty() && self.diary.is_up(name);
            Ok(is_back.then_some(()))
        })
    }

    /// Waits until the machine was not heard of for longer than any of its leases lasts.
    ///
    /// # Errors
    /// When it is heard of.
    pub(super) fn wait_until_unknown(&self, name: &str) -> anyhow::Result<()> {
        let what = format!("{name} was not heard of for long");
        wait::until(&what, || {
            Ok((self.server.node(name)?["fresh"] == false).then_some(()))
        })
    }

    /// Waits until the script exits with 0 on the machine.
    ///
    /// # Errors
    /// When it never does.
    pub(super) fn wait_on(&mut self, name: &str, script: &str) -> anyhow::Result<()> {
        let machine = self.machine(name)?;
        wait::until(script, || Ok(machine.holds(script)?.then_some(())))
    }

    /// Waits until so many wait for the slot.
    ///
    /// # Errors
    /// When they do not.
    pub(super) fn wait_for_line(&self, count: usize) -> anyhow::Result<()> {
        let what = format!("{count} wait for the slot");
        wait::until(&what, || {
            Ok((self.server.waiting()?.len() == count).then_some(()))
        })
    }

    /// Waits until all are up and well, and nobody needs, waits or holds.
    ///
    /// # Errors
    /// When that does not come to be.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        wait::until("all are well, and nobody needs, waits or holds", || {
            Ok(self.is_settled()?.then_some(()))
        })
    }

    fn is_settled(&self) -> anyhow::Result<bool> {
        for machine in &self.machines {
            // Until its daemon has reported, it is not in the list.
            let Ok(node) = self.server.node(&machine.name) else {
                return Ok(false);
            };
            let is_well = node["fresh"] == true && node["healthy"] == true;
            let has_need = !node["need"].is_null();
            if !self.diary.is_up(&machine.name) || !is_well || has_need {
                return Ok(false);
            }
        }
        self.server.is_quiet()
    }

    /// The boots in which the machine came up since then.
    pub(super) fn boots(&self, name: &str, since: Seen) -> Vec<Boot> {
        self.diary.boots(name, since.diary)
    }

    /// Judges all that happened since the last time: never two down, by the machines' own word and
    /// by the history; every hold at its end; and all that each machine must show after it.
    ///
    /// # Errors
    /// Tells what was not as it must be.
    pub(super) fn judge(&mut self) -> anyhow::Result<()> {
        self.settle()?;
        self.diary.never_two_down(self.judged.diary)?;
        let history = self.server.history()?;
        one_at_a_time(&history[self.judged.history..])?;
        for machine in &mut self.machines {
            let shows = "test ! -e /var/run/reboot-required && \
                         systemctl is-active --quiet clusterrebootd.service && \
                         test -z \"$(systemctl list-units --state=failed --no-legend)\"";
            ensure!(
                machine.holds(shows)?,
                "{} still needs a reboot, or a unit of it has failed",
                machine.name
            );
        }
        self.judged = self.seen()?;
        Ok(())
    }

    /// Judges that the machine's own kernel rebooted it exactly once since then, with all that
    /// belongs to it.
    ///
    /// # Errors
    /// Tells what is missing.
    pub(super) fn rebooted_once(&mut self, name: &str, since: Seen) -> anyhow::Result<()> {
        let resets = self.diary.resets(name, since.diary);
        ensure!(
            resets == 1,
            "the kernel of {name} reset it {resets} times, not once"
        );
        self.came_back_once(name, since)
    }

    /// Judges that the machine came up exactly once since then, and shows all that belongs to a
    /// reboot: another boot identity, drained before and checked after it, the undo, the marker.
    ///
    /// # Errors
    /// Tells what is missing.
    pub(super) fn came_back_once(&mut self, name: &str, since: Seen) -> anyhow::Result<()> {
        let boot = self.only_boot(name, since)?;
        let kernel = boot.kernel();
        let history = self.server.history()?;
        let of_node = history.iter().skip(since.history);
        let of_node: Vec<_> = of_node
            .filter(|it| it.node.as_deref() == Some(name))
            .collect();
        let count = |event: &str| of_node.iter().filter(|it| it.event == event).count();
        let fences = count("fence");
        ensure!(
            fences == 1,
            "{name} has {fences} × fence in the history, not one"
        );
        // Each run of the daemon that takes over a node that is back tells so, and tells it once.
        let after = of_node.iter().skip_while(|it| it.event != "fence");
        let adoptions = after.filter(|it| it.event == "adopt").count();
        let returns = count("return");
        ensure!(
            returns == adoptions && returns >= 1,
            "{name} has {returns} × return in the history, and {adoptions} × adopt"
        );
        let machine = self.machine(name)?;
        let marker = machine.run("cat /run/clusterrebootd/rebooted")?;
        ensure!(
            marker.contains("reboot-required"),
            "{name} has another marker: {marker}"
        );
        let witness = machine.run("cat /var/lib/witness; : > /var/lib/witness")?;
        let count = |what: &str| witness.lines().filter(|it| it.starts_with(what)).count();
        let is_drained = count("drain ") >= 1 && !witness.contains(&format!("drain {kernel}"));
        let is_undone = witness.contains(&format!("undo {kernel}"));
        let is_checked = witness.contains(&format!("check {kernel}")) && count("check ") == 1;
        ensure!(
            is_drained && is_undone && is_checked,
            "{name} was not drained, rebooted, checked and undone in boot {kernel}: {witness}"
        );
        Ok(())
    }

    /// The one boot in which the machine came up since then, which it never had before.
    ///
    /// # Errors
    /// When there was none, or more than one, or an old one.
    pub(super) fn only_boot(&self, name: &str, since: Seen) -> anyhow::Result<Boot> {
        let boots = self.boots(name, since);
        let [boot] = &boots[..] else {
            bail!("{name} came up {} times, not once: {boots:?}", boots.len());
        };
        let all = self.diary.boots(name, 0);
        let is_new = all.iter().filter(|it| *it == boot).count() == 1;
        ensure!(is_new, "{name} came up under an old identity: {all:?}");
        Ok(boot.clone())
    }

    /// What helps to see why something went wrong.
    pub(super) fn evidence(&mut self) -> String {
        let mut text = String::from("--- history\n");
        for it in self.server.history().unwrap_or_default() {
            let (node, number) = (it.node.unwrap_or_default(), it.number.unwrap_or_default());
            text.push_str(&format!("{} {} {node} {number}\n", it.at, it.event));
        }
        text.push_str(&format!("--- machines\n{}\n", self.diary.text()));
        let is_up: Vec<bool> = self
            .machines
            .iter()
            .map(|it| self.diary.is_up(&it.name))
            .collect();
        for (machine, is_up) in self.machines.iter_mut().zip(is_up) {
            let said = match is_up {
                true => machine.run("journalctl -b -u clusterrebootd -o cat -n 40 --no-pager"),
                false => Ok(machine.console(LAST_LINES)),
            };
            let said = said.unwrap_or_else(|error| error.to_string());
            text.push_str(&format!("--- {}\n{said}\n", machine.name));
        }
        text
    }
}

/// What an operator does after the installation: hooks, a health script, one file, one unit.
fn set_up(machine: &mut Machine, port: u16) -> anyhow::Result<()> {
    let name = machine.name.clone();
    let config = include_str!("guest/config.yaml");
    let config = config
        .replace("NODE", &name)
        .replace("PORT", &port.to_string());
    let hooks = "/etc/clusterrebootd";
    let files = [
        file(&format!("{hooks}/config.yaml"), "640", &config),
        file(
            &format!("{hooks}/pre-reboot.d/10-drain"),
            "755",
            include_str!("guest/drain.sh"),
        ),
        file(
            &format!("{hooks}/pre-reboot.d/10-drain.undo"),
            "755",
            include_str!("guest/undo.sh"),
        ),
        file(
            &format!("{hooks}/post-reboot.d/10-check"),
            "755",
            include_str!("guest/check.sh"),
        ),
        file("/usr/local/sbin/health", "755", "#!/bin/sh\ntrue\n"),
        file(
            "/usr/local/sbin/wants-restart",
            "755",
            include_str!("guest/wants-restart.sh"),
        ),
    ];
    machine.run(&files.concat())?;
    machine.run("clusterrebootd validate-config")?;
    machine
        .run("systemctl enable --now clusterrebootd")
        .map(drop)
}

/// Judges by the history that nobody claimed while another held.
fn one_at_a_time(history: &[Past]) -> anyhow::Result<()> {
    let mut holder: Option<&Past> = None;
    for it in history {
        match (it.event.as_str(), holder) {
            ("claim", Some(other)) => bail!("{it:?} while another held: {other:?}"),
            ("claim", None) => holder = Some(it),
            (end, Some(held)) if ENDS.contains(&end) && held.number == it.number => holder = None,
            _ => {}
        }
    }
    match holder {
        Some(held) => bail!("a hold did not end: {held:?}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(event: &str, number: u64) -> Past {
        Past {
            at: String::new(),
            event: event.to_owned(),
            node: Some(format!("vm-{number}")),
            number: Some(number),
        }
    }

    #[test]
    fn holds_one_after_the_other_are_well() {
        let history = [
            past("claim", 1),
            past("break", 1),
            past("claim", 2),
            past("release", 2),
        ];
        one_at_a_time(&history).unwrap();
    }

    #[test]
    fn a_claim_beside_a_hold_and_a_hold_without_end_are_found() {
        one_at_a_time(&[past("claim", 1), past("claim", 2)]).unwrap_err();
        one_at_a_time(&[past("claim", 1), past("release", 2)]).unwrap_err();
        one_at_a_time(&[past("claim", 1)]).unwrap_err();
    }
}

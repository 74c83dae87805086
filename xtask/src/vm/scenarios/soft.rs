//! A soft reboot: user space is new, the kernel and its boot id are not.

use anyhow::ensure;

use super::super::fleet::{Fleet, Seen};

/// A need that a restart of user space ends, unlike one in /run, which stays.
const NEED: &str = "systemctl show -P SoftRebootsCount > /var/lib/wants-restart";
const BY: &str =
    "sed -i 's/^reboot_method:.*/reboot_method: soft/' /etc/clusterrebootd/config.yaml";
const BY_COMMAND: &str =
    "sed -i 's/^reboot_method:.*/reboot_method: command/' /etc/clusterrebootd/config.yaml";
const RELOAD: &str = "systemctl reload clusterrebootd";

pub(super) fn play(fleet: &mut Fleet) -> anyhow::Result<()> {
    let names = ["vm-a", "vm-b"];
    for name in names {
        let machine = fleet.machine(name)?;
        machine.run(&[BY, RELOAD].join("\n"))?;
    }
    let since = fleet.seen()?;
    for name in names {
        println!("  {name} needs a restart of its user space now");
        fleet.machine(name)?.run(NEED)?;
    }
    fleet.wait_for("release", names.len(), since)?;
    fleet.settle()?;
    for name in names {
        restarted(fleet, name, since)?;
        let machine = fleet.machine(name)?;
        machine.run(
            &[
                BY_COMMAND,
                RELOAD,
                ": > /var/lib/witness; rm /var/lib/wants-restart",
            ]
            .join("\n"),
        )?;
    }
    Ok(())
}

fn restarted(fleet: &mut Fleet, name: &str, since: Seen) -> anyhow::Result<()> {
    let boot = fleet.only_boot(name, since)?;
    let resets = fleet.diary.resets(name, since.diary);
    ensure!(resets == 0, "the kernel of {name} reset it");
    let machine = fleet.machine(name)?;
    let kernel = machine.run("cat /proc/sys/kernel/random/boot_id")?;
    ensure!(
        boot.kernel() == kernel.trim(),
        "{name} has another kernel's boot"
    );
    let witness = machine.run("cat /var/lib/witness")?;
    let checks = witness.matches(&format!("check {}", boot.kernel())).count();
    ensure!(
        checks == 1,
        "{name} was checked {checks} times after its restart: {witness}"
    );
    let marker = machine.run("cat /run/clusterrebootd/rebooted")?;
    ensure!(
        marker.contains("wants-restart"),
        "{name} has another marker: {marker}"
    );
    Ok(())
}

//! The daemon dies while its node drains: the hold is durable, and the next daemon settles it.

use anyhow::ensure;

use super::super::fleet::Fleet;

pub(super) fn play(fleet: &mut Fleet) -> anyhow::Result<()> {
    let since = fleet.seen()?;
    fleet.machine("vm-a")?.run("touch /var/lib/slow-drain")?;
    fleet.need_of("vm-a")?;
    fleet.wait_for_phase("draining")?;
    fleet.need_of("vm-b")?;
    fleet.wait_for_line(1)?;
    println!("  the daemon of vm-a is killed");
    let machine = fleet.machine("vm-a")?;
    machine.run("systemctl kill --kill-whom=main --signal=KILL clusterrebootd")?;
    fleet.wait_for("adopt", 1, since)?;
    ensure!(
        fleet.boots("vm-b", since).is_empty(),
        "vm-b rebooted while vm-a was draining"
    );
    fleet.machine("vm-a")?.run("rm /var/lib/slow-drain")?;
    fleet.wait_until_rebooted("vm-a", since)?;
    fleet.wait_until_rebooted("vm-b", since)?;
    fleet.settle()?;
    fleet.rebooted_once("vm-a", since)?;
    fleet.rebooted_once("vm-b", since)
}

//! The check after the reboot fails: the node keeps its slot, and the roll stands still.

use anyhow::ensure;

use super::super::fleet::Fleet;

pub(super) fn play(fleet: &mut Fleet) -> anyhow::Result<()> {
    let since = fleet.seen()?;
    fleet.machine("vm-a")?.run("touch /var/lib/sick")?;
    fleet.need_of("vm-a")?;
    fleet.wait_for_phase("rebooting")?;
    fleet.need_of("vm-b")?;
    fleet.wait_for_line(1)?;
    fleet.wait_until_rebooted("vm-a", since)?;
    println!("  until the check of vm-a has failed three times");
    fleet.wait_on("vm-a", "test $(grep -c '^sick ' /var/lib/witness) -ge 3")?;
    let status = fleet.server.operator(&["lock", "status", "-o", "wide"])?;
    ensure!(
        status.contains("vm-a"),
        "vm-a gave its slot back unchecked: {status}"
    );
    ensure!(
        fleet.boots("vm-b", since).is_empty(),
        "vm-b went while vm-a was sick"
    );
    println!("  vm-a is mended");
    fleet.machine("vm-a")?.run("rm /var/lib/sick")?;
    fleet.wait_for("release", 2, since)?;
    fleet.settle()?;
    fleet.rebooted_once("vm-a", since)?;
    fleet.rebooted_once("vm-b", since)
}

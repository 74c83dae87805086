//! The check after the reboot fails: the node keeps its slot, and the roll stands still. A package
//! that is installed meanwhile changes nothing of that.

use anyhow::ensure;

use super::super::fleet::{Fleet, Seen};
use super::super::image::PACKAGE;

/// Which run of the daemon it is.
const RUN: &str = "systemctl show -P InvocationID clusterrebootd";

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
    stands_still(fleet, since)?;
    println!("  the package is installed anew on vm-a, and its check fails again");
    let machine = fleet.machine("vm-a")?;
    let before = machine.run(RUN)?;
    machine.run(&format!(
        "dpkg -i {PACKAGE} && sed -i '/^sick /d' /var/lib/witness"
    ))?;
    ensure!(machine.run(RUN)? != before, "its daemon was not restarted");
    fleet.wait_for("adopt", 2, since)?;
    fleet.wait_on("vm-a", "grep -q '^sick ' /var/lib/witness")?;
    stands_still(fleet, since)?;
    println!("  vm-a is mended");
    fleet.machine("vm-a")?.run("rm /var/lib/sick")?;
    fleet.wait_for("release", 2, since)?;
    fleet.settle()?;
    fleet.rebooted_once("vm-a", since)?;
    fleet.rebooted_once("vm-b", since)
}

fn stands_still(fleet: &Fleet, since: Seen) -> anyhow::Result<()> {
    let holder = fleet.server.holder()?.map(|(node, _)| node);
    ensure!(
        holder.as_deref() == Some("vm-a"),
        "vm-a is sick, and the slot is {holder:?}'s"
    );
    let boots = fleet.boots("vm-b", since);
    ensure!(boots.is_empty(), "vm-b went while vm-a was sick");
    Ok(())
}

//! Power is lost in the middle of a reboot, and nobody gives it back. Only an operator can tell
//! that the machine is off.

use anyhow::ensure;

use super::super::diary::Event;
use super::super::fleet::Fleet;

pub(super) fn play(fleet: &mut Fleet) -> anyhow::Result<()> {
    let since = fleet.seen()?;
    fleet.need_of("vm-a")?;
    fleet.wait_for_phase("rebooting")?;
    fleet.wait_until_down("vm-a")?;
    fleet.machine("vm-a")?.power_off()?;
    fleet.need_of("vm-b")?;
    fleet.wait_for_line(1)?;
    ensure!(
        fleet.wait_for_phase("rebooting")? == "vm-a",
        "its slot is another's"
    );
    fleet.diary.note("vm-a", Event::GivenUp);
    fleet.server.operator(&[
        "lock",
        "unlock",
        "vm-a",
        "--reason",
        "its board died",
        "--yes",
    ])?;
    fleet
        .server
        .operator(&["fleet", "forget", "vm-a", "--yes"])?;
    fleet.wait_until_rebooted("vm-b", since)?;
    fleet.wait_for("release", 1, since)?;
    fleet.rebooted_once("vm-b", since)?;
    println!("  the board of vm-a is replaced");
    fleet.machine("vm-a")?.power_on()?;
    fleet.wait_until_rebooted("vm-a", since)?;
    fleet.settle()?;
    let boot = fleet.only_boot("vm-a", since)?;
    let witness = fleet
        .machine("vm-a")?
        .run("cat /var/lib/witness; : > /var/lib/witness")?;
    let is_undone = witness.contains(&format!("undo {}", boot.kernel()));
    ensure!(
        is_undone,
        "the change of the broken hold was not undone: {witness}"
    );
    let history = fleet.server.history()?;
    let mut events = history.iter().skip(since.history);
    ensure!(
        events.any(|it| it.event == "break"),
        "the history has no break"
    );
    Ok(())
}

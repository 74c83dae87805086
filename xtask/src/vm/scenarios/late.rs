//! Power is lost in the middle of a reboot. However long the machine is away, its slot is its own.

use anyhow::ensure;

use super::super::fleet::Fleet;

pub(super) fn play(fleet: &mut Fleet) -> anyhow::Result<()> {
    let since = fleet.seen()?;
    fleet.need_of("vm-a")?;
    let first = fleet.wait_for_phase("rebooting")?;
    ensure!(first == "vm-a", "{first} goes down, which needs nothing");
    fleet.wait_until_down(&first)?;
    fleet.machine(&first)?.power_off()?;
    fleet.need_of("vm-b")?;
    fleet.wait_for_line(1)?;
    println!("  until nobody has heard of {first} for longer than any lease lasts");
    fleet.wait_until_unknown(&first)?;
    ensure!(
        fleet.wait_for_phase("rebooting")? == first,
        "its slot is another's"
    );
    ensure!(
        fleet.boots("vm-b", since).is_empty(),
        "vm-b rebooted meanwhile"
    );
    fleet.machine(&first)?.power_on()?;
    fleet.wait_for("release", 2, since)?;
    fleet.settle()?;
    fleet.came_back_once(&first, since)?;
    fleet.rebooted_once("vm-b", since)
}

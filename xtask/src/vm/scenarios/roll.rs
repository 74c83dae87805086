//! All need a reboot at once: each goes exactly once, one after the other.

use super::super::fleet::Fleet;

pub(super) fn play(fleet: &mut Fleet) -> anyhow::Result<()> {
    let since = fleet.seen()?;
    fleet.need()?;
    fleet.wait_for("release", fleet.machines.len(), since)?;
    fleet.settle()?;
    let names: Vec<String> = fleet.machines.iter().map(|it| it.name.clone()).collect();
    names
        .iter()
        .try_for_each(|name| fleet.rebooted_once(name, since))
}

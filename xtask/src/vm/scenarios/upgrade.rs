//! The package is upgraded in the middle of a roll: on the one that drains, and on those that wait.
//! A daemon that stops while its node drains undoes that and gives the slot to the next.

use anyhow::ensure;

use super::super::fleet::Fleet;
use super::super::image::{LATER, LATER_PACKAGE};

const VERSION: &str = "dpkg-query --show --showformat='${Version}' clusterrebootd";

pub(super) fn play(fleet: &mut Fleet) -> anyhow::Result<()> {
    let since = fleet.seen()?;
    let names: Vec<String> = fleet.machines.iter().map(|it| it.name.clone()).collect();
    for machine in &mut fleet.machines {
        machine.run("touch /var/lib/slow-drain")?;
    }
    fleet.need()?;
    fleet.wait_for_phase("draining")?;
    fleet.wait_for_line(names.len() - 1)?;
    for name in &names {
        println!("  {name} is upgraded");
        let machine = fleet.machine(name)?;
        let before = machine.run("sha256sum /etc/clusterrebootd/config.yaml")?;
        machine.run(&format!("dpkg --install {LATER_PACKAGE}"))?;
        let version = machine.run(VERSION)?;
        ensure!(
            version.starts_with(LATER),
            "{name} has {version} after the upgrade"
        );
        let after = machine.run("sha256sum /etc/clusterrebootd/config.yaml")?;
        ensure!(
            before == after,
            "the upgrade changed the operator's file on {name}"
        );
    }
    for name in &names {
        let boots = fleet.boots(name, since);
        ensure!(boots.is_empty(), "{name} rebooted though it was draining");
    }
    for machine in &mut fleet.machines {
        machine.run("rm /var/lib/slow-drain")?;
    }
    for name in &names {
        fleet.wait_until_rebooted(name, since)?;
    }
    fleet.settle()?;
    names
        .iter()
        .try_for_each(|name| fleet.rebooted_once(name, since))
}

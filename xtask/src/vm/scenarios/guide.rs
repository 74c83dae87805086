//! The operators' guide on a real systemd and its logind, by the guide's own lines: what holds a
//! node back, and a boot whose own check fails.

use anyhow::{Context, ensure};

use super::super::fleet::Fleet;
use super::super::guest::file;

const NODE: &str = "vm-a";
/// Somebody who wants no shutdown, as a package manager at work.
const INHIBITOR: &str = "systemd-run --quiet --unit=at-work systemd-inhibit --what=shutdown \
                         --who=package-manager --why=at-work --mode=block sleep infinity";
/// A service of the node's that fails in a boot, for as long as the test says.
const APPLICATION: &str = "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
                           ExecStart=/usr/bin/test ! -e /var/lib/unfit\n\
                           [Install]\nWantedBy=multi-user.target\n";
const APPLICATION_UNIT: &str = "/etc/systemd/system/application.service";
const JOURNAL: &str = "/var/lib/clusterrebootd/journal.json";
const CONFIG: &str = "/etc/clusterrebootd/config.yaml";

pub(super) fn play(fleet: &mut Fleet) -> anyhow::Result<()> {
    daily_work(fleet)?;
    with_a_broken_journal(fleet)?;
    let since = fleet.seen()?;
    held_back(fleet)?;
    ensure!(
        fleet.boots(NODE, since).is_empty(),
        "{NODE} went though it was held back"
    );
    with_a_boot_check(fleet)?;
    fleet.wait_until_rebooted(NODE, since)?;
    unfit(fleet)?;
    fleet.wait_for("release", 1, since)?;
    fleet.settle()?;
    fleet.rebooted_once(NODE, since)?;
    let script = format!(
        "systemctl disable systemd-boot-check-no-failures application; rm {APPLICATION_UNIT}"
    );
    fleet.machine(NODE)?.run(&script).map(drop)
}

/// Runs a command on the node that says these words.
fn says(fleet: &mut Fleet, command: &str, words: &[&str]) -> anyhow::Result<()> {
    let said = fleet.machine(NODE)?.run(command)?;
    let missing: Vec<_> = words.iter().filter(|it| !said.contains(**it)).collect();
    ensure!(
        missing.is_empty(),
        "`{command}` says no {missing:?}: {said}"
    );
    Ok(())
}

/// Looks at the node, restarts its daemon, and gives that a bad file.
fn daily_work(fleet: &mut Fleet) -> anyhow::Result<()> {
    println!("  {NODE} is looked at, restarted, and given a bad file");
    says(fleet, "clusterrebootd simulate", &["reboot-required"])?;
    says(fleet, "clusterrebootd status", &["outcome: no_action"])?;
    says(
        fleet,
        "systemctl status clusterrebootd",
        &["active (running)", "no_action"],
    )?;
    says(fleet, "journalctl -u clusterrebootd", &["daemon_started"])?;
    let id = id_of_zincati()?;
    says(fleet, &format!("{id} | grep -Ex '[0-9a-f]{{32}}'"), &[])?;
    says(fleet, "systemctl restart clusterrebootd", &[])?;
    let machine = fleet.machine(NODE)?;
    machine.run(&format!(
        "cp -p {CONFIG} /var/tmp; echo 'node_nam: x' >> {CONFIG}"
    ))?;
    let is_taken = machine.holds("systemctl reload clusterrebootd")?;
    ensure!(!is_taken, "a bad file was no failure of the reload");
    machine.run(&format!("cp -p /var/tmp/config.yaml {CONFIG}"))?;
    says(fleet, "systemctl reload clusterrebootd", &[])?;
    says(fleet, "systemctl --failed", &["0 loaded units listed"])
}

/// What zincati.md has people type to learn the id by which Zincati goes.
fn id_of_zincati() -> anyhow::Result<String> {
    let text = include_str!("../../../../docs/zincati.md");
    let below = text.split_once("On a node it is");
    let script = below.and_then(|(_, below)| below.split("```").nth(1));
    let line = script.and_then(|script| script.lines().nth(1));
    Ok(line.context("zincati.md shows no command")?.to_owned())
}

/// A daemon that cannot run is tried again and again, and goes on by itself once that is mended.
fn with_a_broken_journal(fleet: &mut Fleet) -> anyhow::Result<()> {
    println!("  the journal of {NODE} is broken, and mended");
    let script = format!(
        "systemctl stop clusterrebootd; cp -p {JOURNAL} /var/tmp; echo broken > {JOURNAL}\n\
         systemctl start --no-block clusterrebootd"
    );
    fleet.machine(NODE)?.run(&script)?;
    let tries = "test $(systemctl show -P NRestarts clusterrebootd) -ge 2";
    fleet.wait_on(NODE, tries)?;
    fleet.wait_on(
        NODE,
        "systemctl status clusterrebootd | grep -q auto-restart",
    )?;
    says(fleet, "journalctl -u clusterrebootd", &["journal.json"])?;
    says(
        fleet,
        &format!("cp -p /var/tmp/journal.json {JOURNAL}"),
        &[],
    )?;
    fleet.wait_on(NODE, "systemctl is-active --quiet clusterrebootd")
}

/// The kill switch, and then somebody who asked logind for no shutdown.
fn held_back(fleet: &mut Fleet) -> anyhow::Result<()> {
    says(fleet, "touch /etc/clusterrebootd/disable", &[])?;
    says(fleet, INHIBITOR, &[])?;
    fleet.need_of(NODE)?;
    blocked_by(fleet, "kill_switch_active")?;
    println!("  its kill switch is taken away; a package manager is at work");
    says(fleet, "rm /etc/clusterrebootd/disable", &[])?;
    says(
        fleet,
        "systemd-inhibit --list",
        &["package-manager", "block"],
    )?;
    blocked_by(fleet, "held_back")
}

/// Waits until this keeps the node from its reboot: a look of ours says so, and the daemon itself.
fn blocked_by(fleet: &mut Fleet, outcome: &str) -> anyhow::Result<()> {
    let look = format!("clusterrebootd status | grep -q '^outcome: {outcome} '");
    fleet.wait_on(NODE, &look)?;
    let told = format!("journalctl -b -u clusterrebootd -o cat | grep -q 'run_outcome: {outcome}'");
    fleet.wait_on(NODE, &told)
}

/// The node's boot is checked from now on, and it will fail.
fn with_a_boot_check(fleet: &mut Fleet) -> anyhow::Result<()> {
    println!("  {NODE} goes, and fails the check of its boot");
    let unit = file(APPLICATION_UNIT, "644", APPLICATION);
    let machine = fleet.machine(NODE)?;
    machine.run(&format!(
        "{unit}systemctl enable application; touch /var/lib/unfit"
    ))?;
    says(
        fleet,
        "systemctl enable systemd-boot-check-no-failures",
        &[],
    )?;
    says(fleet, "systemctl stop at-work", &[])
}

/// The daemon does not run and the slot stays taken, until somebody mends the node and starts it.
fn unfit(fleet: &mut Fleet) -> anyhow::Result<()> {
    let is_refused = "systemctl status clusterrebootd | grep -q dependency";
    fleet.wait_on(NODE, is_refused)?;
    says(fleet, "systemctl --failed", &["application.service"])?;
    let holder = fleet.server.holder()?;
    ensure!(
        holder == Some((NODE.to_owned(), "rebooting".to_owned())),
        "{NODE} is unfit, and the slot is {holder:?}'s"
    );
    println!("  {NODE} is mended");
    let mend = "rm /var/lib/unfit; systemctl start application";
    says(fleet, mend, &[])?;
    says(fleet, "systemctl start clusterrebootd", &[])
}

//! What every package manager has to do alike: keep what the operator wrote and what the daemon
//! left, renew what nobody touched, leave nothing else behind.

use anyhow::{Context, ensure};

use super::root::Root;
use super::snapshot::Snapshot;

pub(super) const CONFIG: &str = "/etc/clusterrebootd/config.yaml";
pub(super) const SERVER: &str = "/etc/clusterrebootd/server.yaml";
/// A line that only the configurations of the older package have.
pub(super) const OLD: &str = "# As an older version shipped it.\n";
/// What an operator writes first: the keys that have no default.
const EDIT: &str = "\
store: {embedded: {}}
node_name: node-1
reboot_required_detectors: [{type: file, path: /run/reboot-required}]
health_script: /usr/share/doc/clusterrebootd/examples/health/systemd-failed-units
";
/// What the daemon leaves behind, and a hook of the operator's own.
pub(super) const STATE: &str = "/var/lib/clusterrebootd/left-behind";
pub(super) const OWN_HOOK: &str = "/etc/clusterrebootd/pre-reboot.d/own";
/// Goes with the next boot.
pub(super) const RUNTIME: &str = "/run/clusterrebootd";

/// The program answers under each of its names.
///
/// # Errors
/// Which does not.
pub(super) fn programs_answer(root: &Root) -> anyhow::Result<()> {
    root.run(&["clusterrebootd", "version"])?;
    root.run(&["rebootlockctl", "--help"])?;
    root.run(&["fleetlock", "-version"])?;
    Ok(())
}

/// systemd finds nothing wrong in the units, and nothing of ours is enabled.
///
/// # Errors
/// What systemd says.
pub(super) fn units_load(root: &Root) -> anyhow::Result<()> {
    for unit in ["clusterrebootd.service", "clusterrebootd-server.service"] {
        let said = root.run(&["systemd-analyze", "verify", "--man=no", unit])?;
        ensure!(
            said.trim().is_empty(),
            "systemd-analyze says of {unit}: {said}"
        );
        let is_enabled = root.succeeds(&["systemctl", "is-enabled", unit])?;
        ensure!(!is_enabled, "{unit} is enabled, and nobody asked for that");
    }
    starts_after_boot_checks(root)
}

/// Where the boot is checked the daemon starts when it is, and not never: systemd says whose job it
/// would delete.
fn starts_after_boot_checks(root: &Root) -> anyhow::Result<()> {
    let units = ["clusterrebootd", "systemd-boot-check-no-failures"];
    root.run(&[&["systemctl", "enable"], &units[..]].concat())?;
    let said = root.run(&["systemd-analyze", "verify", "--man=no", "default.target"])?;
    ensure!(!said.contains("clusterrebootd"), "at boot: {said}");
    root.run(&[&["systemctl", "disable"], &units[..]].concat())?;
    Ok(())
}

/// An operator edits and enables what was installed, and a daemon leaves something behind.
///
/// # Errors
/// When the program does not take its own configuration, with an operator's lines.
pub(super) fn use_it(root: &Root, has_systemd: bool) -> anyhow::Result<()> {
    root.append(CONFIG, EDIT)?;
    root.run(&["clusterrebootd", "validate-config"])?;
    root.run(&["mkdir", "-p", "/var/lib/clusterrebootd"])?; // where no tmpfiles.d did
    root.append(STATE, "left by the daemon\n")?;
    root.append(OWN_HOOK, "#!/bin/sh\n")?;
    if has_systemd {
        root.run(&["systemctl", "enable", "clusterrebootd"])?;
    }
    Ok(())
}

/// After an upgrade: what the operator wrote and what the daemon left is still there, what nobody
/// touched is new, and the new configuration is offered under this name, which is then deleted.
///
/// # Errors
/// What is not so.
pub(super) fn is_upgraded(root: &Root, offered: &str, has_systemd: bool) -> anyhow::Result<()> {
    is_the_operator_s(root, CONFIG)?;
    let config = read(root, CONFIG)?;
    ensure!(config.contains(OLD), "{CONFIG} is not as it was any more");
    for new in [SERVER, offered] {
        let text = read(root, new)?;
        ensure!(!text.contains(OLD), "{new} is still the old one");
    }
    root.run(&["rm", offered])?;
    for path in [STATE, OWN_HOOK] {
        let is_there = root.run(&["test", "-f", path]);
        is_there.with_context(|| format!("{path} is gone"))?;
    }
    if has_systemd {
        root.run(&["systemctl", "is-enabled", "clusterrebootd"])?;
    }
    Ok(())
}

/// The file still has the operator's lines.
///
/// # Errors
/// When it has not, or is gone.
pub(super) fn is_the_operator_s(root: &Root, path: &str) -> anyhow::Result<()> {
    let text = read(root, path)?;
    ensure!(text.contains(EDIT), "{path} lost the operator's change");
    Ok(())
}

/// Of what was added there is still all that is kept, and nothing else but what may be.
///
/// # Errors
/// What is gone, or still there.
pub(super) fn only_these_are_left(
    left: &Snapshot,
    kept: &[&str],
    may_be: &[&str],
) -> anyhow::Result<()> {
    for path in kept {
        ensure!(left.0.contains_key(*path), "{path} is gone");
    }
    let is_kept = |path: &str| kept.iter().any(|it| it.starts_with(path));
    let paths = left.paths().into_iter();
    let strange: Vec<&str> = paths
        .filter(|path| !is_kept(path) && !may_be.contains(path))
        .collect();
    ensure!(strange.is_empty(), "still there: {}", strange.join(", "));
    Ok(())
}

fn read(root: &Root, path: &str) -> anyhow::Result<String> {
    root.run(&["cat", path])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_is_too_much_is_named() {
        let left = |paths: &[&str]| {
            let lines = paths
                .iter()
                .map(|it| format!("{it}\tf\troot:root\t644\t\n"));
            Snapshot::parse(&lines.collect::<String>()).unwrap()
        };
        let said = |paths: &[&str]| {
            let checked = only_these_are_left(&left(paths), &[STATE], &[RUNTIME]);
            checked.map_or_else(|error| error.to_string(), |()| String::new())
        };
        assert_eq!(said(&["/var/lib", STATE, RUNTIME]), "");
        assert_eq!(said(&["/var/lib"]), format!("{STATE} is gone"));
        assert_eq!(said(&[STATE, "/etc/x"]), "still there: /etc/x");
    }
}

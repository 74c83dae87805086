//! The operators' guide, the signatures of packages and the old command's name, typed as written.
//! What builds and installs packages is a stand-in here: other tests build and install them.

use crate::guide::{Host, Site, block, write_program};
use std::fs;

const OPERATIONS: &str = "docs/operations.md";
const PACKAGING: &str = "docs/packaging.md";
const README: &str = "README.md";
const FLEETLOCK: &str = "docs/fleetlock.md";
const SERVER: &str = "docs/server.md";
const REBOOTLOCKCTL: &str = "docs/rebootlockctl.md";

/// Stands for cargo: what it builds is there already; the packages are one file, which is signed.
const CARGO: &str = r#"#!/bin/sh
set -eu
case "$*" in
"build --release") ;;
"xtask package")
    mkdir -p dist/packages
    echo "a package" > dist/packages/clusterrebootd_0.1.0_amd64.deb
    cd dist/packages
    for sum in 256 512; do "sha${sum}sum" *.deb > "SHA${sum}SUMS"; done
    export SIGNING_KEY="../../$SIGNING_KEY" MINISIGN_KEY="../../$MINISIGN_KEY"
    PACKAGING/scripts/sign_artifacts.sh . ;;
*) echo "unknown: $*" >&2; exit 1 ;;
esac
"#;
/// Stands for apt-get: installs a file that is there.
const APT: &str = "#!/bin/sh\n[ \"$1\" = install ] && [ -f \"$2\" ]\n";
/// Stands for a reader of manual pages.
const MAN: &str = "#!/bin/sh\n[ -f ROOT/share/man/man8/\"$1\".8 ]\n";

/// A machine without anything of ours.
fn machine(site: &Site) -> Host<'_> {
    let host = site.host("node-a");
    for (name, text) in [
        ("cargo", CARGO),
        ("apt-get", APT),
        ("man", MAN),
        ("sudoedit", "#!/bin/sh\n[ -f \"$1\" ]\n"),
    ] {
        host.program(name, text);
    }
    host
}

/// A document's commands behind their prompts.
pub(crate) fn typed(block: &str) -> String {
    let lines = block.lines().filter_map(|line| line.strip_prefix("$ "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_program_is_installed_from_source_as_written() {
    let site = Site::new();
    let host = machine(&site);
    host.good(&block(OPERATIONS, "## Install from source"));
    let config = fs::read_to_string(host.root.join("etc/clusterrebootd/config.yaml")).unwrap();
    assert!(config.contains("node_name: node-a"));
    let said = host.good("clusterrebootd validate-config");
    assert!(said.contains("is valid"), "{said}");
    host.good("test /usr/local/bin/rebootlockctl -ef /usr/local/bin/clusterrebootd");
    host.good("man clusterrebootd");
    host.good(&block(OPERATIONS, "### Run it under systemd"));
    let unit = host.root.join("etc/systemd/system/clusterrebootd.service");
    assert!(fs::read_to_string(unit).unwrap().contains("[Service]"));
}

#[test]
fn packages_are_signed_verified_and_installed_as_written() {
    let site = Site::new();
    let host = machine(&site);
    let script = typed(&block(PACKAGING, "says that nothing was signed."));
    let said = host.good(&script);
    for words in [
        "sums and signatures are good",
        "Signature and comment signature verified",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let packages = site.desk().join("dist/packages");
    assert!(!packages.join("minisign.pub").exists(), "it proves nothing");
    let check = script.lines().last().unwrap();
    let said = host.bad(&format!("echo more >> dist/packages/SHA256SUMS\n{check}"));
    assert!(said.contains("Signature verification failed"), "{said}");
    host.good("sed -i '$d' dist/packages/SHA256SUMS");
    let config = fs::read_to_string("../../packaging/config.yaml").unwrap();
    let own = "store: {embedded: {}}\nnode_name: node-1\nhealth_script: /bin/true\n\
               reboot_required_detectors: [{type: file, path: /run/reboot-required}]\n";
    host.write("etc/clusterrebootd/config.yaml", &(config + own));
    let unit = "etc/systemd/system/clusterrebootd.service";
    host.write(unit, "brought by the package");
    let said = host.good(&block(OPERATIONS, "## Install a package"));
    assert!(said.contains("sums and signatures are good"), "{said}");
    fs::write(packages.join("clusterrebootd_0.1.0_amd64.deb"), "another").unwrap();
    let said = host.bad(&block(OPERATIONS, "## Install a package"));
    assert!(said.contains("files are not what it says"), "{said}");
}

#[test]
fn the_old_commands_name_is_given_as_written() {
    let site = Site::new();
    let host = machine(&site);
    host.good("install -m 0755 target/release/clusterrebootd /usr/local/bin/");
    host.good("clusterrebootd man --out /usr/local/share/man");
    let script = block(REBOOTLOCKCTL, "Everything below works under both names.");
    assert!(script.contains("ln -s clusterrebootd /usr/local/bin/rebootlockctl"));
    host.good(&script);
    host.good("test /usr/local/bin/rebootlockctl -ef /usr/local/bin/clusterrebootd");
}

/// Stands for an editor, and whoever sits at it: the file that they mean is there already.
const SUDOEDIT: &str = "#!/bin/sh\n[ -f \"$1\" ] && cp ROOT/edited.yaml \"$1\"\n";
/// Runs a daemon until it has said how a pass went, and stops it.
const UNTIL_A_PASS: &str = r#"
    DAEMON > daemon.log 2>&1 & pid=$!
    until grep -q run_outcome daemon.log; do kill -0 $pid || { cat daemon.log >&2; exit 1; }; done
    kill $pid; wait $pid; cat daemon.log
"#;

/// The example's file as somebody has adjusted it: everything of the machine below its directory.
fn adjusted(host: &Host<'_>) -> String {
    let example = fs::read_to_string("../../examples/config.yaml").unwrap();
    let store = format!("embedded: {{path: {}/fleet.db}}", host.root.display());
    host.here(&example).replace("embedded: {}", &store) + &host.places()
}

#[test]
fn one_machine_is_set_up_as_the_readme_says() {
    let site = Site::new();
    let host = machine(&site);
    host.program("sudoedit", SUDOEDIT);
    host.write("edited.yaml", &adjusted(&host));
    host.write("machine-id", "0123456789abcdef0123456789abcdef\n");
    let check = host.root.join("installed/cluster-health-check.sh");
    write_program(&check, "#!/bin/sh\nexit 0\n");
    let script = block(README, "## One machine, for good");
    let (daemons, rest): (Vec<_>, Vec<_>) = script.lines().partition(|it| it.contains(" run"));
    let said = host.good(&rest.join("\n"));
    for words in ["is valid", "clear", "outcome: "] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let [dry, wet] = &daemons[..] else {
        panic!("{daemons:?}: first a dry run, then a run");
    };
    for (daemon, is_dry) in [(dry, true), (wet, false)] {
        let (daemon, _) = daemon.split_once('#').unwrap_or((daemon, ""));
        let said = host.good(&UNTIL_A_PASS.replace("DAEMON", daemon));
        assert_eq!(said.contains("\"dry_run\":true"), is_dry, "{said}");
    }
}

/// Waits until a server of this command serves, has it grant a slot, and stops it.
const UNTIL_A_GRANT: &str = r#"
    SERVER 2> log & pid=$!
    until grep -q server_started log; do kill -0 $pid || { cat log >&2; exit 1; }; done
    curl --fail --silent --show-error -H 'fleet-lock-protocol: true' \
        -d '{"client_params":{"id":"a","group":"default"}}' http://127.0.0.1:8080/v1/pre-reboot
    kill $pid; wait $pid
"#;

#[test]
fn the_fleetlock_server_is_started_by_its_name_as_written() {
    let site = Site::new();
    let host = machine(&site);
    host.good("install -m 0755 target/release/clusterrebootd /usr/local/bin/");
    let script = typed(&block(FLEETLOCK, "can start this one:"));
    let (link, start) = script.split_once('\n').unwrap();
    host.good(link);
    host.good("test /usr/local/bin/fleetlock -ef /usr/local/bin/clusterrebootd");
    host.called("fleetlock", "");
    let start = format!("STATE_DIRECTORY={} {}", host.root.display(), start.trim());
    host.good(&UNTIL_A_GRANT.replace("SERVER", &start));
}

#[test]
fn a_server_is_started_at_a_glance_as_written() {
    let site = Site::new();
    let host = machine(&site);
    let start = typed(&block(SERVER, "On one machine:"));
    host.good(&format!(
        "{}\n",
        UNTIL_A_GRANT.replace("SERVER", start.trim())
    ));
}

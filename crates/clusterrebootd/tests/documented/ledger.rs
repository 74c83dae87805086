//! Where each command in the documentation is typed.

/// Where a command is typed.
#[derive(Debug)]
pub(crate) enum Typed {
    /// In this file.
    In(&'static str),
    /// In this file, which goes through so many blocks below the heading.
    Section(&'static str, usize),
    /// In this file, word for word.
    As(&'static str),
    /// By no test, and why.
    Nowhere(&'static str),
}

use Typed::{As, In, Nowhere, Section};

const ALERTS: &str = "crates/clusterrebootd/tests/deploy/alerts.rs";
const ETCD_MOVING: &str = "crates/clusterrebootd/tests/etcd/moving.rs";
const ETCD_PAPERS: &str = "crates/clusterrebootd/tests/etcd/papers.rs";
const ETCD_REACH: &str = "crates/clusterrebootd/tests/etcd/reach.rs";
const ETCD_WAITING: &str = "crates/clusterrebootd/tests/etcd/waiting.rs";
const HEALTH: &str = "crates/clusterrebootd/tests/health/guide.rs";
const OPERATIONS: &str = "crates/clusterrebootd/tests/deploy/operations.rs";
const PODMAN: &str = "xtask/src/install/podman.rs";
const PROXY: &str = "crates/clusterrebootd/tests/deploy/proxy.rs";
const TYPED: &str = "crates/clusterrebootd/tests/deploy/typed.rs";
const UNITS: &str = "crates/clusterrebootd/tests/deploy/units.rs";
const VM_GUIDE: &str = "xtask/src/vm/scenarios/guide.rs";
const WALKS: &str = "crates/clusterrebootd/tests/deploy/walks.rs";

/// Blocks of commands: the document, the words before the block or a heading above it, and the file
/// that reads it there.
pub(crate) const SCRIPTS: &[(&str, &str, Typed)] = &[
    (
        "README.md",
        "Watch a fleet reboot.",
        As(".github/workflows/ci.yaml"),
    ),
    (
        "README.md",
        "`demo --fail node-2` shows",
        Nowhere("the demo types it itself"),
    ),
    ("README.md", "## One machine, for good", In(OPERATIONS)),
    ("etcd.md", "the copy\nmends it", In(ETCD_REACH)),
    ("etcd.md", "## What stands where", In(ETCD_PAPERS)),
    (
        "etcd.md",
        "The layout `rebootlock` needs one prefix instead:",
        In(ETCD_PAPERS),
    ),
    ("etcd.md", "## Permissions", In(ETCD_PAPERS)),
    ("fleetlock.md", "can start this one:", In(OPERATIONS)),
    (
        "migrating.md",
        "## A fleet of the original, node by node",
        Section(ETCD_MOVING, 4),
    ),
    (
        "migrating.md",
        "## A fleet of the reboot lock",
        Section(ETCD_MOVING, 5),
    ),
    ("monitoring.md", "*Dashboards, New, Import*.", In(ALERTS)),
    ("operations.md", "## Install a package", In(OPERATIONS)),
    ("operations.md", "## Install from source", In(OPERATIONS)),
    ("operations.md", "### Run it under systemd", In(OPERATIONS)),
    ("operations.md", "## Ask a node to reboot", In(TYPED)),
    (
        "operations.md",
        "### The example health scripts",
        Section(HEALTH, 3),
    ),
    ("operations.md", "## The health script", In(HEALTH)),
    (
        "packaging.md",
        "says that nothing was signed.",
        In(OPERATIONS),
    ),
    (
        "packaging.md",
        "podman loads it,\nskopeo takes it to a registry:",
        In(PODMAN),
    ),
    ("planning.md", "and none is made.", In(TYPED)),
    ("planning.md", "## What it shows", In(TYPED)),
    ("planning.md", "## The picture", In(TYPED)),
    ("quick-start.md", "1. Install it:", In(WALKS)),
    ("quick-start.md", "2. Make a token", In(WALKS)),
    ("quick-start.md", "3. Start it:", In(WALKS)),
    ("quick-start.md", "1. Install the daemon", In(WALKS)),
    ("quick-start.md", "To begin with:", In(WALKS)),
    ("quick-start.md", "3. Check it, then start it:", In(WALKS)),
    ("quick-start.md", "On any node:", In(WALKS)),
    ("quick-start.md", "Now say on two of them", In(WALKS)),
    ("quick-start.md", "as its `token_file`:", In(WALKS)),
    (
        "rebootlockctl.md",
        "Everything below works under both names.",
        In(OPERATIONS),
    ),
    ("rebootlockctl.md", "People want more:", In(TYPED)),
    ("rebootlockctl.md", "## See who holds", In(TYPED)),
    (
        "rebootlockctl.md",
        "## Free the slot of a machine that is gone",
        In(TYPED),
    ),
    (
        "rebootlockctl.md",
        "## Change the slots, pause, resume",
        In(TYPED),
    ),
    (
        "reliability.md",
        "the engine adds thousands of texts:",
        Nowhere("it wants cargo-bolero, which no test installs"),
    ),
    ("reverse-proxy.md", "# Behind a reverse proxy", In(PROXY)),
    (
        "runbook.md",
        "# Runbook: a node does not come back",
        Section(ETCD_WAITING, 3),
    ),
    ("server.md", "On one machine:", In(OPERATIONS)),
    ("server.md", "<!-- backup -->", In(WALKS)),
    ("server.md", "<!-- restore -->", In(WALKS)),
    ("server.md", "<!-- move: drain -->", In(WALKS)),
    ("server.md", "<!-- move: stop -->", In(WALKS)),
    ("server.md", "<!-- move: begin -->", In(WALKS)),
    ("server.md", "<!-- move: go -->", In(WALKS)),
    ("zincati.md", "goes into the list as its hash:", In(WALKS)),
    (
        "zincati.md",
        "As Zincati asks, from any machine:",
        In(WALKS),
    ),
    ("zincati.md", "On a node it is", In(VM_GUIDE)),
];

/// Commands of other programs in running text.
pub(crate) const COMMANDS: &[(&str, Typed)] = &[
    ("cargo install cargo-bolero", Nowhere("no test installs it")),
    (
        "cosign verify-blob --key",
        Nowhere("cosign is no package of Debian 12; openssl verifies the same in every test"),
    ),
    ("dpkg --install", In("xtask/src/vm/scenarios/upgrade.rs")),
    ("dpkg -i", In("xtask/src/vm/scenarios/sick.rs")),
    ("etcdctl get", In(ETCD_PAPERS)),
    (
        "git tag -s vX.Y.Z",
        Nowhere("signs with a maintainer's own key"),
    ),
    ("journalctl -u clusterrebootd", In(VM_GUIDE)),
    (
        "journalctl -u zincati",
        Nowhere("Zincati runs on Fedora CoreOS alone"),
    ),
    ("kubectl get leases", Nowhere("told as what shows nothing")),
    (
        "ln -s clusterrebootd /usr/local/bin/rebootlockctl",
        In(OPERATIONS),
    ),
    ("make build", In("xtask/src/documented.rs")),
    ("rpm -i", Nowhere("told as what asks nobody")),
    ("rustup target add", In("xtask/src/package/target.rs")),
    (
        "shutdown -r now",
        Nowhere("the virtual machines' daemons run it: the default"),
    ),
    ("sqlite3 -readonly", In(WALKS)),
    ("systemctl --failed", In(VM_GUIDE)),
    (
        "systemctl enable --now clusterrebootd",
        In("xtask/src/vm/fleet.rs"),
    ),
    (
        "systemctl enable systemd-boot-check-no-failures",
        In(VM_GUIDE),
    ),
    ("systemctl reload", In(VM_GUIDE)),
    ("systemctl reload clusterrebootd", In(VM_GUIDE)),
    ("systemctl restart clusterrebootd", In(VM_GUIDE)),
    (
        "systemctl soft-reboot",
        Nowhere("told as what `reboot_method: soft` does likewise"),
    ),
    ("systemctl start clusterrebootd", In(VM_GUIDE)),
    ("systemctl status", In(VM_GUIDE)),
    ("systemd-analyze security", In(UNITS)),
    ("systemd-analyze security clusterrebootd-server", In(UNITS)),
    ("systemd-analyze verify", In("xtask/src/install/life.rs")),
    ("systemd-inhibit --list", In(VM_GUIDE)),
    ("touch /etc/clusterrebootd/disable", In(VM_GUIDE)),
];

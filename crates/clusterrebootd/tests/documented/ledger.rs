//! Where each command of another program in the documentation is typed.

/// Where a command is typed.
#[derive(Debug)]
pub(crate) enum Typed {
    /// In this file: it reads the document's lines, or has each of these words.
    In(&'static str),
    /// By no test, and why.
    Nowhere(&'static str),
}

use Typed::{In, Nowhere};

const ETCD_MOVING: &str = "crates/clusterrebootd/tests/etcd/moving.rs";
const ETCD_PAPERS: &str = "crates/clusterrebootd/tests/etcd/papers.rs";
const HEALTH: &str = "crates/clusterrebootd/tests/health/guide.rs";
const OPERATIONS: &str = "crates/clusterrebootd/tests/deploy/operations.rs";
const PODMAN: &str = "xtask/src/install/podman.rs";
const PROXY: &str = "crates/clusterrebootd/tests/deploy/proxy.rs";
const VM_FLEET: &str = "xtask/src/vm/fleet.rs";
const VM_GUIDE: &str = "xtask/src/vm/scenarios/guide.rs";
const WALKS: &str = "crates/clusterrebootd/tests/deploy/walks.rs";

/// Scripts: the document, how the first line begins, and where it is typed.
pub(crate) const SCRIPTS: &[(&str, &str, Typed)] = &[
    ("README.md", "cargo build --release", In(OPERATIONS)),
    ("etcd.md", "etcdctl get --prefix /prod/", In(ETCD_PAPERS)),
    (
        "etcd.md",
        "etcdctl role add clusterrebootd",
        In(ETCD_PAPERS),
    ),
    ("etcd.md", "etcdctl role grant-permission", In(ETCD_PAPERS)),
    (
        "etcd.md",
        "key=/prod/cluster/clusterrebootd/lock",
        In("crates/clusterrebootd/tests/etcd/reach.rs"),
    ),
    ("fleetlock.md", "sudo ln -s clusterrebootd", In(OPERATIONS)),
    ("migrating.md", "etcdctl get", In(ETCD_MOVING)),
    ("migrating.md", "for prefix in", In(ETCD_MOVING)),
    ("migrating.md", "key=coreos.com", In(ETCD_MOVING)),
    (
        "monitoring.md",
        "promtool check config",
        In("crates/clusterrebootd/tests/deploy/alerts.rs"),
    ),
    ("operations.md", "COSIGN_PUBLIC_KEY=", In(OPERATIONS)),
    ("operations.md", "cargo build --release", In(OPERATIONS)),
    (
        "operations.md",
        "sudo install -m 0644 deploy/systemd",
        In(OPERATIONS),
    ),
    ("operations.md", "#!/bin/sh", In(HEALTH)),
    ("operations.md", "cd /usr/share/doc", In(HEALTH)),
    ("operations.md", "sudo chmod 0755", In(HEALTH)),
    ("packaging.md", "openssl genpkey", In(OPERATIONS)),
    ("packaging.md", "podman load", In(PODMAN)),
    ("quick-start.md", "printf", In(WALKS)),
    ("quick-start.md", "sed ", In(WALKS)),
    (
        "quick-start.md",
        "sudo clusterrebootd validate-config",
        In(WALKS),
    ),
    ("quick-start.md", "sudo install", In(WALKS)),
    ("quick-start.md", "sudo systemctl enable", In(WALKS)),
    ("quick-start.md", "sudo touch", In(WALKS)),
    ("quick-start.md", "umask 077", In(WALKS)),
    ("rebootlockctl.md", "sudo ln -s", In(OPERATIONS)),
    (
        "reliability.md",
        "cp -r crates/reboot-fuzz/corpus",
        Nowhere("what follows wants cargo-bolero, which no test installs"),
    ),
    ("reverse-proxy.md", "sudo install", In(PROXY)),
    ("server.md", "sudo systemctl", In(WALKS)),
    ("zincati.md", "curl --fail-with-body", In(WALKS)),
    ("zincati.md", "systemd-id128 machine-id", In(VM_GUIDE)),
];

/// Commands in running text.
pub(crate) const COMMANDS: &[(&str, &str, Typed)] = &[
    (
        "",
        "cosign verify-blob --key",
        Nowhere("cosign is no package of Debian 12; openssl verifies the same in every test"),
    ),
    (
        "",
        "dpkg --install",
        In("xtask/src/vm/scenarios/upgrade.rs"),
    ),
    ("", "dpkg -i", In("xtask/src/vm/scenarios/sick.rs")),
    ("", "etcdctl get", In(ETCD_PAPERS)),
    (
        "",
        "git tag -s vX.Y.Z",
        Nowhere("signs with a maintainer's own key"),
    ),
    ("", "journalctl -u clusterrebootd", In(VM_GUIDE)),
    (
        "",
        "journalctl -u zincati",
        Nowhere("Zincati runs on Fedora CoreOS alone"),
    ),
    (
        "",
        "kubectl get leases",
        Nowhere("told as what shows nothing"),
    ),
    (
        "",
        "ln -s clusterrebootd",
        Nowhere("told as how the original's command was named"),
    ),
    ("", "make build", In("xtask/src/documented.rs")),
    ("", "rpm -i", Nowhere("told as what asks nobody")),
    ("", "rustup target add", In("xtask/src/package/target.rs")),
    (
        "",
        "shutdown -r now",
        Nowhere("the virtual machines' daemons run it: the default"),
    ),
    ("", "sqlite3 -readonly", In(WALKS)),
    ("", "systemctl --failed", In(VM_GUIDE)),
    ("", "systemctl enable --now clusterrebootd", In(VM_FLEET)),
    (
        "",
        "systemctl enable systemd-boot-check-no-failures",
        In(VM_GUIDE),
    ),
    ("", "systemctl reload", In(VM_GUIDE)),
    ("", "systemctl reload clusterrebootd", In(VM_GUIDE)),
    ("", "systemctl restart clusterrebootd", In(VM_GUIDE)),
    (
        "",
        "systemctl soft-reboot",
        Nowhere("told as what `reboot_method: soft` does likewise"),
    ),
    ("", "systemctl start clusterrebootd", In(VM_GUIDE)),
    ("", "systemctl status", In(VM_GUIDE)),
    (
        "",
        "systemd-analyze security",
        In("crates/clusterrebootd/tests/deploy/units.rs"),
    ),
    (
        "",
        "systemd-analyze verify",
        In("xtask/src/install/life.rs"),
    ),
    ("", "systemd-inhibit --list", In(VM_GUIDE)),
    ("", "touch /etc/clusterrebootd/disable", In(VM_GUIDE)),
];

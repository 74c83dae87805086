//! The operators' guide, the signatures of packages and the old command's name, typed as written.
//! What builds and installs packages is a stand-in here: other tests build and install them.

use crate::guide::{Host, Site, block};
use std::fs;

const OPERATIONS: &str = "docs/operations.md";
const PACKAGING: &str = "docs/packaging.md";
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
    SIGNING_KEY="../../$SIGNING_KEY" PACKAGING/scripts/sign_artifacts.sh . ;;
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
fn typed(block: &str) -> String {
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
    let said = host.good(&typed(&block(PACKAGING, "says that nothing was signed.")));
    assert!(said.contains("sums and signatures are good"), "{said}");
    let config = fs::read_to_string("../../packaging/config.yaml").unwrap();
    let own = "store: {embedded: {}}\nnode_name: node-1\nhealth_script: /bin/true\n\
               reboot_required_detectors: [{type: file, path: /run/reboot-required}]\n";
    host.write("etc/clusterrebootd/config.yaml", &(config + own));
    let unit = "etc/systemd/system/clusterrebootd.service";
    host.write(unit, "brought by the package");
    let said = host.good(&block(OPERATIONS, "## Install a package"));
    assert!(said.contains("sums and signatures are good"), "{said}");
    fs::write(
        site.desk()
            .join("dist/packages/clusterrebootd_0.1.0_amd64.deb"),
        "another",
    )
    .unwrap();
    let said = host.bad(&block(OPERATIONS, "## Install a package"));
    assert!(said.contains("files are not what it says"), "{said}");
}

#[test]
fn the_old_commands_name_is_given_as_written() {
    let site = Site::new();
    let host = machine(&site);
    host.good("install -m 0755 target/release/clusterrebootd /usr/local/bin/");
    host.good("clusterrebootd man --out /usr/local/share/man");
    host.good(&block(REBOOTLOCKCTL, "# "));
    host.good("test /usr/local/bin/rebootlockctl -ef /usr/local/bin/clusterrebootd");
}

//! Dependencies between our crates only point down, and the ground floor stands on little.

use super::manifest::{Dependency, Kind, Manifest};
use super::{Tree, Violation};

/// Each of our packages and those it may stand on: the tree of ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "clusterrebootd",
        &[
            "reboot-agent",
            "reboot-core",
            "reboot-drain",
            "reboot-host",
            "reboot-lab",
            "reboot-server",
            "reboot-sim",
            "reboot-store",
            "reboot-store-etcd",
            "reboot-store-kube",
        ],
    ),
    (
        "reboot-agent",
        &["reboot-core", "reboot-drain", "reboot-host", "reboot-store"],
    ),
    (
        "reboot-server",
        &["reboot-core", "reboot-lab", "reboot-store"],
    ),
    ("reboot-sim", &["reboot-core"]),
    ("reboot-host", &["reboot-core", "reboot-lab"]),
    ("reboot-drain", &["reboot-core"]),
    ("reboot-store", &["reboot-core"]),
    (
        "reboot-store-etcd",
        &["reboot-core", "reboot-lab", "reboot-store"],
    ),
    ("reboot-store-kube", &["reboot-core", "reboot-store"]),
    (
        "reboot-fuzz",
        &[
            "clusterrebootd",
            "reboot-core",
            "reboot-host",
            "reboot-server",
            "reboot-store",
        ],
    ),
    ("reboot-core", &[]),
    ("reboot-lab", &[]),
    ("xtask", &[]),
];

/// All that the rules may stand on: types, texts and the calendar, nothing that acts.
const CORE_DEPENDENCIES: &[&str] = &["jiff", "serde", "serde_json", "thiserror"];

/// Checks the dependencies of every package.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    tree.manifests()
        .flat_map(|file| match Manifest::parse(file) {
            Ok(manifest) => check_manifest(&file.path, &manifest),
            Err(violation) => vec![violation],
        })
        .collect()
}

fn check_manifest(path: &str, manifest: &Manifest) -> Vec<Violation> {
    let name = manifest.name.as_str();
    let Some(allowed) = allowed(name) else {
        let what = format!("{name} is not in the tree of crates");
        let mend = "give it a place in ARROWS (xtask/src/tidy/arrows.rs) and in ARCHITECTURE.md";
        return vec![Violation::new(path, 1, what, mend)];
    };
    let check = |dependency: &Dependency| {
        let core = name == "reboot-core" && dependency.kind != Kind::Dev;
        check_arrow(name, allowed, dependency)
            .or_else(|| if core { check_core(dependency) } else { None })
            .map(|(what, mend)| Violation::new(path, dependency.line, what, mend))
    };
    manifest.dependencies.iter().filter_map(check).collect()
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    ARROWS
        .iter()
        .find(|(from, _)| *from == name)
        .map(|(_, to)| *to)
}

fn check_arrow(from: &str, to: &[&str], dependency: &Dependency) -> Option<(String, &'static str)> {
    let name = dependency.name.as_str();
    if allowed(name).is_none() || to.contains(&name) {
        return None;
    }
    let mend = "arrows only point down: move the shared part to a crate below both";
    Some((format!("{from} may not depend on {name}"), mend))
}

fn check_core(dependency: &Dependency) -> Option<(String, &'static str)> {
    let name = dependency.name.as_str();
    if CORE_DEPENDENCIES.contains(&name) {
        return None;
    }
    let mend = "keep the rules free of it: do it in a crate above and pass the result in";
    Some((format!("reboot-core may not depend on {name}"), mend))
}

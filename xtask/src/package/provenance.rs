//! Where the packages come from: an in-toto statement with SLSA's predicate.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::target::Target;
use super::{Workshop, sums, tools};

const SOURCE: &str = "https://github.com/clusterrebootd/clusterrebootd";
/// The text that tells what the parameters mean.
const BUILD_TYPE: &str =
    "https://github.com/clusterrebootd/clusterrebootd/blob/main/docs/packaging.md#provenance";

/// What is said of every file in the folder. It names no time and no machine: whoever builds the
/// same gets the same.
///
/// # Errors
/// When the toolchain does not answer.
pub(super) fn of(folder: &Path, workshop: &Workshop, targets: &[Target]) -> anyhow::Result<Value> {
    let (release, profile) = (&workshop.release, &workshop.profile);
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
                    "targets": targets.iter().map(|it| it.pinned()).collect::<Vec<_>>(),
                    "rustc": compiler.lines().collect::<Vec<_>>(),
                    "cargo": said("cargo", &["--version"])?.trim(),
                    "linker": [tools::ZIGBUILD, tools::ZIG],
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

fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = tools::output(Command::new(program).args(arguments))?;
    Ok(String::from_utf8(output)?)
}

#[cfg(test)]
mod tests {
    use super::super::{Place, Release};
    use super::*;

    #[test]
    fn it_tells_what_of_and_with_what() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.deb"), "abc").unwrap();
        let workshop = Workshop {
            place: Place::of(folder.path()),
            release: Release {
                version: "1.2.3".to_owned(),
                epoch: "1".to_owned(),
                commit: "c0ffee".to_owned(),
                is_changed: false,
            },
            profile: "dist".to_owned(),
            tools: folder.path().to_owned(),
        };
        let statement = of(folder.path(), &workshop, &[Target::own().unwrap()]).unwrap();
        let subject = &statement["subject"][0];
        assert_eq!(subject["name"], "a.deb");
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(subject["digest"]["sha256"], of_abc);
        let definition = &statement["predicate"]["buildDefinition"];
        let source = &definition["resolvedDependencies"][0];
        assert_eq!(source["digest"]["gitCommit"], "c0ffee");
        let inside = &definition["internalParameters"];
        let target = inside["targets"][0].as_str().unwrap();
        assert!(target.contains("-linux-gnu"), "{target}");
        assert!(inside["rustc"][0].as_str().unwrap().starts_with("rustc 1."));
    }
}

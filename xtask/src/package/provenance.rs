//! Where the packages come from: an in-toto statement with SLSA's predicate.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::target::Target;
use super::{Workshop, compile, sums, tools};

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
                    "command": "cargo xtask package",
                    "profile": profile,
                    "architectures": architectures(targets),
                    "version": release.version,
                },
                "internalParameters": {
                    "targets": built(workshop, targets)?,
                    "rustc": compiler.lines().collect::<Vec<_>>(),
                    "cargo": said("cargo", &["--version"])?.trim(),
                    "packager": tools::NFPM.pinned().collect::<Vec<_>>(),
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

/// Each once, as `--arch` takes them.
fn architectures(targets: &[Target]) -> Vec<String> {
    let mut names: Vec<_> = targets.iter().map(|it| it.arch.to_string()).collect();
    names.dedup();
    names
}

/// What programs are there, and what linked each.
fn built(workshop: &Workshop, targets: &[Target]) -> anyhow::Result<Vec<Value>> {
    let program = |target: &Target| {
        Ok(match compile::is_plain(workshop, *target)? {
            true => json!({"target": target.triple(), "linker": ["the machine's own"]}),
            false => json!({
                "target": target.pinned(),
                "linker": tools::ZIG.pinned().collect::<Vec<_>>(),
            }),
        })
    };
    targets.iter().map(program).collect()
}

fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = tools::output(Command::new(program).args(arguments))?;
    Ok(String::from_utf8(output)?)
}

#[cfg(test)]
mod tests {
    use super::super::target::Libc;
    use super::super::{Place, Release};
    use super::*;

    fn workshop(folder: &Path, profile: &str) -> Workshop {
        Workshop {
            place: Place::of(folder),
            release: Release {
                version: "1.2.3".to_owned(),
                epoch: "1".to_owned(),
                commit: "c0ffee".to_owned(),
                is_changed: false,
            },
            profile: profile.to_owned(),
            tools: folder.to_owned(),
        }
    }

    #[test]
    fn it_tells_what_of_and_with_what() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.deb"), "abc").unwrap();
        let workshop = workshop(folder.path(), "dist");
        let statement = of(folder.path(), &workshop, &[Target::own().unwrap()]).unwrap();
        let subject = &statement["subject"][0];
        assert_eq!(subject["name"], "a.deb");
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(subject["digest"]["sha256"], of_abc);
        let definition = &statement["predicate"]["buildDefinition"];
        let source = &definition["resolvedDependencies"][0];
        assert_eq!(source["digest"]["gitCommit"], "c0ffee");
        let inside = &definition["internalParameters"];
        let program = &inside["targets"][0];
        let target = program["target"].as_str().unwrap();
        assert!(target.contains("-linux-gnu"), "{target}");
        assert!(
            program["linker"][1]
                .as_str()
                .unwrap()
                .starts_with("ziglang==")
        );
        assert!(
            inside["packager"][0]
                .as_str()
                .unwrap()
                .starts_with("nfpm==")
        );
        assert!(inside["rustc"][0].as_str().unwrap().starts_with("rustc 1."));
    }

    #[test]
    fn a_developers_build_does_not_claim_the_linker_of_a_release() {
        let folder = tempfile::tempdir().unwrap();
        let own = Target::own().unwrap();
        let both = [
            own,
            Target {
                libc: Libc::Musl,
                ..own
            },
        ];
        let built = built(&workshop(folder.path(), "dev"), &both).unwrap();
        assert_eq!(built[0]["linker"], json!(["the machine's own"]));
        assert_ne!(built[1]["linker"], built[0]["linker"]);
        assert_eq!(architectures(&both), [own.arch.to_string()]);
    }
}

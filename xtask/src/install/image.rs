//! The container image: others' programs read it, run it, unpack it, and what is in it runs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::alone::Alone;
use super::foreign::clear;
use super::podman;
use super::root::{as_root, finished};
use crate::package::target::Arch;

/// Where the image keeps the server's state.
const STATE: &str = "var/lib/clusterrebootd-server/fleet.db";
const USER: u32 = 65532;

/// It has an image for each of these, and each serves.
///
/// # Errors
/// The first step that goes wrong, and how.
pub(super) fn check(
    archive: &Path,
    archs: &[Arch],
    version: &str,
    (root, tools, folder): (&Path, &Path, &Path),
) -> anyhow::Result<()> {
    let name = format!("oci-archive:{}:clusterrebootd:{version}", archive.display());
    let index = read(&["inspect", "--raw", &name])?;
    let platforms = index["manifests"].as_array().cloned().unwrap_or_default();
    let named = |it: &Value| it["platform"]["architecture"].as_str().map(str::to_owned);
    let has: Vec<String> = platforms.iter().filter_map(named).collect();
    let wanted: Vec<String> = archs.iter().map(Arch::to_string).collect();
    ensure!(has == wanted, "it is for {has:?}");
    let trial = podman::Trial {
        archive,
        index: &index,
        version,
        runs_here: archs.contains(&Arch::own()?),
    };
    trial.run(root, tools, folder)?;
    for arch in archs {
        let work = tempfile::tempdir_in(folder)?;
        let checked = of_one(&name, *arch, version, work.path());
        clear(work.path())?;
        checked.with_context(|| format!("for {arch}"))?;
    }
    Ok(())
}

fn of_one(name: &str, arch: Arch, version: &str, work: &Path) -> anyhow::Result<()> {
    let choose = format!("--override-arch={arch}");
    let said = read(&[&choose, "inspect", name])?;
    let label = &said["Labels"]["org.opencontainers.image.version"];
    ensure!(label == version, "its label says {label}");
    let layout = work.join("layout").display().to_string();
    let copy = format!("oci:{layout}:tried");
    skopeo(&[&choose, "copy", "--quiet", name, &copy])?;
    let bundle = work.join("bundle");
    let mut unpack = as_root("umoci");
    unpack.args(["unpack", "--image", &format!("{layout}:tried")]);
    finished(unpack.arg(&bundle), "apt-get install umoci")?;
    let mut config = as_root("cat");
    config.arg(bundle.join("config.json"));
    let config: Value = serde_json::from_str(&finished(&mut config, "look at it")?)?;
    let process = &config["process"];
    ensure!(process["user"]["uid"] == USER, "run by {}", process["user"]);
    let command = &process["args"];
    ensure!(
        *command == json!(["/usr/bin/clusterrebootd", "serve"]),
        "it runs {command}"
    );
    let mut alone = Alone::new(&bundle.join("rootfs"), "/usr/bin/clusterrebootd", arch)?;
    alone.user = (USER, USER);
    alone.try_out(version, &["serve"])?;
    let mut owner = as_root("stat");
    owner.arg("--format=%u").arg(alone.folder.join(STATE));
    let owner = finished(&mut owner, "it keeps its state elsewhere")?;
    ensure!(
        owner.trim() == USER.to_string(),
        "its state belongs to {owner}"
    );
    Ok(())
}

fn read(arguments: &[&str]) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&skopeo(arguments)?)?)
}

fn skopeo(arguments: &[&str]) -> anyhow::Result<String> {
    let mut skopeo = Command::new("skopeo");
    // Which registries sign what is no matter here.
    skopeo.args(["--insecure-policy", "--override-os=linux"]);
    finished(skopeo.args(arguments), "apt-get install skopeo")
}

//! `cargo xtask package`: .deb, .rpm, .apk and a tarball of one build, with their check sums.
//!
//! The same sources, toolchain and `SOURCE_DATE_EPOCH` make the same bytes, whatever the folder.
//! docs/packaging.md tells what is in the packages.

mod libc;
mod stage;
mod sums;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use stage::Stage;

/// What to make.
#[derive(clap::Args, Debug)]
pub(crate) struct Order {
    /// The build profile: dist for a release, dev to see that it works.
    #[arg(long, default_value = RELEASE_PROFILE)]
    profile: String,
    /// Where to put what is made.
    #[arg(long, value_name = "DIR", default_value = "dist")]
    out: PathBuf,
}

const RELEASE_PROFILE: &str = "dist";
/// A kind of package, and what its name ends with.
const KINDS: [&str; 3] = ["deb", "rpm", "apk"];

/// Everything that two builds must agree on to be the same, byte for byte.
struct Release {
    version: String,
    /// The moment of the last commit, in seconds since 1970: the time of every file.
    epoch: String,
}

/// Builds, stages, packs, and sums up.
///
/// # Errors
/// Names the program that is missing or failed.
pub(crate) fn run(root: &Path, order: &Order) -> anyhow::Result<()> {
    let release = Release::of(root)?;
    let out = root.join(&order.out);
    let packages = out.join("packages");
    if packages.is_dir() {
        fs::remove_dir_all(&packages).context("cannot clear the old packages")?;
    }
    fs::create_dir_all(&packages)?;
    println!(
        "=== clusterrebootd {} ({}) ===",
        release.version, order.profile
    );
    let binary = build(root, order, &release)?;
    let nfpm = tools::nfpm(root)?;
    let stage = Stage::make(root, &binary, &release)?;
    fs::copy(&binary, out.join("clusterrebootd")).context("cannot copy the binary")?;
    for kind in KINDS {
        pack(root, &nfpm, kind, &stage, &release, &packages)?;
    }
    stage.tarball(&release, &packages)?;
    sums::write(&packages)?;
    for name in sums::names(&packages)? {
        println!("{}", packages.join(name).display());
    }
    Ok(())
}

/// The binary of this profile. In a release's no path of the build's machine is left.
fn build(root: &Path, order: &Order, release: &Release) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "build",
            "--locked",
            "--package",
            "clusterrebootd",
            "--profile",
        ])
        .arg(&order.profile)
        .current_dir(root)
        .env("SOURCE_DATE_EPOCH", &release.epoch);
    if order.profile == RELEASE_PROFILE {
        let (root, cargo_home) = (root.display(), tools::cargo_home()?);
        let sources = format!("--remap-path-prefix={root}=/source");
        let crates = format!("--remap-path-prefix={}=/cargo", cargo_home.display());
        cargo.env("RUSTFLAGS", format!("{sources} {crates}"));
    }
    tools::run(&mut cargo, "mend the compiler's errors above")?;
    let folder = match order.profile.as_str() {
        "dev" => "debug",
        profile => profile,
    };
    let binary = tools::target_dir(root).join(folder).join("clusterrebootd");
    ensure!(binary.is_file(), "{} was not built", binary.display());
    Ok(binary)
}

fn pack(
    root: &Path,
    nfpm: &Path,
    kind: &str,
    stage: &Stage,
    release: &Release,
    packages: &Path,
) -> anyhow::Result<()> {
    let mut command = Command::new(nfpm);
    command
        .args([
            "package",
            "--config",
            "packaging/nfpm.yaml",
            "--packager",
            kind,
            "--target",
        ])
        .arg(packages)
        .current_dir(root)
        .env("STAGE", stage.path())
        .env("PACKAGE_ARCH", tools::arch()?)
        .env("PACKAGE_VERSION", &release.version)
        .env("PACKAGE_LIBC", stage.libc())
        .env("SOURCE_DATE_EPOCH", &release.epoch);
    tools::run(&mut command, "mend packaging/nfpm.yaml")
}

// === impl Release ===

impl Release {
    fn of(root: &Path) -> anyhow::Result<Self> {
        let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
        let manifest: toml_edit::DocumentMut = manifest.parse()?;
        let version = manifest["workspace"]["package"]["version"].as_str();
        Ok(Self {
            version: version.context("Cargo.toml names no version")?.to_owned(),
            epoch: epoch(root)?,
        })
    }
}

/// What the caller says, or the last commit's moment.
fn epoch(root: &Path) -> anyhow::Result<String> {
    #[allow(clippy::disallowed_methods)] // the convention of reproducible builds
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(given);
    }
    let log = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    let text = String::from_utf8(log.stdout)?.trim().to_owned();
    if text.is_empty() {
        bail!("no commit tells the time: set SOURCE_DATE_EPOCH to seconds since 1970");
    }
    Ok(text)
}

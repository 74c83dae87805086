//! `cargo xtask package`: .deb, .rpm, .apk and a tarball of one build, with their check sums.
//!
//! The same sources, toolchain and `SOURCE_DATE_EPOCH` make the same bytes, whatever the folder.
//! docs/packaging.md tells what is in the packages.

mod libc;
mod provenance;
mod reproduce;
mod sbom;
mod sign;
mod stage;
mod sums;
pub(crate) mod tools;

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
    /// Make everything a second time, in another folder, and compare byte for byte.
    #[arg(long)]
    check_reproducible: bool,
}

/// A checkout, and where cargo builds it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

const RELEASE_PROFILE: &str = "dist";
/// A kind of package, and what its name ends with.
const KINDS: [&str; 3] = ["deb", "rpm", "apk"];

/// Everything that two builds must agree on to be the same, byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) version: String,
    /// The moment of the last commit, in seconds since 1970: the time of every file.
    epoch: String,
    /// The commit that is built.
    commit: String,
    /// Whether the files are not quite those of the commit.
    is_changed: bool,
}

/// A build, ready to be packed as this or that version.
pub(crate) struct Build {
    place: Place,
    pub(crate) release: Release,
    binary: PathBuf,
    stage: Stage,
    nfpm: PathBuf,
}

/// Builds, packs, and sums up.
///
/// # Errors
/// Names the program that is missing or failed; what is not the same in another folder.
pub(crate) fn run(root: &Path, order: &Order) -> anyhow::Result<()> {
    let place = Place::of(root);
    let release = Release::of(root)?;
    let nfpm = tools::nfpm(&place)?;
    let out = root.join(&order.out);
    let packages = make(&place, &release, &order.profile, &nfpm, &out)?;
    if order.check_reproducible {
        reproduce::check(&place, &release, &order.profile, &nfpm, &packages)?;
    }
    sign::Keys::of_environment().sign(&packages)?;
    for name in sums::names(&packages)? {
        println!("{}", packages.join(name).display());
    }
    Ok(())
}

/// Everything there is of one build; answers with the folder of the packages.
fn make(
    place: &Place,
    release: &Release,
    profile: &str,
    nfpm: &Path,
    out: &Path,
) -> anyhow::Result<PathBuf> {
    let packages = out.join("packages");
    if packages.is_dir() {
        fs::remove_dir_all(&packages).context("cannot clear the old packages")?;
    }
    fs::create_dir_all(&packages)?;
    let build = Build::make(place, release, profile, nfpm)?;
    fs::copy(&build.binary, out.join("clusterrebootd")).context("cannot copy the binary")?;
    for kind in KINDS {
        build.pack(kind, &build.release.version, &packages)?;
    }
    build.stage.tarball(release, &packages)?;
    let name = format!("clusterrebootd-{}", release.version);
    let bill = sbom::of(&place.root, &provenance::target()?)?;
    fs::write(packages.join(format!("{name}.cdx.json")), pretty(&bill)?)?;
    let statement = provenance::of(&packages, release, profile)?;
    fs::write(
        packages.join(format!("{name}.provenance.json")),
        pretty(&statement)?,
    )?;
    sums::write(&packages)?;
    Ok(packages)
}

fn pretty(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// The binary of this profile. In a release's no path of the build's machine is left.
fn compile(place: &Place, profile: &str, release: &Release) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--locked", "--package", "clusterrebootd"])
        .args(["--profile", profile])
        .current_dir(&place.root)
        .env("CARGO_TARGET_DIR", &place.target);
    if profile == RELEASE_PROFILE {
        let home = tools::cargo_home()?;
        // The last that fits counts, and the target directory is mostly below the root.
        let folders = [
            (&place.root, "/source"),
            (&home, "/cargo"),
            (&place.target, "/target"),
        ];
        let flag =
            |(from, to): (&PathBuf, &str)| format!("--remap-path-prefix={}={to}", from.display());
        cargo.env("CARGO_ENCODED_RUSTFLAGS", folders.map(flag).join("\x1f"));
        cargo.env("SOURCE_DATE_EPOCH", &release.epoch);
    }
    tools::run(&mut cargo, "mend the compiler's errors above")?;
    let folder = match profile {
        "dev" => "debug",
        profile => profile,
    };
    let binary = place.target.join(folder).join("clusterrebootd");
    ensure!(binary.is_file(), "{} was not built", binary.display());
    Ok(binary)
}

// === impl Place ===

impl Place {
    /// A checkout that builds where cargo is told to.
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            target: tools::target_dir(root),
        }
    }
}

// === impl Build ===

impl Build {
    /// Compiles with this profile, and stages what goes into the packages.
    ///
    /// # Errors
    /// Names the program that is missing or failed.
    pub(crate) fn make(
        place: &Place,
        release: &Release,
        profile: &str,
        nfpm: &Path,
    ) -> anyhow::Result<Self> {
        println!("=== clusterrebootd {} ({profile}) ===", release.version);
        let binary = compile(place, profile, release)?;
        let stage = Stage::make(place, &binary, release)?;
        ensure!(
            profile != RELEASE_PROFILE || libc::is_old_enough(stage.libc()),
            "the binary needs glibc {}: build a release on Debian 12 or Ubuntu 22.04",
            stage.libc()
        );
        Ok(Self {
            place: place.clone(),
            release: release.clone(),
            binary,
            stage,
            nfpm: nfpm.to_owned(),
        })
    }

    /// The folder of what is made for the packages; what is changed there is packed.
    pub(crate) fn stage(&self) -> &Path {
        self.stage.path()
    }

    /// Makes a package of a kind: deb, rpm or apk.
    ///
    /// # Errors
    /// What the packager says.
    pub(crate) fn pack(&self, kind: &str, version: &str, folder: &Path) -> anyhow::Result<()> {
        let description = self.description(version)?;
        let mut command = Command::new(&self.nfpm);
        command
            .args(["package", "--packager", kind, "--config"])
            .arg(description)
            .arg("--target")
            .arg(folder)
            .current_dir(&self.place.root)
            .env("SOURCE_DATE_EPOCH", &self.release.epoch);
        tools::run(&mut command, "mend packaging/nfpm.yaml")
    }

    /// The packager's description with every variable filled in; by itself it fills in only some.
    fn description(&self, version: &str) -> anyhow::Result<PathBuf> {
        let stage = self.stage.path();
        let mut text = fs::read_to_string(self.place.root.join("packaging/nfpm.yaml"))?;
        for (name, value) in [
            ("STAGE", &*stage.to_string_lossy()),
            ("PACKAGE_ARCH", tools::arch()?),
            ("PACKAGE_VERSION", version),
            ("PACKAGE_LIBC", self.stage.libc()),
        ] {
            text = text.replace(&format!("${{{name}}}"), value);
        }
        ensure!(
            !text.contains("${"),
            "packaging/nfpm.yaml has an unknown variable"
        );
        let path = stage.with_extension("yaml");
        fs::write(&path, text)?;
        Ok(path)
    }
}

// === impl Release ===

impl Release {
    /// What the checkout says of itself.
    ///
    /// # Errors
    /// When it says neither version nor time.
    pub(crate) fn of(root: &Path) -> anyhow::Result<Self> {
        let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
        let manifest: toml_edit::DocumentMut = manifest.parse()?;
        let version = manifest["workspace"]["package"]["version"].as_str();
        Ok(Self {
            version: version.context("Cargo.toml names no version")?.to_owned(),
            epoch: epoch(root)?,
            commit: git(root, &["rev-parse", "HEAD"])?,
            is_changed: !git(root, &["status", "--porcelain"])?.is_empty(),
        })
    }
}

/// What the caller says, or the last commit's moment.
fn epoch(root: &Path) -> anyhow::Result<String> {
    #[allow(clippy::disallowed_methods)] // the convention of reproducible builds
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(given);
    }
    let text = git(root, &["log", "-1", "--format=%ct"])?;
    if text.is_empty() {
        bail!("no commit tells the time: set SOURCE_DATE_EPOCH to seconds since 1970");
    }
    Ok(text)
}

fn git(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = tools::output(Command::new("git").args(arguments).current_dir(root))?;
    Ok(String::from_utf8(output)?.trim().to_owned())
}

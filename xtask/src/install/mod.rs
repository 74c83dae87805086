//! `cargo xtask package-test`: the packages in fresh systems, from installation to purge.

mod alone;
mod apk;
mod contract;
mod deb;
mod foreign;
mod image;
mod life;
mod lint;
mod need;
mod podman;
mod registry;
mod root;
mod rpm;
mod snapshot;
mod space;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::package::target::{Arch, Archs};
use crate::package::{self, Build, Workshop};
use alone::Alone;
use contract::Contract;
use root::{Root, System};

/// Where, and of what build.
#[derive(clap::Args, Debug)]
pub(crate) struct Order {
    /// The build profile of the packages that are tried.
    #[arg(long, default_value = "dev")]
    profile: String,
    /// For which machines: all of a release, else this machine's own unless told.
    #[arg(long)]
    arch: Option<Archs>,
    /// Make the Debian systems anew, of today's packages.
    #[arg(long)]
    fresh: bool,
}

/// The oldest Debian that we promise to run on, the newest, and a container of it.
const SYSTEMS: [System; 3] = [
    System {
        suite: "bookworm",
        has_systemd: true,
    },
    System {
        suite: "trixie",
        has_systemd: true,
    },
    System {
        suite: "trixie",
        has_systemd: false,
    },
];
/// The one in which rpm keeps its own database.
const RPM_SYSTEM: System = SYSTEMS[1];

/// What systemd makes for the server when it starts.
const SERVER_STATE: &str = "/var/lib/clusterrebootd-server";

/// Two packages of a kind, the second with the higher version.
struct Packages {
    old: PathBuf,
    new: PathBuf,
}

/// Everything that trials need.
struct Trials {
    workshop: Workshop,
    cache: PathBuf,
    contract: Contract,
    systems: Vec<(System, PathBuf)>,
}

/// Makes packages and systems, and tries the ones in the others. Wants root, or sudo.
///
/// # Errors
/// What is missing and how to get it; the first step that goes wrong.
pub(crate) fn run(root: &Path, order: &Order) -> anyhow::Result<()> {
    need::provide()?;
    let workshop = Workshop::of(root, &order.profile)?;
    let cache = workshop.place.target.join("package-test");
    if order.fresh && cache.is_dir() {
        fs::remove_dir_all(&cache).context("cannot clear the old systems")?;
    }
    trial("workflows", || lint::workflows(root, &workshop.tools))?;
    let archs = workshop.archs(order.arch)?;
    let trials = Trials {
        contract: Contract::read(root)?,
        systems: prepare(&cache)?,
        workshop,
        cache,
    };
    let packages = package::make(&trials.workshop, archs, &trials.cache.join("dist"))?;
    trial("sums", || lint::sums(root, &packages))?;
    trials.of_a_life()?;
    for arch in archs.each() {
        trials.of_files(&packages, *arch)?;
    }
    let version = trials.workshop.release.version.as_str();
    trial("container image", || {
        let archive = only(&packages, "-oci.tar")?;
        let folders = (root, &*trials.workshop.tools, &*trials.cache);
        image::check(&archive, archs.each(), version, folders)
    })
}

/// Every system's archive, all made at once: most of that is waiting for a mirror.
fn prepare(cache: &Path) -> anyhow::Result<Vec<(System, PathBuf)>> {
    println!("=== Debian systems, in {} ===", cache.display());
    let start = Instant::now();
    let archives = std::thread::scope(|scope| {
        let threads = SYSTEMS.map(|system| scope.spawn(move || system.prepare(cache)));
        threads.map(std::thread::ScopedJoinHandle::join)
    });
    let mut systems = Vec::new();
    for (system, archive) in SYSTEMS.into_iter().zip(archives) {
        let archive = archive.map_err(|_| anyhow::anyhow!("making {} panicked", system.name()))?;
        systems.push((system, archive?));
    }
    println!("ready in {:.1} s", start.elapsed().as_secs_f64());
    Ok(systems)
}

fn trial(name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let start = Instant::now();
    work().with_context(|| format!("{name} failed"))?;
    println!("{name}: in order ({:.1} s)", start.elapsed().as_secs_f64());
    Ok(())
}

/// The only file whose name ends so.
fn only(folder: &Path, ending: &str) -> anyhow::Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    let [only] = &found[..] else {
        anyhow::bail!(
            "{}: {} files end with {ending}",
            folder.display(),
            found.len()
        );
    };
    Ok(only.clone())
}

// === impl Trials ===

impl Trials {
    /// This machine's own packages, from their installation to their end.
    fn of_a_life(&self) -> anyhow::Result<()> {
        let build = self.workshop.own_build()?;
        let [deb, rpm] = ["deb", "rpm"].map(|kind| Packages::make(&build, kind, &self.cache));
        let (deb, rpm) = (deb?, rpm?);
        trial("lintian", || lint::deb(&deb.new))?;
        trial("rpmlint", || lint::rpm(&self.workshop.place.root, &rpm.new))?;
        for (system, archive) in &self.systems {
            trial(&format!(".deb on {}", system.name()), || {
                deb::Trial {
                    root: &Root::unpack(archive, &self.cache)?,
                    contract: &self.contract,
                    packages: &deb,
                    has_systemd: system.has_systemd,
                }
                .run()
            })?;
        }
        trial("server of the .deb", || self.server(&deb.new))?;
        trial(&format!(".rpm on {}", RPM_SYSTEM.name()), || {
            rpm::Trial {
                root: &self.unpack(RPM_SYSTEM)?,
                contract: &self.contract,
                packages: &rpm,
            }
            .run()
        })
    }

    /// The server serves with the configuration as installed, as the user of its unit, where that
    /// lets it keep its state.
    fn server(&self, package: &Path) -> anyhow::Result<()> {
        let root = self.unpack(RPM_SYSTEM)?;
        root.run(&["dpkg", "--install", &root.bring(package)?])?;
        let number = |what| Ok(root.run(&["id", what, "clusterrebootd"])?.trim().parse()?);
        let user: anyhow::Result<u32> = number("-u");
        let group: anyhow::Result<u32> = number("-g");
        let own = "--owner=clusterrebootd";
        root.run(&["install", "-d", own, "--mode=0750", SERVER_STATE])?;
        let mut alone = Alone::new(root.path(), "/usr/bin/clusterrebootd", Arch::own()?)?;
        alone.user = (user?, group?);
        alone.try_out(&self.workshop.release.version, &["serve"])?;
        root.run(&["test", "-f", &format!("{SERVER_STATE}/fleet.db")])?;
        Ok(())
    }

    /// The files of an architecture: what is in them, and that it runs.
    fn of_files(&self, packages: &Path, arch: Arch) -> anyhow::Result<()> {
        let file = |ending: &str| only(packages, ending);
        let (machine, version) = (arch.machine(), self.workshop.release.version.as_str());
        trial(&format!(".apk for {arch}"), || {
            apk::check(&self.contract, &file(&format!("_{machine}.apk"))?, arch)
        })?;
        trial(&format!("static tarball for {arch}"), || {
            let archive = file(&format!("-linux-{arch}-static.tar.gz"))?;
            foreign::fixed(&archive, arch, version, &self.cache)
        })?;
        if arch == Arch::own()? {
            return Ok(());
        }
        trial(&format!(".deb for {arch}"), || {
            let package = file(&format!("_{arch}.deb"))?;
            lint::deb(&package)?;
            foreign::deb(&self.unpack(RPM_SYSTEM)?, &self.contract, &package, arch)?;
            foreign::program(&package, arch, version, &self.cache)
        })?;
        trial(&format!(".rpm for {arch}"), || {
            let package = file(&format!(".{machine}.rpm"))?;
            lint::rpm(&self.workshop.place.root, &package)?;
            rpm::Trial {
                root: &self.unpack(RPM_SYSTEM)?,
                contract: &self.contract,
                packages: &Packages {
                    old: package.clone(),
                    new: package,
                },
            }
            .foreign(arch)
        })
    }

    fn unpack(&self, system: System) -> anyhow::Result<Root> {
        let archive = self.systems.iter().find(|(it, _)| *it == system);
        let (_, archive) = archive.with_context(|| format!("no {}", system.name()))?;
        Root::unpack(archive, &self.cache)
    }
}

// === impl Packages ===

impl Packages {
    /// The same build twice, the older one with configurations of its own.
    fn make(build: &Build, kind: &str, folder: &Path) -> anyhow::Result<Self> {
        let new = packed(build, kind, build.version(), &folder.join("new"))?;
        let shipped = ["config.yaml", "server.yaml"].map(|name| build.stage().join(name));
        let texts = shipped.each_ref().map(fs::read_to_string);
        for (path, text) in shipped.iter().zip(&texts) {
            let text = text.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
            fs::write(path, format!("{text}{}", life::OLD))?;
        }
        let old = packed(build, kind, "0.0.1", &folder.join("old"));
        for (path, text) in shipped.iter().zip(texts) {
            fs::write(path, text?)?;
        }
        Ok(Self { old: old?, new })
    }
}

/// The only package of its kind in its folder.
fn packed(build: &Build, kind: &str, version: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder.join(kind);
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    build.pack(kind, version, &folder)?;
    let mut made = fs::read_dir(&folder)?;
    let package = made.next().context("the packager made nothing")??.path();
    ensure!(
        made.next().is_none(),
        "the packager made more than one file"
    );
    Ok(package)
}

//! `cargo xtask package-test`: the packages in fresh systems, from installation to purge.

mod contract;
mod deb;
mod life;
mod lint;
mod root;
mod rpm;
mod snapshot;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::package::{Build, Workshop};
use crate::test::needs::{self, Need};
use contract::Contract;
use root::{Root, System};

/// Where, and of what build.
#[derive(clap::Args, Debug)]
pub(crate) struct Order {
    /// The build profile of the packages that are tried.
    #[arg(long, default_value = "dev")]
    profile: String,
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

const NEEDS: &[Need] = &[
    Need {
        program: "mmdebstrap",
        packages: &["mmdebstrap"],
        why: "makes fresh Debian systems",
    },
    Need {
        program: "rpm",
        packages: &["rpm"],
        why: "installs the .rpm",
    },
    Need {
        program: "lintian",
        packages: &["lintian"],
        why: "judges the .deb",
    },
    Need {
        program: "rpmlint",
        packages: &["rpmlint"],
        why: "judges the .rpm",
    },
    Need {
        program: "unshare",
        packages: &["util-linux"],
        why: "enters the systems",
    },
];

/// Two packages of a kind, the second with the higher version.
struct Packages {
    old: PathBuf,
    new: PathBuf,
}

/// Makes packages and systems, and tries the ones in the others. Wants root, or sudo.
///
/// # Errors
/// What is missing and how to get it; the first step that goes wrong.
pub(crate) fn run(root: &Path, order: &Order) -> anyhow::Result<()> {
    needs::provide(NEEDS)?;
    let workshop = Workshop::of(root, &order.profile)?;
    let cache = workshop.place.target.join("package-test");
    if order.fresh && cache.is_dir() {
        fs::remove_dir_all(&cache).context("cannot clear the old systems")?;
    }
    let contract = Contract::read(root)?;
    let systems = prepare(&cache)?;
    let build = workshop.own_build()?;
    let [deb, rpm] = ["deb", "rpm"].map(|kind| Packages::make(&build, kind, &cache));
    let (deb, rpm) = (deb?, rpm?);
    trial("lintian", || lint::deb(&deb.new))?;
    trial("rpmlint", || lint::rpm(root, &rpm.new))?;
    for (system, archive) in &systems {
        trial(&format!(".deb on {}", system.name()), || {
            let root = Root::unpack(archive, &cache)?;
            let (contract, packages, root) = (&contract, &deb, &root);
            let has_systemd = system.has_systemd;
            deb::Trial {
                root,
                contract,
                packages,
                has_systemd,
            }
            .run()
        })?;
    }
    let archive = systems.iter().find(|(system, _)| *system == RPM_SYSTEM);
    let (_, archive) = archive.context("no system for rpm")?;
    trial(&format!(".rpm on {}", RPM_SYSTEM.name()), || {
        let root = Root::unpack(archive, &cache)?;
        rpm::Trial {
            root: &root,
            contract: &contract,
            packages: &rpm,
        }
        .run()
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

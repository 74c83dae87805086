//! The disk that every machine begins with: Debian, the kernel, our package, and the test's agent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::package::Workshop;

/// Soft reboots came with systemd 254: not older than this.
const SUITE: &str = "trixie";
const PACKAGES: &str = "systemd,systemd-sysv,udev,dbus,linux-image-cloud-amd64,passwd,kmod";
/// Work that no machine of a test needs, and that costs an emulated one seconds a boot.
const UNNEEDED: [&str; 16] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "fstrim.timer",
    "systemd-tmpfiles-clean.timer",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "modprobe@.service",
    "systemd-pstore.service",
    "systemd-network-generator.service",
    "systemd-networkd-persistent-storage.service",
    "systemd-udev-load-credentials.service",
];
/// What the agent and the network are made of: text, path, mode.
const FILES: [(&str, &str, &str); 5] = [
    (
        include_str!("guest/agent.sh"),
        "usr/local/sbin/vm-agent",
        "755",
    ),
    (
        include_str!("guest/agent.service"),
        "etc/systemd/system/vm-agent.service",
        "644",
    ),
    (
        include_str!("guest/host.network"),
        "etc/systemd/network/host.network",
        "644",
    ),
    (
        include_str!("guest/slow.conf"),
        "etc/systemd/system.conf.d/slow.conf",
        "644",
    ),
    ("/dev/nvme0n1 / ext4 defaults 0 1\n", "etc/fstab", "644"),
];
const DISK_SIZE: &str = "1200M";
/// Where the machines find the package that was installed on them.
pub(super) const PACKAGE: &str = "/var/cache/package.deb";
/// Where they find the one that they are upgraded to.
pub(super) const LATER_PACKAGE: &str = "/var/cache/later.deb";
/// The version of that package.
pub(super) const LATER: &str = "99.0.0";

/// What machines are made of.
pub(super) struct Image {
    /// Holds everything of the test.
    pub(super) directory: PathBuf,
    pub(super) disk: PathBuf,
    pub(super) kernel: PathBuf,
    /// The very program that is on the disk.
    pub(super) program: PathBuf,
}

// === impl Image ===

impl Image {
    /// Makes the package and a disk with it. Debian itself is downloaded once and kept.
    ///
    /// # Errors
    /// Names the program that failed. Wants root, since files on the disk have owners.
    pub(super) fn make(root: &Path, directory: &Path, profile: &str) -> anyhow::Result<Self> {
        ensure_host()?;
        fs::create_dir_all(directory)?;
        let (package, later) = packages(root, directory, profile)?;
        println!("=== the disk ===");
        let base = base(directory)?;
        let tree = emptied(directory.join("tree"))?;
        let mut unpack = Command::new("tar");
        unpack.arg("--numeric-owner").arg("-xf").arg(base);
        run(unpack.arg("-C").arg(&tree))?;
        furnish(&tree, &package, &later)?;
        let image = Self {
            disk: directory.join("disk"),
            kernel: only(&tree.join("boot"), |it| it.starts_with("vmlinuz-"))?,
            program: tree.join("usr/bin/clusterrebootd"),
            directory: directory.to_owned(),
        };
        image.fill(&tree)?;
        Ok(image)
    }

    fn fill(&self, tree: &Path) -> anyhow::Result<()> {
        if self.disk.exists() {
            fs::remove_file(&self.disk)?;
        }
        let mut make = Command::new("mke2fs");
        make.args(["-q", "-t", "ext4", "-d"]).arg(tree);
        run(make.arg(&self.disk).arg(DISK_SIZE))
    }
}

fn ensure_host() -> anyhow::Result<()> {
    let arch = std::env::consts::ARCH;
    ensure!(
        arch == "x86_64",
        "the machines are x86_64, their package is of this host's {arch}: run this on x86_64"
    );
    let id = Command::new("id").arg("-u").output();
    let is_root = id.context("cannot run id")?.stdout.trim_ascii() == b"0";
    ensure!(
        is_root,
        "files on the machines' disk have owners: run this as root"
    );
    Ok(())
}

/// Debian without our package, as a tarball; made anew when what it is made of has changed.
fn base(directory: &Path) -> anyhow::Result<PathBuf> {
    let (tarball, recipe) = (
        directory.join("debian.tar"),
        directory.join("debian.recipe"),
    );
    let wanted = [SUITE, PACKAGES].join("\n");
    if tarball.is_file() && fs::read_to_string(&recipe).is_ok_and(|it| it == wanted) {
        return Ok(tarball);
    }
    let mut make = Command::new("mmdebstrap");
    make.args(["--quiet", "--variant=minbase", "--include"]);
    make.arg(PACKAGES).env("INITRD", "No"); // nobody would unpack it
    run(make.arg(SUITE).arg(&tarball))?;
    fs::write(recipe, wanted)?;
    Ok(tarball)
}

/// The package as `cargo xtask package` makes it, and the same with a later version.
fn packages(root: &Path, directory: &Path, profile: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    let workshop = Workshop::of(root, profile)?;
    let build = workshop.own_build()?;
    let pack = |name: &str, version: &str| {
        let folder = emptied(directory.join(name))?;
        build.pack("deb", version, &folder)?;
        only(&folder, |it| it.ends_with(".deb"))
    };
    Ok((
        pack("package", &workshop.release.version)?,
        pack("later", LATER)?,
    ))
}

fn furnish(tree: &Path, package: &Path, later: &Path) -> anyhow::Result<()> {
    for (text, path, mode) in FILES {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().context("it stands nowhere")?)?;
        fs::write(&path, text)?;
        run(Command::new("chmod").arg(mode).arg(path))?;
    }
    // Empty: each machine makes an id of its own at its first boot, and keeps it.
    fs::write(tree.join("etc/machine-id"), "")?;
    fs::copy(package, tree.join(&PACKAGE[1..]))?;
    fs::copy(later, tree.join(&LATER_PACKAGE[1..]))?;
    chroot(tree, &format!("dpkg --install {PACKAGE}"))?;
    chroot(tree, "systemctl --quiet enable vm-agent systemd-networkd")?;
    chroot(
        tree,
        &format!("systemctl --quiet mask {}", UNNEEDED.join(" ")),
    )?;
    chroot(
        tree,
        "ldconfig; journalctl --update-catalog; touch /etc/.updated /var/.updated",
    )
}

/// Runs the script within the tree. Its complaints are shown when it fails: a tree that no kernel
/// runs has no /proc, of which many complain.
fn chroot(tree: &Path, script: &str) -> anyhow::Result<()> {
    let mut command = Command::new("chroot");
    command.arg(tree).args(["sh", "-ec", script]);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    let output = command.output().context("cannot run chroot")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{script}` failed: {said}");
    Ok(())
}

/// The one file with such a name.
fn only(directory: &Path, is_it: impl Fn(&str) -> bool) -> anyhow::Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if is_it(&name) {
            found.push(path);
        }
    }
    match &found[..] {
        [only] => Ok(only.clone()),
        _ => bail!("{} holds {found:?}, not one", directory.display()),
    }
}

/// A folder with nothing in it.
fn emptied(folder: PathBuf) -> anyhow::Result<PathBuf> {
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

//! One emulated machine: its disk, its power, its one line to the host's loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use super::diary::{Diary, Event};
use super::guest::Guest;
use super::image::Image;
use super::{qmp, wait};

/// `qemu64` has nothing that is slow to emulate. Without cx16, whose emulation in QEMU 7.2 spoils
/// flags, so that Linux panics in its allocator; without svm, for which Linux loads all of KVM.
const PROCESSOR: &str = "qemu64,-cx16,-svm";
/// With QEMU's own size, 1 GB, what was translated for former boots lies about, and some of the
/// next take two or three times as much of the processor.
const TRANSLATOR: &str = "tcg,tb-size=128";
const MEMORY: &str = "512";
/// The kernel has NVMe and ext4 built in, so it needs no initrd. No getty, no tests of ciphers, no
/// drivers for what nobody uses: an emulated processor takes seconds for each. Nor is it tried
/// whether the timer ticks: on a busy host it may not in time, and Linux panics.
const KERNEL: &str = "root=/dev/nvme0n1 rw console=ttyS0 quiet mitigations=off \
                      systemd.show_status=1 systemd.getty_auto=no cryptomgr.notests no_timer_check \
                      udev.children_max=2 modprobe.blacklist=ata_piix,ata_generic,libata,evdev,\
                      serio_raw,efi_pstore,qemu_fw_cfg";

/// A machine, on or off. Ends with the test.
pub(super) struct Machine {
    pub(super) name: String,
    kernel: PathBuf,
    directory: PathBuf,
    diary: Diary,
    running: Option<Running>,
}

struct Running {
    emulator: Child,
    guest: Guest,
}

// === impl Machine ===

impl Machine {
    /// A machine with a fresh disk, without power yet.
    ///
    /// # Errors
    /// When the disk cannot be made.
    pub(super) fn new(name: &str, image: &Image, diary: &Diary) -> anyhow::Result<Self> {
        let directory = image.directory.join(name);
        if directory.is_dir() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        let mut copy = Command::new("cp");
        copy.arg("--sparse=always")
            .arg(&image.disk)
            .arg(directory.join("disk"));
        let is_copied = copy.status().context("cannot run cp")?.success();
        ensure!(is_copied, "no room for the disk of {name}");
        Ok(Self {
            name: name.to_owned(),
            kernel: image.kernel.clone(),
            directory,
            diary: diary.clone(),
            running: None,
        })
    }

    /// Gives it power.
    ///
    /// # Errors
    /// When the emulator does not start; its own words are in the file `emulator`.
    pub(super) fn power_on(&mut self) -> anyhow::Result<()> {
        let (control, events) = (self.file("control"), self.file("events"));
        for socket in [&control, &events] {
            if socket.exists() {
                fs::remove_file(socket)?;
            }
        }
        let log = fs::File::create(self.file("emulator"))?;
        self.diary.note(&self.name, Event::PowerOn);
        let emulator = self
            .emulator()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot run the emulator")?;
        let guest = Guest::connect(&control, &self.name, &self.diary)?;
        qmp::follow(&events, &self.name, &self.diary)?;
        self.running = Some(Running { emulator, guest });
        Ok(())
    }

    /// Takes its power: what was not written to the disk is lost.
    ///
    /// # Errors
    /// When it has none.
    pub(super) fn power_off(&mut self) -> anyhow::Result<()> {
        let mut running = self.running.take().context("it has no power")?;
        running.emulator.kill()?;
        running.emulator.wait()?;
        self.diary.note(&self.name, Event::PowerOff);
        Ok(())
    }

    /// Waits until user space is up.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn wait_until_up(&self) -> anyhow::Result<()> {
        let what = format!("{} is up", self.name);
        wait::until(&what, || Ok(self.diary.is_up(&self.name).then_some(())))
    }

    /// Runs a script on it as root, and returns what it printed.
    ///
    /// # Errors
    /// When the script fails, or the machine goes away.
    pub(super) fn run(&mut self, script: &str) -> anyhow::Result<String> {
        let name = self.name.clone();
        self.guest()?.run(script).with_context(|| name)
    }

    /// Whether the script exits with 0 there.
    ///
    /// # Errors
    /// When the machine goes away.
    pub(super) fn holds(&mut self, script: &str) -> anyhow::Result<bool> {
        let name = self.name.clone();
        self.guest()?.holds(script).with_context(|| name)
    }

    /// The end of what its kernel and its systemd wrote on the console.
    pub(super) fn console(&self, lines: usize) -> String {
        let text = fs::read(self.file("console")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn guest(&mut self) -> anyhow::Result<&mut Guest> {
        let running = self.running.as_mut();
        Ok(&mut running.context("it has no power")?.guest)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whoever ends, ends it too: a machine that outlives its test would eat a processor.
    fn emulator(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
        command.args(["-accel", TRANSLATOR, "-cpu", PROCESSOR, "-smp", "1"]);
        command.args(["-m", MEMORY, "-nodefaults", "-no-user-config"]);
        command.args(["-display", "none"]);
        command.arg("-kernel").arg(&self.kernel);
        command
            .arg("-append")
            .arg(format!("{KERNEL} systemd.hostname={}", self.name));
        command.arg("-drive");
        command.arg(at("format=raw,if=none,id=disk,file=", &self.file("disk")));
        command.args(["-device", "nvme,drive=disk,serial=disk"]);
        command.arg("-serial");
        command.arg(at("file:", &self.file("console")));
        command.arg("-chardev");
        command.arg(socket("socket,id=control,path=", &self.file("control")));
        command.args(["-device", "virtio-serial-pci", "-device"]);
        command.arg("virtserialport,chardev=control,name=control");
        // 10.0.2.2 is the host's loopback; the machine has no other route.
        command.args(["-netdev", "user,id=net,ipv6=off", "-device"]);
        command.arg("virtio-net-pci,netdev=net,romfile=");
        command.args(["-device", "virtio-rng-pci", "-qmp"]);
        command.arg(socket("unix:", &self.file("events")));
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            // It may be gone already, which is as well.
            let _ = running.emulator.kill();
            let _ = running.emulator.wait();
        }
    }
}

fn at(prefix: &str, path: &Path) -> String {
    format!("{prefix}{}", path.display())
}

fn socket(prefix: &str, path: &Path) -> String {
    format!("{prefix}{},server=on,wait=off", path.display())
}

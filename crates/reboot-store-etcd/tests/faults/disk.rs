//! A member's data on a small disk, which can be filled.

use crate::node::pause;
use reboot_lab::Etcd;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Large enough for the log that etcd allocates ahead, and for its data.
const SIZE: &str = "size=800m";
/// How long a member may live on a full disk: it fails when it needs more room.
const PATIENCE: Duration = Duration::from_secs(4);

/// A small disk under one member.
pub(crate) struct SmallDisk {
    member: usize,
    at: PathBuf,
    /// How often the member ended for want of room.
    pub(crate) ends: u64,
}

// === impl SmallDisk ===

impl SmallDisk {
    /// Moves a member's data to a small disk, while the member is down.
    pub(crate) async fn under(etcd: &mut Etcd, member: usize) -> Self {
        etcd.terminate(member).unwrap();
        let at = etcd.data(member).to_owned();
        let aside = at.with_extension("aside");
        fs::rename(&at, &aside).unwrap();
        fs::create_dir(&at).unwrap();
        run("mount", &["-t", "tmpfs", "-o", SIZE, "tmpfs"], &at);
        let all = format!("{}/.", aside.display());
        run("cp", &["-a", &all], &at);
        fs::remove_dir_all(&aside).unwrap();
        etcd.restart(member).unwrap();
        etcd.wait_healthy().await.unwrap();
        Self {
            member,
            at,
            ends: 0,
        }
    }

    /// Fills the disk to its last byte until the member ends, or has lived on it for a while;
    /// then frees it and starts the member with what it has.
    pub(crate) async fn fill_under(&mut self, etcd: &mut Etcd) {
        let filler = self.at.join("filler");
        fill(&filler);
        let deadline = Instant::now() + PATIENCE;
        while !has_ended(etcd.pid(self.member)) && Instant::now() < deadline {
            pause(Duration::from_millis(50)).await;
        }
        self.ends += u64::from(has_ended(etcd.pid(self.member)));
        fs::remove_file(&filler).unwrap();
        etcd.restart(self.member).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status(); // nobody is left to tell
    }
}

fn run(program: &str, arguments: &[&str], at: &Path) {
    let output = Command::new(program)
        .args(arguments)
        .arg(at)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let needed = "this test mounts a file system: run it as root, with CAP_SYS_ADMIN";
    assert!(output.status.success(), "{program}: {said}; {needed}");
}

fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Whether a process is gone but for its exit status.
fn has_ended(pid: Option<u32>) -> bool {
    let Some(pid) = pid else {
        return true;
    };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| {
        let state = stat.rsplit(") ").next();
        state.is_some_and(|rest| rest.starts_with('Z'))
    })
}

//! Package managers: real files, really locked.

use crate::stage::shipped;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

pub(crate) const SCRIPT: &str = "package-manager-idle";

/// Whether it allows a reboot, and what it says.
fn asked(locks: &str) -> (bool, String) {
    let mut script = Command::new(shipped(SCRIPT));
    let output = script.env("LOCKS", locks).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), said)
}

fn list(locks: &[&Path]) -> String {
    let names = locks.iter().map(|it| it.to_str().unwrap());
    Vec::from_iter(names).join(" ")
}

#[test]
fn a_lock_that_is_held_blocks_until_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let [held, free, missing] = ["held", "free", "missing"].map(|it| dir.path().join(it));
    fs::write(&free, "").unwrap();
    let file = File::create(&held).unwrap();
    file.lock().unwrap();
    let locks = list(&[&missing, &free, &held]);
    let (is_allowed, said) = asked(&locks);
    assert!(!is_allowed);
    assert!(
        said.contains("it holds") && said.contains(held.to_str().unwrap()),
        "{said}"
    );
    assert_eq!(asked(&list(&[&missing, &free])), (true, String::new()));
    file.unlock().unwrap();
    assert_eq!(asked(&locks), (true, String::new()));
}

/// What only reads the packages' database, as `rpm -q` does, keeps nobody from a reboot.
#[test]
fn a_readers_lock_blocks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let file = File::create(&path).unwrap();
    file.lock_shared().unwrap();
    assert_eq!(asked(&list(&[&path])), (true, String::new()));
}

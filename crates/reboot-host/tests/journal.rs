//! The journal and the lock on real file systems, full and read-only ones among them.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use reboot_core::agent::{CommandMark, NOTEBOOK_VERSION, Newest, Notebook};
use reboot_core::boot::BootIdentity;
use reboot_core::id::Instance;
use reboot_core::need::Satisfied;
use reboot_core::undo::Undo;
use reboot_host::journal::{FILE_NAME, NodeLock, load, save};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn journal() -> Notebook {
    Notebook::default()
}

fn full_journal() -> Notebook {
    Notebook {
        changes: Undo::of(["10-drain".to_owned(), "20-vip".to_owned()]),
        command: Some(CommandMark {
            boot: BootIdentity::of_boot("boot-1"),
            attempts: 1,
            need: "kernel".to_owned(),
        }),
        satisfied: Some(Satisfied {
            fingerprint: "f00".to_owned(),
            was_clear_since: true,
        }),
        newest: Some(Newest {
            place: "store#default".to_owned(),
            epoch: 1,
            generation: 7,
        }),
        ..journal()
    }
}

/// A file system of 64 KiB, unmounted in the end.
struct Mounted(tempfile::TempDir);

// === impl Mounted ===

impl Mounted {
    fn new() -> Self {
        let mounted = Self(tempfile::tempdir().unwrap());
        mounted.mount(&["-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs"]);
        mounted
    }

    fn mount(&self, arguments: &[&str]) {
        let done = as_root("mount")
            .args(arguments)
            .arg(self.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        let get = "run the tests as root, or let this user run `sudo -n mount`";
        assert!(
            done.status.success(),
            "cannot mount a small file system: {said}: {get}"
        );
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = as_root("umount").arg("-l").arg(self.path()).status();
    }
}

fn as_root(program: &str) -> Command {
    if nix::unistd::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

#[test]
fn what_is_saved_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(load(directory.path()).unwrap(), None);
    for journal in [journal(), full_journal()] {
        save(directory.path(), &journal).unwrap();
        assert_eq!(load(directory.path()).unwrap(), Some(journal));
    }
}

#[test]
fn only_the_owner_may_read_it() {
    let directory = tempfile::tempdir().unwrap();
    save(directory.path(), &journal()).unwrap();
    let mode = fs::metadata(directory.path().join(FILE_NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_form_on_disk_does_not_change_unnoticed() {
    let directory = tempfile::tempdir().unwrap();
    let text = r#"{"version":1,"changes":["10-drain","20-vip"],
        "command":{"boot":{"boot_id":"boot-1"},"attempts":1,"need":"kernel"},
        "satisfied":{"fingerprint":"f00","was_clear_since":true},
        "newest":{"place":"store#default","epoch":1,"generation":7}}"#;
    fs::write(directory.path().join(FILE_NAME), text).unwrap();
    assert_eq!(load(directory.path()).unwrap(), Some(full_journal()));
}

#[test]
fn fields_of_a_later_version_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let text = r#"{"version":1,
        "later":{"deep":[1,2]}}"#;
    fs::write(directory.path().join(FILE_NAME), text).unwrap();
    let mut journal = load(directory.path()).unwrap().unwrap();
    journal.changes.record("10-drain".to_owned());
    save(directory.path(), &journal).unwrap();
    let text = fs::read(directory.path().join(FILE_NAME)).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(value["later"], serde_json::json!({"deep": [1, 2]}));
}

#[test]
fn a_broken_journal_is_refused_by_name_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let whole = serde_json::to_string(&journal()).unwrap();
    let bad_list = whole.replace("[]", "7");
    let torn = &whole[..whole.len() / 2];
    for text in ["", "{}", "null", "\0\0\0\0", torn, &bad_list] {
        fs::write(&path, text).unwrap();
        let error = load(directory.path()).unwrap_err();
        assert_eq!(error.kind(), "broken", "{text:?}");
        assert!(
            error.to_string().contains(&*path.to_string_lossy()),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn what_is_too_long_to_be_read_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    save(directory.path(), &full_journal()).unwrap();
    let endless = Notebook {
        changes: Undo::of((0..5000).map(|n| format!("{n}-{}", "x".repeat(250)))),
        ..journal()
    };
    let error = save(directory.path(), &endless).unwrap_err().to_string();
    assert!(error.contains("longer than 1048576 bytes"), "{error}");
    assert_eq!(load(directory.path()).unwrap(), Some(full_journal()));
    let file = fs::File::create(directory.path().join(FILE_NAME)).unwrap();
    file.set_len(10 * 1024 * 1024 * 1024).unwrap();
    let error = load(directory.path()).unwrap_err().to_string();
    assert!(error.contains("longer than 1048576 bytes"), "{error}");
}

#[test]
fn a_newer_version_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        r#"{{"version":{},"shape":"unknown"}}"#,
        NOTEBOOK_VERSION + 1
    );
    fs::write(directory.path().join(FILE_NAME), text).unwrap();
    let error = load(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains("written in version 2, this program knows 1"),
        "{error}"
    );
    assert!(error.contains("install the newer"), "{error}");
}

/// The kernel tells in which order things happened; only the syncs leave no trace.
#[test]
fn it_is_written_beside_and_then_put_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    save(directory.path(), &journal()).unwrap();
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let all = AddWatchFlags::IN_ALL_EVENTS;
    inotify.add_watch(directory.path(), all).unwrap();
    save(directory.path(), &journal()).unwrap();
    let of_interest = [
        AddWatchFlags::IN_CREATE,
        AddWatchFlags::IN_MODIFY,
        AddWatchFlags::IN_MOVED_TO,
    ];
    let events: Vec<_> = inotify
        .read_events()
        .unwrap()
        .into_iter()
        .filter(|event| of_interest.contains(&event.mask))
        .map(|event| (event.mask, event.name.unwrap().into_string().unwrap()))
        .collect();
    let beside = "journal.json.new".to_owned();
    assert_eq!(
        events,
        [
            (AddWatchFlags::IN_CREATE, beside.clone()),
            (AddWatchFlags::IN_MODIFY, beside),
            (AddWatchFlags::IN_MOVED_TO, FILE_NAME.to_owned()),
        ]
    );
}

#[test]
fn what_a_power_cut_left_beside_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    save(directory.path(), &full_journal()).unwrap();
    let torn = "{\"version\":1,".repeat(1000);
    fs::write(directory.path().join("journal.json.new"), torn).unwrap();
    assert_eq!(load(directory.path()).unwrap(), Some(full_journal()));
    save(directory.path(), &journal()).unwrap();
    assert_eq!(load(directory.path()).unwrap(), Some(journal()));
}

#[test]
fn a_full_disk_keeps_the_former_journal_and_says_what_to_do() {
    let disk = Mounted::new();
    save(disk.path(), &journal()).unwrap();
    let mut filler = fs::File::create(disk.path().join("filler")).unwrap();
    while filler.write_all(&[0; 512]).is_ok() {}
    drop(filler);
    let error = save(disk.path(), &full_journal()).unwrap_err();
    assert_eq!(error.kind(), "write");
    let text = error.to_string();
    assert!(text.contains(&*disk.path().to_string_lossy()), "{text}");
    assert!(
        text.contains("free some space on its file system"),
        "{text}"
    );
    assert_eq!(load(disk.path()).unwrap(), Some(journal()));
    fs::remove_file(disk.path().join("filler")).unwrap();
    save(disk.path(), &full_journal()).unwrap();
}

#[test]
fn a_read_only_disk_is_refused_with_what_to_do() {
    let disk = Mounted::new();
    save(disk.path(), &journal()).unwrap();
    disk.mount(&["-o", "remount,ro"]);
    let saved = save(disk.path(), &full_journal()).unwrap_err();
    let locked = take(disk.path(), "run-2", "boot-1").unwrap_err();
    for error in [saved, locked] {
        assert_eq!(error.kind(), "write");
        assert!(
            error.to_string().contains("make its file system writable"),
            "{error}"
        );
    }
    assert_eq!(load(disk.path()).unwrap(), Some(journal()));
}

#[test]
fn a_write_that_fails_at_the_end_is_an_error_too() {
    let directory = tempfile::tempdir().unwrap();
    save(directory.path(), &journal()).unwrap();
    symlink("/dev/full", directory.path().join("journal.json.new")).unwrap();
    let error = save(directory.path(), &full_journal()).unwrap_err();
    assert!(
        error.to_string().contains("journal.json.new: cannot write"),
        "{error}"
    );
    assert_eq!(load(directory.path()).unwrap(), Some(journal()));
}

#[test]
fn a_missing_state_directory_is_named() {
    let directory = Path::new("/nonexistent/clusterrebootd");
    let error = save(directory, &journal()).unwrap_err().to_string();
    assert!(
        error.contains("/nonexistent/clusterrebootd/journal.json.new"),
        "{error}"
    );
}

fn take(directory: &Path, instance: &str, boot: &str) -> Result<NodeLock, reboot_host::HostError> {
    let instance = Instance::new(instance).unwrap();
    NodeLock::take(directory, &instance, &BootIdentity::of_boot(boot))
}

#[test]
fn a_second_agent_is_told_who_has_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let held = take(directory.path(), "run-1", "boot-1").unwrap();
    assert!(held.is_in_place());
    let error = take(directory.path(), "run-2", "boot-1").unwrap_err();
    assert_eq!(error.kind(), "locked");
    let pid = format!("(process {})", std::process::id());
    assert!(error.to_string().contains(&pid), "{error}");
    drop(held);
    take(directory.path(), "run-2", "boot-1").unwrap();
}

#[test]
fn the_lock_remembers_who_had_it_before() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("made/on/the/way");
    let first = take(&state, "a-rather-long-name-of-a-run", "boot-1").unwrap();
    assert_eq!(first.previous(), None);
    drop(first);
    let second = take(&state, "run-2", "boot-2").unwrap();
    let previous = second.previous().unwrap();
    assert_eq!(previous.instance.as_str(), "a-rather-long-name-of-a-run");
    assert_eq!(previous.boot, BootIdentity::of_boot("boot-1"));
    drop(second);
    let third = take(&state, "run-3", "boot-2").unwrap();
    assert_eq!(third.previous().unwrap().instance.as_str(), "run-2");
    assert_eq!(
        fs::metadata(&state).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn a_torn_lock_file_is_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("agent.lock"), "{\"instance\":\"run").unwrap();
    assert_eq!(
        take(directory.path(), "run-1", "boot-1")
            .unwrap()
            .previous(),
        None
    );
}

#[test]
fn programs_that_we_start_do_not_keep_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let held = take(directory.path(), "run-1", "boot-1").unwrap();
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    drop(held);
    let again = take(directory.path(), "run-2", "boot-1");
    child.kill().unwrap();
    child.wait().unwrap();
    again.unwrap();
}

#[test]
fn a_lock_file_that_was_removed_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let held = take(directory.path(), "run-1", "boot-1").unwrap();
    fs::remove_file(directory.path().join("agent.lock")).unwrap();
    assert!(!held.is_in_place());
    let _other = take(directory.path(), "run-2", "boot-1").unwrap();
    assert!(!held.is_in_place());
}

//! Small files of the machine: boot id, machine id, the journal, the lock.

use reboot_core::agent::Notebook;
use reboot_core::boot::BootIdentity;
use reboot_core::id::Instance;
use reboot_fuzz::{Input, Limit, fuzz_test};
use reboot_host::{boot, journal};
use std::path::Path;
use tempfile::TempDir;

const WORDS: &[&str] = &[
    "\"version\":1,",
    "\"version\":2,",
    "\"changes\":[\"cordon\"],",
    "\"attempts\":",
    "\"later\":[],",
    "\"command\":{\"boot\":{\"boot_id\":\"b\"},\"attempts\":1},",
    "\"place\":",
    "\"pid\":",
    "null",
    "\"instance\":\"i\",",
    "\"boot\":{\"boot_id\":\"b\",\"soft_reboots\":0},",
    "uninitialized\n",
    "0123456789abcdef0123456789abcdef\n",
    "4b2a1f0e-7f6f-4b8e-9d57-3f0d2b9c8a11\n",
];

fuzz_test!(
    journal,
    Input {
        name: "journal",
        words: WORDS,
        runs: 500,
        limit: Limit::default(),
        check: &check_journal,
    }
);

fuzz_test!(
    identity,
    Input {
        name: "identity",
        words: WORDS,
        runs: 1000,
        limit: Limit::default(),
        check: &check_identity,
    }
);

/// A directory in memory where the system has one: what is tested here is not the disk.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("a temporary directory can be made")
}

fn put(directory: &Path, name: &str, text: &[u8]) {
    std::fs::write(directory.join(name), text).expect("a file can be written");
}

/// The journal, and the same text as the lock of a former run.
fn check_journal(text: &[u8]) {
    let directory = directory();
    let directory = directory.path();
    put(directory, journal::FILE_NAME, text);
    match journal::load(directory) {
        Ok(notebook) => check_notebook(directory, &notebook.expect("there is a journal")),
        Err(error) => assert!(error.to_string().contains(journal::FILE_NAME), "{error}"),
    }
    put(directory, "agent.lock", text);
    let instance = Instance::new("this-run").expect("a valid name");
    let lock = journal::NodeLock::take(directory, &instance, &BootIdentity::of_boot("b"));
    let lock = lock.expect("a broken lock file keeps nobody away");
    assert!(lock.is_in_place());
}

fn check_notebook(directory: &Path, notebook: &Notebook) {
    journal::save(directory, notebook).expect("what was read can be written");
    let again = journal::load(directory).expect("what was written can be read");
    assert_eq!(again.as_ref(), Some(notebook));
}

fn check_identity(text: &[u8]) {
    let directory = directory();
    let path = directory.path().join("id");
    put(directory.path(), "id", text);
    let is_id = |id: &str| !id.is_empty() && id.len() <= 256 && is_in(id, text);
    match boot::read_identity(&path) {
        Ok(identity) => assert!(is_id(&identity.boot_id), "{identity:?}"),
        Err(error) => assert!(error.to_string().contains("id"), "{error}"),
    }
    match boot::machine_id(&path) {
        Ok(id) => assert!(is_id(id.as_str()), "{id}"),
        Err(error) => assert!(error.to_string().contains("id"), "{error}"),
    }
}

/// Whether the id is all that the first line says.
fn is_in(id: &str, text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).trim() == id
}

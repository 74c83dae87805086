//! The programs of a machine: what they do is steered by files in its directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Programs are never written while another thread forks: its child would hold the file open for
/// writing, and the kernel refuses to run such a file.
static FORKS: Mutex<()> = Mutex::new(());

pub(crate) fn no_forks() -> MutexGuard<'static, ()> {
    FORKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes an executable shell script; `$DIR` is the machine's directory, `$NODE` its name.
pub(crate) fn write_script(path: &Path, dir: &Path, body: &str) {
    let node = dir.file_name().unwrap().to_str().unwrap();
    let text = format!("#!/bin/sh\nDIR={}\nNODE={node}\n{body}", dir.display());
    let _guard = no_forks();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Says no while `sick` or `sick.PHASE` is there, waits at the pipe `gate.PHASE`.
pub(crate) const HEALTH: &str = r#"
[ -e "$DIR/wants-env" ] && env > "$DIR/env.$RC_PHASE"
echo "$RC_PHASE" >> "$DIR/phases"
if [ -p "$DIR/gate.$RC_PHASE" ]; then
    echo $$ >> "$DIR/pids"
    echo "$RC_PHASE" >> "$DIR/gated"
    read -r _ < "$DIR/gate.$RC_PHASE"
fi
if [ -e "$DIR/sick" ] || [ -e "$DIR/sick.$RC_PHASE" ]; then
    echo "the disk smells"
    exit 1
fi
exit 0
"#;

/// The machine goes down: the bench does the rest.
pub(crate) const GO_DOWN: &str = r#"
echo "down $NODE" >> "$DIR/../ledger"
echo "$@" >> "$DIR/calls"
touch "$DIR/down"
"#;

/// The command returns, and nothing happens.
pub(crate) const NOTHING: &str = r#"echo "$@" >> "$DIR/calls""#;

/// The command fails.
pub(crate) const FAIL: &str = r#"
echo "$@" >> "$DIR/calls"
exit 1
"#;

/// The command takes for ever.
pub(crate) const BLOCK: &str = r#"
echo $$ >> "$DIR/pids"
echo "$@" >> "$DIR/calls"
read -r _ < "$DIR/gate.reboot"
echo "ended" >> "$DIR/calls"
"#;

/// The command takes the daemon with it, like a machine that loses its power.
pub(crate) const KILL_DAEMON: &str = r#"
echo "down $NODE" >> "$DIR/../ledger"
echo "$@" >> "$DIR/calls"
kill -9 "$PPID"
touch "$DIR/down"
"#;

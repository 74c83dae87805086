//! Hooks: what an operator wants done on the node before and after its reboot.
//!
//! A directory such as `pre-reboot.d` holds programs that run in the order of their names. Next
//! to `10-drain` there may be `10-drain.undo`, which puts right what the former changed. An undo
//! may be run although its hook never was, or only in part: it must be harmless then.

use crate::error::HostError;
use crate::process::{Finished, Invocation, run};
use std::fs::{DirEntry, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// The ending that makes a program the undo of another.
const UNDO: &str = ".undo";

/// Endings of what editors and package managers leave behind.
const LEFT_OVER: [&str; 2] = ["~", ".bak"];

/// A program in a hook directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hook {
    /// Its file name, which is also the name of the change that it makes.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its undo, where there is one.
    pub undo: Option<PathBuf>,
}

/// What came of a whole directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HooksRun {
    /// The hooks that were started, in their order; a failed one is the last.
    pub started: Vec<String>,
    /// The hook that failed and what came of it; the ones after it were not started.
    pub failed: Option<(String, Finished)>,
}

/// The hooks of a directory, sorted by name (bytewise). Only executable files count, or links to
/// them; hidden files, undos, and what editors and package managers leave behind do not. A
/// missing directory has no hooks.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(directory: &Path) -> Result<Vec<Hook>, HostError> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>),
    };
    let entries = entries.map_err(|error| HostError::read(directory, error))?;
    let mut hooks: Vec<Hook> = entries.iter().filter_map(Hook::of).collect();
    hooks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(hooks)
}

/// Runs one hook. Dropping the future ends its process group.
pub async fn run_one(hook: &Hook, env: &[(String, String)], timeout: Duration) -> Finished {
    run_path(&hook.path, env, timeout).await
}

/// Runs the undo of the hook of this name; `None` when there is none to run.
///
/// # Errors
/// When the name is not a file name, or it cannot be told whether there is an undo.
pub async fn undo_one(
    directory: &Path,
    name: &str,
    env: &[(String, String)],
    timeout: Duration,
) -> Result<Option<Finished>, HostError> {
    let Some(undo) = undo_of(directory, name)? else {
        return Ok(None);
    };
    Ok(Some(run_path(&undo, env, timeout).await))
}

/// Runs the hooks of a directory in their order up to the first that fails. `on_start` hears of
/// each before it starts, so that it can be recorded as a change.
///
/// # Errors
/// When the directory cannot be read; a hook's failure is in the result.
pub async fn run_all(
    directory: &Path,
    env: &[(String, String)],
    timeout: Duration,
    mut on_start: impl FnMut(&str),
) -> Result<HooksRun, HostError> {
    let mut all = HooksRun::default();
    for hook in list(directory)? {
        on_start(&hook.name);
        all.started.push(hook.name.clone());
        let finished = run_one(&hook, env, timeout).await;
        if !finished.is_success() {
            all.failed = Some((hook.name, finished));
            break;
        }
    }
    Ok(all)
}

/// Runs the undos of these hooks, given oldest first, in reverse. All are tried; the names that
/// are undone, or have no undo, come first in the answer, then the ones that failed and why.
pub async fn undo_all(
    directory: &Path,
    names: &[String],
    env: &[(String, String)],
    timeout: Duration,
) -> (Vec<String>, Vec<(String, String)>) {
    let (mut undone, mut failed) = (Vec::new(), Vec::new());
    for name in names.iter().rev() {
        match undo_one(directory, name, env, timeout).await {
            Ok(Some(finished)) if !finished.is_success() => {
                failed.push((name.clone(), finished.reason()));
            }
            Ok(_) => undone.push(name.clone()),
            Err(error) => failed.push((name.clone(), error.to_string())),
        }
    }
    (undone, failed)
}

// === impl Hook ===

impl Hook {
    /// `None` for what is not a hook. A name that is not UTF-8 cannot be recorded and is none.
    fn of(entry: &DirEntry) -> Option<Self> {
        let name = entry.file_name().into_string().ok()?;
        let path = entry.path();
        let is_program = is_hook_name(&name) && is_executable(&path.metadata().ok()?);
        is_program.then(|| {
            let undo = path.with_file_name(format!("{name}{UNDO}"));
            let undo = undo.symlink_metadata().is_ok().then_some(undo);
            Self { name, path, undo }
        })
    }
}

fn is_hook_name(name: &str) -> bool {
    let is_left_over = LEFT_OVER.iter().any(|end| name.ends_with(end))
        || name.contains(".dpkg-")
        || name.contains(".rpm");
    !name.starts_with('.') && !name.ends_with(UNDO) && !is_left_over
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

/// The undo need not be executable to be found: one that cannot run must not pass for none.
fn undo_of(directory: &Path, name: &str) -> Result<Option<PathBuf>, HostError> {
    let mut components = Path::new(name).components();
    let only = (components.next(), components.next());
    if !matches!(only, (Some(Component::Normal(file)), None) if file == name) {
        let name = name.to_owned();
        return Err(HostError::NotAHook { name });
    }
    let undo = directory.join(format!("{name}{UNDO}"));
    match undo.symlink_metadata() {
        Ok(_) => Ok(Some(undo)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError::read(&undo, error)),
    }
}

async fn run_path(path: &Path, env: &[(String, String)], timeout: Duration) -> Finished {
    let argv = [path.to_string_lossy().into_owned()];
    let timeout = Some(timeout);
    run(Invocation {
        argv: &argv,
        env,
        timeout,
    })
    .await
}

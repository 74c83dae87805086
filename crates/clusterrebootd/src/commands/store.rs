//! `store`: looking into, checking, backing up and restoring the embedded store.

use super::operator::{confirm, in_words, now, who, with_settings};
use super::validate;
use crate::cli::{StoreArgs, StoreCommand};
use crate::config::{DEFAULT_PATH, Settings, StoreSettings};
use crate::console::{complain, print_json, print_text};
use crate::daemon;
use crate::exit::ExitCode;
use anyhow::{Result, bail};
use reboot_core::group::Pause;
use reboot_core::id::GroupName;
use reboot_store::Store;
use reboot_store::embedded::maintenance::{self, Restored, Why};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Runs the command.
pub(super) fn run(args: &StoreArgs) -> ExitCode {
    if let StoreCommand::NewEpoch { yes, reason } = &args.command {
        return with_settings(&args.config, |settings| {
            daemon::block_on(new_epoch(settings, reason, *yes))
        });
    }
    let path = match &args.path {
        Some(path) => path.clone(),
        None => match configured(&args.config) {
            Ok(path) => path,
            Err(exit) => return exit,
        },
    };
    carry_out(&path, args).unwrap_or_else(|error| {
        complain(&format!("store: {error:#}"));
        ExitCode::RuntimeFailure
    })
}

fn configured(config: &Path) -> Result<PathBuf, ExitCode> {
    let settings = Settings::load(config).map_err(|problems| validate::refuse(&problems))?;
    let other = match settings.store {
        StoreSettings::Embedded { path } => return Ok(path),
        StoreSettings::Etcd(_) => "etcd",
        StoreSettings::Kubernetes { .. } => "kubernetes",
        StoreSettings::Server(_) => "server",
        // Its file is an embedded store's, and what is done to it needs no server.
        StoreSettings::FleetLock(lock) => return Ok(lock.path),
    };
    complain(&format!(
        "store: {} names store.{other}, these commands are for store.embedded: use that store's \
         own tools, or name a file with --path",
        config.display()
    ));
    Err(ExitCode::RuntimeFailure)
}

fn carry_out(path: &Path, args: &StoreArgs) -> Result<ExitCode> {
    match &args.command {
        StoreCommand::Restore { file, yes, reason } => {
            let flag = match (&args.path, args.config.to_str()) {
                (None, Some(config)) if config != DEFAULT_PATH => format!(" --config {config}"),
                _ => String::new(),
            };
            restore(path, file, (reason, &flag), *yes)
        }
        _ if !path.exists() => bail!(
            "no store at {}: does the daemon run with this configuration?",
            path.display()
        ),
        StoreCommand::NewEpoch { .. } => bail!("a file has no epoch of its own: restore it"),
        StoreCommand::Dump => Ok(print_json(&maintenance::dump(path)?, ExitCode::Success)),
        StoreCommand::Check => check(path),
        StoreCommand::Backup { file } => {
            maintenance::backup(path, file)?;
            let text = format!("{}: a copy of {}\n", file.display(), path.display());
            Ok(print_text(&text, ExitCode::Success))
        }
    }
}

fn check(path: &Path) -> Result<ExitCode> {
    let report = maintenance::check(path)?;
    let mut text = format!(
        "{}: format {}, epoch {}, revision {}, {} groups, {} nodes\n",
        path.display(),
        report.format,
        report.epoch,
        report.revision,
        report.groups,
        report.nodes
    );
    for problem in &report.problems {
        let _ = writeln!(text, "PROBLEM: {problem}");
    }
    let exit = match report.is_sound() {
        true => ExitCode::Success,
        false => ExitCode::RuntimeFailure,
    };
    text.push_str(if report.is_sound() {
        "sound\n"
    } else {
        "not sound: restore a backup\n"
    });
    Ok(print_text(&text, exit))
}

/// Begins a new epoch in an etcd that was put back from a snapshot.
async fn new_epoch(settings: &Settings, reason: &str, is_sure: bool) -> Result<ExitCode> {
    let StoreSettings::Etcd(etcd) = &settings.store else {
        bail!("store new-epoch is for store.etcd: `store restore` begins one of its own");
    };
    let store = daemon::in_etcd(etcd)?;
    let what = format!(
        "a new epoch begins in {}: claims and sessions are dropped, and every group is paused \
         until you say who is down",
        store.describe()
    );
    confirm(&what, "Begin it?", is_sure)?;
    let pause = Pause {
        by: who(),
        reason: reason.to_owned(),
        until: None,
        session: None,
    };
    let begun = store.begin_epoch(&pause, &now()).await;
    let begun = begun.map_err(in_words)?;
    let mut lines = vec![format!("{}: epoch {}", store.describe(), begun.epoch)];
    lines.push(format!("claims dropped: {}", begun.dropped_claims));
    lines.extend(next_steps(&begun.paused, ""));
    Ok(print_text(&(lines.join("\n") + "\n"), ExitCode::Success))
}

/// `flag` names the configuration in the commands that come next.
fn restore(
    path: &Path,
    file: &Path,
    (reason, flag): (&str, &str),
    is_sure: bool,
) -> Result<ExitCode> {
    if !file.exists() {
        bail!("{}: there is no such backup", file.display());
    }
    let what = format!(
        "{} takes the place of {}; claims are dropped, and every group is paused until you say \
         who is down",
        file.display(),
        path.display()
    );
    confirm(&what, "Restore it?", is_sure)?;
    let why = Why {
        by: who(),
        reason: reason.to_owned(),
        at: now(),
    };
    let restored = maintenance::restore(file, path, &why)?;
    let text = told(path, &restored, flag);
    Ok(print_text(&text, ExitCode::Success))
}

fn told(path: &Path, restored: &Restored, flag: &str) -> String {
    let mut lines = vec![format!(
        "{}: restored, epoch {}",
        path.display(),
        restored.epoch
    )];
    if let Some(kept) = &restored.kept {
        lines.push(format!("the replaced file is kept as {}", kept.display()));
    }
    lines.push(format!("claims dropped: {}", restored.dropped_claims));
    lines.extend(next_steps(&restored.paused, flag));
    lines.join("\n") + "\n"
}

/// What an operator does before a paused fleet goes on.
fn next_steps(paused: &[GroupName], flag: &str) -> Vec<String> {
    let paused = paused.iter();
    let mut lines = Vec::from_iter(paused.map(|group| format!("group {group} is paused")));
    lines.push("Next, before or after the daemons are started:".to_owned());
    for (command, says) in [
        (
            "lock status --all-groups -o wide",
            "who holds, by the backup",
        ),
        (
            "lock unlock NODE --group GROUP",
            "for each holder that is up, or gone for good",
        ),
        ("lock resume", "once the record is true"),
    ] {
        lines.push(format!("  clusterrebootd {command}{flag}\n      {says}"));
    }
    lines
}

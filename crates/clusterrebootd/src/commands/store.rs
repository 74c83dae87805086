//! `store`: looking into, checking, backing up and restoring the embedded store.

use super::operator::{confirm, now, who};
use super::validate;
use crate::cli::{StoreArgs, StoreCommand};
use crate::config::{Settings, StoreSettings};
use crate::console::{complain, print_json, print_then};
use crate::exit::ExitCode;
use anyhow::{Result, bail};
use reboot_store::embedded::maintenance::{self, Restored, Why};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Runs the command.
pub(super) fn run(args: &StoreArgs) -> ExitCode {
    let path = match &args.path {
        Some(path) => path.clone(),
        None => match configured(&args.config) {
            Ok(path) => path,
            Err(exit) => return exit,
        },
    };
    carry_out(&path, &args.command).unwrap_or_else(|error| {
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
        StoreSettings::Server { .. } => "server",
    };
    complain(&format!(
        "store: these commands are for the embedded store, not for store.{other}"
    ));
    Err(ExitCode::RuntimeFailure)
}

fn carry_out(path: &Path, command: &StoreCommand) -> Result<ExitCode> {
    match command {
        StoreCommand::Dump => Ok(print_json(&maintenance::dump(path)?, ExitCode::Success)),
        StoreCommand::Check => check(path),
        StoreCommand::Backup { file } => {
            maintenance::backup(path, file)?;
            let text = format!("{}: a copy of {}\n", file.display(), path.display());
            Ok(print_then(text.as_bytes(), ExitCode::Success))
        }
        StoreCommand::Restore { file, yes, reason } => restore(path, file, reason, *yes),
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
    Ok(print_then(text.as_bytes(), exit))
}

fn restore(path: &Path, file: &Path, reason: &str, is_sure: bool) -> Result<ExitCode> {
    if !file.exists() {
        bail!("{}: there is no such backup", file.display());
    }
    let question = format!(
        "put {} in the place of {}, and pause every group until you say who is down?",
        file.display(),
        path.display()
    );
    confirm(&question, is_sure)?;
    let why = Why {
        by: who(),
        reason: reason.to_owned(),
        at: now(),
    };
    let restored = maintenance::restore(file, path, &why)?;
    Ok(print_then(
        told(path, &restored).as_bytes(),
        ExitCode::Success,
    ))
}

fn told(path: &Path, restored: &Restored) -> String {
    let mut text = format!("{}: restored, epoch {}\n", path.display(), restored.epoch);
    if let Some(kept) = &restored.kept {
        let _ = writeln!(text, "the replaced file is kept as {}", kept.display());
    }
    let _ = writeln!(text, "{} claims were dropped", restored.dropped_claims);
    for group in &restored.paused {
        let _ = writeln!(text, "group {group} is paused");
    }
    text.push_str(
        "Next: start the daemons, then\n  \
         clusterrebootd lock status --all-groups -o wide   who holds, by the backup\n  \
         clusterrebootd lock unlock NODE                   for each that is not down\n  \
         clusterrebootd lock resume                        once the record is true\n",
    );
    text
}

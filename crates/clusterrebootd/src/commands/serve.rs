//! `serve`: the coordination server.

use super::{complain, validate};
use crate::cli::{HashSecretArgs, LogArgs, ServeArgs, ServeCommand};
use crate::config::ServeSettings;
use crate::console::print_text;
use crate::exit::ExitCode;
use crate::logs::Log;
use crate::server;
use anyhow::{Context, Result, bail};
use reboot_server::doors::{Role, Secret};
use std::fs::OpenOptions;
use std::io::{Read, Write, stdin, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Passwords are no longer than this, in bytes.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// Runs the command.
pub(super) fn run(args: &ServeArgs, log: LogArgs) -> ExitCode {
    if let Some(ServeCommand::HashSecret(args)) = &args.command {
        return hash_secret(args).unwrap_or_else(|error| {
            complain(&format!("serve hash-secret: {error:#}"));
            ExitCode::RuntimeFailure
        });
    }
    let load = || {
        let mut settings = server::load(args)?;
        settings.log_format = log.log_format.unwrap_or(settings.log_format);
        settings.log_level = log.log_level.unwrap_or(settings.log_level);
        Ok(settings)
    };
    let settings = match load() {
        Ok(settings) => settings,
        Err(problems) => return validate::refuse(&problems),
    };
    if args.check {
        return checked(args, &settings);
    }
    let log = Log::to_stderr(server::NAME, settings.log_format, settings.log_level);
    match server::serve(&settings, &load, &log) {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            complain(&format!("serve: {error:#}"));
            ExitCode::RuntimeFailure
        }
    }
}

/// Says that a file is well, and what of it this machine lacks; nothing is opened or bound.
fn checked(args: &ServeArgs, settings: &ServeSettings) -> ExitCode {
    for warning in server::warnings_here(settings) {
        complain(&format!("warning: {warning}"));
    }
    let path = server::path(args);
    let text = match path.exists() {
        true => format!("{}: configuration is valid\n", path.display()),
        false => format!("{}: there is no such file: defaults\n", path.display()),
    };
    print_text(&text, ExitCode::Success)
}

/// The line for the list goes to standard output; a new token goes where it is wanted, once.
fn hash_secret(args: &HashSecretArgs) -> Result<ExitCode> {
    let HashSecretArgs { name, role, .. } = args;
    let role: Role = role.parse()?;
    if name.is_empty() || name.starts_with('#') || name.contains([':', ' ', '\t', '\n']) {
        bail!("`{name}` cannot stand in a list: use a name without spaces and colons");
    }
    let secret = match args.password {
        true => Secret::of_password(&password()?)?,
        false => new_token(name, args.token_file.as_deref())?,
    };
    writeln!(stdout(), "{name} {role} {secret}").context("standard output cannot be written")?;
    Ok(ExitCode::Success)
}

/// The first line of standard input.
fn password() -> Result<String> {
    let mut text = String::new();
    let mut input = stdin().take(PASSWORD_BYTES_MAX + 2);
    let read = input.read_to_string(&mut text);
    read.context("standard input cannot be read: pipe the password into it")?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains('\n') {
        bail!("standard input has no password: pipe one line into it");
    }
    if text.len() as u64 > PASSWORD_BYTES_MAX {
        bail!("the password is longer than {PASSWORD_BYTES_MAX} bytes: use a shorter one");
    }
    Ok(password.to_owned())
}

fn new_token(name: &str, file: Option<&Path>) -> Result<Secret> {
    let (token, secret) = Secret::new_token()?;
    match file {
        Some(path) => write_secretly(path, &token)
            .with_context(|| format!("{} cannot be written", path.display()))?,
        None => complain(&format!("the token of {name}, shown this once: {token}")),
    }
    Ok(secret)
}

/// For its owner's eyes; never over something that is there.
fn write_secretly(path: &Path, token: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}

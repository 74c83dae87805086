//! The program called `fleetlock`: the coordination server with the original's flags, for whoever
//! puts it in that program's place.

use super::{print_then, version};
use crate::cli::{BadFlags, FleetlockArgs, fleetlock_usage};
use crate::config::{ServeSettings, StoreSettings};
use crate::console::tell;
use crate::exit::ExitCode;
use crate::logs::{Event, Fields, Log, LogLevel};
use crate::server;
use serde_json::json;
use std::ffi::OsString;
use std::path::Path;

/// What Go programs end with after a bad flag.
const BAD_FLAG: ExitCode = ExitCode::InvalidConfig;
/// Slots of a group, which the original cannot change.
const SLOTS: u32 = 1;

/// Runs the server; the first of `args` is the program's name.
pub fn fleetlock(args: &[OsString]) -> ExitCode {
    let mut words = args.iter().map(|word| word.to_string_lossy().into_owned());
    let name = words.next().unwrap_or_default();
    let args = match FleetlockArgs::parse(words) {
        Ok(args) => args,
        Err(BadFlags::Help) => return show_usage(&name, ExitCode::Success),
        Err(BadFlags::Wrong(text)) => {
            tell(&text);
            return show_usage(&name, BAD_FLAG);
        }
    };
    if args.version {
        return print_then(version::text().as_bytes(), ExitCode::Success);
    }
    if args.help {
        return show_usage(&name, ExitCode::Success);
    }
    serve(&args)
}

fn show_usage(name: &str, exit: ExitCode) -> ExitCode {
    tell(fleetlock_usage(name).trim_end());
    exit
}

fn serve(args: &FleetlockArgs) -> ExitCode {
    let Some(settings) = settings(args) else {
        tell("fleetlock: the built-in settings are broken: report this");
        return ExitCode::RuntimeFailure;
    };
    let log = Log::to_stderr(server::NAME, settings.log_format, settings.log_level);
    warn(&log, &settings, args);
    match server::serve(&settings, &|| Ok(settings.clone()), &log) {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            tell(&format!("fleetlock: {error:#}"));
            ExitCode::RuntimeFailure
        }
    }
}

/// The defaults of `serve`, with every group open.
fn settings(args: &FleetlockArgs) -> Option<ServeSettings> {
    let mut settings = ServeSettings::parse(Path::new("fleetlock"), "").ok()?;
    settings.listen.clone_from(&args.address);
    settings.log_level = args.log_level;
    settings.open_groups = Some(SLOTS);
    if let Some(dir) = state_directory()
        && let StoreSettings::Embedded { path } = &mut settings.store
    {
        *path = Path::new(&dir).join(path.file_name()?);
    }
    Some(settings)
}

/// The first directory that systemd made for the service: see `StateDirectory=` in
/// systemd.exec(5).
fn state_directory() -> Option<String> {
    let all = variable("STATE_DIRECTORY")?;
    all.split(':').next().map(str::to_owned)
}

#[allow(clippy::disallowed_methods)] // the binary is the one place that reads the environment
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    value.filter(|value| !value.is_empty())
}

/// What the original did and this does not.
fn warn(log: &Log, settings: &ServeSettings, args: &FleetlockArgs) {
    let namespace = variable("NAMESPACE").unwrap_or_else(|| "default".to_owned());
    let store = match &settings.store {
        StoreSettings::Embedded { path } => path.display().to_string(),
        _ => String::new(),
    };
    let text = format!(
        "Leases are not written: holds stand in {store}, and `kubectl get leases -n {namespace}` \
         does not show them; see and free them on the page at /"
    );
    let fields = json!({
        "namespace": namespace,
        "kubeconfig": variable("KUBECONFIG"),
        "store": store,
    });
    let fields: Fields = fields.as_object().cloned().unwrap_or_default();
    log.event(Event::ServerWarning, LogLevel::Warn, &text, fields);
    if !args.ignored.is_empty() {
        let text = format!("ignored, as they are no flags: {}", args.ignored.join(" "));
        log.event(Event::ServerWarning, LogLevel::Warn, &text, Fields::new());
    }
}

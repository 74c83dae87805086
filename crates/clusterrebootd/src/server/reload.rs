//! A reload: what of a changed file takes effect, what waits for the next start, and what makes
//! the file as a whole be refused.

use super::Again;
use super::assemble::server_settings;
use super::observe::fields_of;
use crate::config::{Changed, ServeSettings};
use crate::logs::{Event, Log, LogLevel};
use reboot_server::desk::Desk;
use reboot_server::settings::{Limits, ServerSettings};
use serde_json::{Value, json};

/// Reads the configuration again, and knows what is in force.
pub(super) struct Reloader<'a> {
    at_start: &'a ServeSettings,
    current: ServeSettings,
    log: &'a Log,
}

// === impl Reloader ===

impl<'a> Reloader<'a> {
    pub(super) fn new(settings: &'a ServeSettings, log: &'a Log) -> Self {
        Self {
            at_start: settings,
            current: settings.clone(),
            log,
        }
    }

    /// Takes over what can change while the server runs, and names all that is another now.
    pub(super) fn reload(&mut self, again: &Again<'_>, desk: &Desk) {
        let fresh = match again() {
            Ok(fresh) => fresh,
            Err(problems) => return self.refuse(&problems.render(false)),
        };
        if let Some(key) = fixed_key(self.at_start, &fresh) {
            return self.refuse(&format!(
                "{key} cannot change while the server runs: restart it"
            ));
        }
        let told = match server_settings(&fresh) {
            Ok(told) => told,
            Err(error) => return self.refuse(&format!("{error:#}")),
        };
        desk.reload(with_limits_of_start(told, desk));
        for changed in self.current.diff(&fresh) {
            self.tell_changed(&changed);
        }
        for changed in self.at_start.diff_at_start(&fresh) {
            self.tell_unchanged(&changed);
        }
        self.current = fresh;
        let bad = desk.look_at_files();
        if !bad.is_empty() {
            let bad = Vec::from_iter(bad.iter().map(ToString::to_string)).join("; ");
            return self.refuse(&format!("all was read again but for this: {bad}"));
        }
        let message = "the configuration was read again";
        self.say(Event::ConfigReloaded, LogLevel::Info, message, json!({}));
    }

    fn tell_changed(&self, changed: &Changed) {
        let Changed { key, before, after } = changed;
        let message = format!("{key} changes from {before} to {after}");
        let fields = json!({"key": key, "before": before, "after": after});
        self.say(Event::ConfigReloaded, LogLevel::Info, &message, fields);
    }

    fn tell_unchanged(&self, changed: &Changed) {
        let Changed { key, before, after } = changed;
        let message = format!("{key} stays {before} until the server is restarted: {after} then");
        let fields = json!({"key": key, "before": before, "after": after, "restart": true});
        self.say(Event::ConfigReloaded, LogLevel::Warn, &message, fields);
    }

    fn refuse(&self, why: &str) {
        self.say(Event::ConfigRefused, LogLevel::Error, why, json!({}));
    }

    fn say(&self, event: Event, level: LogLevel, message: &str, fields: Value) {
        self.log.event(event, level, message, fields_of(fields));
    }
}

/// What the listener has taken at its start stays everywhere as it is.
fn with_limits_of_start(told: ServerSettings, desk: &Desk) -> ServerSettings {
    let limits = Limits {
        requests_per_second: told.limits.requests_per_second,
        connections_per_address: told.limits.connections_per_address,
        ..desk.settings().limits.clone()
    };
    ServerSettings { limits, ..told }
}

/// The first key that differs and cannot.
fn fixed_key(current: &ServeSettings, next: &ServeSettings) -> Option<&'static str> {
    let pairs = [
        ("listen", current.listen != next.listen),
        ("base_path", current.base_path != next.base_path),
        ("store", current.store != next.store),
        ("tls", current.tls != next.tls),
        ("auth", current.auth != next.auth),
        ("metrics", current.metrics != next.metrics),
    ];
    let mut differing = pairs.into_iter().filter(|(_, differs)| *differs);
    differing.next().map(|(key, _)| key)
}

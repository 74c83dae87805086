//! The server's news as lines of the log.

use crate::logs::{Event, Fields, Log, LogLevel};
use crate::metrics::process_figures;
use reboot_core::id::GroupName;
use reboot_server::audit::{Audit, Deed, TurnedAway};
use reboot_server::news::{News, Observer};
use serde_json::{Value, json};

/// Writes what it is told into the log.
#[derive(Clone)]
pub(super) struct Teller(pub(super) Log);

// === impl Teller ===

impl Teller {
    /// A change that the configuration asked for stands with those that people asked for.
    fn reconciled(&self, group: &GroupName, old: u32, new: u32) {
        let who = "server configuration";
        let fields = json!({
            "who": who, "role": "operator", "known_by": "configuration", "peer": null,
            "change": "set-max", "group": group, "node": null, "outcome": "done",
        });
        let message = format!("{who}: set-max in group {group}: {old} to {new}: done");
        self.say(Event::ChangeAsked, LogLevel::Info, &message, fields);
    }

    fn say(&self, event: Event, level: LogLevel, message: &str, fields: Value) {
        self.0.event(event, level, message, fields_of(fields));
    }
}

impl Observer for Teller {
    fn figures(&self) -> String {
        process_figures()
    }

    fn told(&self, news: &News<'_>) {
        match news {
            News::Admitted { wish, number } => {
                let fields = json!({
                    "group": wish.group, "client": wish.id, "node": wish.node,
                    "protocol": wish.protocol,
                    "number": number, "peer": wish.client.peer.address.to_string(),
                });
                let (event, level) = (Event::SlotGranted, LogLevel::Info);
                self.say(event, level, "a client has a slot", fields);
            }
            News::NotAdmitted { wish, refused } => {
                let fields = json!({
                    "group": wish.group, "client": wish.id, "node": wish.node,
                    "protocol": wish.protocol,
                    "kind": refused.kind.name(), "peer": wish.client.peer.address.to_string(),
                });
                self.say(Event::SlotRefused, LogLevel::Debug, &refused.value, fields);
            }
            News::Steady {
                group,
                id,
                node,
                client,
                released,
            } => {
                let at = client.peer.address.to_string();
                let fields = json!({"group": group, "client": id, "node": node, "peer": at});
                let (level, message) = match released {
                    Ok(true) => (LogLevel::Info, "a client gave its slot back".to_owned()),
                    Ok(false) => (LogLevel::Debug, "a client holds nothing".to_owned()),
                    Err(refused) => (LogLevel::Warn, refused.value.clone()),
                };
                self.say(Event::SlotReturned, level, &message, fields);
            }
            News::MaxChanged { group, old, new } => {
                let fields = json!({"group": group, "old": old, "new": new});
                let message = "the group has the slots of the configuration now";
                self.say(Event::SlotsReconciled, LogLevel::Info, message, fields);
                self.reconciled(group, *old, *new);
            }
            News::FileRefused(trouble) => {
                let fields = json!({"file": trouble.file.name(), "cause": trouble.why});
                let (event, level) = (Event::FileRefused, LogLevel::Error);
                self.say(event, level, &trouble.to_string(), fields);
            }
            News::FileTaken(file) => {
                let fields = json!({"file": file.name()});
                let message = "the file can be used again, and is in force";
                self.say(Event::FileTaken, LogLevel::Info, message, fields);
            }
            News::Warning { text } => {
                self.say(Event::ServerWarning, LogLevel::Warn, text, json!({}));
            }
        }
    }
}

impl Audit for Teller {
    fn done(&self, deed: &Deed<'_>) {
        let fields = json!({
            "who": deed.who.name,
            "role": deed.who.role.to_string(),
            "known_by": deed.who.known_by.name(),
            "peer": deed.from.map(|from| from.to_string()),
            "change": deed.verb(),
            "group": deed.group(),
            "node": deed.node(),
            "outcome": deed.outcome(),
        });
        let message = deed.to_string();
        self.say(Event::ChangeAsked, LogLevel::Info, &message, fields);
    }

    fn turned_away(&self, it: &TurnedAway<'_>) {
        let fields = json!({
            "who": it.who.map(|who| &who.name),
            "role": it.who.map(|who| who.role.to_string()),
            "known_by": it.who.map(|who| who.known_by.name()),
            "certificate": it.certificate,
            "peer": it.from.map(|from| from.to_string()),
            "method": it.method,
            "path": it.path,
            "status": it.status.as_u16(),
            "unwritten": it.unwritten,
        });
        self.say(
            Event::ChangeRefused,
            LogLevel::Warn,
            &it.to_string(),
            fields,
        );
    }
}

/// The fields of an object.
pub(super) fn fields_of(object: Value) -> Fields {
    match object {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

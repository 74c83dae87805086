//! The service manager: readiness, status text, watchdog. Nothing happens without one.

use super::reach::StoreTrouble;
use reboot_core::agent::Agent;
use std::time::Duration;

/// Tells systemd what goes on, once for each change.
#[derive(Debug, Default)]
pub(crate) struct ServiceManager {
    said: String,
}

// === impl ServiceManager ===

impl ServiceManager {
    /// The daemon runs.
    pub(crate) fn ready() {
        notify(&[sd_notify::NotifyState::Ready]);
    }

    /// The daemon will end.
    pub(crate) fn stopping() {
        notify(&[sd_notify::NotifyState::Stopping]);
    }

    /// What the agent does, when that has changed.
    pub(crate) fn tell(&mut self, agent: &Agent, trouble: Option<&StoreTrouble>) {
        let outcome = agent
            .report
            .as_ref()
            .map_or("", |report| report.outcome.name());
        let trouble = trouble.map_or(String::new(), |it| format!("; {}", it.line()));
        let text = format!("{} {outcome}{trouble}", agent.activity());
        if text != self.said {
            notify(&[sd_notify::NotifyState::Status(&text)]);
            self.said = text;
        }
    }

    /// Feeds the watchdog for as long as it is polled. Returns at once without a watchdog.
    pub(crate) async fn feed_watchdog() {
        let Some(limit) = watchdog_limit() else {
            return;
        };
        loop {
            notify(&[sd_notify::NotifyState::Watchdog]);
            tokio::time::sleep(limit / 2).await;
        }
    }
}

fn watchdog_limit() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without a service manager, or one that does not listen, there is nobody to tell.
    let _ = sd_notify::notify(states);
}

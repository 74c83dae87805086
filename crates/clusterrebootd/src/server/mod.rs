//! The coordination server's life: from its configuration to its end.

mod assemble;
mod observe;

use crate::cli::ServeArgs;
use crate::config::{ConfigProblems, SERVER_PATH, ServeSettings};
use crate::daemon::{ServiceManager, Signals, Wish, open_store_of_many};
use crate::logs::{Event, Log, LogLevel};
use anyhow::{Context, Result};
use assemble::{acceptor, doors, server_settings};
use observe::{Teller, fields_of};
use reboot_server::Server;
use reboot_server::desk::Desk;
use reboot_server::view::View;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::sync::oneshot;

/// More threads than these only cost memory: the store commits on one.
const THREADS_MAX: usize = 4;
/// How long threads may take to end.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);

/// Reads the configuration again.
pub(crate) type Again<'a> = dyn Fn() -> Result<ServeSettings, ConfigProblems> + 'a;

/// What a server logs as its own name.
pub(crate) const NAME: &str = "server";

/// What keeps strangers away.
#[derive(Clone, Copy)]
struct Protection {
    is_encrypted: bool,
    asks_who: bool,
}

/// The configuration that the arguments name; without a file in the usual place, the defaults.
///
/// # Errors
/// Every problem of the file.
pub(crate) fn load(args: &ServeArgs) -> Result<ServeSettings, ConfigProblems> {
    let usual = Path::new(SERVER_PATH);
    let mut settings = match &args.config {
        Some(path) => ServeSettings::load(path)?,
        None if usual.exists() => ServeSettings::load(usual)?,
        None => ServeSettings::parse(usual, "")?,
    };
    if let Some(listen) = &args.listen {
        settings.listen.clone_from(listen);
    }
    Ok(settings)
}

/// Runs the server until it is told to stop; when it is told to reload, by what `again` answers.
///
/// # Errors
/// What keeps it from starting.
pub(crate) fn serve(settings: &ServeSettings, again: &Again<'_>, log: &Log) -> Result<()> {
    let threads = available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.min(THREADS_MAX))
        .enable_all()
        .build()
        .context("the runtime cannot start")?;
    let result = runtime.block_on(live(settings, again, log));
    runtime.shutdown_timeout(FAREWELL_LIMIT);
    result
}

async fn live(settings: &ServeSettings, again: &Again<'_>, log: &Log) -> Result<()> {
    let mut signals = Signals::listen()?;
    let told = server_settings(settings)?;
    let store = open_store_of_many(&settings.store)?;
    let doors = doors(settings)?;
    let protection = Protection {
        is_encrypted: settings.tls.is_some(),
        asks_who: !doors.is_open(),
    };
    let listen = &settings.listen;
    let server = Server::bind(listen)
        .await
        .with_context(|| format!("listen: {listen} cannot be bound: free it, or choose another"))?;
    let server = server.behind(doors, Arc::new(Teller(log.clone())));
    let server = match &settings.tls {
        Some(tls) => server.encrypted(acceptor(tls)?),
        None => server,
    };
    let view = Arc::new(View::open(store.clone()).await);
    let desk = Arc::new(Desk::new(view, told, Arc::new(Teller(log.clone()))));
    greet(log, server.address(), &store.describe(), protection);
    if let Some(danger) = protection.danger_at(server.address()) {
        warn(log, &danger);
        desk.warn_of(&danger);
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(server.serve(desk.clone(), stopped));
    ServiceManager::ready();
    tokio::spawn(ServiceManager::feed_watchdog());
    while signals.next().await == Wish::Reload {
        reload(settings, again, &desk, log);
    }
    ServiceManager::stopping();
    log.event(
        Event::DaemonStopping,
        LogLevel::Info,
        "stopping",
        fields_of(json!({})),
    );
    drop(stop);
    serving.await.context("the server broke off")
}

fn greet(log: &Log, address: SocketAddr, store: &str, protection: Protection) {
    let fields = json!({
        "address": address.to_string(),
        "store": store,
        "tls": protection.is_encrypted,
        "auth": protection.asks_who,
    });
    let message = match address.ip().is_loopback() {
        true => "serves this machine only; set listen to serve others",
        false => "serves",
    };
    log.event(
        Event::ServerStarted,
        LogLevel::Info,
        message,
        fields_of(fields),
    );
}

fn warn(log: &Log, text: &str) {
    let (event, level) = (Event::ServerWarning, LogLevel::Warn);
    log.event(event, level, text, fields_of(json!({})));
}

// === impl Protection ===

impl Protection {
    /// The same of a server at this address; no others reach one that serves its machine alone.
    fn danger_at(self, address: SocketAddr) -> Option<String> {
        let danger = self.danger().filter(|_| !address.ip().is_loopback());
        danger.map(|danger| format!("{address} is reached by others, and {danger}"))
    }

    /// What others can do, in words.
    fn danger(self) -> Option<&'static str> {
        match (self.is_encrypted, self.asks_who) {
            (false, false) => Some(
                "nothing is encrypted and nobody asked who it is: whoever reaches it may take and \
                 free slots (set tls and auth)",
            ),
            (true, false) => Some(
                "nobody is asked who it is: whoever reaches it may take and free slots (set auth)",
            ),
            (false, true) => Some(
                "nothing is encrypted: whoever listens learns the secrets (set tls, or let a proxy \
                 on this machine encrypt)",
            ),
            (true, true) => None,
        }
    }
}

/// Takes over what can change while it runs: groups, and limits but for connections.
fn reload(settings: &ServeSettings, again: &Again<'_>, desk: &Desk, log: &Log) {
    let refuse = |text: String| {
        log.event(
            Event::ConfigRefused,
            LogLevel::Error,
            &text,
            fields_of(json!({})),
        );
    };
    let fresh = match again() {
        Ok(fresh) => fresh,
        Err(problems) => return refuse(problems.render(false)),
    };
    let fixed = [
        ("listen", settings.listen == fresh.listen),
        ("base_path", settings.base_path == fresh.base_path),
        ("store", settings.store == fresh.store),
        ("tls", settings.tls == fresh.tls),
        ("auth", settings.auth == fresh.auth),
    ];
    if let Some((key, _)) = fixed.iter().find(|(_, is_same)| !is_same) {
        return refuse(format!(
            "{key} cannot change while the server runs: restart it"
        ));
    }
    match server_settings(&fresh) {
        Ok(told) => {
            desk.reload(told);
            let bad = desk.look_at_files();
            if !bad.is_empty() {
                let bad: Vec<_> = bad.iter().map(ToString::to_string).collect();
                let bad = bad.join("; ");
                return refuse(format!("all was read again but for this: {bad}"));
            }
            let message = "the configuration was read again";
            log.event(
                Event::ConfigReloaded,
                LogLevel::Info,
                message,
                fields_of(json!({})),
            );
        }
        Err(error) => refuse(format!("{error:#}")),
    }
}

//! The coordination server's life: from its configuration to its end.

mod assemble;
mod descriptors;
mod observe;
mod reload;

use crate::cli::ServeArgs;
use crate::config::{ConfigProblems, MetricsSettings, SERVER_PATH, ServeSettings};
use crate::daemon::{ServiceManager, Signals, Wish, open_store_of_many};
use crate::logs::{Event, Log, LogLevel};
use crate::metrics::Listener;
use anyhow::{Context, Error, Result};
use assemble::{acceptor, doors, server_settings};
use observe::{Teller, fields_of};
use reboot_server::Server;
use reboot_server::desk::Desk;
use reboot_server::settings::ServerSettings;
use reboot_server::view::View;
use reload::Reloader;
use serde_json::json;
use std::io;
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

/// The file that the arguments name.
pub(crate) fn path(args: &ServeArgs) -> &Path {
    args.config.as_deref().unwrap_or(Path::new(SERVER_PATH))
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
        settings.listen_on(listen)?;
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

/// What of a configuration cannot be used on this machine; it may be meant for another.
pub(crate) fn warnings_here(settings: &ServeSettings) -> Vec<String> {
    let tried = [
        server_settings(settings).err(),
        doors(settings).err(),
        settings.tls.as_ref().and_then(|tls| acceptor(tls).err()),
    ];
    let errors = tried.into_iter().flatten();
    errors.map(|error| format!("{error:#}")).collect()
}

async fn live(settings: &ServeSettings, again: &Again<'_>, log: &Log) -> Result<()> {
    let mut signals = Signals::listen()?;
    let mut told = server_settings(settings)?;
    let crowded = make_room(&mut told);
    let store = open_store_of_many(&settings.store)?;
    let doors = doors(settings)?;
    let protection = Protection {
        is_encrypted: settings.tls.is_some(),
        asks_who: !doors.is_open(),
    };
    let server = Server::bind(&settings.listen).await;
    let server = server.map_err(|error| unbound("listen", &settings.listen, error))?;
    let server = server.behind(doors, Arc::new(Teller(log.clone())));
    let server = match &settings.tls {
        Some(tls) => server.encrypted(acceptor(tls)?),
        None => server,
    };
    let view = Arc::new(View::open(store.clone()).await);
    let desk = Arc::new(Desk::new(view, told, Arc::new(Teller(log.clone()))));
    show_figures(&settings.metrics, &desk).await?;
    greet(log, server.address(), &store.describe(), protection);
    if let Some(danger) = protection.danger_at(server.address()) {
        warn(log, &danger);
        desk.warn_of(&danger);
    }
    if let Some(crowded) = crowded {
        warn(log, &crowded);
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(server.serve(desk.clone(), stopped));
    ServiceManager::ready();
    tokio::spawn(ServiceManager::feed_watchdog());
    let mut reloader = Reloader::new(settings, log);
    while signals.next().await == Wish::Reload {
        reloader.reload(again, &desk);
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

/// As many connections as there can be open files; answers what to say when that is less than is
/// asked for.
fn make_room(told: &mut ServerSettings) -> Option<String> {
    // Without a known limit there is nothing to go by.
    let limit = descriptors::raised().ok()?;
    let wanted = told.limits.connections;
    told.limits.connections = descriptors::fitting(wanted, limit);
    descriptors::warning(wanted, limit)
}

/// Why an address cannot be had, and what to do about that.
fn unbound(key: &str, listen: &str, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => "another program has it: free it, or choose another",
        io::ErrorKind::AddrNotAvailable => {
            "it is no address of this machine: choose one that is, or 0.0.0.0 for all"
        }
        io::ErrorKind::PermissionDenied => {
            "a port below 1024 needs CAP_NET_BIND_SERVICE: grant that, or choose another"
        }
        _ => "choose another",
    };
    Error::new(error).context(format!("{key}: {listen} cannot be bound: {remedy}"))
}

/// Shows what is measured on a listener of its own, where one is asked for.
async fn show_figures(metrics: &MetricsSettings, desk: &Arc<Desk>) -> Result<()> {
    if !metrics.enabled {
        return Ok(());
    }
    let listener = Listener::bind(&metrics.listen).await;
    let listener = listener.map_err(|error| unbound("metrics.listen", &metrics.listen, error))?;
    let desk = desk.clone();
    let shown = move |_| {
        (
            reboot_server::METRICS_TYPE,
            reboot_server::metrics_page(&desk),
        )
    };
    tokio::spawn(listener.serve_shown(shown));
    Ok(())
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

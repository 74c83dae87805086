//! A real daemon that waits in line, over mutual TLS: its memory, and what it asks of etcd.

use crate::Outcome;
use crate::node::Node;
use reboot_core::id::{GroupName, NodeName};
use reboot_lab::{Authority, Etcd, LabOptions, ServerTls, Validity};
use reboot_store::Store;
use reboot_store_etcd::client::{Client, Options, Tls};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Waiting {
    resident_kb: u64,
    anonymous_kb: u64,
    /// Calls that etcd counted in the time.
    calls: u64,
    seconds: u64,
}

/// A waiting daemon's heartbeats and renewals by its configuration, in seconds.
const PUBLISH_SECS: u64 = 15;
const LOCK_TTL_SECS: u64 = 90;

pub(crate) async fn measure(program: &Path, seconds: u64) -> Outcome<Waiting> {
    let place = TempDir::new()?;
    let authority = Authority::new(place.path(), "bench")?;
    let server = authority.server("etcd", &["127.0.0.1", "localhost"], Validity::Now)?;
    let own = authority.client("daemon", "daemon", Validity::Now)?;
    let options = LabOptions {
        tls: Some(ServerTls {
            cert: server.cert,
            key: server.key,
            client_ca: Some(authority.ca_file.clone()),
        }),
        ..LabOptions::default()
    };
    let etcd = Etcd::single(&options).await?;
    etcd.identify(&authority, &own);
    let tls = Tls {
        ca_file: Some(authority.ca_file.clone()),
        identity: Some((own.cert.clone(), own.key.clone())),
        insecure_skip_verify: false,
    };
    let client = Client::new(Options {
        tls: Some(tls),
        ..Options::new(etcd.endpoints())
    })?;
    let mut holder = Node::start(client, "", 0).await?;
    holder.claim().await?;
    let config = config(place.path(), &etcd, &authority.ca_file, &own)?;
    let daemon = start(program, &config)?;
    in_line(&holder).await?;
    rest(seconds).await;
    let before = calls(&etcd).await?;
    rest(seconds).await;
    let after = calls(&etcd).await?;
    let pid = daemon.id().ok_or("the daemon runs")?;
    let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(Waiting {
        resident_kb: kilobytes(&memory, "Rss:")?,
        anonymous_kb: kilobytes(&memory, "Anonymous:")?,
        calls: after - before,
        seconds,
    })
}

fn config(
    place: &Path,
    etcd: &Etcd,
    ca_file: &Path,
    own: &reboot_lab::Identity,
) -> Outcome<std::path::PathBuf> {
    let at = |name: &str| place.join(name).display().to_string();
    fs::write(at("need"), "")?;
    fs::write(at("machine"), "0123456789abcdef0123456789abcdef\n")?;
    let text = format!(
        "node_name: waiter\n\
         lock_key: lock\n\
         lock_ttl_sec: {LOCK_TTL_SECS}\n\
         health_publish_interval_sec: {PUBLISH_SECS}\n\
         etcd_endpoints: [\"{}\"]\n\
         etcd_tls: {{enabled: true, ca_file: {}, cert_file: {}, key_file: {}}}\n\
         reboot_required_detectors: [{{type: file, path: {}}}]\n\
         health_script: /bin/true\n\
         reboot_command: [/bin/true]\n\
         kill_switch_file: {}\n\
         hooks_dir: {}\n\
         state_dir: {}\n\
         machine_id_file: {}\n",
        etcd.endpoints().join("\", \""),
        ca_file.display(),
        own.cert.display(),
        own.key.display(),
        at("need"),
        at("kill"),
        at("hooks"),
        at("state"),
        at("machine"),
    );
    let path = place.join("config.yaml");
    fs::write(&path, text)?;
    Ok(path)
}

fn start(program: &Path, config: &Path) -> Outcome<Child> {
    let mut command = Command::new(program);
    command.args(["run", "--config"]).arg(config);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.kill_on_drop(true).spawn()?)
}

/// Waits until the daemon stands in line.
async fn in_line(holder: &Node) -> Outcome<()> {
    let waiter = NodeName::new("waiter")?;
    let limit = tokio::time::Instant::now() + Duration::from_secs(30);
    while tokio::time::Instant::now() < limit {
        let seen = holder.store.look().await?;
        let group = seen.groups.get(&GroupName::default());
        if group.is_some_and(|it| it.line.ahead_of(&waiter).is_some()) {
            return Ok(());
        }
        rest(1).await;
    }
    Err("the daemon never stood in line: run it by hand and see what it says".into())
}

#[allow(clippy::disallowed_methods)] // to measure who waits, somebody has to wait beside it
async fn rest(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Calls that etcd has met, streams and its own health checks left out.
async fn calls(etcd: &Etcd) -> Outcome<u64> {
    let mut sum = 0;
    for line in etcd.metrics(0).await?.lines() {
        let is_call = line.starts_with("grpc_server_started_total") && line.contains("unary");
        if let (true, Some((_, count))) = (is_call, line.rsplit_once(' ')) {
            sum += count.parse::<f64>()? as u64;
        }
    }
    Ok(sum)
}

fn kilobytes(text: &str, name: &str) -> Outcome<u64> {
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name));
    let number = rest.and_then(|rest| rest.trim().strip_suffix(" kB"));
    Ok(number.ok_or("smaps_rollup has the number")?.parse()?)
}

//! The quick start and the care of a server's store, walked as they are written.

use crate::guide::{Host, Site, block, repository};
use crate::program::Client;
use reboot_lab::{Etcd, LabOptions};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const QUICK_START: &str = "docs/quick-start.md";
const SERVER: &str = "docs/server.md";
const PATIENCE: Duration = Duration::from_secs(180);

/// A daemon of a node.
pub(crate) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never came true: {what}");
        std::thread::yield_now();
    }
}

/// Those lines of a script that come to an end by themselves.
fn finite(script: &str) -> String {
    let lines = script.lines();
    let lines = lines.filter(|line| !line.contains("--watch"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The server of the quick start, running.
pub(crate) fn server(site: &Site) -> Host<'_> {
    let host = site.host("coordinator");
    fs::write(site.desk().join("password"), "geheim\n").unwrap();
    host.good(&block(QUICK_START, "1. Install it:"));
    let config = "etc/clusterrebootd/server.yaml";
    let installed = fs::read_to_string(host.root.join(config)).unwrap();
    host.write(config, &host.here(&installed));
    host.good(&block(QUICK_START, "2. Make a token"));
    host.good(&block(QUICK_START, "3. Start it:"));
    let mut client = Client::of(&format!("127.0.0.1:{}", site.port)).unwrap();
    assert_eq!(client.get("/readyz").unwrap().0, 200);
    assert_eq!(client.get("/metrics").unwrap().0, 401);
    host
}

/// A node of the quick start, installed. What only one machine has one of is its own.
pub(crate) fn node<'a>(site: &'a Site, name: &str) -> Host<'a> {
    let host = site.host(name);
    let named = |text: String| text.replace("node-a", name);
    host.good(&named(block(QUICK_START, "1. Install the daemon")));
    host.good(&block(QUICK_START, "To begin with:"));
    let config = named(block(
        QUICK_START,
        "2. Write `/etc/clusterrebootd/config.yaml`",
    ));
    let down = host.root.join("down");
    let own = format!(
        "{}reboot_command: [touch, {}]\n",
        host.places(),
        down.display()
    );
    fs::write(host.root.join("machine-id"), format!("{name:0>32}\n")).unwrap();
    host.write(
        "etc/clusterrebootd/config.yaml",
        &(host.here(&config) + &own),
    );
    host.good(&block(QUICK_START, "3. Check it, then start it:"));
    host
}

pub(crate) fn start(node: &Host<'_>) -> Daemon {
    let config = node.root.join("etc/clusterrebootd/config.yaml");
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("clusterrebootd"));
    command.args(["run", "--config", config.to_str().unwrap()]);
    Daemon(command.stderr(Stdio::null()).spawn().unwrap())
}

#[test]
fn the_quick_start_leads_to_three_nodes_that_reboot_one_after_another() {
    let site = Site::new();
    let _server = server(&site);
    let nodes = ["node-a", "node-b", "node-c"].map(|name| node(&site, name));
    let daemons: Vec<Daemon> = nodes.iter().map(start).collect();
    let [a, b, c] = &nodes;
    let look = finite(&block(QUICK_START, "On any node:"));
    until("three are healthy", || {
        let seen = b.good(&look);
        seen.matches(" healthy").count() == 3 && seen.contains("Available: 1\nMax: 1\n")
    });
    let wish = finite(&block(QUICK_START, "Now say on two of them"));
    a.good(&wish);
    c.good(&wish);
    let is_down = |node: &Host<'_>| node.root.join("down").exists();
    until("one goes", || is_down(a) || is_down(c));
    assert!(
        b.good("clusterrebootd lock status")
            .starts_with("Available: 0")
    );
    assert!(!(is_down(a) && is_down(c)), "one after another");
    b.good(&block(QUICK_START, "as its `token_file`:"));
    let refused = b.bad("clusterrebootd lock pause --reason 'no operator'");
    assert!(refused.contains("operator"), "{refused}");
    drop(daemons);
}

/// Gives the site an operator's configuration, by way of this node.
pub(crate) fn operator_of(site: &Site, node: &Host<'_>) {
    node.good(&block(QUICK_START, "as its `token_file`:"));
    let copy = node.root.join("etc/clusterrebootd/operator.yaml");
    fs::copy(copy, site.desk().join("operator.yaml")).unwrap();
}

/// How a client asks for its slot, or gives it back.
pub(crate) fn asks(site: &Site, id: &str, path: &str) -> String {
    let url = format!("http://127.0.0.1:{}{path}", site.port);
    let body = format!(r#"{{"client_params":{{"id":"{id}","group":"default"}}}}"#);
    let shown = "--user anna:geheim -H 'fleet-lock-protocol: true'";
    format!("curl --fail-with-body {shown} -d '{body}' {url}")
}

#[test]
fn a_backup_of_a_running_server_is_restored_as_written() {
    let site = Site::new();
    let server = server(&site);
    let operator = node(&site, "node-b");
    operator_of(&site, &operator);
    let says = |path: &str| server.good(&asks(&site, "down", path));
    says("/v1/pre-reboot");
    server.good(&block(SERVER, "<!-- backup -->"));
    says("/v1/steady-state");
    let said = server.good(&block(SERVER, "<!-- restore -->"));
    assert!(said.contains("restored, epoch 2"), "{said}");
    assert!(said.contains("Available: 0\nMax: 1\nPaused: by"), "{said}");
    operator.good("clusterrebootd lock unlock down --reason 'is up' --yes --config operator.yaml");
    operator.good("clusterrebootd lock resume --config operator.yaml");
    let status = operator.good("clusterrebootd lock status");
    assert!(status.starts_with("Available: 1\nMax: 1\n"), "{status}");
}

#[test]
fn sqlite_looks_into_the_store_of_a_running_server_and_writes_nothing() {
    let words = "sqlite3 -readonly";
    let text = fs::read_to_string(repository().join("docs/store-format.md")).unwrap();
    assert!(text.contains(&format!("`{words}`")));
    let site = Site::new();
    let server = server(&site);
    let node = node(&site, "node-b");
    operator_of(&site, &node);
    node.good("clusterrebootd lock pause --reason one --config operator.yaml");
    let look = |order: &str| format!("{words} /var/lib/clusterrebootd-server/fleet.db '{order}'");
    let said = server.good(&look(".tables"));
    assert!(said.contains("groups"), "{said}");
    let said = server.bad(&look("delete from groups"));
    assert!(said.contains("readonly"), "{said}");
    node.good("clusterrebootd lock pause --reason two --config operator.yaml");
    server.good("systemctl stop clusterrebootd-server");
    server.good(&look("select * from groups"));
    server.good("systemctl start clusterrebootd-server");
    let status = node.good("clusterrebootd lock status -o wide");
    assert!(status.contains("two"), "{status}");
}

#[test]
fn zincati_is_let_in_as_written() {
    let guide = "docs/zincati.md";
    let site = Site::new();
    let server = site.host("coordinator");
    fs::write(site.desk().join("password"), "geheim\n").unwrap();
    let yaml = server.here(&block(guide, "## The server"));
    // At night only: the test is run by day.
    let by_day = yaml
        .lines()
        .filter(|it| !it.contains("windows:") && !it.contains("allow:"));
    let store = server.root.join("fleet.db");
    let store = format!("store: {{embedded: {{path: {}}}}}\n", store.display());
    let yaml: String = by_day.map(|line| format!("{line}\n")).collect();
    server.write("etc/clusterrebootd/server.yaml", &(yaml + &store));
    server.good(&block(guide, "goes into the list as its hash:"));
    server.good("systemctl start clusterrebootd-server");
    let url = format!("http://127.0.0.1:{}", site.port);
    let as_zincati = |password: &str| {
        let script = block(guide, "As Zincati asks, from any machine:");
        format!("URL={url}\nPASSWORD={password}\n{script}")
    };
    server.good(&as_zincati("geheim"));
    server.bad(&as_zincati("falsch"));
}

/// A configuration with another store, whatever it had.
fn with_store(config: &str, store: &str) -> String {
    let mut lines = Vec::new();
    let mut is_in_store = false;
    for line in config.lines() {
        is_in_store = line == "store:" || (is_in_store && line.starts_with(' '));
        if line == "store:" {
            lines.push(format!("store: {store}"));
        } else if !is_in_store {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_fleet_moves_from_the_file_to_etcd_as_written() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lab = LabOptions::default();
    let etcd = runtime.block_on(Etcd::cluster(1, &lab)).unwrap();
    let store = format!(
        "{{etcd: {{endpoints: ['{}']}}}}",
        etcd.endpoints().join("', '")
    );
    let site = Site::new();
    let server = server(&site);
    let node = node(&site, "node-b");
    operator_of(&site, &node);
    let mut config = node.config();
    config.push_str("dry_run: true\n");
    node.write("etc/clusterrebootd/config.yaml", &config);
    let _daemon = start(&node);
    let history = "clusterrebootd history";
    node.good(&finite(&block(QUICK_START, "Now say on two of them")));
    until("it claims", || node.good(history).contains("claim"));

    let said = node.good(&block(SERVER, "<!-- move: drain -->"));
    assert!(said.contains("The fleet is paused by"), "{said}");
    until("nobody holds", || {
        let seen = node.good("clusterrebootd lock status --all-groups");
        seen.contains("Available: 1\nMax: 1\n")
    });
    let said = server.good(&block(SERVER, "<!-- move: stop -->"));
    assert!(said.contains("epoch 1,"), "{said}");
    server.write("etc/clusterrebootd/server.yaml", &{
        let file = server.root.join("etc/clusterrebootd/server.yaml");
        with_store(&fs::read_to_string(file).unwrap(), &store)
    });
    let operator = fs::read_to_string(site.desk().join("operator.yaml")).unwrap();
    fs::write(site.desk().join("etcd.yaml"), with_store(&operator, &store)).unwrap();
    let said = server.good(&block(SERVER, "<!-- move: begin -->"));
    assert!(said.contains("epoch 2"), "{said}");
    assert!(
        !node.good(history).contains("claim"),
        "a history of its own"
    );
    node.good(&block(SERVER, "<!-- move: go -->"));
    // A need that was met is not met again: this is another one.
    fs::remove_file(node.root.join("run/reboot-required")).unwrap();
    node.good(&finite(&block(QUICK_START, "Now say on two of them")));
    until("it claims", || node.good(history).contains("claim"));
}

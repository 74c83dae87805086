//! The server behind nginx, with the file that we ship: held requests, vanished clients, events.

use crate::guide::{Site, block};
use crate::program::{Client, Place, Program};
use crate::tool::shipped;
use reboot_lab::{Authority, Validity};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// nginx in the foreground, in one process, with nothing of the machine's.
const AROUND: &str = "daemon off; master_process off; user root; pid DIR/pid;
error_log DIR/error.log; events {} http { access_log off; client_body_temp_path DIR/body;
proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
include DIR/clusterrebootd.conf; }";

/// A running nginx.
struct Nginx {
    child: Child,
    address: String,
    dir: TempDir,
}

/// Our file with these changes, and nginx's own around it.
fn configured(dir: &TempDir, changes: &[(&str, &str)]) -> PathBuf {
    let mut ours = fs::read_to_string(shipped("nginx/clusterrebootd.conf")).unwrap();
    for (from, to) in changes {
        assert!(ours.contains(from), "{from} is not in the file");
        ours = ours.replace(from, to);
    }
    fs::write(dir.path().join("clusterrebootd.conf"), ours).unwrap();
    let around = AROUND.replace("DIR", dir.path().to_str().unwrap());
    let file = dir.path().join("nginx.conf");
    fs::write(&file, around).unwrap();
    file
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never came true: {what}");
        std::thread::yield_now();
    }
}

fn waiting(program: &Program) -> u64 {
    let (_, text) = program.client().get("/metrics").unwrap();
    let name = "clusterrebootd_server_waiting{group=\"default\"} ";
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |count| count.parse().unwrap())
}

// === impl Nginx ===

impl Nginx {
    /// In front of this server, without encryption.
    fn start(program: &Program) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let listen = format!("listen {address};");
        let changes = [
            ("listen 443 ssl;", listen.as_str()),
            ("ssl_certificate ", "# "),
            ("ssl_certificate_key ", "# "),
            ("127.0.0.1:8080", &program.address),
        ];
        let file = configured(&dir, &changes);
        let mut nginx = Command::new("nginx");
        nginx.args(["-c", file.to_str().unwrap(), "-e", "/dev/null"]);
        let child = nginx.spawn().expect("run `apt-get install nginx-light`");
        let nginx = Self {
            child,
            address,
            dir,
        };
        until("nginx listens", || {
            TcpStream::connect(&nginx.address).is_ok()
        });
        nginx
    }

    fn client(&self) -> Client {
        Client::of(&self.address).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stands for an editor: names the certificates. It keeps a copy of what it made.
const SUDOEDIT: &str = "#!/bin/sh\nsed -i 's#/etc/nginx/tls#ROOT/etc/nginx/tls#' \"$1\"\n";
/// The real one, with nothing of the machine's.
const NGINX: &str = "#!/bin/sh\nexec /usr/sbin/nginx -c ROOT/nginx.conf -e /dev/null \"$@\"\n";

#[test]
fn nginx_takes_the_file_as_it_is_shipped_and_installed_as_written() {
    let site = Site::new();
    let host = site.host("coordinator");
    for (name, text) in [
        ("sudoedit", SUDOEDIT),
        ("nginx", NGINX),
        (
            "systemctl",
            "#!/bin/sh\n[ \"$*\" = 'reload nginx' ] && : > ROOT/reloaded\n",
        ),
    ] {
        host.program(name, text);
    }
    for folder in ["etc/nginx/conf.d", "etc/nginx/tls"] {
        fs::create_dir_all(host.root.join(folder)).unwrap();
    }
    let authority = Authority::new(&host.root, "ours").unwrap();
    let hosts = ["coordinator.example"];
    let papers = authority.server("server", &hosts, Validity::Now).unwrap();
    for (from, name) in [(&papers.cert, "pem"), (&papers.key, "key")] {
        let to = host.root.join("etc/nginx/tls/coordinator.example");
        fs::copy(from, to.with_extension(format!("example.{name}"))).unwrap();
    }
    let around = AROUND.replace("include DIR", "include DIR/etc/nginx/conf.d");
    host.write(
        "nginx.conf",
        &around.replace("DIR", host.root.to_str().unwrap()),
    );
    host.good(&block("docs/reverse-proxy.md", "# Behind a reverse proxy"));
    assert!(host.root.join("reloaded").exists());
    fs::remove_dir_all(host.root.join("etc/nginx/tls")).unwrap();
    let said = host.bad("nginx -t");
    assert!(said.contains("coordinator.example.pem"), "{said}");
}

#[test]
fn a_request_waits_behind_nginx_until_the_slot_is_free() {
    let place = Place::new("groups: {default: {wait_sec: 1700}}\n");
    let program = place.start_quietly();
    let nginx = Nginx::start(&program);
    let mut holder = nginx.client();
    assert_eq!(holder.fleetlock("/v1/pre-reboot", "a"), Some(200));
    let mut second = nginx.client();
    let granted = std::thread::spawn(move || second.fleetlock("/v1/pre-reboot", "b"));
    until("b waits", || waiting(&program) == 1);
    assert_eq!(holder.fleetlock("/v1/steady-state", "a"), Some(200));
    assert_eq!(granted.join().unwrap(), Some(200), "{}", nginx.log());
    drop(program);
    assert_eq!(place.holders(), ["b"]);
}

#[test]
fn a_client_that_goes_away_behind_nginx_is_granted_nothing() {
    let place = Place::new("groups: {default: {wait_sec: 1700}}\n");
    let program = place.start_quietly();
    let nginx = Nginx::start(&program);
    let mut holder = nginx.client();
    assert_eq!(holder.fleetlock("/v1/pre-reboot", "a"), Some(200));
    let mut gone = nginx.client();
    gone.begin("/v1/pre-reboot", "gone", 0);
    until("it waits", || waiting(&program) == 1);
    drop(gone);
    until("the server knows", || waiting(&program) == 0);
    assert_eq!(holder.fleetlock("/v1/steady-state", "a"), Some(200));
    drop(program);
    assert_eq!(place.holders(), [""; 0], "{}", nginx.log());
}

#[test]
fn events_pass_nginx_as_they_come() {
    let place = Place::new("");
    let program = place.start_quietly();
    let nginx = Nginx::start(&program);
    let mut stream = TcpStream::connect(&nginx.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET /api/v1/events HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut read = String::new();
    let mut events = |count: usize| {
        while read.matches("event: fleet").count() < count {
            let mut chunk = [0; 4096];
            let size = stream.read(&mut chunk).unwrap();
            assert!(size > 0, "the stream ended: {read}");
            read.push_str(&String::from_utf8_lossy(&chunk[..size]));
        }
    };
    events(1);
    let mut client = nginx.client();
    assert_eq!(client.fleetlock("/v1/pre-reboot", "a"), Some(200));
    events(2);
}

//! Who may do what, and who proves to be whom: the role that the documentation grants, passwords,
//! certificates, and certificates that change.

use crate::bench::Bench;
use crate::lab;
use crate::machine::Machine;
use crate::place::Place;
use crate::reach::cannot_use;
use crate::shell::{Shell, documented, documented_after};
use nix::sys::signal::Signal;
use reboot_lab::{Authority, Etcd, Identity, LabOptions, ServerTls, Validity};
use reboot_store_etcd::Layout;
use reboot_store_etcd::client::{Credentials, Options, Tls};
use std::fs;
use std::path::{Path, PathBuf};

const PERMISSIONS: &str = "## Permissions";
const ROOT: &str = "root:of-all";
const PASSWORD: &str = "of-the-fleet";

/// One member with authentication on, and the role and user as the documentation makes them.
struct Guarded {
    etcd: Etcd,
    password_file: PathBuf,
}

// === impl Guarded ===

impl Guarded {
    fn new() -> Self {
        Self::by(&documented("etcd.md", PERMISSIONS))
    }

    /// On the keys of the reboot lock: one prefix instead of all the others.
    fn of_reboot_lock() -> Self {
        let script = documented("etcd.md", PERMISSIONS);
        let words = "The layout `rebootlock` needs one prefix instead:";
        let prefix = documented_after("etcd.md", PERMISSIONS, words);
        let (role, rest) = script.split_once('\n').unwrap();
        let (_, user) = rest.rsplit_once("done\n").unwrap();
        Self::by(&format!("{role}\n{prefix}{user}"))
    }

    fn by(script: &str) -> Self {
        let etcd = lab::own(1, &LabOptions::default());
        let password_file = etcd.folder().join("password");
        fs::write(&password_file, PASSWORD).unwrap();
        let file = "/etc/clusterrebootd/etcd-password";
        assert!(script.contains(file), "{script}");
        let script = script.replace(file, password_file.to_str().unwrap());
        lab::wait_for(etcd.enable_auth("of-all", &[])).unwrap();
        Shell::at(&etcd).user(ROOT).good(&script);
        Self {
            etcd,
            password_file,
        }
    }

    fn shell(&self) -> Shell {
        Shell::at(&self.etcd).user(&format!("clusterrebootd:{PASSWORD}"))
    }

    fn store(&self, namespace: &str, user: &str, password_file: &Path) -> String {
        self.store_at(&format!("namespace: {namespace}"), user, password_file)
    }

    fn store_at(&self, place: &str, user: &str, password_file: &Path) -> String {
        let endpoint = &self.etcd.endpoints()[0];
        let file = password_file.display();
        format!(
            "{{etcd: {{endpoints: ['{endpoint}'], {place}, \
             username: {user}, password_file: {file}}}}}"
        )
    }

    /// A bench whose machines are the fleet's user; it is root itself.
    fn bench(&self) -> Bench {
        let store = self.store("prod", "clusterrebootd", &self.password_file);
        Bench::at(|dir| Place::of(dir, &store, self.admin(), "prod"))
    }

    /// The same on the keys of the reboot lock.
    fn bench_of_reboot_lock(&self) -> Bench {
        let place = "layout: rebootlock";
        let store = self.store_at(place, "clusterrebootd", &self.password_file);
        Bench::at(|dir| Place::of(dir, &store, self.admin(), "").with(Layout::Rebootlock))
    }

    fn admin(&self) -> Options {
        let password_file = self.etcd.folder().join("root");
        fs::write(&password_file, "of-all\n").unwrap();
        Options {
            credentials: Some(Credentials {
                username: "root".to_owned(),
                password_file,
            }),
            ..Options::new(self.etcd.endpoints())
        }
    }
}

/// Runs an operator's command that must do.
fn operate(machine: &Machine, arguments: &[&str]) -> String {
    let ran = machine.run(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {} {}", ran.stdout, ran.stderr);
    ran.stdout
}

#[test]
fn the_documented_role_is_enough_for_everything() {
    let guarded = Guarded::new();
    everything_works(&guarded.bench());
    let shown = documented("etcd.md", "## What stands where");
    let shown = Shell::at(&guarded.etcd).user(ROOT).good(&shown);
    assert!(shown.contains("/prod/groups/default"), "{shown}");
}

#[test]
fn the_role_of_one_prefix_is_enough_on_the_keys_of_the_reboot_lock() {
    let guarded = Guarded::of_reboot_lock();
    everything_works(&guarded.bench_of_reboot_lock());
    for foreign in [
        "etcdctl get /prod/groups/default",
        "etcdctl put coreos.com/updateengine/other x",
    ] {
        let said = guarded.shell().bad(foreign);
        assert!(said.contains("permission denied"), "{foreign}: {said}");
    }
}

/// A roll, all that operators do, and a break; the machines' user may do all of it.
fn everything_works(bench: &Bench) {
    let mut machines = bench.machines(3);
    machines[2].set("group", "databases");
    for machine in &mut machines {
        machine.hasty().set("min_reboot_interval_sec", 1);
        machine.script("hooks/pre-reboot.d/10-drain", "exit 0");
        machine.script("hooks/pre-reboot.d/10-drain.undo", "exit 0");
        machine.touch("sentinel");
        machine.start();
    }
    let is_done = |it: &Machine| it.has("run/rebooted") && !it.has("down");
    while !machines.iter().all(is_done) {
        bench.wait("somebody goes, or all are done", || {
            machines.iter().any(|it| it.has("down")) || machines.iter().all(is_done)
        });
        for machine in machines.iter_mut().filter(|it| it.has("down")) {
            machine.power_cycle(bench, Signal::SIGKILL);
        }
    }
    let machine = &machines[0];
    operate(machine, &["lock", "pause", "--reason", "test"]);
    operate(machine, &["lock", "resume"]);
    operate(machine, &["lock", "set-max", "2"]);
    operate(
        machine,
        &["lock", "pause", "--reason", "test", "--group", "databases"],
    );
    assert!(operate(machine, &["lock", "status", "--all-groups"]).contains("Max: 2"));
    assert!(operate(machine, &["fleet", "list"]).contains("n3"));
    assert!(operate(machine, &["history"]).contains("fence"));
    operate(machine, &["status"]);
    machines[1].touch("sentinel");
    bench.wait("it goes again", || machines[1].has("down"));
    machines[1].kill();
    let machine = &machines[0];
    operate(
        machine,
        &["lock", "unlock", "n2", "--reason", "gone", "--yes"],
    );
    operate(machine, &["fleet", "forget", "n2", "--yes"]);
    assert!(!bench.logs().contains("store_status"), "{}", bench.logs());
}

#[test]
fn the_documented_role_opens_nothing_else() {
    let guarded = Guarded::new();
    let shell = guarded.shell();
    shell.good("etcdctl get --prefix /prod/cluster_health/");
    for foreign in [
        "etcdctl get /prod/other",
        "etcdctl put /prod/other x",
        "etcdctl get --prefix /prod/",
        "etcdctl get --prefix ''",
        "etcdctl get /cluster/clusterrebootd/lock",
        "etcdctl put /cluster/clusterrebootd/lock x",
        "etcdctl del --prefix /prod/group",
        "etcdctl put /prod/pauses x",
        "etcdctl put /prod/cluster/clusterrebootd/locks x",
        "etcdctl put / x",
        "etcdctl user list",
        "etcdctl role grant-permission clusterrebootd readwrite /all",
        "etcdctl auth disable",
    ] {
        let said = shell.bad(foreign);
        assert!(said.contains("permission denied"), "{foreign}: {said}");
    }
}

#[test]
fn a_login_that_fails_and_a_role_that_lacks_the_prefix_are_told_apart() {
    let guarded = Guarded::new();
    let bench = guarded.bench();
    let endpoint = &guarded.etcd.endpoints()[0];
    let wrong = guarded.etcd.folder().join("wrong");
    fs::write(&wrong, "a guess").unwrap();
    let store = guarded.store("prod", "clusterrebootd", &wrong);
    let facts = [endpoint, "password of user clusterrebootd", "password_file"];
    cannot_use(&bench, "n1", &store, &facts);
    let store = guarded.store("prod", "nobody", &guarded.password_file);
    cannot_use(&bench, "n2", &store, &[endpoint, "nobody", "user exists"]);
    let store = guarded.store("elsewhere", "clusterrebootd", &guarded.password_file);
    let facts = [
        endpoint,
        "user clusterrebootd",
        "/elsewhere/",
        "etcdctl user get",
    ];
    cannot_use(&bench, "n3", &store, &facts);
    let store = format!("{{etcd: {{endpoints: ['{endpoint}'], namespace: prod}}}}");
    let facts = [endpoint, "wants to know who asks", "password_file"];
    cannot_use(&bench, "n4", &store, &facts);
}

#[test]
fn a_permission_taken_away_stops_everybody_and_given_back_lets_them_go() {
    let guarded = Guarded::new();
    let bench = guarded.bench();
    let root = Shell::at(&guarded.etcd).user(ROOT);
    let mut machine = bench.machine("n1");
    machine.hasty();
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    root.good("etcdctl user revoke-role clusterrebootd clusterrebootd");
    machine.touch("sentinel");
    bench.wait("it says so", || {
        machine.says("does not let user clusterrebootd")
    });
    assert_eq!((machine.is_alive(), machine.calls()), (true, 0));
    root.good("etcdctl user grant-role clusterrebootd clusterrebootd");
    bench.wait("it goes", || machine.has("down"));
    machine.power_cycle(&bench, Signal::SIGKILL);
    bench.wait("it is back", || machine.has("run/rebooted"));
}

/// The files of a member and of the machines, all made by one authority, that another replaces.
struct Papers {
    ca: PathBuf,
    server: Identity,
    client: Identity,
}

// === impl Papers ===

impl Papers {
    fn new(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        let pair = |name: &str| Identity {
            cert: at(&format!("{name}.crt")),
            key: at(&format!("{name}.key")),
        };
        let papers = Self {
            ca: at("ca.crt"),
            server: pair("in-use-server"),
            client: pair("in-use-client"),
        };
        papers.issue(folder, "first");
        papers
    }

    /// Replaces all of them by those of a new authority.
    fn issue(&self, folder: &Path, name: &str) -> Authority {
        let authority = Authority::new(folder, name).unwrap();
        let file = |what: &str| format!("{name}-{what}");
        let server = authority.server(&file("server"), &["127.0.0.1"], Validity::Now);
        let client = authority.client(&file("client"), "clusterrebootd", Validity::Now);
        let (server, client) = (server.unwrap(), client.unwrap());
        for (from, to) in [
            (&authority.ca_file, &self.ca),
            (&server.cert, &self.server.cert),
            (&server.key, &self.server.key),
            (&client.cert, &self.client.cert),
            (&client.key, &self.client.key),
        ] {
            fs::copy(from, to).unwrap();
        }
        authority
    }

    fn member(&self, is_mutual: bool) -> Etcd {
        let options = LabOptions {
            tls: Some(ServerTls {
                cert: self.server.cert.clone(),
                key: self.server.key.clone(),
                client_ca: is_mutual.then(|| self.ca.clone()),
            }),
            ..LabOptions::default()
        };
        lab::own(1, &options)
    }

    /// The value of the key `tls`.
    fn setting(&self, is_mutual: bool) -> String {
        let ca = self.ca.display();
        let (cert, key) = (self.client.cert.display(), self.client.key.display());
        match is_mutual {
            true => format!("{{enabled: true, ca_file: {ca}, cert_file: {cert}, key_file: {key}}}"),
            false => format!("{{enabled: true, ca_file: {ca}}}"),
        }
    }

    fn bench(&self, etcd: &Etcd, is_mutual: bool) -> Bench {
        let (endpoints, tls) = (etcd.endpoints(), self.setting(is_mutual));
        let list = endpoints.join(", ");
        let setting = format!("{{etcd: {{endpoints: [{list}], namespace: prod, tls: {tls}}}}}");
        let identity = (self.client.cert.clone(), self.client.key.clone());
        let admin = Options {
            tls: Some(Tls {
                ca_file: Some(self.ca.clone()),
                identity: is_mutual.then_some(identity),
                insecure_skip_verify: false,
            }),
            ..Options::new(endpoints)
        };
        Bench::at(|dir| Place::of(dir, &setting, admin, "prod"))
    }
}

/// Down, up, and the slot is given back.
fn goes_and_returns(bench: &Bench, machine: &mut Machine) {
    machine.touch("sentinel");
    bench.wait("it goes", || machine.has("down"));
    machine.power_cycle(bench, Signal::SIGKILL);
    bench.wait("it is back", || machine.has("run/rebooted"));
    bench.wait_for_no_hold();
}

#[test]
fn an_authority_alone_will_do_where_the_member_asks_for_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let papers = Papers::new(folder.path());
    let etcd = papers.member(false);
    let bench = papers.bench(&etcd, false);
    let mut machine = bench.machine("n1");
    machine.hasty().start();
    goes_and_returns(&bench, &mut machine);
}

#[test]
fn the_originals_flat_keys_mean_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let papers = Papers::new(folder.path());
    let etcd = papers.member(true);
    let bench = papers.bench(&etcd, true);
    let mut machine = bench.machine("n1");
    let address = etcd.client_address(0); // without a scheme, as the original took it
    machine.hasty().unset("store");
    machine.set("etcd_endpoints", format!("['{address}']"));
    machine.set("etcd_namespace", "/prod/");
    machine.set("etcd_tls", papers.setting(true));
    machine.start();
    goes_and_returns(&bench, &mut machine);
}

#[test]
fn certificates_replaced_on_disk_are_taken_up_while_the_daemon_runs() {
    let folder = tempfile::tempdir().unwrap();
    let papers = Papers::new(folder.path());
    let mut etcd = papers.member(true);
    let bench = papers.bench(&etcd, true);
    let mut machine = bench.machine("n1");
    machine.hasty().start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    etcd.kill(0);
    bench.wait("it says so", || machine.says("cannot use the store since"));
    papers.issue(folder.path(), "second");
    etcd.restart(0).unwrap();
    bench.wait("it goes on", || machine.says("the store can be used again"));
    assert_eq!(machine.events("daemon_started").len(), 1);
    goes_and_returns(&bench, &mut machine);
}

#[test]
fn a_certificate_that_names_the_user_needs_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let papers = Papers::new(folder.path());
    let authority = papers.issue(folder.path(), "named");
    let etcd = papers.member(true);
    etcd.identify(&authority, &papers.client);
    lab::wait_for(etcd.enable_auth("of-all", &[])).unwrap();
    let password_file = folder.path().join("password");
    fs::write(&password_file, PASSWORD).unwrap();
    let script = documented("etcd.md", PERMISSIONS);
    let file = "/etc/clusterrebootd/etcd-password";
    let script = script.replace(file, password_file.to_str().unwrap());
    let files = [&papers.ca, &papers.client.cert, &papers.client.key];
    Shell::at(&etcd).user(ROOT).tls(files).good(&script);
    let bench = papers.bench(&etcd, true);
    let mut machine = bench.machine("n1");
    machine.hasty().start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    assert!(!machine.says("cannot use the store"), "{}", bench.logs());
    let health = "etcdctl get --prefix /prod/cluster_health/ --keys-only";
    let seen = Shell::at(&etcd).user(ROOT).tls(files).good(health);
    assert!(seen.contains("/prod/cluster_health/n1"), "{seen}");
}

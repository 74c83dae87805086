//! The pages of keys, and the files that packages install, are what the tables of keys say. After a
//! change of a table, rewrite them with
//! `UPDATE_REFERENCE=1 cargo test -p clusterrebootd --test reference`.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use clusterrebootd_cli::config::{
    Key, NODE_KEYS, ServeSettings, StoreSettings, reference, server_keys, template,
};
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- keys: written by the test `reference`, do not edit -->\n\n";
const END: &str = "\n<!-- end of keys -->\n";

fn page(name: &str) -> PathBuf {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    docs.join(name)
}

/// The page with the table in its place; everything around it is written by hand.
fn with_table(text: &str, table: &str) -> String {
    let (head, rest) = text.split_once(BEGIN).expect("the page marks its table");
    let (_, tail) = rest
        .split_once(END)
        .expect("the page marks its table's end");
    format!("{head}{BEGIN}{table}{END}{tail}")
}

#[allow(clippy::disallowed_methods)] // only a test's environment can ask for an update
fn is_update() -> bool {
    std::env::var_os("UPDATE_REFERENCE").is_some()
}

#[test]
fn the_page_of_keys_is_the_table_of_keys() {
    check("configuration.md", NODE_KEYS);
}

#[test]
fn the_page_of_the_servers_keys_is_the_table_of_its_keys() {
    check("server-configuration.md", server_keys());
}

fn check(name: &str, keys: &[Key]) {
    let text = std::fs::read_to_string(page(name)).unwrap();
    let expected = with_table(&text, &reference(keys));
    if is_update() {
        std::fs::write(page(name), &expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "docs/{name} is not what the table of keys says: run \
         `UPDATE_REFERENCE=1 cargo test -p clusterrebootd --test reference`"
    );
}

const NODE_HEAD: &str = "clusterrebootd: configuration of one node. Take the # from what you \
    change; what you leave has the value that is shown. Then check it with `clusterrebootd \
    validate-config`, see what a pass would do with `clusterrebootd status`, and enable the \
    service: `systemctl enable --now clusterrebootd`. It does everything but the reboot until \
    dry_run is false. Manual: clusterrebootd.yaml(5).";
const SERVER_HEAD: &str = "clusterrebootd: configuration of the coordination server. Take the # \
    from what you change; what you leave has the value that is shown. Then check it with \
    `clusterrebootd serve --check`, and enable the service with `systemctl enable --now \
    clusterrebootd-server`. It listens on this machine only until listen is set; before that, say \
    who may ask, under auth. Manual: clusterrebootd-server.yaml(5).";

/// The folder that the unit of the packages lets the server write, and no other.
const SERVER_STORE: &[(&str, &str)] = &[
    ("store", ""),
    ("store.embedded", ""),
    (
        "store.embedded.path",
        "/var/lib/clusterrebootd-server/fleet.db",
    ),
];

#[test]
fn the_packages_configurations_are_the_tables_of_keys() {
    let node = template(NODE_HEAD, NODE_KEYS, &[("dry_run", "true")]);
    check_file("config.yaml", &node);
    let server = template(SERVER_HEAD, server_keys(), SERVER_STORE);
    check_file("server.yaml", &server);
}

fn check_file(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging");
    let path = path.join(name);
    if is_update() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == expected,
        "packaging/{name} is not what the table of keys says: run \
         `UPDATE_REFERENCE=1 cargo test -p clusterrebootd --test reference`"
    );
}

#[test]
fn the_packaged_server_keeps_its_store_where_its_unit_lets_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let unit = read("deploy/systemd/clusterrebootd-server.service");
    let folder = unit
        .lines()
        .find_map(|line| line.strip_prefix("StateDirectory="));
    let path = format!("/var/lib/{}/fleet.db", folder.unwrap()).into();
    let text = read("packaging/server.yaml");
    let settings = ServeSettings::parse(Path::new("server.yaml"), &text).unwrap();
    let expected = StoreSettings::Embedded { path };
    assert_eq!(settings.store, expected);
}

#[test]
fn a_changed_table_is_noticed() {
    let text = format!("head\n{BEGIN}old\n{END}tail\n");
    assert_eq!(
        with_table(&text, "new\n"),
        format!("head\n{BEGIN}new\n{END}tail\n")
    );
}

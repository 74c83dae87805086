//! The board: what it says, and how it looks in a real browser.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]
// The kit serves other tests too.
#![allow(dead_code)]
// Where programs are, and where pictures go, is told by the environment.
#![allow(clippy::disallowed_methods)]

#[path = "../server/kit.rs"]
mod kit;

mod fleet;
mod orders;
mod prefix;
mod words;

use kit::{House, of_max};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::window::{Window, Windows};
use reboot_server::settings::ServerSettings;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

fn settings() -> ServerSettings {
    let mut settings = of_max(3);
    let rules = settings.groups.get_mut(&GroupName::default()).unwrap();
    rules.windows = Windows {
        allow: vec![Window::parse("Sat,Sun 02:00-05:00").unwrap()],
        deny: Vec::new(),
    };
    settings
}

/// The same fleet with a past, a client that waits, and strangers before the door.
async fn furnished_for_a_picture() -> (House, kit::Line) {
    let node = |name: &str| NodeName::new(name).unwrap();
    let mut settings = settings();
    let rules = settings.groups.get_mut(&GroupName::default()).unwrap();
    rules.wait_secs = 600;
    let id = "f2ca1bb6c7e907d06dafe4687e579fce";
    settings.node_names.insert(node(id), node("coreos-7"));
    let house = House::open(settings).await;
    fleet::live_through_a_reboot(&*house.store).await;
    fleet::move_in_from(&*house.store, 2).await;
    house.desk.view().fresh().await.unwrap();
    let waiting = house.waiting(id).await;
    house.desk.warn_of(
        "0.0.0.0:8080 is reached by others, and nobody is asked who it is: whoever reaches it may \
         take and free slots (set auth)",
    );
    (house, waiting)
}

async fn furnished() -> House {
    let house = House::open(settings()).await;
    fleet::move_in(&*house.store).await;
    house.desk.view().fresh().await.unwrap();
    house
}

async fn get(house: &House, path: &str) -> kit::Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: server\r\n\r\n");
    house.ask(request.as_bytes()).await
}

#[tokio::test]
async fn the_board_tells_who_reboots_who_waits_and_why() {
    let house = furnished().await;
    let page = get(&house, "/").await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("default-src 'none'"), "{}", page.head);
    for told in [
        "node-a did not come back in time (group default, rebooting)",
        "clusterrebootd lock unlock node-a",
        "node-f is unhealthy: the disk smells (monitor)",
        "clusterrebootd fleet forget node-g",
        "0 of 3 slots free, 2 waiting",
        "978a225b3d7b40e9acd7ce9b62f68444",
        "a peer is unhealthy: node-f",
        "02:00 to 05:00",
        "took a slot and may reboot now",
        "kernel-6.18.2",
        "Unlock node-a",
        "Pause the fleet",
    ] {
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    let worst = page.body.find("node-a did not").unwrap();
    assert!(worst < page.body.find("node-f is unhealthy").unwrap());
}

#[tokio::test]
async fn a_group_of_the_configuration_is_shown_and_paused_before_anybody_asks() {
    let house = House::open(settings()).await;
    let page = get(&house, "/").await.body;
    for told in ["Group default", "3 of 3 slots free", "02:00 to 05:00"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let form = "group=default&reason=not+yet&until=";
    let answer = send(&house, "/act/pause", "http://localhost", form).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let page = get(&house, "/").await.body;
    assert!(
        page.contains("Paused by somebody at 127.0.0.1: not yet"),
        "{page}"
    );
}

#[tokio::test]
async fn what_strangers_may_do_stands_first_on_the_page() {
    let house = furnished().await;
    let page = get(&house, "/").await.body;
    assert!(!page.contains("reached by others"), "{page}");
    house
        .desk
        .warn_of("0.0.0.0:80 is reached by others, and nobody is asked");
    let page = get(&house, "/").await.body;
    let danger = page.find("0.0.0.0:80 is reached by others").unwrap();
    assert!(danger < page.find("node-a did not come back").unwrap());
}

#[tokio::test]
async fn a_group_whose_record_is_lost_is_an_alarm() {
    let house = House::open(settings()).await;
    fleet::report_a_hold(&*house.store, "node-h").await;
    house.desk.view().fresh().await.unwrap();
    let page = get(&house, "/").await.body;
    assert!(page.contains("Group default is not there"), "{page}");
    assert!(page.contains("node-h"), "{page}");
}

#[tokio::test]
async fn what_a_node_says_cannot_become_markup() {
    let house = House::open(settings()).await;
    for write in fleet::claim("<script>alert(1)", 1) {
        house.store.write(write).await.unwrap();
    }
    house.desk.view().fresh().await.unwrap();
    let page = get(&house, "/").await;
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    assert!(
        page.body.contains("&#60;script&#62;alert(1)"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn the_board_is_drawn_anew_when_something_happened() {
    let house = furnished().await;
    let seen = house.desk.view().newest().unwrap().fleet.revision;
    let path = format!("/board?seen={seen}");
    let (board, ()) = tokio::join!(get(&house, &path), async {
        for write in fleet::claim("node-new", 0) {
            // Every slot is taken: only the lease is news.
            let _ = house.store.write(write).await;
        }
    });
    assert_eq!(board.status, 200);
    assert!(!board.body.contains("<html"), "{}", board.body);
    assert_eq!(get(&house, "/board?seen=x").await.status, 400);
}

async fn send(house: &House, path: &str, origin: &str, form: &str) -> kit::Answer {
    let length = form.len();
    let kind = "application/x-www-form-urlencoded";
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\ncontent-type: {kind}\r\n\
         content-length: {length}\r\n\r\n{form}"
    );
    house.ask(request.as_bytes()).await
}

#[tokio::test]
async fn an_operator_acts_on_the_page() {
    let house = furnished().await;
    let here = "http://localhost";
    for (path, form) in [
        ("/act/max", "group=default&max=7"),
        ("/act/pause", "group=default&reason=a+look&until="),
        ("/act/unlock", "group=default&number=1&reason=burnt+down"),
        (
            "/act/hold-back",
            "group=default&node=node-c&reason=a+trial&until=",
        ),
        (
            "/act/pause",
            "reason=release+day&until=2999-01-01T00:00:00Z",
        ),
    ] {
        let answer = send(&house, path, here, form).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
        assert!(answer.head.contains("location: /"), "{}", answer.head);
    }
    let fleet = house.store.look().await.unwrap();
    let group = &fleet.groups[&GroupName::default()].group;
    assert_eq!((group.max, house.holders().await.len()), (7, 2));
    assert_eq!(group.pause.as_ref().unwrap().reason, "a look");
    assert_eq!(fleet.pause.unwrap().by, "somebody at 127.0.0.1");
    let words = "somebody at 127.0.0.1 holds node-c back: a trial";
    let told: Vec<String> = group
        .held_back
        .iter()
        .map(|(node, it)| it.words_of_node(node))
        .collect();
    assert_eq!(told, [words]);
    house.desk.view().fresh().await.unwrap();
    let page = get(&house, "/").await.body;
    assert!(
        page.contains(words) && page.contains("Let node-c go"),
        "{page}"
    );
    for (path, form) in [
        ("/act/let-go", "group=default&node=node-c"),
        ("/act/resume", "group=default"),
        ("/act/resume", ""),
    ] {
        assert_eq!(send(&house, path, here, form).await.status, 303);
    }
    let fleet = house.store.look().await.unwrap();
    assert_eq!(fleet.pause, None);
    let group = &fleet.groups[&GroupName::default()].group;
    assert_eq!((&group.pause, group.held_back.len()), (&None, 0));
}

#[tokio::test]
async fn forms_that_are_wrong_or_from_elsewhere_do_nothing() {
    let house = furnished().await;
    let before = house.store.look().await.unwrap().revision;
    let elsewhere = send(&house, "/act/pause", "http://evil", "reason=x").await;
    assert_eq!(elsewhere.status, 403, "{}", elsewhere.body);
    for (path, form, told) in [
        ("/act/pause", "reason=+", "say why"),
        ("/act/pause", "reason=x&until=soon", "write a time"),
        ("/act/max", "group=default&max=many", "no number"),
        ("/act/unlock", "group=default&number=x&reason=y", "no hold"),
        ("/act/resume", "group=a%2Fb", "letters"),
        ("/act/hold-back", "group=default&node=a+b&reason=x", "' '"),
        ("/act/hold-back", "group=default&node=a&reason=", "say why"),
    ] {
        let answer = send(&house, path, "http://localhost", form).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
    }
    assert_eq!(house.store.look().await.unwrap().revision, before);
}

/// What the browser found.
fn in_a_browser(url: &str, pictures: &Path, watching: impl FnOnce()) -> Value {
    let check = browser_folder();
    let mut child = Command::new("node")
        .arg(check.join("check.mjs"))
        .args([url, &pictures.to_string_lossy(), &chromium()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs: install the package nodejs");
    let (tell, told) = mpsc::sync_channel(1);
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut rest = String::new();
        for line in stderr.lines().map_while(Result::ok) {
            match line.as_str() {
                "WATCHING" => drop(tell.try_send(())),
                other => rest += &format!("{other}\n"),
            }
        }
        rest
    });
    if told.recv().is_ok() {
        watching();
    }
    let mut found = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut found)
        .unwrap();
    let complaints = reader.join().unwrap();
    assert!(child.wait().unwrap().success(), "{complaints}");
    serde_json::from_str(&found).unwrap()
}

fn chromium() -> String {
    let path = std::env::var_os("PATH").unwrap();
    let mut files = std::env::split_paths(&path).map(|it| it.join("chromium"));
    let found = files.find(|it| it.exists());
    let found = found.expect("the program chromium: install the package chromium");
    found.to_string_lossy().into_owned()
}

/// The check with what it needs, installed once.
fn browser_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("board-check");
    std::fs::create_dir_all(&folder).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/browser");
    for file in ["package.json", "package-lock.json", "check.mjs"] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    let install = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--silent",
    ];
    let npm = Command::new("npm")
        .args(install)
        .current_dir(&folder)
        .status();
    assert!(npm.expect("npm runs: install the package npm").success());
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_is_good_for_everybody() {
    let (house, _waiting) = furnished_for_a_picture().await;
    let pictures = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("CLUSTERREBOOTD_TEST_PICTURES").map(PathBuf::from);
    let folder = kept.unwrap_or_else(|| pictures.path().to_owned());
    let url = format!("http://{}/", house.address);
    let store = house.store.clone();
    let runtime = tokio::runtime::Handle::current();
    let found = tokio::task::spawn_blocking(move || {
        in_a_browser(&url, &folder, || {
            for write in fleet::joining("node-new") {
                runtime.block_on(store.write(write)).unwrap();
            }
        })
    });
    let found = found.await.unwrap();
    assert_eq!(found["violations"], serde_json::json!([]), "{found:#}");
    assert_eq!(found["elsewhere"], serde_json::json!([]), "{found:#}");
    assert_eq!(found["complaints"], serde_json::json!([]), "{found:#}");
    for scheme in ["light", "dark"] {
        let width = |at: &str| {
            found["sideways"][format!("board-{scheme}-{at}")]
                .as_u64()
                .unwrap()
        };
        assert!(width("360") <= 360 && width("1100") <= 1100, "{found:#}");
    }
    assert_eq!(
        found["steps"]["wanted"], found["steps"]["reached"],
        "{found:#}"
    );
    let plain = found["plain"].as_str().unwrap();
    for told in [
        "node-a did not come back",
        "0.0.0.0:8080 is reached by others",
        "coreos-7",
        "Over in about",
    ] {
        assert!(plain.contains(told), "{told}: {plain}");
    }
    assert!(
        found["live"].as_str().unwrap().starts_with("live, as of "),
        "{found:#}"
    );
    assert_eq!(
        found["stillClosed"], true,
        "a fold that was closed stays closed"
    );
}

#[tokio::test]
async fn a_group_that_is_not_there_is_so_on_the_page_and_in_the_api() {
    let house = House::open(settings()).await;
    let form = "group=nope&reason=x&until=";
    let page = send(&house, "/act/pause", "http://localhost", form).await;
    let request =
        "POST /api/v1/groups/nope/pause HTTP/1.1\r\nhost: s\r\ncontent-length: 14\r\n\r\n";
    let api = house
        .ask(format!("{request}{{\"reason\":\"x\"}}").as_bytes())
        .await;
    for answer in [page, api] {
        assert_eq!(answer.status, 404, "{answer:?}");
        let why = "there is no group nope: name it under groups in the server's configuration";
        assert!(answer.body.contains(why), "{answer:?}");
    }
}

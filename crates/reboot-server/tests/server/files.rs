//! Files that turn bad while the server runs: what they held serves on, and everybody who should
//! know is told.

use super::kit::{House, PATIENCE, of_max};
use reboot_server::audit::NoAudit;
use reboot_server::desk::WatchedFile;
use reboot_server::doors::{DoorSettings, Doors, Secret};
use reboot_server::news::{News, Observer};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::timeout;

#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    news: Notify,
}

impl Observer for Told {
    fn told(&self, news: &News<'_>) {
        let line = match news {
            News::FileRefused(trouble) => trouble.to_string(),
            News::FileTaken(file) => format!("{} taken", file.name()),
            _ => return,
        };
        self.lines.lock().unwrap().push(line);
        self.news.notify_one();
    }
}

/// A server with a list of tokens and one of passwords.
struct Listed {
    house: House,
    told: Arc<Told>,
    token: String,
    line: String,
    dir: TempDir,
}

// === impl Listed ===

impl Listed {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (token, hash) = Secret::new_token().unwrap();
        let line = format!("n1 operator {hash}\n");
        let file = |name: &str| -> PathBuf { dir.path().join(name) };
        fs::write(file("tokens"), &line).unwrap();
        fs::write(file("basic"), "").unwrap();
        let doors = Doors::new(&DoorSettings {
            tokens_file: Some(file("tokens")),
            basic_file: Some(file("basic")),
            certificates: false,
        });
        let told = Arc::new(Told::default());
        let observer = told.clone();
        let house = House::told(of_max(1), doors.unwrap(), Arc::new(NoAudit), observer).await;
        assert_eq!(house.get("/healthz").await.status, 200, "it serves");
        Self {
            house,
            told,
            token,
            line,
            dir,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lines.lock().unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let token = &self.token;
        let head = format!("GET {path} HTTP/1.1\r\nhost: s\r\nauthorization: Bearer {token}");
        let answer = self.house.ask(format!("{head}\r\n\r\n").as_bytes()).await;
        (answer.status, answer.body)
    }

    async fn is_an_error(&self, file: WatchedFile) -> bool {
        let (_, text) = self.get("/metrics").await;
        let name = "clusterrebootd_server_file_errors";
        let line = format!("{name}{{file=\"{}\"}} ", file.name());
        let value = text.lines().find_map(|it| it.strip_prefix(&line));
        value.unwrap_or_else(|| panic!("no {line}: {text}")) == "1"
    }
}

fn breaks(file: &Path) {
    fs::write(file, "# fleet\nn1 root x\n").unwrap();
}

#[tokio::test]
async fn a_list_that_turned_bad_serves_on_and_is_told_of_once() {
    let listed = Listed::new().await;
    let tokens = listed.file("tokens");
    assert_eq!(listed.house.desk.look_at_files(), []);
    breaks(&tokens);
    for _ in 0..3 {
        let bad = listed.house.desk.look_at_files();
        let [trouble] = &bad[..] else {
            panic!("one is bad: {bad:?}");
        };
        assert_eq!(trouble.file, WatchedFile::Tokens);
        let place = format!("{}, line 2: `root` is no role", tokens.display());
        assert!(trouble.why.starts_with(&place), "{trouble}");
    }
    let told = listed.told();
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["still comes in", "line 2", "Mend the file"] {
        assert!(told[0].contains(part), "{part}: {told:?}");
    }
    assert_eq!(listed.get("/api/v1/fleet").await.0, 200);
    fs::write(&tokens, &listed.line).unwrap();
    for _ in 0..3 {
        assert_eq!(listed.house.desk.look_at_files(), []);
    }
    assert_eq!(listed.told(), ["tokens taken"]);
    fs::write(&tokens, "").unwrap();
    assert_eq!(listed.house.desk.look_at_files(), []);
    assert_eq!(listed.get("/api/v1/fleet").await.0, 401);
}

#[tokio::test]
async fn a_bad_list_is_a_figure_and_an_alarm_on_the_page() {
    let listed = Listed::new().await;
    for file in WatchedFile::ALL {
        assert!(!listed.is_an_error(file).await, "{file:?}");
    }
    fs::remove_file(listed.file("basic")).unwrap();
    listed.house.desk.look_at_files();
    assert!(listed.is_an_error(WatchedFile::Passwords).await);
    assert!(!listed.is_an_error(WatchedFile::Tokens).await);
    let (_, page) = listed.get("/").await;
    assert!(page.contains("The list of passwords changed"), "{page}");
    let path = listed.file("basic").display().to_string();
    assert!(!page.contains(&path), "a reader need not know where it is");
    fs::write(listed.file("basic"), "").unwrap();
    listed.house.desk.look_at_files();
    assert!(!listed.is_an_error(WatchedFile::Passwords).await);
}

#[tokio::test]
async fn files_are_looked_at_though_nobody_asks() {
    let listed = Listed::new().await;
    breaks(&listed.file("tokens"));
    let news = timeout(PATIENCE, listed.told.news.notified());
    news.await.expect("in time");
    assert!(listed.told()[0].contains("list of tokens"));
}

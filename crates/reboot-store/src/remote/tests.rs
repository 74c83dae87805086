//! The client against servers that behave badly: each answers a connection by its script.

use super::{Options, RemoteStore};
use crate::{Interest, Store};
use reboot_core::fleet::Fleet;
use reboot_core::id::{GroupName, SessionId};
use reboot_core::write::{Trouble, Write, Written};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a server does with a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answers: the status line's rest, further headers, the body.
    Say(&'static str, &'static str, String),
    /// Answers, and hangs up.
    SayAndHangUp(String),
    /// Hangs up.
    HangUp,
    /// Says nothing, for ever.
    Sulk,
}

/// A server that plays one script after the other, one act a request.
pub(crate) struct Scripted {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<u32>>,
    task: JoinHandle<()>,
}

// === impl Scripted ===

impl Scripted {
    pub(crate) async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::default(), Arc::new(Mutex::new(0)));
        let acts = Arc::new(Mutex::new(script.into_iter()));
        let (heard, count) = (Arc::clone(&requests), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let (acts, heard) = (Arc::clone(&acts), Arc::clone(&heard));
                let next = move || {
                    acts.lock()
                        .unwrap()
                        .next()
                        .expect("an act for each request")
                };
                open.spawn(play(stream, next, heard));
            }
        });
        Self {
            address,
            requests,
            connections,
            task,
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            call_timeout: Duration::from_millis(300),
            ..Options::new(format!("http://{}", self.address))
        }
    }

    fn store(&self) -> RemoteStore {
        RemoteStore::new(&self.options()).unwrap()
    }

    pub(crate) fn request(&self, index: usize) -> String {
        self.requests.lock().unwrap()[index].clone()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn connections(&self) -> u32 {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(mut stream: TcpStream, next: impl Fn() -> Act, heard: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read_request(&mut stream).await {
        heard.lock().unwrap().push(request);
        let (text, goes_on) = match next() {
            Act::Say(status, headers, body) => (answer(status, headers, &body), true),
            Act::SayAndHangUp(body) => (answer("200 OK", "", &body), false),
            Act::HangUp => return,
            Act::Sulk => return std::future::pending().await,
        };
        stream.write_all(text.as_bytes()).await.unwrap();
        if !goes_on {
            return;
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// Head and body of the next request; nothing when the client hangs up.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).await.ok().filter(|it| *it > 0)?;
        text.push_str(str::from_utf8(&buffer[..length]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|it| it.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |it| it.parse().unwrap()) {
                return Some(text);
            }
        }
    }
}

fn written() -> String {
    r#"{"version":1,"written":"done","later":"field"}"#.to_owned()
}

fn write() -> Write {
    Write::KeepSession {
        session: SessionId::new("lease").unwrap(),
    }
}

fn unknown(answer: Result<Written, Trouble>) -> String {
    match answer {
        Err(Trouble::Unknown(text)) => text,
        other => panic!("nobody knows, but {other:?}"),
    }
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, Trouble>) -> String {
    match answer {
        Err(Trouble::Unavailable(text)) => text,
        other => panic!("it is away, but {other:?}"),
    }
}

#[tokio::test]
async fn nobody_listens_and_nothing_happened() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = RemoteStore::new(&Options::new(&url)).unwrap();
    let text = unavailable(store.write(write()).await);
    assert!(
        text.contains(&url) && text.contains("connection refused"),
        "{text}"
    );
    assert!(text.contains("`clusterrebootd serve` runs there"), "{text}");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_may_have_happened_and_goes_out_once() {
    let server = Scripted::start(vec![Act::HangUp, Act::Sulk]).await;
    let store = server.store();
    for cause in ["it hung up", "no answer within 0.3 s"] {
        let text = unknown(store.write(write()).await);
        assert!(text.contains(cause), "{text}");
        assert!(text.contains("`clusterrebootd serve` runs there"), "{text}");
    }
    assert_eq!(server.requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_look_without_an_answer_is_asked_once_more() {
    let fleet = look("one", &Fleet::default());
    let server = Scripted::start(vec![Act::HangUp, Act::Say("200 OK", "", fleet)]).await;
    assert_eq!(server.store().look().await, Ok(Fleet::default()));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_serves_many_calls_and_a_closed_one_none() {
    let done = || Act::Say("200 OK", "", written());
    let script = vec![done(), done(), Act::SayAndHangUp(written()), done()];
    let server = Scripted::start(script).await;
    let store = server.store();
    for _ in 0..3 {
        assert_eq!(store.write(write()).await, Ok(Written::Done));
    }
    assert_eq!(server.connections(), 1);
    // The hang-up is under way; a write that goes out before it arrives is lost, not repeated.
    while store.write(write()).await != Ok(Written::Done) {}
    assert_eq!(server.connections(), 2);
}

fn look(mark: &str, fleet: &Fleet) -> String {
    let fleet = serde_json::to_string(fleet).unwrap();
    format!(r#"{{"version":1,"mark":"{mark}","fleet":{fleet}}}"#)
}

#[tokio::test]
async fn what_is_seen_again_is_not_sent_again() {
    let fleet = Fleet {
        revision: 7,
        ..Fleet::default()
    };
    let same = Act::Say("304 Not Modified", "", String::new());
    let other = look("two", &Fleet::default());
    let changed = r#"{"version":1,"changed":false}"#.to_owned();
    let script = vec![
        Act::Say("200 OK", "", look("one", &fleet)),
        same,
        Act::Say("200 OK", "", other),
        Act::Say("200 OK", "", changed.clone()),
        Act::Say("200 OK", "", changed.replace("false", "true")),
    ];
    let server = Scripted::start(script).await;
    let store = server.store();
    assert_eq!(store.look().await, Ok(fleet.clone()));
    assert_eq!(store.look().await, Ok(fleet));
    assert_eq!(store.look().await, Ok(Fleet::default()));
    assert!(!server.request(0).contains("if-none-match"));
    assert!(server.request(1).contains("if-none-match: \"one\""));
    store.changed(&Interest::Everything, 7).await.unwrap();
    let asked = server.request(4);
    assert!(
        asked.contains(r#""seen":7,"mark":"one","hold_secs":50"#),
        "{asked}"
    );
}

#[tokio::test]
async fn what_stands_between_is_told_from_the_server() {
    let html = || "<html>nginx</html>".to_owned();
    let script = vec![
        Act::Say("502 Bad Gateway", "", html()),
        Act::Say("404 Not Found", "", html()),
        Act::Say("301 Moved", "location: https://elsewhere/\r\n", html()),
        Act::Say("200 OK", "", html()),
        Act::Say("503 Service Unavailable", "", html()),
    ];
    let server = Scripted::start(script).await;
    let store = server.store();
    assert!(unknown(store.write(write()).await).contains("502 Bad Gateway"));
    assert!(unavailable(store.write(write()).await).contains("base_path"));
    assert!(unavailable(store.write(write()).await).contains("redirects to https://elsewhere/"));
    assert!(unknown(store.write(write()).await).contains("cannot be read"));
    assert!(unavailable(store.look().await).contains("503 Service Unavailable"));
}

#[tokio::test]
async fn the_servers_own_words_arrive() {
    let refused = r#"{"version":1,"kind":"session_ended","value":"x",
                      "refusal":{"kind":"session_ended"}}"#;
    let away = r#"{"version":1,"kind":"unavailable","value":"the disk is full"}"#;
    let script = vec![
        Act::Say("409 Conflict", "", refused.to_owned()),
        Act::Say("503 Service Unavailable", "", away.to_owned()),
        Act::Say(
            "429 Too Many Requests",
            "",
            r#"{"kind":"too_many_requests","value":"wait"}"#.to_owned(),
        ),
    ];
    let server = Scripted::start(script).await;
    let store = server.store();
    let ended = Trouble::Refused(reboot_core::group::Refusal::SessionEnded);
    assert_eq!(store.write(write()).await, Err(ended));
    assert!(unavailable(store.write(write()).await).contains("the disk is full"));
    assert!(unavailable(store.write(write()).await).contains("too_many_requests: wait"));
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let no = r#"{"kind":"unauthorized","value":"give a token"}"#.to_owned();
    let script = vec![
        Act::Say("200 OK", "", written()),
        Act::Say("401 Unauthorized", "", no),
        Act::Say("200 OK", "", written()),
    ];
    let server = Scripted::start(script).await;
    let options = Options {
        token_file: Some(file.clone()),
        ..server.options()
    };
    let store = RemoteStore::new(&options).unwrap();
    store.write(write()).await.unwrap();
    std::fs::write(&file, "the second\n").unwrap();
    std::fs::write(&file, "second").unwrap();
    assert!(unavailable(store.write(write()).await).contains("unauthorized"));
    store.write(write()).await.unwrap();
    let tokens = [0, 1, 2].map(|index| server.request(index).contains("Bearer first"));
    assert_eq!(tokens, [true, true, false]);
    assert!(server.request(2).contains("authorization: Bearer second"));
}

#[tokio::test]
async fn history_names_group_and_limit() {
    let history = r#"{"version":1,"history":[]}"#.to_owned();
    let server = Scripted::start(vec![Act::Say("200 OK", "", history)]).await;
    let store = server.store();
    assert_eq!(store.history(&GroupName::default(), 5).await, Ok(vec![]));
    let asked = server.request(0);
    assert!(
        asked.starts_with("GET /api/store/v1/history?group=default&limit=5 "),
        "{asked}"
    );
}

//! etcd's own users: logins that hold, that end, and that are wrong.

use std::path::PathBuf;

use reboot_lab::{Access, Etcd, Grant, LabOptions, User};
use reboot_store_etcd::client::{Client, Credentials, Fault, Granted, Options, WatchRange};
use tempfile::TempDir;

use crate::support::{always, client, get, kvs, options, put, put_on};

const NODE: User<'static> = User {
    name: "node",
    password: "sesame",
    grants: &[Grant {
        access: Access::ReadWrite,
        key: "/ours/",
        prefix: true,
    }],
};

/// A member that asks who is there, and a place for passwords.
struct Guarded {
    etcd: Etcd,
    folder: TempDir,
}

impl Guarded {
    async fn start(flags: &[&str]) -> Self {
        let lab = LabOptions {
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            ..LabOptions::default()
        };
        let etcd = Etcd::single(&lab).await.unwrap();
        etcd.enable_auth("root-secret", &[NODE]).await.unwrap();
        Self {
            etcd,
            folder: TempDir::new().unwrap(),
        }
    }

    fn password_file(&self, password: &str) -> PathBuf {
        let file = self.folder.path().join("password");
        std::fs::write(&file, password).unwrap();
        file
    }

    /// A client as `user`, whose password file holds this.
    fn client(&self, user: &str, password: &str) -> Client {
        let credentials = Credentials {
            username: user.to_owned(),
            password_file: self.password_file(password),
        };
        let options = Options {
            credentials: Some(credentials),
            ..options(&self.etcd.endpoints())
        };
        Client::new(options).unwrap()
    }

    fn endpoint(&self) -> String {
        self.etcd.endpoints().remove(0)
    }
}

fn watch(key: &str) -> WatchRange {
    WatchRange {
        key: key.into(),
        end: None,
        from_revision: 0,
        puts: true,
        deletes: true,
        previous: false,
    }
}

/// The text of a denial, after a look that each of these is in it.
fn denied<T: std::fmt::Debug>(result: Result<T, Fault>, words: &[&str]) {
    let Err(Fault::Denied(text)) = result else {
        panic!("{result:?} is no denial");
    };
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[tokio::test]
async fn a_user_does_what_its_role_may_and_nothing_else() {
    let guarded = Guarded::start(&[]).await;
    let client = guarded.client("node", "sesame\n");
    let lease = 0x1ea5_0005;
    let granted = client.grant(lease, 60).await.unwrap();
    assert_eq!(granted, Granted::New { ttl_secs: 60 });
    client
        .txn(always([put_on("/ours/a", "1", lease)]))
        .await
        .unwrap();
    let mut watching = client.watch(vec![watch("/ours/a")]).await.unwrap();
    assert_eq!(client.keep_alive(lease).await, Ok(60));
    assert_eq!(client.revoke(lease).await, Ok(true));
    assert_eq!(watching.next().await.unwrap().len(), 1);

    let endpoint = guarded.endpoint();
    let words = [&*endpoint, "user node", "/theirs", "etcdctl user get"];
    denied(client.txn(always([put("/theirs", "1")])).await, &words);
    denied(client.txn(always([get("/theirs")])).await, &words);
    denied(
        client.watch(vec![watch("/theirs")]).await.map(|_| ()),
        &words,
    );
    let both = always([put("/ours/b", "1"), put("/theirs", "1")]);
    denied(client.txn(both).await, &words);
    let read = client.txn(always([get("/ours/b")])).await.unwrap();
    assert_eq!(kvs(&read, 0), [], "half of a denied transaction was done");
}

#[tokio::test]
async fn a_wrong_login_says_what_to_check() {
    let guarded = Guarded::start(&[]).await;
    let endpoint = guarded.endpoint();
    let read = || always([get("/ours/a")]);
    let words = [&*endpoint, "password of user node", "password_file"];
    denied(guarded.client("node", "guess").txn(read()).await, &words);
    let words = [&*endpoint, "password of user nobody", "exists"];
    denied(guarded.client("nobody", "sesame").txn(read()).await, &words);
    let words = [&*endpoint, "set username and password_file"];
    denied(client(&guarded.etcd.endpoints()).txn(read()).await, &words);

    let empty = guarded.client("node", "\n");
    denied(
        empty.txn(read()).await,
        &["password is empty", "write the password"],
    );
    let gone = guarded.client("node", "sesame");
    let file = guarded.folder.path().join("password");
    std::fs::remove_file(&file).unwrap();
    let file = file.display().to_string();
    denied(gone.txn(read()).await, &["cannot read the password", &file]);
    // A password that is put right serves without a restart.
    guarded.password_file("sesame");
    gone.txn(read()).await.unwrap();
}

/// Simple tokens live in a member's memory: it forgets them when it restarts.
#[tokio::test]
async fn a_forgotten_login_is_made_again() {
    let mut guarded = Guarded::start(&[]).await;
    let client = guarded.client("node", "sesame");
    client.txn(always([put("/ours/a", "1")])).await.unwrap();
    guarded.etcd.restart(0).unwrap();
    guarded.etcd.wait_healthy().await.unwrap();
    client.txn(always([put("/ours/a", "2")])).await.unwrap();
    // A change of any user makes older logins stale.
    guarded
        .etcd
        .etcdctl(&["role", "add", "other"])
        .await
        .unwrap();
    client
        .txn(always([put("/ours/a", "3"), get("/ours/a")]))
        .await
        .unwrap();
    guarded.etcd.restart(0).unwrap();
    guarded.etcd.wait_healthy().await.unwrap();
    client.watch(vec![watch("/ours/a")]).await.unwrap();
    let read = client.txn(always([get("/ours/a")])).await.unwrap();
    assert_eq!(
        (kvs(&read, 0)[0].version, &*kvs(&read, 0)[0].value),
        (3, &b"3"[..])
    );
}

#[tokio::test]
async fn a_token_that_expires_is_replaced_without_a_failure() {
    let guarded = Guarded::start(&["--auth-token-ttl=1"]).await;
    let client = guarded.client("node", "sesame");
    client.txn(always([put("/ours/a", "1")])).await.unwrap();
    let mut watching = client.watch(vec![watch("/ours/a")]).await.unwrap();
    let quiet = tokio::time::timeout(std::time::Duration::from_secs(4), watching.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    client.txn(always([put("/ours/a", "2")])).await.unwrap();
    assert_eq!(watching.next().await.unwrap()[0].kv.value, b"2");
}

#[tokio::test]
async fn a_login_serves_where_nobody_asks_for_one_yet() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let guarded = Guarded {
        etcd,
        folder: TempDir::new().unwrap(),
    };
    let client = guarded.client("node", "sesame");
    client.txn(always([put("/ours/a", "1")])).await.unwrap();
    guarded
        .etcd
        .enable_auth("root-secret", &[NODE])
        .await
        .unwrap();
    client.txn(always([put("/ours/a", "2")])).await.unwrap();
    denied(
        client.txn(always([put("/theirs", "1")])).await,
        &["user node"],
    );
    guarded.etcd.etcdctl(&["auth", "disable"]).await.unwrap();
    client.txn(always([put("/theirs", "1")])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_log_in_once() {
    let guarded = Guarded::start(&[]).await;
    let client = guarded.client("node", "sesame");
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (client, key) = (client.clone(), format!("/ours/{number}"));
        calls.spawn(async move { client.txn(always([put(&key, "1")])).await });
    }
    for call in calls.join_all().await {
        call.unwrap();
    }
    let metrics = guarded.etcd.metrics(0).await.unwrap();
    let logins = metrics.lines().find_map(|line| {
        let is_logins = line.starts_with("grpc_server_started_total")
            && line.contains("grpc_method=\"Authenticate\"");
        is_logins.then(|| line.rsplit(' ').next().unwrap().to_owned())
    });
    // etcdctl logs in by itself, but only once authentication is on, and did not run since.
    assert_eq!(logins.as_deref(), Some("1"));
}

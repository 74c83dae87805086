//! Secrets, from their making to the request that shows them.

use super::program::{Place, Program};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `serve hash-secret`, with this on its standard input.
fn hash_secret(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("clusterrebootd"))
        .args(["serve", "hash-secret"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn line_of(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Makes a token in this directory; answers the line for the list.
fn token_of(dir: &Path, name: &str, role: &str) -> (String, String) {
    let file = dir.join(name);
    let path = file.to_str().unwrap();
    let line = line_of(&hash_secret(&[name, role, "--token-file", path], ""));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    (line, fs::read_to_string(&file).unwrap().trim().to_owned())
}

/// The status of a request that shows this.
fn ask(program: &Program, request: &str, shown: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(&program.address).unwrap();
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{shown}");
    let head = format!("{head}fleet-lock-protocol: true\r\ncontent-length: {length}\r\n\r\n");
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn pre_reboot(program: &Program, shown: &str, id: &str) -> u16 {
    let body = format!(r#"{{"client_params":{{"id":"{id}","group":"default"}}}}"#);
    ask(program, "POST /v1/pre-reboot", shown, &body)
}

#[test]
fn a_token_from_its_making_to_its_use() {
    let dir = tempfile::tempdir().unwrap();
    let (own_line, own) = token_of(dir.path(), "n1", "node:n1");
    let (boss_line, boss) = token_of(dir.path(), "boss", "operator");
    let list = dir.path().join("tokens");
    fs::write(&list, format!("# our fleet\n{own_line}{boss_line}")).unwrap();
    assert!(!fs::read_to_string(&list).unwrap().contains(&own));
    let place = Place::new(&format!("auth: {{tokens_file: {}}}\n", list.display()));
    let mut program = place.start();
    let shown = |token: &str| format!("authorization: Bearer {token}\r\n");
    assert_eq!(ask(&program, "GET /healthz", "", ""), 200);
    assert_eq!(ask(&program, "GET /", "", ""), 401);
    assert_eq!(pre_reboot(&program, "", "n1"), 401);
    assert_eq!(pre_reboot(&program, &shown("guess"), "n1"), 401);
    assert_eq!(pre_reboot(&program, &shown(&own), "n2"), 403);
    assert_eq!(pre_reboot(&program, &shown(&own), "n1"), 200);
    let pause = r#"{"reason":"storm"}"#;
    let paused = |token: &str| ask(&program, "POST /api/v1/pause", &shown(token), pause);
    assert_eq!(paused(&own), 403);
    assert!(paused(&boss) < 300);
    for (who, status) in [(Value::Null, 401), (Value::Null, 401), ("n1".into(), 403)] {
        let refused = program.told("change_refused");
        let fields = &refused["fields"];
        assert_eq!((&fields["who"], &fields["status"]), (&who, &status.into()));
        assert_eq!(fields["path"], "/v1/pre-reboot");
    }
    let own: Value = program.told("change_asked");
    let fields = &own["fields"];
    assert_eq!(
        (&fields["who"], &fields["role"], &fields["change"]),
        (&"n1".into(), &"node:n1".into(), &"admit".into())
    );
    assert_eq!(
        (&fields["node"], &fields["group"]),
        (&"n1".into(), &"default".into())
    );
    let told: Value = program.told("change_asked");
    let fields = &told["fields"];
    assert_eq!(
        (&fields["who"], &fields["role"]),
        (&"boss".into(), &"operator".into())
    );
    assert_eq!(
        (&fields["change"], &fields["outcome"]),
        (&"pause-fleet".into(), &"done".into())
    );
    assert!(fields["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(place.holders(), ["n1"]);
}

#[test]
fn a_list_that_cannot_be_read_is_told_of_and_a_reload_does_not_claim_it() {
    let dir = tempfile::tempdir().unwrap();
    let (line, token) = token_of(dir.path(), "n1", "node:n1");
    let list = dir.path().join("tokens");
    fs::write(&list, &line).unwrap();
    let place = Place::new(&format!("auth: {{tokens_file: {}}}\n", list.display()));
    let mut program = place.start();
    let shown = format!("authorization: Bearer {token}\r\n");
    assert_eq!(pre_reboot(&program, &shown, "n1"), 200);
    fs::write(&list, "# nobody any more\nn1\n").unwrap();
    program.signal(Signal::SIGHUP);
    let at = format!("{}, line 2: write NAME ROLE HASH", list.display());
    let refused = program.told("file_refused");
    assert_eq!(
        (&refused["level"], &refused["fields"]["file"]),
        (&"error".into(), &"tokens".into())
    );
    for line in [refused, program.told("config_refused")] {
        let message = line["message"].as_str().unwrap();
        assert!(message.contains(&at), "{message}");
        assert!(message.contains("still comes in"), "{message}");
    }
    assert_eq!(pre_reboot(&program, &shown, "n1"), 200);
    fs::write(&list, "# nobody any more\n").unwrap();
    program.signal(Signal::SIGHUP);
    assert_eq!(program.told("file_taken")["fields"]["file"], "tokens");
    program.told("config_reloaded");
    assert_eq!(pre_reboot(&program, &shown, "n1"), 401);
}

#[test]
fn a_password_is_hashed_from_standard_input() {
    let line = line_of(&hash_secret(
        &["zincati", "node:*", "--password"],
        "geheim\n",
    ));
    assert!(line.starts_with("zincati node:* pbkdf2-sha256:"), "{line}");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("basic"), line).unwrap();
    let list = dir.path().join("basic");
    let place = Place::new(&format!("auth: {{basic_file: {}}}\n", list.display()));
    let program = place.start();
    // zincati:geheim and zincati:falsch
    let right = "authorization: Basic emluY2F0aTpnZWhlaW0=\r\n";
    let wrong = "authorization: Basic emluY2F0aTpmYWxzY2g=\r\n";
    assert_eq!(pre_reboot(&program, wrong, "n1"), 401);
    assert_eq!(pre_reboot(&program, right, "n1"), 200);
}

#[test]
fn what_makes_no_secret_is_refused() {
    let refused = |args: &[&str], input: &str, part: &str| {
        let output = hash_secret(args, input);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(part), "{text}");
        assert!(output.stdout.is_empty(), "{output:?}");
    };
    refused(&["n1", "root"], "", "`root` is no role");
    refused(&["a:b", "read"], "", "without spaces and colons");
    refused(&["n1", "read", "--password"], "", "no password");
    refused(&["n1", "read", "--password"], "a\nb\n", "one line");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    fs::write(&file, "precious").unwrap();
    let path = file.to_str().unwrap();
    refused(
        &["n1", "read", "--token-file", path],
        "",
        "cannot be written",
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn a_server_that_others_reach_says_what_is_missing() {
    let place = Place::new("");
    let config = place.config();
    let args = [
        "--config",
        config.to_str().unwrap(),
        "--listen",
        "0.0.0.0:0",
    ];
    let mut program = Program::start(&args);
    let warned = program.told("server_warning");
    let text = warned["message"].as_str().unwrap();
    assert!(
        text.contains("nothing is encrypted and nobody asked"),
        "{text}"
    );
    assert!(text.contains("take and free slots"), "{text}");
    let (_, page) = program.client().get("/").unwrap();
    assert!(page.contains("take and free slots"), "{page}");
    let list = config.with_file_name("tokens");
    fs::write(&list, "").unwrap();
    place.configure(&format!("auth: {{tokens_file: {}}}\n", list.display()));
    let mut program = Program::start(&args);
    let warned = program.told("server_warning");
    let text = warned["message"].as_str().unwrap();
    assert!(
        text.contains("whoever listens learns the secrets"),
        "{text}"
    );
}

#[test]
fn a_bad_list_keeps_the_server_from_starting() {
    let place = Place::new("auth: {tokens_file: /nowhere/tokens}\n");
    let output = Command::new(assert_cmd::cargo::cargo_bin("clusterrebootd"))
        .args(["serve", "--config", place.config().to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("auth: cannot read /nowhere/tokens"), "{text}");
}

//! Who comes in by what they show.

use super::{CertificateName, DoorSettings, Doors, KnownBy, Role, Secret, Who};
use crate::kind::Kind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use std::fs;
use std::num::NonZeroU32;
use tempfile::TempDir;

struct House {
    dir: TempDir,
    doors: Doors,
    token: String,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (token, hash) = Secret::new_token().unwrap();
        let rounds = NonZeroU32::new(1000).unwrap();
        let password = Secret::of_password_in(rounds, "pass:word").unwrap();
        let tokens = format!("n1 node:n1 {hash}\nalice operator certificate\n");
        fs::write(dir.path().join("tokens"), tokens).unwrap();
        let basic = format!("zincati node:* {password}\n");
        fs::write(dir.path().join("basic"), basic).unwrap();
        let doors = Doors::new(&DoorSettings {
            tokens_file: Some(dir.path().join("tokens")),
            basic_file: Some(dir.path().join("basic")),
            certificates: true,
        });
        Self {
            doors: doors.unwrap(),
            dir,
            token,
        }
    }

    async fn shown(&self, shown: &str) -> Result<Who, Kind> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(shown).unwrap());
        self.doors.who(&headers, None).await.map_err(|it| it.kind)
    }

    async fn certificate(&self, name: &str) -> Result<Who, Kind> {
        let name = CertificateName(name.to_owned());
        let who = self.doors.who(&HeaderMap::new(), Some(&name)).await;
        who.map_err(|it| it.kind)
    }
}

fn basic(pair: &str) -> String {
    format!("Basic {}", BASE64.encode(pair))
}

fn role(who: Result<Who, Kind>) -> Result<String, Kind> {
    who.map(|who| who.role.to_string())
}

#[tokio::test]
async fn a_token_a_password_and_a_certificate_are_known() {
    let house = House::new();
    let token = format!("Bearer {}", house.token);
    assert_eq!(role(house.shown(&token).await), Ok("node:n1".to_owned()));
    let zincati = basic("zincati:pass:word");
    for _ in 0..2 {
        let who = house.shown(&zincati).await.unwrap();
        assert_eq!((who.role, who.known_by), (Role::AnyNode, KnownBy::Password));
    }
    let of = |name: &'static str| house.certificate(name);
    assert_eq!(role(of("alice").await), Ok("operator".to_owned()));
    assert_eq!(role(of("n7").await), Ok("node:n7".to_owned()));
    assert_eq!(role(of("not a name").await), Err(Kind::Unauthorized));
}

#[tokio::test]
async fn what_is_not_known_stays_outside() {
    let house = House::new();
    let shown = [
        "Bearer guess".to_owned(),
        "Bearer ".to_owned(),
        "Bearer".to_owned(),
        format!("Basic {}", house.token),
        basic("zincati:word"),
        basic("zincati"),
        basic("n1:pass:word"),
        basic("alice:"),
        "Basic %%%".to_owned(),
        "Digest x".to_owned(),
    ];
    for shown in shown {
        assert_eq!(
            house.shown(&shown).await,
            Err(Kind::Unauthorized),
            "{shown}"
        );
    }
    let nothing = house.doors.who(&HeaderMap::new(), None).await;
    assert_eq!(nothing.unwrap_err().kind, Kind::Unauthorized);
    // A hash is no secret: whoever reads the file cannot come in by it.
    let hash = Secret::of_token(&house.token).to_string();
    let shown = format!("Bearer {hash}");
    assert_eq!(house.shown(&shown).await, Err(Kind::Unauthorized));
}

#[tokio::test]
async fn a_wrong_secret_beside_a_certificate_stays_outside() {
    let house = House::new();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer guess"));
    let name = CertificateName("alice".to_owned());
    let who = house.doors.who(&headers, Some(&name)).await;
    assert_eq!(who.unwrap_err().kind, Kind::Unauthorized);
}

#[tokio::test]
async fn a_changed_file_changes_who_comes_in() {
    let house = House::new();
    let token = format!("Bearer {}", house.token);
    house.shown(&token).await.unwrap();
    fs::write(house.dir.path().join("tokens"), "# nobody\n").unwrap();
    house.doors.tokens.as_ref().unwrap().look_again().unwrap();
    assert_eq!(house.shown(&token).await, Err(Kind::Unauthorized));
    let zincati = basic("zincati:pass:word");
    house.shown(&zincati).await.unwrap();
    fs::write(house.dir.path().join("basic"), "# nobody\n").unwrap();
    house
        .doors
        .passwords
        .as_ref()
        .unwrap()
        .list
        .look_again()
        .unwrap();
    assert_eq!(house.shown(&zincati).await, Err(Kind::Unauthorized));
}

#[tokio::test]
async fn without_any_door_everybody_comes_in() {
    let doors = Doors::new(&DoorSettings::default()).unwrap();
    assert!(doors.is_open());
    let who = doors.who(&HeaderMap::new(), None).await.unwrap();
    assert_eq!((who.role, who.known_by), (Role::Operator, KnownBy::Nothing));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let settings = DoorSettings {
        tokens_file: Some("/nowhere/tokens".into()),
        ..DoorSettings::default()
    };
    let error = Doors::new(&settings).err().unwrap();
    assert!(error.contains("/nowhere/tokens"), "{error}");
}

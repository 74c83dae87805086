//! Calls over a real message bus to a stand-in for logind and systemd.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::soon;
use reboot_host::HostError;
use reboot_host::logind::{Inhibitor, Logind};
use reboot_lab::Bus;
use std::time::Duration;
use tokio::sync::mpsc;
use zbus::Connection;
use zbus::connection::Builder;

/// A message bus of its own, ended with the test.
struct Site {
    bus: Bus,
}

// === impl Site ===

impl Site {
    fn new() -> Self {
        let bus = Bus::start().unwrap();
        Self { bus }
    }

    fn client(&self) -> Logind {
        Logind::new(Some(self.bus.address().to_owned())).with_deadline(Duration::from_secs(20))
    }

    /// Puts a stand-in on the bus; what it is asked to do comes out of the channel.
    async fn stand_in(&self, answer: Answer) -> (Connection, mpsc::Receiver<String>) {
        let (asked, receiver) = mpsc::channel(8);
        let logind = StandInLogind { asked, answer };
        let builder = Builder::address(self.bus.address())
            .serve_at("/org/freedesktop/login1", logind)
            .serve_at("/org/freedesktop/systemd1", StandInSystemd)
            .name("org.freedesktop.login1")
            .name("org.freedesktop.systemd1");
        (
            soon("the stand-in", builder.build()).await.unwrap(),
            receiver,
        )
    }
}

/// What the stand-in says to a reboot.
#[derive(Clone, Copy)]
enum Answer {
    Yes,
    No,
    Nothing,
}

struct StandInLogind {
    asked: mpsc::Sender<String>,
    answer: Answer,
}

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl StandInLogind {
    async fn reboot(&self, interactive: bool) -> zbus::fdo::Result<()> {
        let asked = format!("reboot interactive={interactive}");
        self.asked.send(asked).await.unwrap();
        match self.answer {
            Answer::Yes => Ok(()),
            Answer::No => Err(zbus::fdo::Error::AccessDenied("inhibited".to_owned())),
            Answer::Nothing => std::future::pending().await,
        }
    }

    async fn reboot_with_flags(&self, flags: u64) {
        let asked = format!("reboot with flags {flags}");
        self.asked.send(asked).await.unwrap();
    }

    async fn list_inhibitors(&self) -> Vec<(String, String, String, String, u32, u32)> {
        let row = |what: &str, who: &str, mode: &str| {
            let [what, who, why, mode] = [what, who, "busy", mode].map(str::to_owned);
            (what, who, why, mode, 0, 1)
        };
        vec![
            row("sleep:shutdown", "dpkg", "block"),
            row("shutdown", "gnome", "delay"),
            row("sleep", "player", "block"),
            row("shutdown", "weak", "block-weak"),
        ]
    }
}

struct StandInSystemd;

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl StandInSystemd {
    #[zbus(property)]
    fn soft_reboots_count(&self) -> u32 {
        3
    }
}

#[tokio::test]
async fn reboots_arrive_and_ask_no_user() {
    let site = Site::new();
    let (_connection, mut asked) = site.stand_in(Answer::Yes).await;
    site.client().reboot().await.unwrap();
    assert_eq!(asked.recv().await.unwrap(), "reboot interactive=false");
    site.client().soft_reboot().await.unwrap();
    assert_eq!(asked.recv().await.unwrap(), "reboot with flags 4");
}

#[tokio::test]
async fn a_refused_reboot_is_certainly_not_done() {
    let site = Site::new();
    let (_connection, _asked) = site.stand_in(Answer::No).await;
    let error = site.client().reboot().await.unwrap_err();
    assert!(matches!(error, HostError::Bus { .. }), "{error:?}");
    assert!(error.to_string().contains("inhibited"), "{error}");
}

#[tokio::test]
async fn a_reboot_without_an_answer_may_be_under_way() {
    let site = Site::new();
    let (_connection, mut asked) = site.stand_in(Answer::Nothing).await;
    let impatient = site.client().with_deadline(Duration::from_millis(500));
    let error = soon("the deadline", impatient.reboot()).await.unwrap_err();
    assert_eq!(error.kind(), "bus_unknown");
    assert!(
        error.to_string().contains("no answer within 500ms"),
        "{error}"
    );
    assert_eq!(asked.recv().await.unwrap(), "reboot interactive=false");
}

#[tokio::test]
async fn a_bus_that_goes_away_before_the_answer_leaves_it_unknown() {
    let mut site = Site::new();
    let (_connection, mut asked) = site.stand_in(Answer::Nothing).await;
    let client = site.client();
    let waiting = tokio::spawn(async move { client.reboot().await });
    asked.recv().await.unwrap();
    site.bus.end();
    let error = soon("the loss", waiting).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), "bus_unknown", "{error}");
}

#[tokio::test]
async fn without_a_service_or_a_bus_nothing_was_done() {
    let site = Site::new();
    let error = site.client().reboot().await.unwrap_err();
    assert_eq!(error.kind(), "bus");
    assert!(
        error
            .to_string()
            .contains("org.freedesktop.login1 is running"),
        "{error}"
    );
    let nowhere = Logind::new(Some("unix:path=/nonexistent/bus".to_owned()));
    assert_eq!(nowhere.reboot().await.unwrap_err().kind(), "bus");
}

#[tokio::test]
async fn only_those_who_block_the_shutdown_are_listed() {
    let site = Site::new();
    let (_connection, _asked) = site.stand_in(Answer::Yes).await;
    let inhibitors = site.client().inhibitors().await.unwrap();
    let [what, who, why, mode] = ["sleep:shutdown", "dpkg", "busy", "block"].map(str::to_owned);
    let first = Inhibitor {
        what,
        who,
        why,
        mode,
    };
    assert_eq!(inhibitors[0], first);
    assert_eq!(inhibitors.len(), 2);
    assert_eq!(inhibitors[1].who, "weak");
}

#[tokio::test]
async fn soft_reboots_are_counted_where_systemd_does() {
    let site = Site::new();
    let (connection, _asked) = site.stand_in(Answer::Yes).await;
    assert_eq!(site.client().soft_reboots().await.unwrap(), Some(3));
    let server = connection.object_server();
    let removed = server.remove::<StandInSystemd, _>("/org/freedesktop/systemd1");
    assert!(removed.await.unwrap());
    let old = server.at("/org/freedesktop/systemd1", StandInOldSystemd);
    assert!(old.await.unwrap().is_none());
    assert_eq!(site.client().soft_reboots().await.unwrap(), None);
}

/// Before version 254.
struct StandInOldSystemd;

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl StandInOldSystemd {
    #[zbus(property)]
    fn version(&self) -> String {
        "252".to_owned()
    }
}

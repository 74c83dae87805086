//! Changes that were refused for who asked: each is written down, but for floods of them.

use super::{CertificateName, Doors, Who};
use crate::audit::{Audit, TurnedAway};
use crate::kind::Refused;
use crate::limits::Rates;
use crate::peer::Peer;
use axum::extract::Request;
use axum::response::Response;
use http::{Method, StatusCode};
use reboot_store::wire::CHANGED_PATH;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many lines a second are written for one address in the long run.
const LINES_OF_ONE: u32 = 5;
/// So many for all of them.
const LINES_OF_ALL: u32 = 20;
/// More of a method or path is not written, in characters.
const TEXT_MAX: usize = 200;
/// Stands for all addresses.
const ALL: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// How many lines were written lately.
#[derive(Debug, Default)]
pub(super) struct Lines {
    of_one: Rates,
    of_all: Rates,
    unwritten: AtomicU64,
}

/// What makes a line, once it is known how the request was answered.
pub(super) struct Attempt {
    audit: Arc<dyn Audit>,
    method: Method,
    /// The start of its path: the whole would keep the buffer that it was read into.
    path: Box<str>,
    from: Option<SocketAddr>,
    certificate: Option<CertificateName>,
}

/// The refusal that became an answer.
#[derive(Clone)]
pub(crate) struct Why(pub(crate) String);

// === impl Lines ===

impl Lines {
    /// How many lines were left out before this one; `None` leaves this one out too.
    fn next(&self, from: IpAddr) -> Option<u64> {
        let is_written = self.of_one.count(from, LINES_OF_ONE).is_ok()
            && self.of_all.count(ALL, LINES_OF_ALL).is_ok();
        if !is_written {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unwritten.swap(0, Ordering::Relaxed))
    }
}

// === impl Attempt ===

impl Attempt {
    /// What a request would change; `None` when it only looks, or nobody keeps a record.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let is_question = request.uri().path().ends_with(CHANGED_PATH);
        if request.method().is_safe() || is_question {
            return None;
        }
        let all = request.extensions();
        Some(Self {
            audit: all.get::<Arc<dyn Audit>>()?.clone(),
            method: request.method().clone(),
            path: start_of(request.uri().path()).into(),
            from: all.get::<Peer>().map(|peer| peer.address),
            certificate: all.get().cloned(),
        })
    }

    /// Writes down that it was refused for who asked, if it was.
    pub(super) fn answered(&self, doors: &Doors, who: Option<&Who>, response: &Response) {
        let status = response.status();
        if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return;
        }
        let from = self.from.map_or(ALL, |from| from.ip());
        let Some(unwritten) = doors.lines.next(from) else {
            return;
        };
        let why = response.extensions().get::<Why>();
        let certificate = self.certificate.as_ref();
        self.audit.turned_away(&TurnedAway {
            who,
            certificate: certificate.map(|it| it.0.as_str()),
            from: self.from,
            method: start_of(self.method.as_str()),
            path: &self.path,
            status,
            why: why.map(|why| why.0.as_str()),
            unwritten,
        });
    }
}

fn start_of(text: &str) -> &str {
    let end = text.char_indices().nth(TEXT_MAX);
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

// === impl Why ===

impl Why {
    /// Leaves with the answer why somebody was turned away.
    pub(crate) fn leave(response: &mut Response, refused: &Refused) {
        if matches!(
            refused.kind.status(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            response
                .extensions_mut()
                .insert(Self(refused.value.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_others_are_written_all_the_same() {
        let (lines, flood, other) = (Lines::default(), [10, 0, 0, 1], [10, 0, 0, 2]);
        let next = |from: [u8; 4]| lines.next(IpAddr::from(from));
        assert_eq!(next(flood), Some(0));
        let mut left_out = 0;
        while left_out < 100 {
            left_out += u64::from(next(flood).is_none());
        }
        let told = next(other).unwrap();
        assert!((1..=100).contains(&told), "{told}");
    }

    #[test]
    fn a_line_stays_short() {
        assert_eq!(start_of("/a"), "/a");
        assert_eq!(start_of(&"ä".repeat(999)).chars().count(), TEXT_MAX);
    }
}

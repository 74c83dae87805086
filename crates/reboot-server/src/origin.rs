//! Where a change comes from: a page of another site must not ask for one through the browser of
//! somebody who may.
//!
//! Browsers tell where a request comes from (`Sec-Fetch-Site`, `Origin`), and no script can make
//! them tell anything else. Programs tell neither, and are let through.

use crate::doors::Doors;
use crate::kind::{Kind, Refused};
use crate::refusal;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const SITE: &str = "sec-fetch-site";

/// Who sends a request, by what browsers tell of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sender {
    /// A program; or a browser so old that it tells nothing.
    Program,
    /// A page of this server's.
    OwnPage,
    /// A person, by the browser's address line.
    Person,
    /// A page of another site.
    Elsewhere,
}

// === impl Sender ===

impl Sender {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let site = text(headers, &HeaderName::from_static(SITE));
        let host = text(headers, &HOST).unwrap_or_default();
        match (site, text(headers, &ORIGIN)) {
            (None, None) => Self::Program,
            (Some("same-origin"), _) => Self::OwnPage,
            (Some("none"), _) => Self::Person,
            (None, Some(origin)) if is_at(origin, host) => Self::OwnPage,
            (Some(_), _) | (None, Some(_)) => Self::Elsewhere,
        }
    }
}

fn is_at(origin: &str, host: &str) -> bool {
    let parts = origin.split_once("://");
    parts.is_some_and(|(_, at)| !host.is_empty() && at.eq_ignore_ascii_case(host))
}

/// The names under which a browser may ask for changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Names {
    /// Whatever leads here.
    Any,
    /// This machine's own: a name of somebody else's may lead here too, once it is resolved to
    /// the loopback address, and a page that came under that name counts as our own.
    Local,
}

// === impl Names ===

impl Names {
    /// Those of a server that listens there. Behind doors any name will do: a page that came under
    /// another name has nothing to show there.
    pub(crate) fn of(listening: SocketAddr, doors: &Doors) -> Self {
        let is_local = listening.ip().to_canonical().is_loopback();
        match is_local && doors.is_open() {
            true => Self::Local,
            false => Self::Any,
        }
    }

    /// Refuses a change that a browser asks for on behalf of another site.
    fn check(self, headers: &HeaderMap) -> Result<(), Refused> {
        let host = text(headers, &HOST).unwrap_or_default();
        let sender = Sender::of(headers);
        if sender == Sender::Program {
            return Ok(());
        }
        if sender == Sender::Elsewhere || host.is_empty() {
            let text = "a browser asks for this on behalf of another site: open this server's own \
                        page and act there; behind a proxy, have it pass the header Host on";
            return Err(Kind::Forbidden.because(text));
        }
        if self == Self::Local && !is_local(host) {
            let text = "this server serves its own machine and asks nobody who they are, so it \
                        takes changes from a browser under localhost or an address alone: open it \
                        by that, or set auth";
            return Err(Kind::Forbidden.because(text));
        }
        Ok(())
    }
}

/// Bytes that are no text are not what anybody expects.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or_default())
}

/// Whether a `Host` names this machine, or an address: nobody else's name can.
fn is_local(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[') {
        let address = v6.split_once(']').map(|(address, _)| address);
        return address.is_some_and(|it| it.parse::<Ipv6Addr>().is_ok());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

/// These routes, which take changes from programs and from this server's own pages.
pub(crate) fn guarded<S>(names: Names, routes: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.layer(from_fn_with_state(names, from_our_pages))
}

async fn from_our_pages(State(names): State<Names>, request: Request, next: Next) -> Response {
    if !request.method().is_safe()
        && let Err(refused) = names.check(request.headers())
    {
        return refusal::answer(request.uri().path(), refused);
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn is_taken(names: Names, pairs: &[(&'static str, &str)]) -> bool {
        names.check(&headers(pairs)).is_ok()
    }

    #[test]
    fn senders_are_told_apart() {
        let (site, origin, host) = (SITE, "origin", "host");
        let cases: [(&[(&str, &str)], Sender); 10] = [
            (&[(site, "same-origin")], Sender::OwnPage),
            (
                &[(origin, "http://a:8080"), (host, "a:8080")],
                Sender::OwnPage,
            ),
            (&[(site, "none")], Sender::Person),
            (&[(host, "a:8080")], Sender::Program),
            (
                &[(site, "cross-site"), (origin, "http://a"), (host, "a")],
                Sender::Elsewhere,
            ),
            (
                &[(site, "cross-site"), (origin, "http://a")],
                Sender::Elsewhere,
            ),
            (
                &[(origin, "http://b:8080"), (host, "a:8080")],
                Sender::Elsewhere,
            ),
            (&[(origin, "null"), (host, "a:8080")], Sender::Elsewhere),
            (&[(origin, "http://")], Sender::Elsewhere),
            (&[(origin, "http://"), (host, "")], Sender::Elsewhere),
        ];
        for (pairs, sender) in cases {
            assert_eq!(Sender::of(&headers(pairs)), sender, "{pairs:?}");
        }
    }

    #[test]
    fn programs_and_our_own_pages_ask_for_changes() {
        let (a, b) = ("http://a:8080", "http://b:8080");
        let cases: [(&[(&str, &str)], bool); 14] = [
            (&[], true),
            (&[("host", "a:8080")], true),
            (&[("host", "a:8080"), (SITE, "same-origin")], true),
            (
                &[("host", "a"), (SITE, "same-origin"), ("origin", "null")],
                true,
            ),
            (&[("host", "a:8080"), (SITE, "none")], true),
            (
                &[("host", "a:8080"), (SITE, "same-site"), ("origin", a)],
                false,
            ),
            (
                &[("host", "a:8080"), (SITE, "cross-site"), ("origin", a)],
                false,
            ),
            (&[("host", "a:8080"), (SITE, "")], false),
            (&[("host", "a:8080"), ("origin", a)], true),
            (&[("host", "A:8080"), ("origin", a)], true),
            (&[("host", "a:8080"), ("origin", b)], false),
            (&[("host", "a"), ("origin", a)], false),
            (&[("host", "a:8080"), ("origin", "null")], false),
            (&[("host", ""), ("origin", "http://")], false),
        ];
        for (pairs, expected) in cases {
            assert_eq!(is_taken(Names::Any, pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn only_names_that_nobody_else_can_have_are_local() {
        let cases = [
            ("localhost", true),
            ("LocalHost.:8080", true),
            ("board.localhost:8080", true),
            ("127.0.0.1:8080", true),
            ("192.0.2.7", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("evil.example", false),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("notlocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("[evil.example]", false),
            ("::1", false),
        ];
        for (host, expected) in cases {
            let shown = [("host", host), (SITE, "same-origin")];
            assert_eq!(is_taken(Names::Local, &shown), expected, "{host}");
            assert!(is_taken(Names::Any, &shown), "{host}");
        }
        assert!(
            is_taken(Names::Local, &[("host", "evil.example")]),
            "a program"
        );
    }

    #[test]
    fn a_server_of_its_machine_alone_that_asks_nobody_goes_by_local_names() {
        let of = |address: &str| Names::of(address.parse().unwrap(), &Doors::open());
        for local in ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(of(local), Names::Local, "{local}");
        }
        for other in ["0.0.0.0:80", "192.0.2.7:80", "[::]:80"] {
            assert_eq!(of(other), Names::Any, "{other}");
        }
    }
}

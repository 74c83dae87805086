//! What may be concluded from a call that failed: did it happen, and is it any use to go on?
//!
//! The texts are etcd's own (its `rpctypes`), the same from 3.4 on; they say more than the codes.

use tonic::{Code, Status};

use super::endpoint::Endpoint;
use super::fault::Fault;
use super::obstacle::Obstacle;
use super::rpc::Broken;

/// What is known of a call, for what may be done when it fails and for the text.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// What it was to do: "read /a", "write /a".
    pub(super) what: String,
    /// Whether it may be asked twice: it changes nothing, or nothing more the second time.
    pub(super) repeatable: bool,
}

/// What to do about a call that failed.
pub(super) enum Setback {
    /// It surely did not happen, or may happen twice: another member can be asked.
    Elsewhere(Obstacle),
    /// It did not happen, perhaps for want of a good token: log in and ask again, once. The fault
    /// is for when that does not help.
    LogIn(Fault),
    /// That is the end of it.
    Final(Fault),
}

/// Texts of a member that has not let the call into the cluster.
const NOT_TAKEN: &[&str] = &[
    "etcdserver: no leader",
    "etcdserver: too many requests",
    "etcdserver: not capable",
    "etcdserver: rpc not supported for learner",
    DROPPED,
];

/// Texts of a member that does not know us any more.
const STALE_LOGIN: &[&str] = &[
    "etcdserver: invalid auth token",
    "etcdserver: revision of auth store is old",
    "etcdserver: user name is empty",
];

/// How all begins that etcd says of a call: before it did anything, or that it did nothing.
const ETCD: &str = "etcdserver: ";
/// What its raft says, in full, of a write that it did not even pass on.
const DROPPED: &str = "raft proposal dropped";

/// A member that takes no request of this length, in its own words and in those of gRPC: the latter
/// also stand for an answer that something in between could not take.
const TOO_LARGE: &[&str] = &["etcdserver: request is too large", "larger than max"];
/// What to do about it.
const MAKE_ROOM: &str = "the records of this fleet are larger than etcd takes at once: give every \
                         member a higher --max-request-bytes (1572864 unless changed), or the \
                         group fewer slots, and see Sizing in docs/etcd.md";

const VAGUE_DENIAL: &str = "permission denied, or the token is too old";

/// Judges the failure of a call to `endpoint`, made by `user`.
pub(super) fn judge(status: &Status, asked: &Asked, endpoint: &Endpoint, user: &str) -> Setback {
    if let Some(setback) = judge_transport(status, asked, endpoint) {
        return setback;
    }
    let text = status.message();
    if !asked.repeatable && !is_etcds_word(text) {
        return open_end(text, asked, endpoint);
    }
    let says = |known: &&str| text.contains(*known);
    if NOT_TAKEN.iter().any(says) {
        let check = "check that most members of the cluster are up and reach each other";
        return Setback::Elsewhere(Obstacle::new(endpoint, text, check));
    }
    if is_vague_denial(status) {
        return Setback::LogIn(no_permission(asked, endpoint, user));
    }
    if STALE_LOGIN.iter().any(says) || status.code() == Code::Unauthenticated {
        return Setback::LogIn(no_login(status, asked, endpoint, user));
    }
    if text.contains("requested lease not found") {
        return Setback::Final(Fault::LeaseGone);
    }
    if text.contains("database space exceeded") || text.contains("no space") {
        return Setback::Final(no_space(endpoint));
    }
    if text.contains("authentication failed") {
        return Setback::Final(wrong_password(endpoint, user));
    }
    match status.code() {
        Code::PermissionDenied => Setback::Final(no_permission(asked, endpoint, user)),
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::NotFound
        | Code::AlreadyExists
        | Code::Unimplemented
        | Code::ResourceExhausted
        | Code::DataLoss => Setback::Final(refused(text, asked, endpoint)),
        _ => open_end(text, asked, endpoint),
    }
}

/// Whether etcd said it. What a proxy in between says, or our own end of an answer that it cannot
/// take, may come after etcd did what was asked.
fn is_etcds_word(text: &str) -> bool {
    text.starts_with(ETCD) || text == DROPPED
}

fn is_too_large(text: &str) -> bool {
    TOO_LARGE.iter().any(|known| text.contains(known))
}

fn refused(text: &str, asked: &Asked, endpoint: &Endpoint) -> Fault {
    let check = match is_too_large(text) && !asked.repeatable {
        true => format!("; {MAKE_ROOM}"),
        false => String::new(),
    };
    let what = &asked.what;
    Fault::Refused(format!(
        "etcd at {endpoint} refuses to {what}: {text}{check}"
    ))
}

/// The fault of a call for which there is no login to be had.
fn no_login(status: &Status, asked: &Asked, endpoint: &Endpoint, user: &str) -> Fault {
    let what = &asked.what;
    if status.message().contains("user name is empty") {
        return Fault::Denied(format!(
            "etcd at {endpoint} wants to know who asks, to {what}: set username and \
             password_file, or use a client certificate made out to a user"
        ));
    }
    Fault::Denied(format!(
        "etcd at {endpoint} does not accept the login of {user}, to {what}: {}; check that the \
         user exists and that its password is right",
        status.message()
    ))
}

/// No answer came before the time was over.
pub(super) fn timed_out(asked: &Asked, endpoint: &Endpoint, secs: f64) -> Setback {
    open_end(&format!("no answer within {secs:.1} s"), asked, endpoint)
}

/// A denial in words that do not tell whether the permission is missing or the token too old: a
/// watch gets no better from etcd 3.5 on.
pub(super) fn vague_denial() -> Status {
    Status::unauthenticated(VAGUE_DENIAL)
}

fn is_vague_denial(status: &Status) -> bool {
    status.code() == Code::Unauthenticated && status.message() == VAGUE_DENIAL
}

/// The connection failed, not the member.
fn judge_transport(status: &Status, asked: &Asked, endpoint: &Endpoint) -> Option<Setback> {
    let source = std::error::Error::source(status)?;
    let mut text = source.to_string();
    let mut deeper = source.source();
    while let Some(error) = deeper {
        text = error.to_string();
        deeper = error.source();
    }
    let text = format!("the connection broke ({text})");
    match Broken::behind(status) {
        Some(Broken { sent: false, .. }) => {
            let check = "check that etcd still runs there";
            Some(Setback::Elsewhere(Obstacle::new(endpoint, text, check)))
        }
        _ => Some(open_end(&text, asked, endpoint)),
    }
}

/// Whether it happened is not known.
fn open_end(cause: &str, asked: &Asked, endpoint: &Endpoint) -> Setback {
    if asked.repeatable {
        let check = "check that etcd runs there and that most members reach each other";
        return Setback::Elsewhere(Obstacle::new(endpoint, cause, check));
    }
    let check = match is_too_large(cause) {
        true => MAKE_ROOM,
        false => "check that etcd runs there and that most members reach each other",
    };
    Setback::Final(Fault::Unknown(format!(
        "it is not known whether etcd at {endpoint} did {}: {cause}; {check}",
        asked.what
    )))
}

fn no_space(endpoint: &Endpoint) -> Fault {
    Fault::NoSpace(format!(
        "etcd at {endpoint} has no space left: see `etcdctl alarm list`, then compact, \
         defragment, and `etcdctl alarm disarm`"
    ))
}

fn wrong_password(endpoint: &Endpoint, user: &str) -> Fault {
    Fault::Denied(format!(
        "etcd at {endpoint} does not accept the password of user {user}: check username and \
         password_file, and that the user exists"
    ))
}

fn no_permission(asked: &Asked, endpoint: &Endpoint, user: &str) -> Fault {
    Fault::Denied(format!(
        "etcd at {endpoint} does not let user {user} {}: check its roles with `etcdctl user get \
         --detail {user}`",
        asked.what
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of etcd's words, in one.
    fn verdict(code: Code, text: &str, repeatable: bool) -> &'static str {
        let endpoint = Endpoint::parse("10.0.0.1:2379", false).unwrap();
        let asked = Asked {
            what: "write /a".to_owned(),
            repeatable,
        };
        match judge(&Status::new(code, text), &asked, &endpoint, "node") {
            Setback::Elsewhere(_) => "elsewhere",
            Setback::LogIn(_) => "log in",
            Setback::Final(fault) => {
                assert!(fault == Fault::LeaseGone || fault.to_string().contains("10.0.0.1"));
                fault.kind()
            }
        }
    }

    #[test]
    fn a_write_goes_elsewhere_only_where_it_was_not_taken() {
        let table = [
            (Code::Unavailable, "etcdserver: no leader", "elsewhere"),
            (
                Code::ResourceExhausted,
                "etcdserver: too many requests",
                "elsewhere",
            ),
            (Code::Unavailable, "etcdserver: not capable", "elsewhere"),
            (Code::Unknown, "raft proposal dropped", "elsewhere"),
            (
                Code::Unavailable,
                "etcdserver: request timed out",
                "unknown",
            ),
            (
                Code::Unavailable,
                "etcdserver: request timed out, possibly due to previous leader failure",
                "unknown",
            ),
            (Code::Unavailable, "etcdserver: leader changed", "unknown"),
            (Code::Unavailable, "etcdserver: server stopped", "unknown"),
            (Code::Cancelled, "context canceled", "unknown"),
            (Code::Internal, "something new", "unknown"),
        ];
        for (code, text, expected) in table {
            assert_eq!(verdict(code, text, false), expected, "{text}");
            assert_eq!(verdict(code, text, true), "elsewhere", "{text}");
        }
    }

    #[test]
    fn what_etcd_would_say_every_time_is_final() {
        let table = [
            (
                Code::Unauthenticated,
                "etcdserver: invalid auth token",
                "log in",
            ),
            (
                Code::InvalidArgument,
                "etcdserver: revision of auth store is old",
                "log in",
            ),
            (
                Code::InvalidArgument,
                "etcdserver: user name is empty",
                "log in",
            ),
            (
                Code::PermissionDenied,
                "etcdserver: permission denied",
                "denied",
            ),
            (
                Code::InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
                "denied",
            ),
            (
                Code::NotFound,
                "etcdserver: requested lease not found",
                "lease_gone",
            ),
            (
                Code::ResourceExhausted,
                "etcdserver: mvcc: database space exceeded",
                "no_space",
            ),
            (
                Code::InvalidArgument,
                "etcdserver: request is too large",
                "refused",
            ),
        ];
        for (code, text, expected) in table {
            for repeatable in [false, true] {
                assert_eq!(verdict(code, text, repeatable), expected, "{text}");
            }
        }
    }

    #[test]
    fn of_a_write_only_etcds_own_word_is_taken_for_a_no() {
        let too_long = "Error, decoded message length too large: found 9 bytes, the limit is: 8";
        let table = [
            (Code::OutOfRange, too_long, "refused"),
            (
                Code::ResourceExhausted,
                "grpc: received message larger than max (9 vs. 8)",
                "refused",
            ),
            (Code::ResourceExhausted, "quota of the proxy", "refused"),
            (Code::Unimplemented, "unknown service", "refused"),
            (Code::FailedPrecondition, "", "refused"),
            (Code::NotFound, "requested lease not found", "lease_gone"),
            (
                Code::PermissionDenied,
                "grpc-status header missing, mapped from HTTP status code 403",
                "denied",
            ),
            (Code::Unauthenticated, "who are you", "log in"),
            (
                Code::Unavailable,
                "upstream said etcdserver: no leader",
                "elsewhere",
            ),
            (Code::Unknown, "after raft proposal dropped", "elsewhere"),
        ];
        for (code, text, of_a_read) in table {
            assert_eq!(verdict(code, text, false), "unknown", "{text}");
            assert_eq!(verdict(code, text, true), of_a_read, "{text}");
        }
    }
}

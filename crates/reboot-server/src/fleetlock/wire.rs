//! FleetLock's texts: what a client sends, and what a refusal looks like.

use crate::kind::{Kind, Refused};
use crate::object::Object;
use http::HeaderMap;
use reboot_core::id::{BadName, GroupName, NodeName};
use serde::{Deserialize, Serialize};

/// The header that every request must have.
const HEADER: &str = "fleet-lock-protocol";
/// So much of another value in it is told, in characters.
const VALUE_MAX: usize = 40;

/// Who asks, and for which group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Params {
    /// The client's own name, as it is: `A` and `a` are two clients.
    pub id: NodeName,
    /// The group.
    pub group: GroupName,
}

#[derive(Deserialize)]
struct Body {
    client_params: Object<ClientParams>,
}

#[derive(Deserialize)]
struct ClientParams {
    id: String,
    group: String,
}

#[derive(Serialize)]
struct Error<'a> {
    kind: &'a str,
    value: &'a str,
}

// === impl Params ===

impl Params {
    /// Reads a request's body, whatever its `Content-Type` says.
    ///
    /// # Errors
    /// `decode_error` or `invalid_group`, with what is wrong and how it should be.
    pub fn read(body: &[u8]) -> Result<Self, Refused> {
        let Object(body): Object<Body> = serde_json::from_slice(body).map_err(|error| {
            Kind::DecodeError.because(format!(
                "the body is not {{\"client_params\":{{\"id\":\"…\",\"group\":\"…\"}}}}: {error}"
            ))
        })?;
        let Object(ClientParams { id, group }) = body.client_params;
        let bad_id = |error: BadName| Kind::DecodeError.because(format!("the id: {error}"));
        let bad_group = |error: BadName| Kind::InvalidGroup.because(format!("the group: {error}"));
        Ok(Self {
            id: NodeName::new(id).map_err(bad_id)?,
            group: GroupName::new(group).map_err(bad_group)?,
        })
    }
}

/// Refuses a request without the protocol's header, or with another value in it.
pub(crate) fn header(headers: &HeaderMap) -> Result<(), Refused> {
    let text = match headers.get(HEADER).map(|value| value.as_bytes()) {
        Some(b"true") => return Ok(()),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            let start: String = other.chars().take(VALUE_MAX).collect();
            format!("the header `{HEADER}` is {start:?}: send `{HEADER}: true`")
        }
        None => format!("the header `{HEADER}: true` is missing: send it"),
    };
    Err(Kind::MissingHeader.because(text))
}

/// A refusal as it goes over the wire.
pub(crate) fn error_body(refused: &Refused) -> String {
    let error = Error {
        kind: refused.kind.name(),
        value: &refused.value,
    };
    // Two texts always have a JSON form.
    serde_json::to_string(&error).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(id: &str, group: &str) -> Result<Params, Kind> {
        let body = serde_json::json!({"client_params": {"id": id, "group": group}});
        Params::read(body.to_string().as_bytes()).map_err(|refused| refused.kind)
    }

    #[test]
    fn the_id_is_kept_as_it_is() {
        let params = read("C988d2509fdf5cdcbed39037c56406fB", "a.B-1").unwrap();
        assert_eq!(params.id.as_str(), "C988d2509fdf5cdcbed39037c56406fB");
        assert_eq!(params.group.as_str(), "a.B-1");
    }

    #[test]
    fn what_is_wrong_has_its_kind() {
        assert_eq!(read("", "default"), Err(Kind::DecodeError));
        assert_eq!(read("a", ""), Err(Kind::InvalidGroup));
        for group in ["a b", "a/b", "ä", "a_b", "a\u{0}", &"x".repeat(254)] {
            assert_eq!(read("a", group), Err(Kind::InvalidGroup), "{group:?}");
        }
        for body in [
            &b""[..],
            b"{}",
            b"[]",
            b"null",
            b"[{\"id\":\"a\",\"group\":\"default\"}]",
            b"{\"client_params\":[\"a\",\"default\"]}",
            b"{\"client_params\":{\"id\":1}}",
            b"\xff",
        ] {
            assert_eq!(Params::read(body).unwrap_err().kind, Kind::DecodeError);
        }
    }
}

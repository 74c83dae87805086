//! What the OpenAPI document says beside what each handler says of itself: how one shows who one
//! is, the answers that every address has, and the lock API, whose handlers speak text.

use super::error::Problem;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

const SCHEMES: [&str; 3] = ["bearer", "basic", "certificate"];
const DOORS: &str = "Shows who asks: a bearer token, or name and password, or a client \
                     certificate. A server that has none of these in its configuration asks \
                     nobody.";

/// What a script sends to the lock API.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code)] // the document alone reads it: the handlers take forms of both kinds
pub(super) struct LockForm {
    /// The host's name, under which the slot is taken and given back.
    #[schema(min_length = 1, max_length = 253, pattern = "^[!-.0-~]{1,253}$")]
    hostname: String,
    /// Whether to wait for the slot, which is so when this is left out.
    wait: Option<bool>,
}

/// What a script sends to give its slot back.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code)] // as above
pub(super) struct UnlockForm {
    /// The host's name.
    #[schema(min_length = 1, max_length = 253, pattern = "^[!-.0-~]{1,253}$")]
    hostname: String,
}

/// Take a slot of the group `default`, for a shell script
///
/// Waits until the slot is there, unless `wait` is `false`. The form may come as
/// `multipart/form-data` too. Every answer is a line of text, but for those that turn somebody
/// away before the form is read.
#[utoipa::path(post, path = "/api/v1/lock",
    request_body(content = LockForm, content_type = "application/x-www-form-urlencoded"),
    responses(
    (status = 200, body = String, content_type = "text/plain", description = "it has the slot"),
    (status = 400, body = String, content_type = "text/plain", description = "no such form"),
    (status = 403, description = "not the node that it says it is",
        content((String = "text/plain"), (Problem = "application/json"))),
    (status = 404, body = String, content_type = "text/plain",
        description = "the group `default` is not configured"),
    (status = 409, body = String, content_type = "text/plain", description = "not now, and why"),
    (status = 500, body = String, content_type = "text/plain", description = "a broken record"),
    (status = 503, body = String, content_type = "text/plain",
        description = "the store does not answer"),
))]
#[allow(dead_code)] // the handler is in the lock API's own module
pub(super) fn lock() {}

/// Give the slot back; whoever holds none may say so too
///
/// The form may come as `multipart/form-data` too.
#[utoipa::path(post, path = "/api/v1/unlock",
    request_body(content = UnlockForm, content_type = "application/x-www-form-urlencoded"),
    responses(
    (status = 200, body = String, content_type = "text/plain", description = "it has none now"),
    (status = 400, body = String, content_type = "text/plain", description = "no such form"),
    (status = 403, description = "not the node that it says it is",
        content((String = "text/plain"), (Problem = "application/json"))),
    (status = 500, body = String, content_type = "text/plain", description = "a broken record"),
    (status = 503, body = String, content_type = "text/plain",
        description = "the store does not answer"),
))]
#[allow(dead_code)] // as above
pub(super) fn unlock() {}

/// Adds what all operations have in common. A server that asks nobody requires nothing.
pub(super) fn complete(document: &mut OpenApi, asks_who: bool) {
    let components = document.components.get_or_insert_default();
    for name in SCHEMES {
        components.add_security_scheme(name, scheme(name));
    }
    document.security = asks_who.then(|| {
        let alone = |name: &str| SecurityRequirement::new::<_, [&str; 0], &str>(name, []);
        SCHEMES.map(alone).to_vec()
    });
    for item in document.paths.paths.values_mut() {
        let looks = item.get.iter_mut().map(|operation| (operation, false));
        let changes = [&mut item.put, &mut item.post, &mut item.delete];
        let changes = changes.into_iter().flatten();
        let changes = changes.map(|operation| (operation, true));
        looks.chain(changes).for_each(|(operation, is_change)| {
            complete_one(operation, is_change);
        });
    }
}

fn scheme(name: &str) -> SecurityScheme {
    let mut http = match name {
        "bearer" => Http::new(HttpAuthScheme::Bearer),
        "basic" => Http::new(HttpAuthScheme::Basic),
        _ => {
            return SecurityScheme::MutualTls {
                description: Some(DOORS.to_owned()),
                deprecated: None,
                extensions: None,
            };
        }
    };
    http.description = Some(DOORS.to_owned());
    SecurityScheme::Http(http)
}

fn complete_one(operation: &mut Operation, is_change: bool) {
    let common = [
        ("401", "nothing that is known here shows who asks", true),
        ("403", "only an operator may do this", is_change),
        (
            "429",
            "too many requests: ask again after Retry-After",
            true,
        ),
        ("500", "a record that cannot be read, or a bug", true),
        ("503", "the store does not answer", true),
    ];
    let responses = &mut operation.responses.responses;
    for (status, what, _) in common.into_iter().filter(|(.., occurs)| *occurs) {
        let told = || RefOr::T(problem(what));
        responses.entry(status.to_owned()).or_insert_with(told);
    }
}

fn problem(what: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(what);
    response.content("application/json", content).build()
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;
    use serde_json::Value;
    use utoipa::OpenApi as _;

    fn document(asks_who: bool) -> Value {
        let mut document = Document::openapi();
        complete(&mut document, asks_who);
        serde_json::to_value(document).unwrap()
    }

    #[test]
    fn every_operation_tells_how_it_turns_somebody_away() {
        let document = document(true);
        let mut operations = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                let mut statuses = vec!["401", "429", "500", "503"];
                statuses.extend((method != "get").then_some("403"));
                for status in statuses {
                    assert!(responses.contains_key(status), "{method} {path}: {status}");
                }
                operations += 1;
            }
        }
        assert_eq!(operations, 20);
        assert!(document["components"]["schemas"]["Problem"].is_object());
    }

    #[test]
    fn whoever_is_asked_is_told_how_to_answer() {
        let asking = document(true);
        let required = asking["security"].as_array().unwrap();
        assert_eq!(required.len(), 3);
        let schemes = &asking["components"]["securitySchemes"];
        assert_eq!(schemes["bearer"]["scheme"], "bearer");
        assert_eq!(schemes["basic"]["scheme"], "basic");
        assert_eq!(schemes["certificate"]["type"], "mutualTLS");
        assert_eq!(document(false)["security"], Value::Null, "nobody is asked");
    }
}

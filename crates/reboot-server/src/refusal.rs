//! A refusal before any handler was reached, in the words of the interface that was asked.

use crate::doors::Why;
use crate::kind::Refused;
use crate::lock_api;
use axum::response::{IntoResponse, Response};

/// The answer to a request at this path: a text for scripts and people, JSON for all others.
pub(crate) fn answer(path: &str, refused: Refused) -> Response {
    if !lock_api::is_at(path) && !is_form_at(path) {
        return refused.into_response();
    }
    let mut response = lock_api::refusal(refused.clone()).into_response();
    Why::leave(&mut response, &refused);
    response
}

/// Whether a path is the target of a form of the page, whatever prefix it has.
fn is_form_at(path: &str) -> bool {
    let parent = path.rsplit_once('/');
    parent.is_some_and(|(parent, _)| parent.ends_with("/act"))
}

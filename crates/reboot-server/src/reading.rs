//! A request's body, within its limits.

use crate::kind::{Kind, Refused};
use crate::settings::Limits;
use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// So much of a body that is too long is read and thrown away, in bytes: a client that is still
/// sending when the connection is closed never sees why.
const DISCARDED_BYTES_MAX: u64 = 4 << 20;

/// Reads a body.
///
/// # Errors
/// `decode_error` when it is too long, too slow, or broken off.
pub(crate) async fn read_body(body: Body, limits: &Limits) -> Result<Vec<u8>, Refused> {
    if body.size_hint().lower() > DISCARDED_BYTES_MAX.max(limits.request_bytes as u64) {
        return Err(too_long(limits.request_bytes));
    }
    match timeout(limits.patience, collect(body, limits.request_bytes)).await {
        Ok(body) => body,
        Err(_) => {
            let secs = limits.patience.as_secs();
            let text = format!("the body did not arrive within {secs} s: send it at once");
            Err(Kind::DecodeError.because(text))
        }
    }
}

async fn collect(mut body: Body, max: usize) -> Result<Vec<u8>, Refused> {
    let (mut bytes, mut seen) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let text = format!("the body cannot be read ({error}): send it again");
            Kind::DecodeError.because(text)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen += data.len() as u64;
        // Longer than it may be: a body within its limit is read to its end.
        if seen > DISCARDED_BYTES_MAX.max(max as u64) {
            break;
        }
        if seen <= max as u64 {
            bytes.extend_from_slice(&data);
        }
    }
    match seen <= max as u64 {
        true => Ok(bytes),
        false => Err(too_long(max)),
    }
}

fn too_long(max: usize) -> Refused {
    let text = format!("the body is longer than {max} bytes: send what the protocol says");
    Kind::DecodeError.because(text)
}

//! The two requests of the FleetLock protocol.

use super::{BadOptions, Client, Options};
use crate::remote::call::{Answer, Call, Caller, Fault};
use bytes::Bytes;
use http::{Method, StatusCode};
use reboot_core::group::Refusal;
use reboot_core::write::Trouble;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

const TAKE: &str = "/v1/pre-reboot";
const GIVE: &str = "/v1/steady-state";
const PROTOCOL: (&str, &str) = ("fleet-lock-protocol", "true");
const CHECK_URL: &str = "check that the URL leads to a FleetLock server, its path included";

/// The server's slot.
pub(super) struct Lock {
    caller: Caller,
    body: Bytes,
    limit: Duration,
}

/// Why the server says no.
#[derive(Deserialize)]
struct Problem {
    kind: String,
    value: String,
}

// === impl Lock ===

impl Lock {
    pub(super) fn new(options: &Options, client: &Client) -> Result<Self, BadOptions> {
        let params = serde_json::json!({
            "client_params": {"id": client.id, "group": client.group}
        });
        Ok(Self {
            caller: Caller::new(options)?,
            body: Bytes::from(params.to_string()),
            limit: options.call_timeout,
        })
    }

    /// Takes the slot, or is sure that we have it. Nothing but a success of the server's is one.
    pub(super) async fn take(&self) -> Result<(), Trouble> {
        let answer = self.post(TAKE).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(match serde_json::from_slice::<Problem>(&answer.body) {
            Ok(problem) => Trouble::Refused(Refusal::LockedOut {
                by: self.to_string(),
                reason: format!("{} ({})", problem.value, problem.kind),
            }),
            Err(_) => self.stranger(&answer),
        })
    }

    /// Gives the slot back. A server answers those who have none with a success.
    pub(super) async fn give(&self) -> Result<(), Trouble> {
        let answer = self.post(GIVE).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(match serde_json::from_slice::<Problem>(&answer.body) {
            Ok(Problem { kind, value }) => {
                self.unavailable(&format!("it does not take the slot back: {value} ({kind})"))
            }
            Err(_) => self.stranger(&answer),
        })
    }

    /// Both requests may be repeated: the server knows who asks.
    async fn post(&self, path: &str) -> Result<Answer, Trouble> {
        let call = Call {
            method: Method::POST,
            path: path.to_owned(),
            body: self.body.clone(),
            mark: None,
            header: Some(PROTOCOL),
            is_safe: true,
            limit: self.limit,
        };
        let answered = self.caller.call(&call).await;
        let answer = answered.map_err(|fault| match fault {
            Fault::NotSent(cause) | Fault::Lost(cause) => self.unavailable(&cause),
        })?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.caller.look_again();
        }
        Ok(answer)
    }

    fn stranger(&self, answer: &Answer) -> Trouble {
        let status = answer.status;
        match &answer.location {
            Some(location) => self.unavailable(&format!(
                "it redirects to {location}; write the right URL, redirects are not followed"
            )),
            None => self.unavailable(&format!("it answers {status}; {CHECK_URL}")),
        }
    }

    fn unavailable(&self, cause: &str) -> Trouble {
        Trouble::Unavailable(format!("cannot use the FleetLock server {self}: {cause}"))
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.caller.target)
    }
}

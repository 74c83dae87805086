//! The two requests of the FleetLock protocol.

use super::{BadOptions, Client, Options};
use crate::remote::call::{Answer, Call, Caller, Fault};
use bytes::Bytes;
use http::{Method, StatusCode};
use reboot_core::group::Refusal;
use reboot_core::write::Trouble;
use serde::Deserialize;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const TAKE: &str = "/v1/pre-reboot";
const GIVE: &str = "/v1/steady-state";
const PROTOCOL: (&str, &str) = ("fleet-lock-protocol", "true");
const CHECK_URL: &str = "check that the URL leads to a FleetLock server, its path included";

/// The longest text of a server's that is passed on, in characters.
const WORDS_MAX: usize = 200;
/// For so long may a request without an answer still arrive, as far as anybody reckons.
const DOUBT: Duration = Duration::from_secs(30);

/// The server's slot.
pub(super) struct Lock {
    caller: Caller,
    body: Bytes,
    limit: Duration,
    /// Until when a request of ours may be under way that nobody waits for.
    doubt: Mutex<Option<Instant>>,
}

/// What became of the slot that was given back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Given {
    /// The server has it.
    Back,
    /// It did not take it, or an older request of ours may take it again.
    InDoubt,
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
            doubt: Mutex::default(),
        })
    }

    /// Takes the slot, or is sure that we have it. Other successes than 200 are none: there are
    /// servers that say 202 while they still move work away.
    pub(super) async fn take(&self) -> Result<(), Trouble> {
        if self.is_in_doubt() {
            let cause = "a request of ours is without an answer and may arrive late";
            return Err(self.unavailable(&format!("{cause}; it is asked again in half a minute")));
        }
        let answer = self.post(TAKE).await?;
        let locked_out = |reason: String| {
            let by = self.to_string();
            Err(Trouble::Refused(Refusal::LockedOut { by, reason }))
        };
        match answer.status {
            StatusCode::OK => Ok(()),
            StatusCode::LOCKED | StatusCode::CONFLICT => locked_out(words(&answer)),
            status if status.is_success() => {
                locked_out(format!("it answers {status}: it is not finished"))
            }
            _ => Err(self.stranger(&answer)),
        }
    }

    /// Gives the slot back. Most servers answer those who have none with a success, some that it
    /// is somebody else's.
    pub(super) async fn give(&self) -> Result<Given, Trouble> {
        let was_in_doubt = self.is_in_doubt();
        let answer = self.post(GIVE).await?;
        match answer.status {
            status if status.is_success() && !was_in_doubt => Ok(Given::Back),
            status if status.is_success() => Ok(Given::InDoubt),
            StatusCode::LOCKED | StatusCode::CONFLICT => Ok(Given::InDoubt),
            _ => Err(self.stranger(&answer)),
        }
    }

    fn is_in_doubt(&self) -> bool {
        let doubt = self.doubt.lock().unwrap_or_else(PoisonError::into_inner);
        doubt.is_some_and(|end| Instant::now() < end)
    }

    fn doubt(&self) {
        let mut doubt = self.doubt.lock().unwrap_or_else(PoisonError::into_inner);
        *doubt = Some(Instant::now() + DOUBT);
    }

    /// Both requests may be repeated: the server knows who asks. One that may still arrive is
    /// remembered.
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
            Fault::NotSent(cause) => self.unavailable(&cause),
            Fault::Lost(cause) => {
                self.doubt();
                self.unavailable(&cause)
            }
        })?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.caller.look_again();
        }
        Ok(answer)
    }

    fn stranger(&self, answer: &Answer) -> Trouble {
        let status = answer.status;
        if let Some(location) = &answer.location {
            return self.unavailable(&format!(
                "it redirects to {location}; write the right URL, redirects are not followed"
            ));
        }
        let check = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "check token_file, or username and password_file, and that they are this node's"
            }
            StatusCode::NOT_FOUND => "check url and group: the server knows no such group or path",
            status if status.is_server_error() => "see its log",
            _ => CHECK_URL,
        };
        let said = words(answer);
        self.unavailable(&format!("it answers {status}: {said}; {check}"))
    }

    fn unavailable(&self, cause: &str) -> Trouble {
        Trouble::Unavailable(format!("cannot use the FleetLock server {self}: {cause}"))
    }
}

/// The server's own words, as the protocol or as a line of text.
fn words(answer: &Answer) -> String {
    if let Ok(Problem { kind, value }) = serde_json::from_slice(&answer.body) {
        return format!("{value} ({kind})");
    }
    let text = String::from_utf8_lossy(&answer.body);
    let line = text.lines().next().unwrap_or_default().trim();
    match line.is_empty() || line.starts_with('<') {
        true => "no word of why".to_owned(),
        false => line.chars().take(WORDS_MAX).collect(),
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.caller.target)
    }
}

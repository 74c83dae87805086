//! What an answer means to the rules: granted, refused, did not happen, or nobody knows.

use super::call::{Answer, Fault};
use super::options::Target;
use crate::wire::Problem;
use http::StatusCode;
use reboot_core::fleet::Fleet;
use reboot_core::write::Trouble;
use serde::Serialize;
use serde::de::DeserializeOwned;

const CHECK_URL: &str = "check that the URL leads to `clusterrebootd serve`, its base_path \
                         included";

/// How the answers of one call are read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    /// Who answers.
    pub(super) target: &'a Target,
    /// Whether asking changes nothing.
    pub(super) is_safe: bool,
}

/// A question as text.
pub(super) fn to_json(question: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(question)
        .map_err(|error| Trouble::Unavailable(format!("the question cannot be written: {error}")))
}

/// What a server shows must keep the rules of what a store may hold.
pub(super) fn check(fleet: &Fleet) -> Result<(), Trouble> {
    for (name, entry) in &fleet.groups {
        let checked = entry.group.check();
        checked.map_err(|error| Trouble::Broken(format!("group {name}: {error}")))?;
    }
    Ok(())
}

// === impl Reading ===

impl Reading<'_> {
    /// What became of a call without an answer.
    pub(super) fn fault(&self, fault: Fault) -> Trouble {
        match fault {
            Fault::NotSent(cause) => self.unavailable(&cause),
            Fault::Lost(cause) => self.lost(&cause),
        }
    }

    /// Answers that say why there is none.
    pub(super) fn refuse(&self, answer: Answer) -> Result<Answer, Trouble> {
        if answer.status == StatusCode::OK || answer.status == StatusCode::NOT_MODIFIED {
            return Ok(answer);
        }
        let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
        let Some(problem) = problem else {
            return Err(self.stranger(&answer));
        };
        Err(match problem.trouble() {
            Some(Trouble::Unavailable(cause)) => self.unavailable(&cause),
            Some(trouble) => trouble,
            None => self.unavailable(&format!("{}: {}", problem.kind, problem.value)),
        })
    }

    /// An answer of the expected form.
    pub(super) fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, Trouble> {
        serde_json::from_slice(&answer.body)
            .map_err(|error| self.nonsense(&format!("its answer cannot be read ({error})")))
    }

    /// It answers, and not as we expect.
    pub(super) fn nonsense(&self, cause: &str) -> Trouble {
        self.lost(&format!(
            "{cause}; {CHECK_URL}, and that it is not older than this program"
        ))
    }

    /// Somebody between us and the server answers, or another program.
    fn stranger(&self, answer: &Answer) -> Trouble {
        let status = answer.status;
        if let Some(location) = &answer.location {
            let advice = "write the right URL, redirects are not followed";
            return self.unavailable(&format!("it redirects to {location}; {advice}"));
        }
        let cause = format!("it answers {status}; {CHECK_URL}");
        match status.is_server_error() {
            true => self.lost(&cause), // a proxy's word: the server may have got it
            false => self.unavailable(&cause),
        }
    }

    fn lost(&self, cause: &str) -> Trouble {
        match self.is_safe {
            true => self.unavailable(cause),
            false => Trouble::Unknown(format!("server {}: {cause}", self.target)),
        }
    }

    fn unavailable(&self, cause: &str) -> Trouble {
        Trouble::Unavailable(format!("cannot use the server {}: {cause}", self.target))
    }
}

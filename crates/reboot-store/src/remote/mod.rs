//! The store that a server of ours keeps: the client side of [`crate::wire`].
//!
//! Every call has a deadline. A write goes out a second time only where the first try surely did
//! not leave; where its answer is lost, that is [`Trouble::Unknown`]. A look that saw nothing new
//! costs no more than a mark; a wait for a change is a request that the server holds.

mod answer;
pub(crate) mod call;
mod connection;
mod memory;
pub(crate) mod options;
#[cfg(test)]
pub(crate) mod tests;

pub use options::{BadOptions, Options};

use crate::wire::{
    CHANGED_PATH, ChangedAnswer, ChangedQuestion, HISTORY_PATH, HistoryAnswer, LOOK_PATH,
    LookAnswer, VERSION, WRITE_PATH, WriteAnswer, WriteQuestion,
};
use crate::{Interest, Store};
use answer::Reading;
use async_trait::async_trait;
use bytes::Bytes;
use call::{Answer, Call, Caller};
use http::{Method, StatusCode};
use memory::Memory;
use reboot_core::fleet::Fleet;
use reboot_core::group::HistoryEntry;
use reboot_core::id::GroupName;
use reboot_core::write::{Trouble, Write, Written};
use std::time::Duration;

/// How much longer than it is held a wait may take, to and fro.
const GRACE: Duration = Duration::from_secs(5);

/// A fleet's state, kept by a server of ours.
pub struct RemoteStore {
    caller: Caller,
    call_timeout: Duration,
    hold: Duration,
    memory: Memory,
}

// === impl RemoteStore ===

impl RemoteStore {
    /// The store of the server at this URL. Nothing is asked yet; later calls want a tokio
    /// runtime with time and I/O enabled.
    ///
    /// # Errors
    /// When the options make no sense. Whether somebody listens is not looked at.
    pub fn new(options: &Options) -> Result<Self, BadOptions> {
        Ok(Self {
            caller: Caller::new(options)?,
            call_timeout: options.call_timeout,
            hold: options.hold,
            memory: Memory::default(),
        })
    }

    async fn post(&self, path: &str, body: Vec<u8>, is_safe: bool) -> Result<Answer, Trouble> {
        self.ask(Call {
            method: Method::POST,
            path: path.to_owned(),
            body: Bytes::from(body),
            mark: None,
            header: None,
            is_safe,
            limit: self.call_timeout,
        })
        .await
    }

    async fn ask(&self, call: Call) -> Result<Answer, Trouble> {
        let answered = self.caller.call(&call).await;
        let reading = self.reading(&call);
        let answer = answered.map_err(|fault| reading.fault(fault))?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.caller.look_again();
        }
        reading.refuse(answer)
    }

    fn reading(&self, call: &Call) -> Reading<'_> {
        Reading {
            target: &self.caller.target,
            is_safe: call.is_safe,
        }
    }
}

#[async_trait]
impl Store for RemoteStore {
    fn describe(&self) -> String {
        format!("server {}", self.caller.target)
    }

    async fn write(&self, write: Write) -> Result<Written, Trouble> {
        let question = answer::to_json(&WriteQuestion::new(write))?;
        let answer = self.post(WRITE_PATH, question, false).await?;
        let reading = Reading {
            target: &self.caller.target,
            is_safe: false,
        };
        let answer: WriteAnswer = reading.read(&answer)?;
        Ok(answer.written)
    }

    async fn look(&self) -> Result<Fleet, Trouble> {
        let call = Call {
            method: Method::GET,
            path: LOOK_PATH.to_owned(),
            body: Bytes::new(),
            mark: self.memory.mark(),
            header: None,
            is_safe: true,
            limit: self.call_timeout,
        };
        let (reading, asked) = (self.reading(&call), tokio::time::Instant::now());
        let had = call.mark.clone();
        let answer = self.ask(call).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return match had.and_then(|mark| self.memory.fleet(&mark)) {
                Some(fleet) => Ok(fleet),
                None => Err(reading.nonsense("it says that nothing is new to us")),
            };
        }
        let LookAnswer { mark, fleet, .. } = reading.read(&answer)?;
        answer::check(&fleet)?;
        self.memory.remember(mark, &fleet, asked);
        Ok(fleet)
    }

    async fn changed(&self, interest: &Interest, seen: u64) -> Result<(), Trouble> {
        loop {
            let question = ChangedQuestion {
                version: VERSION,
                interest: interest.clone(),
                seen,
                mark: self.memory.mark_of(seen),
                hold_secs: Some(self.hold.as_secs().max(1)),
            };
            let call = Call {
                method: Method::POST,
                path: CHANGED_PATH.to_owned(),
                body: Bytes::from(answer::to_json(&question)?),
                mark: None,
                header: None,
                is_safe: true,
                limit: self.hold + GRACE,
            };
            let reading = self.reading(&call);
            let answer = self.ask(call).await?;
            let answer: ChangedAnswer = reading.read(&answer)?;
            if answer.changed {
                return Ok(());
            }
        }
    }

    async fn history(&self, group: &GroupName, limit: usize) -> Result<Vec<HistoryEntry>, Trouble> {
        let call = Call {
            method: Method::GET,
            // A group's name needs no escapes.
            path: format!("{HISTORY_PATH}?group={group}&limit={limit}"),
            body: Bytes::new(),
            mark: None,
            header: None,
            is_safe: true,
            limit: self.call_timeout,
        };
        let reading = self.reading(&call);
        let answer = self.ask(call).await?;
        let answer: HistoryAnswer = reading.read(&answer)?;
        Ok(answer.history)
    }
}

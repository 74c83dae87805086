//! The operator, who mends what no program may decide: is a machine that does not come back gone
//! for good?

use super::place::Place;
use super::plan::Plan;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// How long the operator lets everybody see how things are before the next step.
const LOOK: Duration = Duration::from_secs(3);
/// What the operator found out about the machine.
const REASON: &str = "its power supply is dead";

/// How far the operator has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Watching,
    Called(Instant),
    Unlocked(Instant),
    Done,
}

/// What the operator does now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deed {
    /// Ends its hold.
    Unlock,
    /// Forgets its last word, which blocks everybody as long as it is stale.
    Forget,
}

/// The operator.
pub(super) struct Operator {
    node: String,
    program: PathBuf,
    config: PathBuf,
    step: Step,
}

// === impl Operator ===

impl Operator {
    /// An operator for the machine that will fail, sitting at another one where there is one.
    pub(super) fn new(plan: &Plan, place: &Place, program: &Path) -> Option<Self> {
        let node = plan.fails.clone()?;
        let seat = plan.names.iter().find(|name| **name != node);
        let config = place.files(seat.unwrap_or(&node)).config();
        let program = program.to_owned();
        Some(Self {
            node,
            program,
            config,
            step: Step::Watching,
        })
    }

    /// The machine.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Takes note that the machine is overdue; whether that is news.
    pub(super) fn call(&mut self, now: Instant) -> bool {
        let is_news = self.step == Step::Watching;
        if is_news {
            self.step = Step::Called(now);
        }
        is_news
    }

    /// What to do now, if it is time for anything.
    pub(super) fn next(&mut self, now: Instant) -> Option<Deed> {
        let (step, deed) = match self.step {
            Step::Called(since) if now >= since + LOOK => (Step::Unlocked(now), Deed::Unlock),
            Step::Unlocked(since) if now >= since + LOOK => (Step::Done, Deed::Forget),
            Step::Watching | Step::Called(_) | Step::Unlocked(_) | Step::Done => return None,
        };
        self.step = step;
        Some(deed)
    }

    /// Whether there is nothing left to mend.
    pub(super) fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// How an operator types it, for those who want to do the same; on two lines, for terminals
    /// are narrow.
    pub(super) fn line(&self, deed: Deed) -> String {
        let line = typed(&self.words(deed));
        let line = line.replacen(" --config ", " \\\n      --config ", 1);
        format!("  $ {line}")
    }

    /// Does it, by the command that an operator would run; returns what that said.
    ///
    /// # Errors
    /// When it fails: why.
    pub(super) async fn perform(&self, deed: Deed) -> Result<String> {
        let words = self.words(deed);
        let mut command = Command::new(&self.program);
        command.args(&words).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{}: {}: {}", typed(&words), output.status, said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn words(&self, deed: Deed) -> Vec<String> {
        let words: &[&str] = match deed {
            Deed::Unlock => &["lock", "unlock", &self.node, "--reason", REASON, "--yes"],
            Deed::Forget => &["fleet", "forget", &self.node, "--yes"],
        };
        let config = self.config.display().to_string();
        let config = ["--config".to_owned(), config];
        words
            .iter()
            .map(|word| (*word).to_owned())
            .chain(config)
            .collect()
    }
}

/// A command line as a person would type it.
fn typed(words: &[String]) -> String {
    let quoted = words.iter().map(|word| match word.contains(' ') {
        true => format!("\"{word}\""),
        false => word.clone(),
    });
    let words: Vec<String> = quoted.collect();
    format!("clusterrebootd {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator() -> Operator {
        Operator {
            node: "node-2".to_owned(),
            program: PathBuf::new(),
            config: PathBuf::from("/tmp/demo/node-1/config.yaml"),
            step: Step::Watching,
        }
    }

    #[test]
    fn an_operator_acts_only_when_called_and_in_order() {
        let (mut operator, now) = (operator(), Instant::now());
        assert_eq!(operator.next(now), None);
        assert!(operator.call(now) && !operator.call(now));
        assert_eq!(operator.next(now), None, "everybody shall see it first");
        assert_eq!(operator.next(now + LOOK), Some(Deed::Unlock));
        assert_eq!(operator.next(now + LOOK), None);
        assert_eq!(operator.next(now + 2 * LOOK), Some(Deed::Forget));
        assert!(operator.is_done() && operator.next(now + 3 * LOOK).is_none());
    }

    #[test]
    fn what_it_runs_is_a_command_line_of_this_program() {
        for deed in [Deed::Unlock, Deed::Forget] {
            let program = ["clusterrebootd".to_owned()].into_iter();
            let words = program.chain(operator().words(deed)).map(Into::into);
            assert!(
                crate::cli::parse(words.collect::<Vec<_>>()).is_ok(),
                "{deed:?}"
            );
        }
    }
}

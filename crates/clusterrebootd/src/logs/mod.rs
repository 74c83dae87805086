//! Logs: one line an event on stderr, as JSON for programs or as text for people.
//!
//! The writer is our own: a line has exactly the fields of the contract, costs no registry of
//! spans, and a stderr that cannot be written never disturbs the daemon.

mod event;
mod text;

pub use event::Event;

pub use crate::config::{LogFormat, LogLevel};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The fields of an event.
pub type Fields = Map<String, Value>;

/// How many subjects are remembered, so that what has not changed is not logged again.
const SUBJECTS_MAX: usize = 20_000;

/// Where events go; clones share it.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    node: String,
    shape: Shape,
    level: LogLevel,
    now: fn() -> Timestamp,
    output: Mutex<Output>,
}

struct Output {
    writer: Box<dyn Write + Send>,
    /// A digest of what was last said about a subject.
    said: HashMap<(Event, String), u64>,
}

/// The shape a line really has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    Json,
    Text { colour: bool },
}

/// A line, in the order of the contract.
#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    level: &'static str,
    node: &'a str,
    component: &'static str,
    event: &'static str,
    message: &'a str,
    fields: &'a Fields,
}

// === impl Log ===

impl Log {
    /// Logs to stderr. `auto` means text on a terminal and JSON elsewhere.
    pub fn to_stderr(node: &str, format: LogFormat, level: LogLevel) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let colour = is_terminal && !crate::console::is_colour_unwanted();
        let shape = match format {
            LogFormat::Text => Shape::Text { colour },
            LogFormat::Auto if is_terminal => Shape::Text { colour },
            LogFormat::Json | LogFormat::Auto => Shape::Json,
        };
        Self::new(
            node,
            shape,
            level,
            Timestamp::now,
            Box::new(std::io::stderr()),
        )
    }

    /// Logs JSON to a writer, with a clock of the caller's: for tests and simulations.
    pub fn to_writer(
        node: &str,
        level: LogLevel,
        now: fn() -> Timestamp,
        writer: Box<dyn Write + Send>,
    ) -> Self {
        Self::new(node, Shape::Json, level, now, writer)
    }

    fn new(
        node: &str,
        shape: Shape,
        level: LogLevel,
        now: fn() -> Timestamp,
        writer: Box<dyn Write + Send>,
    ) -> Self {
        let output = Mutex::new(Output {
            writer,
            said: HashMap::new(),
        });
        Self {
            shared: Arc::new(Shared {
                node: node.to_owned(),
                shape,
                level,
                now,
                output,
            }),
        }
    }

    /// Whether events of this level are logged: lets callers spare the work for those that are not.
    pub fn is_logged(&self, level: LogLevel) -> bool {
        level <= self.shared.level
    }

    /// Logs an event.
    pub fn event(&self, event: Event, level: LogLevel, message: &str, fields: Fields) {
        if self.is_logged(level) {
            let line = self.line(event, level, message, &fields);
            write(&mut self.output(), &line);
        }
    }

    /// Logs an event about a subject (a peer, the outcome), unless the very same was said of it
    /// last. Returns whether it was news.
    pub fn event_if_new(
        &self,
        event: Event,
        subject: &str,
        level: LogLevel,
        message: &str,
        fields: Fields,
    ) -> bool {
        let digest = digest(level, message, &fields);
        let mut output = self.output();
        let key = (event, subject.to_owned());
        if output.said.get(&key) == Some(&digest) {
            return false;
        }
        if output.said.len() >= SUBJECTS_MAX {
            // Rather a few lines twice than memory without bound.
            output.said.clear();
        }
        output.said.insert(key, digest);
        if self.is_logged(level) {
            let line = self.line(event, level, message, &fields);
            write(&mut output, &line);
        }
        true
    }

    /// Forgets what was said of a subject that is gone, so that its return is news.
    pub fn forget(&self, event: Event, subject: &str) {
        self.output().said.remove(&(event, subject.to_owned()));
    }

    fn line(&self, event: Event, level: LogLevel, message: &str, fields: &Fields) -> String {
        let ts = (self.shared.now)();
        if let Shape::Text { colour } = self.shared.shape {
            return text::line(ts, event, level, message, fields, colour);
        }
        let line = Line {
            ts: format!("{ts:.3}"),
            level: level.as_str(),
            node: &self.shared.node,
            component: event.component(),
            event: event.name(),
            message,
            fields,
        };
        // Strings and JSON values always have a JSON form.
        let mut line = serde_json::to_string(&line).unwrap_or_default();
        line.push('\n');
        line
    }

    /// A writer that panicked elsewhere leaves at worst half a line behind: go on with it.
    fn output(&self) -> MutexGuard<'_, Output> {
        self.shared
            .output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A whole line in one write, so that lines of several processes do not mix. There is nowhere to
/// report that it failed.
fn write(output: &mut Output, line: &str) {
    let _ = output.writer.write_all(line.as_bytes());
    let _ = output.writer.flush();
}

fn digest(level: LogLevel, message: &str, fields: &Fields) -> u64 {
    let mut hasher = DefaultHasher::new();
    (level.as_str(), message).hash(&mut hasher);
    for (name, value) in fields {
        (name, value.to_string()).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn at() -> Timestamp {
        "2026-03-07T11:45:12.123456Z".parse().unwrap()
    }

    fn log(shape: Shape) -> (Log, Page) {
        let page = Page::default();
        (
            Log::new("node-a", shape, LogLevel::Info, at, Box::new(page.clone())),
            page,
        )
    }

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_line_is_exactly_the_contract() {
        let (log, page) = log(Shape::Json);
        let about = fields(json!({"status": "ready", "blockers": []}));
        log.event(Event::RunOutcome, LogLevel::Info, "go\n\"now\"", about);
        assert_eq!(
            page.text(),
            "{\"ts\":\"2026-03-07T11:45:12.123Z\",\"level\":\"info\",\"node\":\"node-a\",\
             \"component\":\"orchestrator\",\"event\":\"run_outcome\",\
             \"message\":\"go\\n\\\"now\\\"\",\"fields\":{\"blockers\":[],\"status\":\"ready\"}}\n"
        );
    }

    #[test]
    fn less_important_events_are_left_out() {
        let (log, page) = log(Shape::Json);
        log.event(Event::LockAttempt, LogLevel::Debug, "no", Fields::new());
        assert!(!log.is_logged(LogLevel::Debug) && page.text().is_empty());
        log.event(Event::LockAttempt, LogLevel::Error, "yes", Fields::new());
        assert_eq!(page.text().lines().count(), 1);
    }

    #[test]
    fn what_has_not_changed_is_said_once() {
        let (log, page) = log(Shape::Json);
        let say = |peer: &str, message: &str| {
            log.event_if_new(
                Event::ClusterPeerStatus,
                peer,
                LogLevel::Info,
                message,
                Fields::new(),
            )
        };
        assert!(say("a", "healthy") && say("b", "healthy"));
        assert!(!say("a", "healthy") && !say("b", "healthy"));
        assert!(say("a", "unhealthy") && say("a", "healthy"));
        log.forget(Event::ClusterPeerStatus, "b");
        assert!(say("b", "healthy"), "its return is news");
        assert_eq!(page.text().lines().count(), 5);
    }

    #[test]
    fn text_is_one_line_an_event_whatever_it_holds() {
        let (log, page) = log(Shape::Text { colour: false });
        let about = fields(json!({"codes": [1], "name": "a b", "node": "x", "out": "1\n2"}));
        log.event(
            Event::LockFailed,
            LogLevel::Warn,
            "no\nslot\u{1b}[31m",
            about,
        );
        assert_eq!(
            page.text(),
            "2026-03-07T11:45:12Z WARN  lock_failed: no\\nslot\\u{1b}[31m \
             codes=[1] name=\"a b\" node=x out=\"1\\n2\"\n"
        );
    }

    #[test]
    fn a_writer_that_fails_disturbs_nobody() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        }
        let log = Log::to_writer("node-a", LogLevel::Info, at, Box::new(Broken));
        log.event(Event::RunOutcome, LogLevel::Info, "lost", Fields::new());
        assert!(log.event_if_new(
            Event::RunOutcome,
            "self",
            LogLevel::Info,
            "lost",
            Fields::new()
        ));
    }
}

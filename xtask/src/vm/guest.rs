//! The test's own line into a machine: scripts in, their output back, and word of each boot.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, bail, ensure};

use super::diary::{Boot, Diary, Event};
use super::wait::{self, PATIENCE};

/// More answers than anybody leaves unread.
const ANSWERS: usize = 64;

/// The line to one machine, for as long as its emulator runs.
pub(super) struct Guest {
    line: UnixStream,
    answers: Receiver<Answer>,
    asked: u64,
}

/// What a script said.
struct Answer {
    number: u64,
    code: i32,
    output: String,
}

// === impl Guest ===

impl Guest {
    /// Connects to the machine's emulator; what the machine tells by itself goes into the diary.
    ///
    /// # Errors
    /// When the emulator makes no socket there.
    pub(super) fn connect(socket: &Path, machine: &str, diary: &Diary) -> anyhow::Result<Self> {
        let line = connect(socket)?;
        let reader = BufReader::new(line.try_clone()?);
        let (sender, answers) = sync_channel(ANSWERS);
        let (machine, diary) = (machine.to_owned(), diary.clone());
        thread::spawn(move || listen(reader, &machine, &diary, &sender));
        let asked = 0;
        Ok(Self {
            line,
            answers,
            asked,
        })
    }

    /// Runs a script as root, and returns what it printed.
    ///
    /// # Errors
    /// When it fails, or the machine goes away meanwhile.
    pub(super) fn run(&mut self, script: &str) -> anyhow::Result<String> {
        match self.answer(script)? {
            Answer {
                code: 0, output, ..
            } => Ok(output),
            Answer { code, output, .. } => bail!("exit code {code} of `{script}`: {output}"),
        }
    }

    /// Whether the script exits with 0.
    ///
    /// # Errors
    /// When the machine goes away meanwhile.
    pub(super) fn holds(&mut self, script: &str) -> anyhow::Result<bool> {
        Ok(self.answer(script)?.code == 0)
    }

    fn answer(&mut self, script: &str) -> anyhow::Result<Answer> {
        self.asked += 1;
        let request = format!("{} {}\n", self.asked, encoded(script)?);
        self.line.write_all(request.as_bytes())?;
        loop {
            match self.answers.recv_timeout(PATIENCE) {
                Ok(answer) if answer.number == self.asked => return Ok(answer),
                Ok(_) => {} // of a script that nobody waited for to its end
                Err(RecvTimeoutError::Timeout) => bail!("no answer to `{script}`"),
                Err(RecvTimeoutError::Disconnected) => bail!("the machine lost power"),
            }
        }
    }
}

/// Connects as soon as the emulator has made the socket.
///
/// # Errors
/// When it makes none.
pub(super) fn connect(socket: &Path) -> anyhow::Result<UnixStream> {
    let what = format!("the emulator listens at {}", socket.display());
    wait::until(&what, || Ok(UnixStream::connect(socket).ok()))
}

fn listen(reader: impl BufRead, machine: &str, diary: &Diary, answers: &SyncSender<Answer>) {
    for line in reader.lines().map_while(Result::ok) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["up", boot] => diary.note(machine, Event::Up(Boot(boot.to_owned()))),
            ["down", boot] => diary.note(machine, Event::Down(Boot(boot.to_owned()))),
            [number, code, output] => {
                let answer = answer(number, code, output);
                if answer.is_none_or(|answer| answers.send(answer).is_err()) {
                    return;
                }
            }
            _ => {} // the end of a line that a reset cut off
        }
    }
}

fn answer(number: &str, code: &str, output: &str) -> Option<Answer> {
    Some(Answer {
        number: number.parse().ok()?,
        code: code.parse().ok()?,
        output: decoded(output).ok()?,
    })
}

fn encoded(text: &str) -> anyhow::Result<String> {
    through("base64", &["--wrap=0"], text)
}

fn decoded(text: &str) -> anyhow::Result<String> {
    through("base64", &["--decode"], text)
}

/// What the program makes of the text.
fn through(program: &str, arguments: &[&str], text: &str) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}: install coreutils"))?;
    let mut input = child.stdin.take().context("it takes no input")?;
    let text = text.to_owned();
    let feeder = thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    let is_fed = feeder.join().is_ok_and(|it| it.is_ok());
    ensure!(is_fed && output.status.success(), "{program} failed");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A script that writes the text into a file of this mode.
pub(super) fn file(path: &str, mode: &str, text: &str) -> String {
    let mut script = format!("cat > {path} <<'END-OF-FILE'\n{text}");
    if !text.ends_with('\n') {
        script.push('\n');
    }
    let _ = writeln!(script, "END-OF-FILE\nchmod {mode} {path}");
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn what_a_machine_says_is_told_apart() {
        let said = "up 1+0\n1 7 aGVsbG8=\nhalf a\nline of some kind\ndown 1+0\n";
        let (sender, answers) = sync_channel(ANSWERS);
        let diary = Diary::new();
        listen(Cursor::new(said), "a", &diary, &sender);
        let answer = answers.recv().unwrap();
        assert_eq!(
            (answer.number, answer.code, answer.output.as_str()),
            (1, 7, "hello")
        );
        let events: Vec<Event> = diary.entries().into_iter().map(|it| it.event).collect();
        let boot = Boot("1+0".to_owned());
        assert_eq!(events, [Event::Up(boot.clone()), Event::Down(boot)]);
    }

    #[test]
    fn texts_come_back_as_they_went() {
        let text = "echo \"a $b\"\n\n'ü'\n";
        assert_eq!(decoded(&encoded(text).unwrap()).unwrap(), text);
    }
}

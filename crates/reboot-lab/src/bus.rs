//! A real message bus of D-Bus on a socket of its own, for stand-ins of system services.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::LabError;
use crate::spawn;

const PROGRAM: &str = "dbus-daemon";
/// Everybody may own every name and call everybody.
const CONFIG: &str = r#"<busconfig>
  <listen>unix:dir=DIRECTORY</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>"#;

/// A message bus. It ends with this value, and with this process at the latest.
#[derive(Debug)]
pub struct Bus {
    daemon: Child,
    address: String,
    _directory: TempDir,
}

// === impl Bus ===

impl Bus {
    /// Starts one that nobody is on yet.
    ///
    /// # Errors
    /// [`LabError::Missing`] where the program is not there, [`LabError::Io`] where its socket
    /// cannot be.
    pub fn start() -> Result<Self, LabError> {
        let directory = tempfile::tempdir()?;
        let config = directory.path().join("bus.conf");
        let text = CONFIG.replace("DIRECTORY", &directory.path().to_string_lossy());
        fs::write(&config, text)?;
        let mut command = spawn::bound_command(PROGRAM);
        command
            .arg(format!("--config-file={}", config.display()))
            .args(["--print-address", "--nofork", "--nopidfile"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut daemon = spawn::spawn(command).map_err(missing)?;
        let mut address = String::new();
        if let Some(said) = daemon.stdout.take() {
            BufReader::new(said).read_line(&mut address)?;
        }
        let bus = Self {
            daemon,
            address: address.trim().to_owned(),
            _directory: directory,
        };
        match bus.address.is_empty() {
            true => Err(missing(io::Error::other("it told no address"))),
            false => Ok(bus),
        }
    }

    /// Where it listens, as D-Bus writes addresses.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it, whatever is under way on it.
    pub fn end(&mut self) {
        let _ = self.daemon.kill(); // it may have ended by itself
        let _ = self.daemon.wait();
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.end();
    }
}

fn missing(cause: io::Error) -> LabError {
    LabError::Missing {
        program: PROGRAM.to_owned(),
        package: "dbus-daemon",
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn it_listens_until_it_ends() {
        let mut bus = Bus::start().unwrap();
        let path = bus.address().strip_prefix("unix:path=").unwrap();
        let path = path.split(',').next().unwrap().to_owned();
        UnixStream::connect(&path).unwrap();
        bus.end();
        UnixStream::connect(&path).unwrap_err();
    }
}

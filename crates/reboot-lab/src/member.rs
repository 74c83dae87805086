//! One etcd process, its addresses and its data.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{LabError, ports, spawn};

const LOG_SHOWN: u64 = 3000;

/// One etcd process, killed when dropped.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) client: SocketAddr,
    pub(crate) peer: SocketAddr,
    /// Where other members find it: mostly straight.
    pub(crate) front: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) data: PathBuf,
    log: PathBuf,
    pub(crate) program: String,
    arguments: Vec<String>,
    child: Option<Child>,
}

// === impl Member ===

impl Member {
    /// A member that does not run yet, at free ports.
    pub(crate) fn new(
        index: usize,
        address: IpAddr,
        folder: &std::path::Path,
        program: &str,
    ) -> io::Result<Self> {
        let name = format!("member-{index}");
        let free = || ports::free(address).map(|port| SocketAddr::new(address, port));
        let peer = free()?;
        Ok(Self {
            client: free()?,
            peer,
            front: peer,
            metrics: free()?,
            data: folder.join(&name),
            log: folder.join(format!("{name}.log")),
            name,
            program: program.to_owned(),
            arguments: Vec::new(),
            child: None,
        })
    }

    /// Starts it, and remembers how for the next time.
    pub(crate) fn start(&mut self, arguments: Vec<String>) -> Result<(), LabError> {
        self.arguments = arguments;
        self.start_again()
    }

    /// Starts it with the data it has.
    pub(crate) fn start_again(&mut self) -> Result<(), LabError> {
        self.kill();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut command = spawn::bound_command(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        // Only what the arguments say.
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        let child = spawn::spawn(command).map_err(|cause| LabError::Missing {
            program: "setpriv".to_owned(),
            package: "util-linux",
            cause,
        })?;
        self.child = Some(child);
        Ok(())
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that is gone already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it as an operator would, and waits until it is gone.
    pub(crate) fn terminate(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(child) = &self.child else {
            return Err(io::Error::other(format!("{} does not run", self.name)));
        };
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }

    /// Whether it was started and ended by itself.
    pub(crate) fn has_ended(&mut self) -> io::Result<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_some()),
            None => Ok(false),
        }
    }

    pub(crate) fn is_started(&self) -> bool {
        self.child.is_some()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        let read = || -> io::Result<String> {
            let log = File::open(&self.log)?;
            let length = log.metadata()?.len();
            let shown = length.min(LOG_SHOWN);
            let mut text = vec![0; usize::try_from(shown).map_err(io::Error::other)?];
            log.read_exact_at(&mut text, length - shown)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        };
        read().unwrap_or_else(|error| format!("no log: {error}"))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

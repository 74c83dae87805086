//! Which boot this is, on which machine, with which kernel.

use crate::error::HostError;
use crate::process::{Finished, Invocation, run};
use reboot_core::boot::BootIdentity;
use reboot_core::id::MachineId;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

/// How long systemd may take to answer.
const SYSTEMCTL_TIMEOUT: Duration = Duration::from_secs(2);

/// More than any of the files here has, in bytes.
const LINE_BYTES_MAX: u64 = 256;

/// Reads the kernel's boot id, `/proc/sys/kernel/random/boot_id` on a real machine. The count of
/// soft reboots is left unknown.
///
/// # Errors
/// When the file cannot be read or its first line is not an id.
pub fn read_identity(path: &Path) -> Result<BootIdentity, HostError> {
    let line = first_line(path)?;
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if line.is_empty() || !line.chars().all(is_id) {
        return Err(HostError::Broken {
            path: path.to_owned(),
            cause: format!("its first line is not a boot id: {line:?}"),
            todo: "name the file in which the kernel gives it, /proc/sys/kernel/random/boot_id",
        });
    }
    Ok(BootIdentity::of_boot(line))
}

/// Reads the machine's id, see machine-id(5).
///
/// # Errors
/// When the file cannot be read or its first line is not an id (an image not yet booted says
/// `uninitialized`).
pub fn machine_id(path: &Path) -> Result<MachineId, HostError> {
    let line = first_line(path)?;
    let broken = |cause: String| HostError::Broken {
        path: path.to_owned(),
        cause,
        todo: "create it with systemd-machine-id-setup, different on every machine",
    };
    if line == "uninitialized" {
        return Err(broken("the machine has no id yet".to_owned()));
    }
    MachineId::new(line).map_err(|bad| broken(bad.to_string()))
}

/// The running kernel's release, as `uname -r` says it.
///
/// # Errors
/// When the kernel does not tell.
pub fn kernel_release() -> Result<String, HostError> {
    let names = nix::sys::utsname::uname()
        .map_err(|error| HostError::read(Path::new("uname(2)"), error.into()))?;
    Ok(names.release().to_string_lossy().into_owned())
}

/// How often systemd has restarted user space without the kernel since the boot, asked with
/// `systemctl`. `None` where it does not tell: no systemd, an older one, no answer within 2 s.
pub async fn soft_reboots() -> Option<u64> {
    let argv = ["systemctl", "show", "-p", "SoftRebootsCount", "--value"];
    let argv = argv.map(str::to_owned);
    let asked = run(Invocation {
        argv: &argv,
        env: &[],
        timeout: Some(SYSTEMCTL_TIMEOUT),
    });
    count_of(&asked.await)
}

fn count_of(finished: &Finished) -> Option<u64> {
    match finished.is_success() {
        true => finished.output.trim().parse().ok(),
        false => None,
    }
}

fn first_line(path: &Path) -> Result<String, HostError> {
    let read = || -> io::Result<String> {
        let mut line = Vec::new();
        BufReader::new(File::open(path)?.take(LINE_BYTES_MAX)).read_until(b'\n', &mut line)?;
        // Cut off, two ids that differ at their ends would pass for one.
        if line.len() as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n") {
            let cause = format!("its first line has {LINE_BYTES_MAX} bytes or more, no id does");
            return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
        }
        let line = String::from_utf8(line)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(line.trim().to_owned())
    };
    read().map_err(|error| HostError::read(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Exit;
    use std::fs;

    #[test]
    fn the_kernel_s_own_file_is_an_identity() {
        let path = Path::new("/proc/sys/kernel/random/boot_id");
        let identity = read_identity(path).unwrap();
        assert_eq!(identity.boot_id.len(), 36);
        assert_eq!(identity, read_identity(path).unwrap());
    }

    #[test]
    fn a_machine_of_a_demonstration_has_its_own_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "boot-7\nnotes\n").unwrap();
        let identity = read_identity(file.path()).unwrap();
        assert_eq!(identity, BootIdentity::of_boot("boot-7"));
    }

    #[test]
    fn a_broken_file_is_refused_with_its_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "\n", "two words\n"] {
            fs::write(file.path(), text).unwrap();
            let error = read_identity(file.path()).unwrap_err();
            assert_eq!(error.kind(), "broken");
            assert!(error.to_string().contains(&*file.path().to_string_lossy()));
        }
        let missing = read_identity(Path::new("/nonexistent/boot_id")).unwrap_err();
        assert!(
            missing.to_string().ends_with("check that it exists"),
            "{missing}"
        );
    }

    #[test]
    fn an_id_that_is_too_long_is_refused_not_cut() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for end in ["1", "2\n"] {
            fs::write(file.path(), "a".repeat(255) + end).unwrap();
            let error = read_identity(file.path()).unwrap_err().to_string();
            assert!(error.contains("256 bytes or more"), "{error}");
            assert!(machine_id(file.path()).is_err());
        }
        fs::write(file.path(), "a".repeat(255) + "\n").unwrap();
        assert_eq!(read_identity(file.path()).unwrap().boot_id.len(), 255);
    }

    #[test]
    fn a_machine_without_an_id_yet_is_told_how_to_get_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "uninitialized\n"] {
            fs::write(file.path(), text).unwrap();
            let error = machine_id(file.path()).unwrap_err().to_string();
            assert!(error.contains("systemd-machine-id-setup"), "{error}");
        }
        fs::write(file.path(), "0123456789abcdef0123456789abcdef\n").unwrap();
        let id = machine_id(file.path()).unwrap();
        assert_eq!(id.as_str(), "0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn the_kernel_has_a_release() {
        let path = "/proc/sys/kernel/osrelease";
        assert_eq!(
            kernel_release().unwrap(),
            fs::read_to_string(path).unwrap().trim()
        );
    }

    #[test]
    fn only_a_number_is_a_count() {
        let said = |exit, output: &str| Finished {
            exit,
            output: output.to_owned(),
            dropped_bytes: 0,
            duration: Duration::ZERO,
            timeout: None,
        };
        assert_eq!(count_of(&said(Exit::Code(0), "3\n")), Some(3));
        assert_eq!(count_of(&said(Exit::Code(0), "\n")), None);
        assert_eq!(count_of(&said(Exit::Code(1), "3\n")), None);
        assert_eq!(count_of(&said(Exit::TimedOut, "")), None);
    }
}

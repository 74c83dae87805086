//! Programs that the build, the tests and the virtual machines need, and how to get them.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// A program and the Debian packages that bring it.
pub(crate) struct Need {
    pub(crate) program: &'static str,
    pub(crate) packages: &'static [&'static str],
    pub(crate) why: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        program: "cc",
        packages: &["gcc", "libc6-dev"],
        why: "compiles SQLite",
    },
    Need {
        program: "git",
        packages: &["git"],
        why: "tells which files belong to the tree",
    },
    Need {
        program: "dbus-daemon",
        packages: &["dbus"],
        why: "carries a pretended logind",
    },
    Need {
        program: "strace",
        packages: &["strace"],
        why: "records a store's writes for the crash tests, and makes them fail",
    },
    Need {
        program: "mount",
        packages: &["mount"],
        why: "makes small and read-only file systems",
    },
    Need {
        program: "setsid",
        packages: &["util-linux"],
        why: "starts what escapes its group",
    },
    Need {
        program: "etcd",
        packages: &["etcd-server"],
        why: "is the real store of a fleet on etcd",
    },
    Need {
        program: "etcdctl",
        packages: &["etcd-client"],
        why: "does to etcd what its operators do",
    },
    Need {
        program: "setpriv",
        packages: &["util-linux"],
        why: "has the kernel end what a test started when the test is gone",
    },
    Need {
        program: "chromium",
        packages: &["chromium"],
        why: "shows the dashboard as people see it",
    },
    Need {
        program: "node",
        packages: &["nodejs"],
        why: "looks at the dashboard through the browser",
    },
    Need {
        program: "npm",
        packages: &["npm"],
        why: "installs the accessibility rules that the dashboard is judged by",
    },
    Need {
        program: "faketime",
        packages: &["faketime"],
        why: "bends the clock of a running daemon",
    },
    Need {
        program: "pip3",
        packages: &["python3-pip"],
        why: "installs the tester that reads the server's OpenAPI document",
    },
    Need {
        program: "curl",
        packages: &["curl"],
        why: "asks the server as the documentation has people ask it",
    },
    Need {
        program: "sqlite3",
        packages: &["sqlite3"],
        why: "looks into the embedded store, as the documentation has people look",
    },
    Need {
        program: "promtool",
        packages: &["prometheus"],
        why: "tries the alert rules",
    },
    Need {
        program: "nginx",
        packages: &["nginx-light"],
        why: "stands in front of the server, as our example has it",
    },
    Need {
        program: "systemd-analyze",
        packages: &["systemd"],
        why: "reads the units",
    },
    Need {
        program: "shellcheck",
        packages: &["shellcheck"],
        why: "reads the example health scripts",
    },
    Need {
        program: "make",
        packages: &["make"],
        why: "has thin names for what the house does",
    },
    Need {
        program: "openssl",
        packages: &["openssl"],
        why: "signs check sums, and verifies them",
    },
    Need {
        program: "minisign",
        packages: &["minisign"],
        why: "likewise",
    },
    Need {
        program: "script",
        packages: &["bsdutils"],
        why: "gives the binary a terminal",
    },
];

/// Cargo's own parts that some distributions ship on their own.
const COMPONENTS: &[(&str, &str)] = &[("fmt", "rustfmt"), ("clippy", "clippy")];

/// Makes sure that everything is there that the tests need.
///
/// # Errors
/// As for [`provide`], and when a part of cargo is missing.
pub(crate) fn ensure() -> anyhow::Result<()> {
    check_components()?;
    provide(NEEDS)
}

/// Makes sure that every needed program is there; on Debian and its kin, installs what is not.
///
/// # Errors
/// Names every program that is missing, why it is needed and what to do.
pub(crate) fn provide(needs: &'static [Need]) -> anyhow::Result<()> {
    let missing = missing(needs, is_there);
    if missing.is_empty() {
        return Ok(());
    }
    if !is_there("apt-get") {
        bail!(
            "missing programs: {}. Install them and run this again",
            describe(&missing)
        );
    }
    println!("=== installing what is missing: {} ===", describe(&missing));
    install(&missing)?;
    let still = self::missing(needs, is_there);
    if !still.is_empty() {
        bail!(
            "apt-get ran, but these are still missing: {}",
            describe(&still)
        );
    }
    Ok(())
}

fn missing(needs: &'static [Need], is_there: impl Fn(&str) -> bool) -> Vec<&'static Need> {
    needs
        .iter()
        .filter(|need| !is_there(need.program))
        .collect()
}

fn describe(needs: &[&Need]) -> String {
    let named: Vec<_> = needs
        .iter()
        .map(|need| format!("{} ({})", need.program, need.why))
        .collect();
    named.join(", ")
}

fn packages(needs: &[&'static Need]) -> Vec<&'static str> {
    needs
        .iter()
        .flat_map(|need| need.packages)
        .copied()
        .collect()
}

/// Asks the shell, as a user would: it knows the search path and this process need not read it.
fn is_there(program: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", "command -v \"$1\"", "sh", program]);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn check_components() -> anyhow::Result<()> {
    for (subcommand, component) in COMPONENTS {
        let output = Command::new("cargo")
            .args([subcommand, "--version"])
            .output();
        if !output.context("cannot run cargo")?.status.success() {
            bail!("cargo {subcommand} is missing: run `rustup component add {component}`");
        }
    }
    Ok(())
}

fn install(needs: &[&'static Need]) -> anyhow::Result<()> {
    let packages = packages(needs);
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&packages);
    apt(&arguments)
}

/// Runs apt-get, through sudo for anybody but root; it asks nothing.
fn apt(arguments: &[&str]) -> anyhow::Result<()> {
    let id = Command::new("id")
        .arg("-u")
        .output()
        .context("cannot run id")?;
    let is_root = id.stdout.trim_ascii() == b"0";
    let mut command = Command::new(if is_root { "apt-get" } else { "sudo" });
    if !is_root {
        command.args(["--non-interactive", "apt-get"]);
    }
    let status = command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status();
    if !status.is_ok_and(|status| status.success()) {
        bail!(
            "apt-get {} failed: run it as root, then run this again",
            arguments.join(" ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        let missing = missing(NEEDS, |program| program != "cc" && program != "script");
        assert_eq!(packages(&missing), ["gcc", "libc6-dev", "bsdutils"]);
        assert_eq!(
            describe(&missing),
            "cc (compiles SQLite), script (gives the binary a terminal)"
        );
    }

    #[test]
    fn the_shell_finds_programs_and_only_those() {
        assert!(is_there("sh"));
        assert!(!is_there("no such program"));
    }
}

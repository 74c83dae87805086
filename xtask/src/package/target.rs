//! What a release is compiled for.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::tools;

/// An architecture that packages are made for, as Debian names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arch {
    Amd64,
    Arm64,
}

/// For which architectures to make packages.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Archs {
    Amd64,
    Arm64,
    /// Both
    All,
}

/// The C library of a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Libc {
    /// glibc, which the system brings.
    Gnu,
    /// musl, which is in the program: it needs nothing of the system.
    Musl,
}

/// What a program is compiled for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) arch: Arch,
    pub(crate) libc: Libc,
}

/// What a release may need at most: the glibc of RHEL 9, which Debian 12 and Ubuntu 22.04 pass.
pub(super) const GLIBC: &str = "2.34";

// === impl Arch ===

impl Arch {
    /// This machine's.
    ///
    /// # Errors
    /// On one that no package is made for.
    pub(crate) fn own() -> anyhow::Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            "aarch64" => Ok(Self::Arm64),
            other => bail!("no package is made on {other}: build on x86_64 or aarch64"),
        }
    }

    /// The compiler's name for it, and the kernel's.
    pub(crate) fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

// === impl Archs ===

impl Archs {
    /// Each of them once.
    pub(crate) fn each(self) -> &'static [Arch] {
        match self {
            Self::Amd64 => &[Arch::Amd64],
            Self::Arm64 => &[Arch::Arm64],
            Self::All => &[Arch::Amd64, Arch::Arm64],
        }
    }
}

impl From<Arch> for Archs {
    fn from(arch: Arch) -> Self {
        match arch {
            Arch::Amd64 => Self::Amd64,
            Arch::Arm64 => Self::Arm64,
        }
    }
}

// === impl Target ===

impl Target {
    /// What a package of this machine is compiled for.
    ///
    /// # Errors
    /// As for [`Arch::own`].
    pub(crate) fn own() -> anyhow::Result<Self> {
        let libc = Libc::Gnu;
        Ok(Self {
            arch: Arch::own()?,
            libc,
        })
    }

    /// The compiler's name for it.
    pub(super) fn triple(self) -> String {
        let libc = match self.libc {
            Libc::Gnu => "gnu",
            Libc::Musl => "musl",
        };
        format!("{}-unknown-linux-{libc}", self.arch.machine())
    }

    /// The linker's name for it, which tells the oldest C library that will do.
    pub(super) fn pinned(self) -> String {
        match self.libc {
            Libc::Gnu => format!("{}.{GLIBC}", self.triple()),
            Libc::Musl => self.triple(),
        }
    }

    /// What files for it are named with.
    pub(crate) fn suffix(self) -> String {
        let statically = match self.libc {
            Libc::Gnu => "",
            Libc::Musl => "-static",
        };
        format!("linux-{}{statically}", self.arch)
    }

    /// Makes sure that there is a standard library for it.
    ///
    /// # Errors
    /// When rustup, which brings one, is missing or fails.
    pub(super) fn provide(self) -> anyhow::Result<()> {
        let triple = self.triple();
        let mut ask = Command::new("rustc");
        ask.args(["--print", "target-libdir", "--target", &triple]);
        let folder = String::from_utf8(tools::output(&mut ask)?)?;
        if Path::new(folder.trim()).is_dir() {
            return Ok(());
        }
        let mut add = Command::new("rustup");
        tools::run(
            add.args(["target", "add", &triple]),
            "install the compiler by rustup (https://rustup.rs): a distribution's has no other \
             machine's standard library",
        )
        .with_context(|| format!("no standard library for {triple}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_its_names() {
        let names = |arch, libc| {
            let target = Target { arch, libc };
            (target.pinned(), target.suffix())
        };
        let named = |pinned: &str, suffix: &str| (pinned.to_owned(), suffix.to_owned());
        assert_eq!(
            names(Arch::Arm64, Libc::Gnu),
            named("aarch64-unknown-linux-gnu.2.34", "linux-arm64")
        );
        assert_eq!(
            names(Arch::Amd64, Libc::Musl),
            named("x86_64-unknown-linux-musl", "linux-amd64-static")
        );
    }

    #[test]
    fn there_is_a_library_for_our_own() {
        Target::own().unwrap().provide().unwrap();
    }
}

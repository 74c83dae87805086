//! Ready-made detectors for the ways in which distributions say that a reboot is needed.
//!
//! Each becomes detectors of the two basic kinds. Where a tool's exit code does not tell an
//! error from an answer, a few lines of shell do: they exit with 1 for "reboot required", 0 for
//! "no", and end by a signal, after saying why, where they cannot tell. So an error never passes
//! for either.

mod scripts;

use crate::detector::{DetectorKind, DetectorSpec};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Package managers may have to read much before they answer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A ready-made detector. Its name, see [`Preset::name`], is part of the configuration.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Preset {
    /// The file that Debian's and Ubuntu's packages leave.
    Debian,
    /// `needs-restarting -r` of Fedora, RHEL and their kin.
    NeedsRestarting,
    /// `zypper needs-rebooting` of SUSE.
    Zypper,
    /// A deployment of rpm-ostree that waits for the next boot.
    RpmOstree,
    /// An image of bootc that waits for the next boot.
    Bootc,
    /// An update of Flatcar that waits for the next boot.
    Flatcar,
    /// The file that anybody may leave.
    RebootNeeded,
    /// A kernel is installed that is newer than the running one and of its flavour.
    Kernel,
}

/// A name that no preset has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not a preset: choose one of {names}", names = names())]
pub struct UnknownPreset(pub String);

/// The detectors of a preset, which bear its name. `is_present` tells whether a program can be
/// found.
///
/// # Errors
/// Why the preset cannot be used here, and what to do.
pub fn expand(
    preset: Preset,
    is_present: &dyn Fn(&str) -> bool,
) -> Result<Vec<DetectorSpec>, String> {
    let programs = preset.programs();
    let program = programs.iter().find(|program| is_present(program));
    let kind = match (preset.file(), program) {
        (Some(path), _) => DetectorKind::File {
            path: PathBuf::from(path),
        },
        (None, Some(program)) => command(preset.script(), program),
        (None, None) => {
            let missing = programs.join(" or ");
            return Err(format!(
                "preset {preset}: {missing} is not in PATH: install it, or use another preset"
            ));
        }
    };
    let name = preset.name().to_owned();
    Ok(vec![DetectorSpec { name, kind }])
}

/// The presets that make sense on this machine, by the programs it has.
pub fn detect_available(is_present: &dyn Fn(&str) -> bool) -> Vec<Preset> {
    let makes_sense = |preset: &Preset| preset.programs().iter().any(|name| is_present(name));
    Preset::ALL.into_iter().filter(makes_sense).collect()
}

fn command(script: &str, program: &str) -> DetectorKind {
    let words = ["sh", "-c", script, "sh", program, "/boot", "/lib/modules"];
    DetectorKind::Command {
        cmd: words.map(str::to_owned).to_vec(),
        success_exit_codes: vec![1],
        timeout: Some(TIMEOUT),
    }
}

fn names() -> String {
    Preset::ALL.map(Preset::name).join(", ")
}

// === impl Preset ===

impl Preset {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Debian,
        Self::NeedsRestarting,
        Self::Zypper,
        Self::RpmOstree,
        Self::Bootc,
        Self::Flatcar,
        Self::RebootNeeded,
        Self::Kernel,
    ];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::NeedsRestarting => "needs-restarting",
            Self::Zypper => "zypper",
            Self::RpmOstree => "rpm-ostree",
            Self::Bootc => "bootc",
            Self::Flatcar => "flatcar",
            Self::RebootNeeded => "reboot-needed",
            Self::Kernel => "kernel",
        }
    }

    /// When it fires, for help texts.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Debian => "/var/run/reboot-required exists",
            Self::NeedsRestarting => "needs-restarting -r (or dnf) says that a reboot is required",
            Self::Zypper => "zypper needs-rebooting says so",
            Self::RpmOstree => "rpm-ostree has a deployment that waits for the next boot",
            Self::Bootc => "bootc has an image that waits for the next boot",
            Self::Flatcar => "Flatcar's update engine has installed an update",
            Self::RebootNeeded => "/run/reboot-needed exists",
            Self::Kernel => "a newer kernel of the running one's flavour is installed",
        }
    }

    fn file(self) -> Option<&'static str> {
        match self {
            Self::Debian => Some("/var/run/reboot-required"),
            Self::RebootNeeded => Some("/run/reboot-needed"),
            _ => None,
        }
    }

    /// The programs of which one must be there, the best first. A file needs none to be looked
    /// at, but makes sense only where something writes it.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Debian => &["dpkg"],
            Self::NeedsRestarting => &["needs-restarting", "dnf"],
            Self::Zypper => &["zypper"],
            Self::RpmOstree => &["rpm-ostree"],
            Self::Bootc => &["bootc"],
            Self::Flatcar => &["update_engine_client"],
            Self::RebootNeeded => &["sh"],
            Self::Kernel => &["uname"],
        }
    }

    fn script(self) -> &'static str {
        match self {
            Self::Debian | Self::RebootNeeded => "",
            Self::NeedsRestarting => scripts::NEEDS_RESTARTING,
            Self::Zypper => scripts::ZYPPER,
            Self::RpmOstree => scripts::RPM_OSTREE,
            Self::Bootc => scripts::BOOTC,
            Self::Flatcar => scripts::FLATCAR,
            Self::Kernel => scripts::KERNEL,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        let named = Self::ALL.into_iter().find(|preset| preset.name() == text);
        named.ok_or_else(|| UnknownPreset(text.to_owned()))
    }
}

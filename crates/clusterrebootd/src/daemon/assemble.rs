//! The third layer of the configuration: checked settings become what each crate takes.

use crate::config::{DetectorSettings, DetectorSettingsKind, PolicySettings, RebootMethod};
use crate::config::{Settings, WindowSettings};
use anyhow::{Context, Result, anyhow};
use jiff::tz::TimeZone;
use reboot_agent::{Method, Node};
use reboot_core::agent::{self, Mode, Zone};
use reboot_core::backoff::Backoff;
use reboot_core::group::Identity;
use reboot_core::id::Instance;
use reboot_core::policy::{Fraction, Policies};
use reboot_core::window::{Window, Windows};
use reboot_host::detector::{DetectorKind, DetectorSpec};
use reboot_host::logind::Logind;
use reboot_host::script::HealthScript;
use reboot_host::{boot, command, preset};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Makes the directory of a file, for its owner only.
pub(crate) fn make_parent(path: &Path) -> Result<()> {
    let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    else {
        return Ok(());
    };
    make_dir(parent)
}

/// Makes a directory and those above it.
pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| {
        format!(
            "{} cannot be made: make it, or run as a user who may",
            dir.display()
        )
    })
}

/// Who this run of the agent is.
///
/// # Errors
/// When the machine does not tell its boot or its id.
pub(crate) async fn identify(settings: &Settings) -> Result<Identity> {
    let mut boot = boot::read_identity(&settings.boot_id_file)?;
    if settings.boot_id_file == Path::new("/proc/sys/kernel/random/boot_id") {
        boot.soft_reboots = boot::soft_reboots().await;
    }
    let token = uuid::Uuid::new_v4().simple().to_string();
    Ok(Identity {
        node: settings.node_name.clone(),
        machine_id: boot::machine_id(&settings.machine_id_file)?,
        boot,
        instance: Instance::new(token)?,
    })
}

/// What the rules take.
pub(crate) fn agent_settings(
    settings: &Settings,
    identity: Identity,
    mode: Mode,
    place: String,
) -> Result<agent::Settings> {
    let millis = |secs: u64| secs.saturating_mul(1000);
    Ok(agent::Settings {
        identity,
        pid: std::process::id(),
        place,
        group: settings.group.clone(),
        max: settings.max,
        max_as_written: settings.max_as_written,
        mode,
        is_dry_run: settings.dry_run,
        dead_former: None,
        check_interval_ms: millis(settings.check_interval_secs),
        publish_interval_ms: millis(settings.health_publish_interval_secs),
        stale_after_ms: millis(settings.health_stale_after_secs),
        lock_ttl_ms: millis(settings.lock_ttl_secs),
        audit_interval_ms: millis(settings.audit_interval_secs),
        backoff: Backoff {
            min_ms: millis(settings.backoff_min_secs),
            max_ms: millis(settings.backoff_max_secs),
        },
        interval_secs: settings.min_reboot_interval_secs,
        reboot_timeout_ms: millis(settings.reboot_timeout_secs),
        hook_timeout_ms: millis(settings.hook_timeout_secs),
        soak_ms: millis(settings.post_reboot_soak_secs),
        delay_ms: millis(settings.reboot_delay_secs),
        max_reboots_per_day: settings.max_reboots_per_day,
        windows: windows(&settings.windows)?,
        zone: zone(&settings.windows)?,
        policies: policies(&settings.cluster_policies)?,
    })
}

pub(crate) fn windows(settings: &WindowSettings) -> Result<Windows> {
    let parse = |texts: &[String]| -> Result<Vec<Window>> {
        texts
            .iter()
            .map(|text| Window::parse(text).map_err(|error| anyhow!("{error}")))
            .collect()
    };
    Ok(Windows {
        deny: parse(&settings.deny)?,
        allow: parse(&settings.allow)?,
    })
}

pub(crate) fn zone(settings: &WindowSettings) -> Result<Zone> {
    let Some(name) = &settings.timezone else {
        let rules = TimeZone::try_system().unwrap_or(TimeZone::UTC);
        let name = rules.iana_name().unwrap_or("the host's").to_owned();
        return Ok(Zone { name, rules });
    };
    let rules = TimeZone::get(name).with_context(|| {
        format!("windows.timezone: {name} is not known here: install tzdata, or mend the name")
    })?;
    Ok(Zone {
        name: name.clone(),
        rules,
    })
}

pub(crate) fn policies(settings: &PolicySettings) -> Result<Policies> {
    Ok(Policies {
        min_healthy_fraction: settings
            .min_healthy_fraction
            .map(Fraction::new)
            .transpose()?,
        min_healthy_absolute: settings
            .min_healthy_absolute
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        forbid_if_only_fallback_left: settings.forbid_if_only_fallback_left,
        fallback_nodes: settings.fallback_nodes.iter().cloned().collect(),
    })
}

/// What the machine's shell takes; `environment` is the static one of scripts.
pub(crate) fn node(settings: &Settings, environment: Vec<(String, String)>) -> Result<Node> {
    let health_timeout = Duration::from_secs(settings.health_timeout_secs);
    Ok(Node {
        detectors: detectors(&settings.detectors)?,
        health_script: Arc::new(HealthScript::new(&settings.health_script, health_timeout)),
        kill_switch_file: settings.kill_switch_file.clone(),
        hooks_dir: settings.hooks_dir.clone(),
        hook_timeout: Duration::from_secs(settings.hook_timeout_secs),
        method: method(settings, &environment),
        bus: Arc::new(Logind::new(None)),
        state_dir: settings.state_dir.clone(),
        run_dir: settings.run_dir.clone(),
        environment,
    })
}

/// The detectors, presets expanded.
pub(crate) fn detectors(settings: &[DetectorSettings]) -> Result<Vec<DetectorSpec>> {
    let mut specs = Vec::new();
    for detector in settings {
        let name = detector.name.clone();
        match &detector.kind {
            DetectorSettingsKind::File { path } => {
                specs.push(DetectorSpec {
                    name,
                    kind: DetectorKind::File { path: path.clone() },
                });
            }
            DetectorSettingsKind::Command {
                cmd,
                success_exit_codes,
                timeout_secs,
            } => {
                let kind = DetectorKind::Command {
                    cmd: cmd.clone(),
                    success_exit_codes: success_exit_codes.clone(),
                    timeout: limit(*timeout_secs),
                };
                specs.push(DetectorSpec { name, kind });
            }
            DetectorSettingsKind::Preset {
                preset,
                timeout_secs,
            } => {
                specs.extend(expand(
                    &name,
                    preset,
                    timeout_secs.map(Duration::from_secs),
                )?);
            }
        }
    }
    Ok(specs)
}

/// A limit of 0 is none, as in the original.
fn limit(timeout_secs: Option<u64>) -> Option<Duration> {
    timeout_secs
        .filter(|secs| *secs > 0)
        .map(Duration::from_secs)
}

fn expand(name: &str, preset: &str, limit: Option<Duration>) -> Result<Vec<DetectorSpec>> {
    let known: preset::Preset = preset
        .parse()
        .map_err(|error| anyhow!("detector {name}: {error}"))?;
    let mut specs = preset::expand(known, &is_program_present)
        .map_err(|why| anyhow!("detector {name}: preset {preset} cannot be used here: {why}"))?;
    let count = specs.len();
    for (number, spec) in specs.iter_mut().enumerate() {
        spec.name = if count == 1 {
            name.to_owned()
        } else {
            format!("{name}-{}", number + 1)
        };
        if let DetectorKind::Command { timeout, .. } = &mut spec.kind {
            *timeout = limit.or(*timeout);
        }
    }
    Ok(specs)
}

#[allow(clippy::disallowed_methods)] // the binary is the one place that reads the environment
fn is_program_present(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

#[allow(clippy::disallowed_methods)] // the binary is the one place that reads the environment
fn method(settings: &Settings, environment: &[(String, String)]) -> Method {
    match settings.reboot_method {
        RebootMethod::Logind => Method::Logind,
        RebootMethod::Soft => Method::Soft,
        RebootMethod::Command => {
            let fixed: BTreeMap<String, String> = environment.iter().cloned().collect();
            let inherited = |name: &str| std::env::var(name).ok();
            Method::Command(command::expand(&settings.reboot_command, &fixed, inherited))
        }
    }
}

//! From typed values to settings: what the table of keys cannot say, chiefly rules between keys.

use super::fields::Fields;
use super::keys::NODE_KEYS;
use super::problem::Problem;
use super::serve::{policies, windows};
use super::settings::{
    DetectorSettings, DetectorSettingsKind, LogFormat, LogLevel, MetricsSettings, RebootMethod,
    Settings,
};
use super::shape::Values;
use super::{small, store, texts};
use reboot_core::id::{GroupName, NodeName};
use std::collections::BTreeMap;

/// The settings, when nothing is wrong; `problems` tell otherwise.
pub(super) fn settings(values: Values, problems: &mut Vec<Problem>) -> Option<Settings> {
    let mut fields = Fields::new(NODE_KEYS, values, problems);
    let detectors = detectors(&mut fields);
    let store = store::settings(&mut fields);
    check_between(&mut fields);
    let node_name = NodeName::new(fields.text("node_name")?).ok()?;
    let publish = fields.whole_or_default("health_publish_interval_sec");
    let timeout = fields.whole_or_default("health_timeout_sec");
    let settings = Settings {
        node_name,
        group: GroupName::new(fields.text_or_default("group")).ok()?,
        max: small(fields.whole_or_default("max")),
        max_as_written: fields.whole("max").map(small),
        detectors,
        health_script: fields.path("health_script")?,
        health_timeout_secs: timeout,
        health_publish_interval_secs: publish,
        health_stale_after_secs: fields
            .whole("health_stale_after_sec")
            .unwrap_or(4 * (publish + timeout)),
        post_reboot_soak_secs: fields.whole_or_default("post_reboot_soak_sec"),
        check_interval_secs: fields.whole_or_default("check_interval_sec"),
        backoff_min_secs: fields.whole_or_default("backoff_min_sec"),
        backoff_max_secs: fields.whole_or_default("backoff_max_sec"),
        audit_interval_secs: fields.whole_or_default("audit_interval_sec"),
        min_reboot_interval_secs: fields.whole_or_default("min_reboot_interval_sec"),
        max_reboots_per_day: small(fields.whole_or_default("max_reboots_per_day")),
        reboot_timeout_secs: fields.whole_or_default("reboot_timeout_sec"),
        reboot_delay_secs: fields.whole_or_default("reboot_delay_sec"),
        reboot_method: RebootMethod::from_word(&fields.text_or_default("reboot_method"))?,
        reboot_command: fields.texts("reboot_command"),
        dry_run: fields.flag("dry_run"),
        kill_switch_file: fields.path_or_default("kill_switch_file"),
        hooks_dir: fields.path_or_default("hooks_dir"),
        hook_timeout_secs: fields.whole_or_default("hook_timeout_sec"),
        cluster_policies: policies(&fields, "cluster_policies"),
        windows: windows(&fields, "windows"),
        store: store?,
        lock_key: fields.text_or_default("lock_key"),
        lock_ttl_secs: fields.whole_or_default("lock_ttl_sec"),
        metrics: metrics(&fields),
        log_format: LogFormat::from_word(&fields.text_or_default("log_format"))?,
        log_level: LogLevel::from_word(&fields.text_or_default("log_level"))?,
        state_dir: fields.path_or_default("state_dir"),
        run_dir: fields.path_or_default("run_dir"),
        boot_id_file: fields.path_or_default("boot_id_file"),
        machine_id_file: fields.path_or_default("machine_id_file"),
    };
    problems.is_empty().then_some(settings)
}

fn metrics(fields: &Fields<'_>) -> MetricsSettings {
    MetricsSettings {
        enabled: fields.flag("metrics.enabled"),
        listen: fields.text_or_default("metrics.listen"),
    }
}

// --- detectors ---

const DETECTORS: &str = "reboot_required_detectors";

fn detectors(fields: &mut Fields<'_>) -> Vec<DetectorSettings> {
    let count = fields.count(DETECTORS);
    if fields.is_given(DETECTORS) && count == 0 {
        fields.complain(&[DETECTORS], "is empty", "add at least one detector");
    }
    let mut first_lines = BTreeMap::new();
    (0..count)
        .filter_map(|index| detector(fields, index, &mut first_lines))
        .collect()
}

fn detector(
    fields: &mut Fields<'_>,
    index: usize,
    first_lines: &mut BTreeMap<String, (usize, usize)>,
) -> Option<DetectorSettings> {
    let item = format!("{DETECTORS}[{index}]");
    let kind = match fields.text(&format!("{item}.type")).as_deref() {
        Some("file") => file_detector(fields, &item),
        Some("command") => command_detector(fields, &item),
        Some(_) => preset_detector(fields, &item),
        None => None,
    };
    let name_key = format!("{item}.name");
    let name = fields
        .text(&name_key)
        .or_else(|| kind.as_ref().map(default_name))?;
    let line = fields.place(&item).line;
    let first = *first_lines.entry(name.clone()).or_insert((index, line));
    if first.0 != index {
        let cause = format!(
            "{name:?} is the name of the detector in line {} too",
            first.1
        );
        fields.complain(
            &[&name_key, &item],
            &cause,
            "give each detector its own name",
        );
    }
    Some(DetectorSettings { name, kind: kind? })
}

fn default_name(kind: &DetectorSettingsKind) -> String {
    match kind {
        DetectorSettingsKind::File { path } => format!("file:{}", path.display()),
        DetectorSettingsKind::Command { cmd, .. } => format!("command:{}", cmd[0]),
        DetectorSettingsKind::Preset { preset, .. } => format!("preset:{preset}"),
    }
}

fn file_detector(fields: &mut Fields<'_>, item: &str) -> Option<DetectorSettingsKind> {
    let path = needed(
        fields,
        item,
        "path",
        "file",
        "add `path:` with the file to look for",
    )?;
    let path = fields.path(&path)?;
    Some(DetectorSettingsKind::File { path })
}

fn command_detector(fields: &mut Fields<'_>, item: &str) -> Option<DetectorSettingsKind> {
    let key = needed(
        fields,
        item,
        "cmd",
        "command",
        "add `cmd:` with the command as a list",
    )?;
    let cmd = fields.texts(&key);
    check_program(fields, &key, &cmd);
    Some(DetectorSettingsKind::Command {
        cmd,
        success_exit_codes: fields.exit_codes(&format!("{item}.success_exit_codes")),
        timeout_secs: timeout(fields, item),
    })
}

fn preset_detector(fields: &mut Fields<'_>, item: &str) -> Option<DetectorSettingsKind> {
    let remedy = format!("add `preset:` with one of {}", super::PRESETS.join(", "));
    let key = needed(fields, item, "preset", "preset", &remedy)?;
    let preset = fields.text(&key)?;
    Some(DetectorSettingsKind::Preset {
        preset,
        timeout_secs: timeout(fields, item),
    })
}

fn timeout(fields: &Fields<'_>, item: &str) -> Option<u64> {
    fields
        .whole(&format!("{item}.timeout_sec"))
        .filter(|secs| *secs > 0)
}

/// The whole path of a key that this type of detector needs.
fn needed(
    fields: &mut Fields<'_>,
    item: &str,
    name: &str,
    kind: &str,
    remedy: &str,
) -> Option<String> {
    let key = format!("{item}.{name}");
    if fields.is_given(&key) {
        return Some(key);
    }
    if !fields.is_refused(&key) {
        fields.complain(&[&key], &format!("is missing for type {kind}"), remedy);
    }
    None
}

fn check_program(fields: &mut Fields<'_>, key: &str, command: &[String]) {
    if command
        .first()
        .is_some_and(|program| program.trim().is_empty())
    {
        fields.complain(
            &[key],
            "begins with an empty text",
            "name the program first",
        );
    }
}

// --- rules between keys ---

fn check_between(fields: &mut Fields<'_>) {
    let reboot_command = fields.texts("reboot_command");
    check_program(fields, "reboot_command", &reboot_command);
    check_above(fields, "lock_ttl_sec", "health_timeout_sec", 1);
    check_above(fields, "backoff_max_sec", "backoff_min_sec", 0);
    check_stale_after(fields);
    check_listen(fields);
}

/// One number must be at least another plus `margin`.
fn check_above(fields: &mut Fields<'_>, upper: &str, lower: &str, margin: u64) {
    if fields.is_refused(upper) || fields.is_refused(lower) {
        return;
    }
    let (high, low) = (
        fields.whole_or_default(upper),
        fields.whole_or_default(lower),
    );
    if high >= low + margin {
        return;
    }
    let least = low + margin;
    if fields.is_given(upper) {
        let relation = if margin == 0 {
            "must not be below"
        } else {
            "must be greater than"
        };
        let cause = format!("{high} {relation} {lower} ({low})");
        fields.complain(&[upper], &cause, &format!("raise it to at least {least}"));
    } else {
        let relation = if margin == 0 {
            "must not be above"
        } else {
            "must be less than"
        };
        let cause = format!("{low} {relation} {upper} ({high}, the default)");
        fields.complain(
            &[lower],
            &cause,
            &format!("raise {upper} to at least {least}"),
        );
    }
}

fn check_stale_after(fields: &mut Fields<'_>) {
    let Some(stale_after) = fields.whole("health_stale_after_sec") else {
        return;
    };
    let publish = fields.whole_or_default("health_publish_interval_sec");
    let timeout = fields.whole_or_default("health_timeout_sec");
    let least = 2 * (publish + timeout);
    if stale_after < least {
        let cause = format!(
            "{stale_after} must be at least twice the sum of health_publish_interval_sec \
             ({publish}) and health_timeout_sec ({timeout})"
        );
        let remedy = format!("raise it to at least {least}");
        fields.complain(&["health_stale_after_sec"], &cause, &remedy);
    }
}

/// A listener that is off may hold anything, as it could in the original.
pub(super) fn check_listen(fields: &mut Fields<'_>) {
    if !fields.flag("metrics.enabled") {
        return;
    }
    let listen = fields.text_or_default("metrics.listen");
    if let Err(complaint) = texts::listen_address(&listen) {
        let cause = format!("{listen:?} {}", complaint.cause);
        fields.complain(&["metrics.listen"], &cause, &complaint.remedy);
    }
}

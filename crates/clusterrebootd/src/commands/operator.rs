//! What the operator commands share: the store, the question, the name of who asks.

use super::validate;
use crate::called::Called;
use crate::config::Settings;
use crate::console::complain;
use crate::daemon;
use crate::exit::ExitCode;
use crate::plain::{plain, plain_lines};
use crate::report::other_max_text;
use anyhow::{Result, anyhow, bail};
use jiff::Timestamp;
use nix::unistd::{Uid, User};
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::{Group, Pause};
use reboot_core::id::{GroupName, RequestId, SessionId};
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Store;
use std::io::{BufRead, IsTerminal, Write as _, stderr, stdin};
use std::path::Path;
use std::sync::Arc;

/// Reads the configuration, then runs the command; every failure is told and is exit 1.
pub(super) fn with_settings(
    config: &Path,
    run: impl FnOnce(&Settings) -> Result<ExitCode>,
) -> ExitCode {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(problems) => return validate::refuse(&problems),
    };
    run(&settings).unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::RuntimeFailure
    })
}

/// Opens the store of a fleet that is there; none is made for a look.
pub(super) fn open(settings: &Settings) -> Result<Arc<dyn Store>> {
    if let Some(path) = settings.store.own_file()
        && !path.exists()
    {
        bail!(
            "no store at {}: does the daemon run with this configuration?",
            path.display()
        );
    }
    if let Some(warning) = settings.store.cleartext_warning() {
        complain(&format!("warning: {warning}"));
    }
    daemon::open_store(&settings.store)
}

/// The whole fleet as it is now.
pub(super) async fn look(store: &dyn Store) -> Result<Fleet> {
    store.look().await.map_err(in_words)
}

/// Refuses a group that nobody ever claimed a slot of: most likely its name is misspelt.
pub(super) fn known_group(fleet: &Fleet, group: &GroupName) -> Result<()> {
    if fleet.groups.contains_key(group) {
        return Ok(());
    }
    let known: Vec<&str> = fleet.groups.keys().map(GroupName::as_str).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    bail!(
        "there is no group {group} (there are: {known}): the first claim of one of its nodes \
         makes it"
    )
}

/// Commits one change. A store that says no answers why and what to do.
pub(super) async fn commit(store: &dyn Store, write: Write) -> Result<Written> {
    store.write(write).await.map_err(in_words)
}

/// The same of a stop, whose timer is ended when it was surely not put up.
pub(super) async fn commit_stop(store: &dyn Store, write: Write, stop: &Pause) -> Result<Written> {
    let done = store.write(write).await;
    if done
        .as_ref()
        .is_err_and(|it| !matches!(it, Trouble::Unknown(_)))
    {
        end_timer(store, stop).await;
    }
    done.map_err(in_words)
}

/// Why, on one line whatever the reasons in it hold.
pub(super) fn in_words(trouble: Trouble) -> anyhow::Error {
    match trouble {
        Trouble::Unknown(why) => {
            anyhow!("{}: look whether it was done before retrying", plain(&why))
        }
        other => anyhow!("{}", plain(&other.to_string())),
    }
}

/// The slots that this configuration asks for, where it says any and the group has others.
pub(super) fn other_max(settings: &Settings, name: &GroupName, group: &Group) -> Option<u32> {
    let written = settings.max_as_written;
    written.filter(|max| *name == settings.group && *max != group.max)
}

/// Both numbers of slots, where the group has others than this configuration asks for.
pub(super) fn max_warnings(settings: &Settings, fleet: &Fleet) -> Vec<String> {
    let warning = |(name, entry): (&GroupName, &GroupEntry)| {
        let max = other_max(settings, name, &entry.group)?;
        let text = other_max_text(name, entry.group.max, max);
        Some(format!("warning: {text}"))
    };
    fleet.groups.iter().filter_map(warning).collect()
}

/// Who paused, until when, and why. A pause that no lease ends stands though its time is over by
/// the clock of whoever looks; that is said.
pub(super) fn said(pause: &Pause) -> String {
    told(pause, &format!("{} resume", Called::now().lock()))
}

/// The same of a node that is held back.
pub(super) fn said_of(stop: &Pause) -> String {
    told(stop, "clusterrebootd fleet let-go")
}

fn told(pause: &Pause, remedy: &str) -> String {
    let until = pause.until.as_ref().map_or(String::new(), |until| {
        let is_over = until
            .parse()
            .is_ok_and(|at: Timestamp| at <= Timestamp::now());
        let over = match is_over && pause.session.is_none() {
            true => format!(" (that is over, but only `{remedy}` lifts it)"),
            false => String::new(),
        };
        format!(" until {until}{over}")
    });
    plain(&format!("by {}{until}: {}", pause.by, pause.reason))
}

/// A stop in the name of who asks; with an end, on a lease that nobody renews.
pub(super) async fn stop(store: &dyn Store, reason: &str, until: Option<&str>) -> Result<Pause> {
    Ok(Pause {
        by: who(),
        reason: reason.to_owned(),
        until: until.map(str::to_owned),
        session: match until {
            Some(until) => Some(open_until(store, until).await?),
            None => None,
        },
    })
}

/// A lease that ends at that time by this machine's clock. From then on no clock counts.
async fn open_until(store: &dyn Store, until: &str) -> Result<SessionId> {
    let left = until.parse::<Timestamp>()?.duration_since(Timestamp::now());
    let Ok(ttl_ms) = u64::try_from(left.as_millis()) else {
        bail!("{until} is over: name a time to come");
    };
    let session = SessionId::new(format!("pause-{}", request_id()?))?;
    commit(store, Write::open_timer(session.clone(), ttl_ms)).await?;
    Ok(session)
}

/// Takes away what would have ended a stop; where that fails, it goes at its time.
pub(super) async fn end_timer(store: &dyn Store, stop: &Pause) {
    if let Some(session) = stop.session.clone() {
        let _ = commit(store, Write::EndSession { session }).await;
    }
}

/// An id of its own for a request.
pub(super) fn request_id() -> Result<RequestId> {
    Ok(RequestId::new(format!(
        "operator.{}",
        uuid::Uuid::new_v4().simple()
    ))?)
}

/// The time, for people.
pub(super) fn now() -> String {
    Timestamp::now().to_string()
}

/// Who asks: the user's name and number, the machine, and for whom root does it.
#[allow(clippy::disallowed_methods)] // the binary is the one place that reads the environment
pub(super) fn who() -> String {
    let uid = Uid::current();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let caller = std::env::var("SUDO_USER").ok();
    described(
        name,
        uid.as_raw(),
        host.trim(),
        caller.filter(|_| uid.is_root()),
    )
}

fn described(name: Option<String>, uid: u32, host: &str, caller: Option<String>) -> String {
    let name = name.unwrap_or_else(|| "unknown".to_owned());
    let caller = caller.map_or(String::new(), |caller| format!(", sudo by {caller}"));
    format!("{name}@{host} (uid {uid}{caller})")
}

/// Shows what is about to be done and asks on a terminal; elsewhere only `--yes` will do.
pub(super) fn confirm(what: &str, question: &str, is_sure: bool) -> Result<()> {
    if is_sure {
        return Ok(());
    }
    if !stdin().is_terminal() {
        bail!("{what}\nnothing was changed: add --yes, or run it on a terminal to be asked");
    }
    let what = plain_lines(what);
    write!(stderr(), "{what}\n{} [y/N] ", plain(question))?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_named_by_what_cannot_be_made_up() {
        let root = Some("root".to_owned());
        assert_eq!(
            described(root, 0, "db-1", Some("olga".to_owned())),
            "root@db-1 (uid 0, sudo by olga)"
        );
        assert_eq!(
            described(None, 1007, "db-1", None),
            "unknown@db-1 (uid 1007)"
        );
        assert!(who().contains(&format!("(uid {}", Uid::current())));
    }
}

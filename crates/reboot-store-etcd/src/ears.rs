//! What a waiter listens to: ranges of keys, and which of their changes wake it.

use crate::client::{Client, Event, EventKind, Fault, KeyValue, Op, OpResult, Txn, WatchRange};
use crate::keys::Range;
use crate::record::{self, Found};
use crate::store::trouble;
use reboot_core::write::Trouble;

/// Which changes wake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wakes {
    /// Every one.
    All,
    /// A health record whose verdict is another than before, a new one, and its end.
    Verdicts,
    /// A group's record that offers other slots to those who wait; not a holder's next phase.
    Slots,
    /// A key that was not there, and its end.
    ComingAndGoing,
}

/// A range, and what of it wakes.
pub(crate) struct Ear {
    range: Range,
    wakes: Wakes,
}

/// What of it was missed since a look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Missed {
    Nothing,
    Something,
    /// Records were put: what they say tells.
    Puts,
}

/// So many records are compared; where more were put, something may be new.
const COMPARED_MAX: usize = 32;

/// What became of a range since a look.
struct Since<'a> {
    /// How many keys there were.
    before: i64,
    /// How many there are.
    now: i64,
    /// Those that were put since.
    put: &'a [KeyValue],
    /// At which revision it was looked.
    seen: i64,
}

// === impl Ear ===

impl Ear {
    pub(crate) fn new(range: Range, wakes: Wakes) -> Self {
        Self { range, wakes }
    }

    /// As a watch that begins when it is set up.
    pub(crate) fn watch(&self) -> WatchRange {
        WatchRange {
            key: self.range.from.clone().into_bytes(),
            end: self.range.end.clone().map(String::into_bytes),
            from_revision: 0,
            puts: true,
            deletes: true,
            previous: matches!(self.wakes, Wakes::Verdicts | Wakes::Slots),
        }
    }

    fn hears(&self, key: &[u8]) -> bool {
        str::from_utf8(key).is_ok_and(|key| self.range.holds(key))
    }

    /// How many keys there were at a look, and which were put since.
    fn since(&self, seen: i64) -> [Op; 2] {
        let range = |count_only, min_mod_revision, at_revision| Op::Range {
            key: self.range.from.clone().into_bytes(),
            end: self.range.end.clone().map(String::into_bytes),
            keys_only: true,
            count_only,
            limit: 0,
            min_mod_revision,
            at_revision,
        };
        [range(true, 0, seen), range(false, seen + 1, 0)]
    }

    /// Whether what became of the range would have woken.
    fn missed(&self, since: &Since<'_>) -> Missed {
        let is_other = since.came() > 0 || since.went() > 0;
        match self.wakes {
            _ if is_other => Missed::Something,
            Wakes::ComingAndGoing => Missed::Nothing,
            _ if since.put.is_empty() => Missed::Nothing,
            Wakes::All => Missed::Something,
            Wakes::Verdicts | Wakes::Slots => Missed::Puts,
        }
    }
}

// === impl Since ===

impl Since<'_> {
    fn came(&self) -> i64 {
        let new = self.put.iter().filter(|kv| kv.create_revision > self.seen);
        i64::try_from(new.count()).unwrap_or(i64::MAX)
    }

    fn went(&self) -> i64 {
        self.before + self.came() - self.now
    }
}

/// Whether something that wakes happened between a look and now.
///
/// # Errors
/// When etcd cannot be asked.
pub(crate) async fn have_missed(ears: &[Ear], seen: i64, client: &Client) -> Result<bool, Trouble> {
    let question = ears.iter().flat_map(|ear| ear.since(seen)).collect();
    let Some(results) = ask_of_the_past(question, client).await? else {
        return Ok(true);
    };
    let mut pairs = results.chunks_exact(2);
    let mut put = Vec::new();
    for ear in ears {
        let Some(
            [
                OpResult::Range { count: before, .. },
                OpResult::Range { kvs, count: now },
            ],
        ) = pairs.next()
        else {
            return Ok(true);
        };
        match ear.missed(&Since {
            before: *before,
            now: *now,
            put: kvs,
            seen,
        }) {
            Missed::Nothing => {}
            Missed::Something => return Ok(true),
            Missed::Puts => put.extend(kvs.iter().map(|kv| kv.key.clone())),
        }
    }
    would_have_woken(ears, &put, seen, client).await
}

/// Whether what was put under these keys since a look says something else to whoever listens.
async fn would_have_woken(
    ears: &[Ear],
    keys: &[Vec<u8>],
    seen: i64,
    client: &Client,
) -> Result<bool, Trouble> {
    if keys.is_empty() || keys.len() > COMPARED_MAX {
        return Ok(!keys.is_empty());
    }
    let value = |key: &Vec<u8>, at_revision| Op::Range {
        key: key.clone(),
        end: None,
        keys_only: false,
        count_only: false,
        limit: 0,
        min_mod_revision: 0,
        at_revision,
    };
    let both = keys
        .iter()
        .flat_map(|key| [value(key, seen), value(key, 0)]);
    let Some(results) = ask_of_the_past(both.collect(), client).await? else {
        return Ok(true);
    };
    let mut pairs = results.chunks_exact(2);
    Ok(pairs.any(|pair| match pair {
        [
            OpResult::Range { kvs: before, .. },
            OpResult::Range { kvs: now, .. },
        ] => match now.first() {
            Some(now) => {
                let event = Event {
                    kind: EventKind::Put,
                    kv: now.clone(),
                    previous: before.first().cloned(),
                };
                wakes(ears, &event)
            }
            None => true,
        },
        _ => true,
    }))
}

/// What ranges answer, some of them at an earlier revision. Nothing where that is compacted, or of
/// another past: whoever asks looks again.
async fn ask_of_the_past(
    ranges: Vec<Op>,
    client: &Client,
) -> Result<Option<Vec<OpResult>>, Trouble> {
    let question = Txn {
        then: ranges,
        ..Txn::default()
    };
    match client.txn(question).await {
        Ok(answer) => Ok(Some(answer.results)),
        Err(Fault::Refused(_)) => Ok(None),
        Err(fault) => Err(trouble(fault)),
    }
}

/// Whether an event wakes any of these.
pub(crate) fn wakes(ears: &[Ear], event: &Event) -> bool {
    let heard = ears.iter().filter(|ear| ear.hears(&event.kv.key));
    let mut heard = heard.map(|ear| match (ear.wakes, event.kind) {
        (_, EventKind::Delete) | (Wakes::All, _) => true,
        (Wakes::ComingAndGoing, EventKind::Put) => is_new(event),
        (Wakes::Verdicts, EventKind::Put) => is_new(event) || is_other_verdict(event),
        (Wakes::Slots, EventKind::Put) => offers_other_slots(event),
    });
    heard.any(|wakes| wakes)
}

fn is_new(event: &Event) -> bool {
    event.kv.create_revision == event.kv.mod_revision
}

/// Whether a health record says something else than before.
fn is_other_verdict(event: &Event) -> bool {
    let verdict = |value: &[u8]| {
        let value: Option<serde_json::Value> = serde_json::from_slice(value).ok();
        value.and_then(|value| value.get("healthy").cloned())
    };
    let before = event.previous.as_ref();
    before.is_none_or(|before| verdict(&before.value) != verdict(&event.kv.value))
}

/// Whether a group's record offers something else than before to those who wait. What cannot be
/// read may.
fn offers_other_slots(event: &Event) -> bool {
    let read = |kv: &KeyValue| match record::read(&kv.value) {
        Ok(Found::Ours(stored)) => Some(stored.group),
        Ok(Found::Foreign { .. }) | Err(_) => None,
    };
    let before = event.previous.as_ref().and_then(read);
    match (before, read(&event.kv)) {
        (Some(before), Some(now)) => !before.offers_the_same(&now),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::boot::BootIdentity;
    use reboot_core::group::{Group, Hold, Phase};
    use reboot_core::id::{Instance, MachineId, NodeName, RequestId, SessionId};
    use reboot_core::undo::Undo;

    fn hold(number: u64, phase: Phase) -> Hold {
        Hold {
            number,
            node: NodeName::new(format!("n{number}")).unwrap(),
            machine_id: MachineId::new("m").unwrap(),
            instance: Instance::new("i").unwrap(),
            session: SessionId::new("s").unwrap(),
            phase,
            boot: BootIdentity::of_boot("b"),
            fenced: phase == Phase::Rebooting,
            need: "kernel".to_owned(),
            pid: 1,
            acquired_at: "2026-01-01T00:00:00Z".to_owned(),
            interval_secs: 0,
            undo: Undo::default(),
            last_request: RequestId::new("r").unwrap(),
            guest: None,
            extra: serde_json::Map::new(),
        }
    }

    fn record(max: u32, holds: &[(u64, Phase)]) -> Vec<u8> {
        let mut group = Group::create(max, 1, &[]).unwrap();
        group.generation = 9;
        group.holds = holds
            .iter()
            .map(|(number, phase)| hold(*number, *phase))
            .collect();
        record::Stored::new(group).to_text().unwrap().into_bytes()
    }

    fn put(previous: Option<Vec<u8>>, now: Vec<u8>) -> Event {
        let kv = |value, mod_revision| KeyValue {
            key: b"/record".to_vec(),
            value,
            create_revision: 1,
            mod_revision,
            version: mod_revision,
            lease: 0,
        };
        Event {
            kind: EventKind::Put,
            kv: kv(now, 2),
            previous: previous.map(|value| kv(value, 1)),
        }
    }

    #[test]
    fn who_waits_is_woken_by_another_offer_and_not_by_a_holders_next_phase() {
        let ears = [Ear::new(Range::one("/record"), Wakes::Slots)];
        let claimed = || record(1, &[(1, Phase::Claimed)]);
        let is_woken = |now| wakes(&ears, &put(Some(claimed()), now));
        assert!(!is_woken(record(1, &[(1, Phase::Draining)])));
        assert!(
            is_woken(record(1, &[(1, Phase::Rebooting)])),
            "it is fenced now"
        );
        assert!(is_woken(record(1, &[])));
        assert!(is_woken(record(2, &[(1, Phase::Claimed)])));
        assert!(is_woken(record(1, &[(2, Phase::Claimed)])));
        assert!(is_woken(b"broken".to_vec()));
        assert!(wakes(&ears, &put(None, claimed())));
    }

    #[test]
    fn what_was_missed_counts_as_if_it_had_been_heard() {
        let ear = |wakes| Ear::new(Range::under("/"), wakes);
        let kv = |create_revision| put(None, Vec::new()).kv.created_at(create_revision);
        let missed = |wakes, before, now, put: &[KeyValue]| {
            let seen = 7;
            let since = Since {
                before,
                now,
                put,
                seen,
            };
            ear(wakes).missed(&since)
        };
        let all = [
            Wakes::All,
            Wakes::Verdicts,
            Wakes::Slots,
            Wakes::ComingAndGoing,
        ];
        for wakes in all {
            assert_eq!(missed(wakes, 3, 3, &[]), Missed::Nothing, "{wakes:?}");
            for (now, put) in [(2, vec![]), (3, vec![kv(8)]), (4, vec![kv(8)])] {
                let is_it = missed(wakes, 3, now, &put) == Missed::Something;
                assert!(is_it, "{wakes:?}: one came, or went, or both");
            }
        }
        let put_again = |wakes| missed(wakes, 3, 3, &[kv(7)]);
        assert_eq!(put_again(Wakes::All), Missed::Something);
        assert_eq!(put_again(Wakes::ComingAndGoing), Missed::Nothing);
        for wakes in [Wakes::Verdicts, Wakes::Slots] {
            assert_eq!(put_again(wakes), Missed::Puts, "what it says tells");
        }
    }

    impl KeyValue {
        fn created_at(self, create_revision: i64) -> Self {
            Self {
                create_revision,
                ..self
            }
        }
    }
}

//! Nodes, groups in every phase, and what the store knows.

use reboot_core::boot::BootIdentity;
use reboot_core::group::{
    Action, Applied, Claim, Cooldown, Facts, Group, Identity, Owner, Phase, Presence, Request, Way,
    apply,
};
use reboot_core::id::{Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::undo::Undo;
use std::cell::Cell;
use std::collections::BTreeSet;

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

pub(crate) fn session(name: &str) -> SessionId {
    SessionId::new(format!("session-{name}")).unwrap()
}

pub(crate) fn identity(name: &str, boot: &str) -> Identity {
    Identity {
        node: node(name),
        machine_id: MachineId::new(format!("machine-{name}")).unwrap(),
        boot: BootIdentity::of_boot(boot),
        instance: Instance::new(format!("run-{name}")).unwrap(),
    }
}

pub(crate) fn presence(name: &str, boot: &str) -> Presence {
    Presence {
        identity: identity(name, boot),
        session: session(name),
        remaining_ms: 1_000,
    }
}

/// Both nodes are alive, and nothing stands in the way.
pub(crate) fn facts() -> Facts {
    Facts {
        sessions: BTreeSet::from([session("a"), session("b")]),
        presences: vec![presence("a", "boot")],
        ..Facts::default()
    }
}

thread_local! {
    static REQUESTS: Cell<u32> = const { Cell::new(0) };
}

pub(crate) fn request(action: Action) -> Request {
    let number = REQUESTS.replace(REQUESTS.get() + 1);
    Request {
        id: RequestId::new(format!("request-{number}")).unwrap(),
        at: String::new(),
        action,
    }
}

pub(crate) fn claim(name: &str) -> Claim {
    Claim {
        identity: identity(name, "boot"),
        session: session(name),
        need: "kernel".to_owned(),
        pid: 1,
        interval_secs: 0,
        diagnostic: false,
    }
}

pub(crate) fn owner(expects: Phase) -> Owner {
    Owner {
        node: node("a"),
        number: 1,
        instance: identity("a", "boot").instance,
        expects,
    }
}

pub(crate) fn boot(name: &str) -> BootIdentity {
    BootIdentity::of_boot(name)
}

pub(crate) fn fence(expects: Phase, in_boot: &str) -> Action {
    Action::Fence {
        owner: owner(expects),
        boot: boot(in_boot),
        max_reboots_per_day: 3,
        deadline_secs: 600,
    }
}

pub(crate) fn drain() -> Action {
    Action::Drain {
        owner: owner(Phase::Claimed),
        undo: Undo::of(["10-drain".to_owned()]),
        deadline_secs: 600,
    }
}

pub(crate) fn release(expects: Phase, in_boot: &str, way: Way) -> Action {
    Action::Release {
        owner: owner(expects),
        boot: boot(in_boot),
        way,
        undone: Undo::default(),
    }
}

pub(crate) fn return_in(in_boot: &str) -> Action {
    Action::Return {
        owner: owner(Phase::Rebooting),
        boot: boot(in_boot),
        deadline_secs: 600,
    }
}

pub(crate) fn adopt(identity: Identity) -> Action {
    Action::Adopt {
        owner: owner(Phase::Rebooting),
        identity,
        session: session("a"),
        return_within_secs: None,
    }
}

pub(crate) fn by() -> String {
    "ann".to_owned()
}

pub(crate) fn granted(group: &Group, action: Action) -> Applied {
    apply(group, &request(action), &facts()).unwrap()
}

pub(crate) fn empty(max: u32) -> Group {
    Group::create(max, 1, &[]).unwrap()
}

/// A group of so many slots in which `a` holds number 1.
pub(crate) fn held(max: u32) -> Group {
    granted(&empty(max), Action::Claim(claim("a"))).group
}

pub(crate) fn draining() -> Group {
    granted(&held(1), drain()).group
}

pub(crate) fn rebooting() -> Group {
    granted(&held(1), fence(Phase::Claimed, "boot")).group
}

pub(crate) fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = facts();
    change(&mut facts);
    facts
}

pub(crate) fn cooldown() -> Cooldown {
    Cooldown {
        node: node("b"),
        duration_secs: 60,
        remaining_ms: 30_500,
        started_at: String::new(),
    }
}

pub(crate) fn two_boots() -> Facts {
    with(|facts| facts.presences.push(presence("a", "other")))
}

/// The refusal's name, and words its message must have; asserts that repeating changes nothing.
#[track_caller]
pub(crate) fn refused(group: &Group, action: Action, facts: &Facts, kind: &str, words: &[&str]) {
    let request = request(action);
    let refusal = apply(group, &request, facts).unwrap_err();
    assert_eq!(refusal.kind(), kind, "{refusal}");
    let message = refusal.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
    assert_eq!(apply(group, &request, facts).unwrap_err(), refusal);
}

pub(crate) fn claim_of(name: &str) -> Action {
    Action::Claim(claim(name))
}

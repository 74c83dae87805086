//! Orders: when they stand, when they are due, who can be asked, and how they are told.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use jiff::Timestamp;
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::Fleet;
use reboot_core::id::NodeName;
use reboot_core::order::{CannotOrder, Order, OrderEnd};
use serde_json::json;

fn order(not_before: Option<&str>) -> Order {
    Order {
        by: "alice".to_owned(),
        reason: "a new disk".to_owned(),
        at: "2026-03-02T12:00:00Z".to_owned(),
        not_before: not_before.map(|text| text.parse().unwrap()),
        boot: BootIdentity::of_boot("b1"),
        extra: Default::default(),
    }
}

fn node() -> NodeName {
    NodeName::new("n1").unwrap()
}

#[test]
fn only_a_certain_reboot_fulfils_an_order() {
    let soft = |count| BootIdentity {
        soft_reboots: count,
        ..BootIdentity::of_boot("b1")
    };
    let asked_after_one = Order {
        boot: soft(Some(1)),
        ..order(None)
    };
    for (boot, is_fulfilled) in [
        (BootIdentity::of_boot("b2"), true),
        (soft(Some(1)), false),
        (soft(Some(2)), true),
        (soft(None), false),
    ] {
        assert_eq!(
            asked_after_one.is_fulfilled_in(&boot),
            is_fulfilled,
            "{boot}"
        );
    }
}

#[test]
fn an_order_is_due_from_its_time_on_and_its_wait_never_ends_early() {
    let now: Timestamp = "2026-03-02T12:00:00.0005Z".parse().unwrap();
    assert!(order(None).is_due(now));
    assert!(order(Some("2026-03-02T12:00:00.0005Z")).is_due(now));
    let later = order(Some("2026-03-02T12:00:01.0009Z"));
    assert!(!later.is_due(now));
    let wait_ms = i64::try_from(later.wait_ms(now)).unwrap();
    assert!((1_000..1_010).contains(&wait_ms), "{wait_ms}");
    let then = now + jiff::SignedDuration::from_millis(wait_ms);
    assert!(later.is_due(then), "a timer is not set in vain");
}

#[test]
fn an_order_is_told_with_who_when_and_why() {
    let start = Some("2026-03-02T13:00:00Z");
    assert_eq!(
        order(start).words(),
        "ordered by alice at 2026-03-02T12:00:00Z for 2026-03-02T13:00:00Z: a new disk"
    );
    let note = order(start).note(&node());
    assert_eq!(
        (note.event.as_str(), note.detail.as_str()),
        (
            "order",
            "alice: a new disk (not before 2026-03-02T13:00:00Z)"
        )
    );
    let by = "bob".to_owned();
    let end = order(None).end_note(&node(), &OrderEnd::Cancelled { by }, "later");
    assert_eq!(
        (end.event.as_str(), end.at.as_str()),
        ("cancel-order", "later")
    );
    assert!(end.detail.starts_with("bob (ordered by alice"), "{end:?}");
}

/// A fleet as an earlier version shows it, with these nodes.
fn fleet(nodes: &serde_json::Value) -> Fleet {
    let text = json!({
        "revision": 1, "groups": {}, "nodes": nodes, "owed": {}, "presences": [], "pause": null,
    });
    serde_json::from_value(text).unwrap()
}

fn record(instance: &str) -> serde_json::Value {
    json!({
        "record": {
            "node": "n1", "machineID": "m1", "boot": {"boot_id": "b1"}, "instance": instance,
            "group": "web", "healthy": true, "stage": "tick", "reported_at": "", "activity": "idle",
        },
        "is_fresh": true, "marks": 0,
    })
}

#[test]
fn a_look_of_an_earlier_version_has_no_orders() {
    assert!(fleet(&json!({})).orders.is_empty());
    let text = json!({"by": "a", "reason": "r", "at": "t", "boot": {"boot_id": "b"}});
    let order: Order = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(order.not_before, None);
    assert_eq!(serde_json::to_value(order).unwrap(), text);
}

#[test]
fn only_a_node_of_ours_that_has_reported_can_be_asked() {
    let ours = fleet(&json!({"n1": record("run-1")}));
    let (boot, group) = ours.orderable(&node()).unwrap();
    assert_eq!((boot.boot_id.as_str(), group.as_str()), ("b1", "web"));
    let nobody = fleet(&json!({}));
    let unknown = nobody.orderable(&node()).unwrap_err();
    assert_eq!(unknown, CannotOrder::Unknown(node()));
    let original = fleet(&json!({"n1": record("original")}));
    let refused = original.orderable(&node()).unwrap_err();
    assert_eq!(refused, CannotOrder::Original(node()));
    assert!(refused.to_string().contains("update it"), "{refused}");
}

#[test]
fn what_a_later_version_says_of_an_order_is_kept() {
    let mut told = serde_json::to_value(order(None)).unwrap();
    told["urgency"] = serde_json::json!({"level": 3});
    let read: Order = serde_json::from_value(told.clone()).unwrap();
    assert_ne!(read, order(None), "an order ends by its whole self");
    assert_eq!(serde_json::to_value(read).unwrap(), told);
}

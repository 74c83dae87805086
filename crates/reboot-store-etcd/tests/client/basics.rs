//! Transactions and leases on one member.

use std::time::Duration;

use reboot_store_etcd::client::{Compare, Fault, Granted, Is, Op, OpResult, Txn};
use tokio::time::Instant;

use crate::support::{
    always, delete, get, get_prefix, kvs, own_prefix, put, put_on, quiet, texts, unchanged, until,
};

#[tokio::test]
async fn a_transaction_compares_and_does_one_thing_or_the_other() {
    let (client, prefix) = (quiet().await, own_prefix("txn"));
    let key = format!("{prefix}a");
    let swap = |revision, value: &str| Txn {
        compares: vec![unchanged(&key, revision)],
        then: vec![put(&key, value), get(&key)],
        otherwise: vec![get(&key)],
    };
    let first = client.txn(swap(0, "one")).await.unwrap();
    assert!(first.succeeded);
    assert_eq!(first.results.len(), 2);
    assert_eq!(first.results[0], OpResult::Put);
    let kv = &kvs(&first, 1)[0];
    assert_eq!((kv.version, kv.lease), (1, 0));
    assert_eq!(kv.mod_revision, first.revision);
    assert_eq!(kv.create_revision, first.revision);

    let lost = client.txn(swap(0, "two")).await.unwrap();
    assert!(!lost.succeeded);
    assert_eq!(texts(&lost, 0), [(key.clone(), "one".to_owned())]);
    assert_eq!(lost.revision, first.revision);

    let won = client.txn(swap(first.revision, "three")).await.unwrap();
    assert!(won.succeeded);
    assert_eq!(kvs(&won, 1)[0].version, 2);
    assert_eq!(kvs(&won, 1)[0].value, b"three");
}

#[tokio::test]
async fn every_comparison_is_what_it_says() {
    let (client, prefix) = (quiet().await, own_prefix("compare"));
    let key = format!("{prefix}a");
    let lease = 0x5eed_0000 + i64::from(std::process::id());
    assert!(matches!(
        client.grant(lease, 60).await,
        Ok(Granted::New { .. })
    ));
    let made = client.txn(always([put(&key, "1")])).await.unwrap().revision;
    let changed = client
        .txn(always([put_on(&key, "2", lease)]))
        .await
        .unwrap()
        .revision;
    assert!(changed > made);
    let (key, end) = (key.into_bytes(), None);
    let compare = |what: &str, is, with| {
        let (key, end) = (key.clone(), end.clone());
        match what {
            "mod" => Compare::ModRevision {
                key,
                end,
                is,
                revision: with,
            },
            "create" => Compare::CreateRevision {
                key,
                end,
                is,
                revision: with,
            },
            "version" => Compare::Version {
                key,
                end,
                is,
                version: with,
            },
            _ => Compare::Lease {
                key,
                end,
                is,
                lease: with,
            },
        }
    };
    for (what, value) in [
        ("mod", changed),
        ("create", made),
        ("version", 2),
        ("lease", lease),
    ] {
        for with in [value - 1, value, value + 1] {
            for (is, expected) in [
                (Is::Equal, value == with),
                (Is::Less, value < with),
                (Is::Greater, value > with),
            ] {
                let txn = Txn {
                    compares: vec![compare(what, is, with)],
                    ..Txn::default()
                };
                let answer = client.txn(txn).await.unwrap();
                assert_eq!(answer.succeeded, expected, "{what} {value} {is:?} {with}");
            }
        }
    }
}

#[tokio::test]
async fn a_range_is_compared_key_by_key() {
    let (client, prefix) = (quiet().await, own_prefix("compare-range"));
    let range_is_empty = Txn {
        compares: vec![Compare::CreateRevision {
            key: prefix.clone().into_bytes(),
            end: Some(reboot_store_etcd::client::prefix_end(prefix.as_bytes())),
            is: Is::Equal,
            revision: 0,
        }],
        ..Txn::default()
    };
    assert!(client.txn(range_is_empty.clone()).await.unwrap().succeeded);
    client
        .txn(always([put(&format!("{prefix}a"), "")]))
        .await
        .unwrap();
    assert!(!client.txn(range_is_empty).await.unwrap().succeeded);
}

#[tokio::test]
async fn ranges_can_be_limited_counted_and_asked_for_what_is_new() {
    let (client, prefix) = (quiet().await, own_prefix("range"));
    let key = |name: &str| format!("{prefix}{name}");
    let old = client
        .txn(always([put(&key("a"), "1"), put(&key("b"), "2")]))
        .await
        .unwrap();
    client.txn(always([put(&key("c"), "3")])).await.unwrap();
    let Op::Range {
        key: first, end, ..
    } = get_prefix(&prefix)
    else {
        unreachable!("a prefix is a range");
    };
    let range = |keys_only, count_only, limit, min_mod_revision| Op::Range {
        key: first.clone(),
        end: end.clone(),
        keys_only,
        count_only,
        limit,
        min_mod_revision,
        at_revision: 0,
    };
    let answer = client
        .txn(always([
            range(false, false, 0, 0),
            range(true, false, 2, 0),
            range(false, true, 0, 0),
            range(false, false, 0, old.revision + 1),
        ]))
        .await
        .unwrap();
    let pairs = |names: &[(&str, &str)]| -> Vec<(String, String)> {
        names
            .iter()
            .map(|(name, value)| (key(name), (*value).to_owned()))
            .collect()
    };
    assert_eq!(
        texts(&answer, 0),
        pairs(&[("a", "1"), ("b", "2"), ("c", "3")])
    );
    assert_eq!(texts(&answer, 1), pairs(&[("a", ""), ("b", "")]));
    let OpResult::Range { count: 3, .. } = &answer.results[1] else {
        panic!("a limit must not limit the count: {:?}", answer.results[1]);
    };
    assert_eq!(
        answer.results[2],
        OpResult::Range {
            kvs: Vec::new(),
            count: 3
        }
    );
    assert_eq!(texts(&answer, 3), pairs(&[("c", "3")]));

    let all = Op::Delete {
        key: first.clone(),
        end: end.clone(),
    };
    let answer = client.txn(always([all])).await.unwrap();
    assert_eq!(answer.results, [OpResult::Delete { deleted: 3 }]);
}

#[tokio::test]
async fn a_lease_lives_as_long_as_it_is_kept_alive() {
    let (client, prefix) = (quiet().await, own_prefix("lease"));
    let (key, id) = (format!("{prefix}a"), 0x1ea5_0001);
    let granted = client.grant(id, 60).await.unwrap();
    assert_eq!(granted, Granted::New { ttl_secs: 60 });
    assert_eq!(client.grant(id, 60).await, Ok(Granted::Exists));
    client.txn(always([put_on(&key, "1", id)])).await.unwrap();
    let life = client.time_to_live(id).await.unwrap().unwrap();
    assert_eq!(life.granted_secs, 60);
    assert!((1..=60).contains(&life.remaining_secs), "{life:?}");
    assert_eq!(client.keep_alive(id).await, Ok(60));

    assert_eq!(client.revoke(id).await, Ok(true));
    assert_eq!(client.revoke(id).await, Ok(false));
    assert_eq!(client.keep_alive(id).await, Ok(0));
    assert_eq!(client.time_to_live(id).await, Ok(None));
    let answer = client.txn(always([get(&key)])).await.unwrap();
    assert_eq!(kvs(&answer, 0), []);
}

#[tokio::test]
async fn a_lease_that_nobody_keeps_expires_and_takes_its_keys() {
    let (client, prefix) = (quiet().await, own_prefix("expiry"));
    let (key, id) = (format!("{prefix}a"), 0x1ea5_0002);
    let Ok(Granted::New { ttl_secs }) = client.grant(id, 1).await else {
        panic!("no lease");
    };
    client.txn(always([put_on(&key, "1", id)])).await.unwrap();
    let began = Instant::now();
    until("the end of the lease", || async {
        client.time_to_live(id).await.unwrap().is_none()
    })
    .await;
    let lived = began.elapsed();
    assert!(
        lived < Duration::from_secs(10 + ttl_secs.unsigned_abs()),
        "{lived:?}"
    );
    assert_eq!(client.keep_alive(id).await, Ok(0));
    assert_eq!(kvs(&client.txn(always([get(&key)])).await.unwrap(), 0), []);
    assert_eq!(
        client.txn(always([put_on(&key, "1", id)])).await,
        Err(Fault::LeaseGone)
    );
    assert_eq!(kvs(&client.txn(always([get(&key)])).await.unwrap(), 0), []);
}

/// etcd takes 128 operations at one level of a transaction.
#[tokio::test]
async fn more_operations_than_etcd_takes_at_once_are_one_transaction() {
    let (client, prefix) = (quiet().await, own_prefix("more"));
    let many = (0..300).map(|number| put(&format!("{prefix}{number:03}"), ""));
    let answer = client.txn(always(many)).await.unwrap();
    assert_eq!(answer.results.len(), 300);
    let found = client.txn(always([get_prefix(&prefix)])).await.unwrap();
    let revisions = kvs(&found, 0).iter().map(|kv| kv.mod_revision);
    assert!(revisions.eq(std::iter::repeat_n(answer.revision, 300)));
}

#[tokio::test]
async fn what_etcd_refuses_is_refused_in_its_words() {
    let (client, prefix) = (quiet().await, own_prefix("refused"));
    let key = format!("{prefix}a");
    let Err(Fault::Refused(text)) = client.txn(always([put(&key, "1"), put(&key, "2")])).await
    else {
        panic!("a key was put twice in one transaction");
    };
    assert!(text.contains("duplicate key"), "{text}");
    assert!(
        text.contains(&key) && text.contains("http://127.0.0.1:"),
        "{text}"
    );

    let huge = "x".repeat(1_700_000);
    let Err(Fault::Refused(text)) = client.txn(always([put(&key, &huge)])).await else {
        panic!("more than etcd takes");
    };
    assert!(text.contains("too large"), "{text}");
    let answer = client.txn(always([delete(&key)])).await.unwrap();
    assert_eq!(answer.results, [OpResult::Delete { deleted: 0 }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_share_one_connection() {
    let (client, prefix) = (quiet().await, own_prefix("many"));
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let (client, key) = (client.clone(), format!("{prefix}{number:03}"));
        calls.spawn(async move { client.txn(always([put(&key, "1")])).await.unwrap().revision });
    }
    let mut revisions = calls.join_all().await;
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), 200);
    let answer = client.txn(always([get_prefix(&prefix)])).await.unwrap();
    assert_eq!(kvs(&answer, 0).len(), 200);
}

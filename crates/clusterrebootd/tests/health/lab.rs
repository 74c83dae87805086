//! etcd's script on a real cluster whose members have two addresses each.

use crate::stage::{Machine, shipped};
use reboot_lab::{Etcd, LabOptions};

/// Runs it as if on this member's node.
fn ask(etcd: &Etcd, member: usize, phase: &str) -> (Option<i32>, String) {
    let machine = Machine::new(&["etcdctl"]);
    let settings = [
        ("RC_NODE_NAME".to_owned(), format!("member-{member}")),
        ("RC_ETCD_ENDPOINTS".to_owned(), etcd.endpoints().join(",")),
    ];
    let output = machine.run(&shipped("etcd-quorum"), phase, &settings);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn a_real_member_that_is_dead_blocks_the_reboot_of_another() {
    let options = LabOptions {
        alias: Some("localhost".to_owned()),
        ..LabOptions::default()
    };
    let mut etcd = Etcd::cluster(3, &options).await.unwrap();
    let urls = etcd.etcdctl(&["member", "list"]).await.unwrap();
    assert_eq!(urls.matches("http://localhost:").count(), 3, "{urls}");
    for phase in ["pre-lock", "post-reboot"] {
        let (code, said) = ask(&etcd, 0, phase);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("3 of 3 voters are healthy"), "{said}");
    }
    let (dead, alive) = match etcd.leader().await.unwrap() {
        0 => (1, 2),
        _ => (0, 1),
    };
    etcd.kill(dead);
    let (code, said) = ask(&etcd, alive, "pre-lock");
    assert_eq!(code, Some(1), "{said}");
    let words = format!("2 of 3 voters are healthy (not: member-{dead})");
    assert!(said.contains(&words), "{said}");
    let (code, said) = ask(&etcd, alive, "post-reboot");
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = ask(&etcd, dead, "post-reboot");
    assert_eq!(code, Some(1), "{said}");
    etcd.restart(dead).unwrap();
    etcd.wait_healthy().await.unwrap();
    assert_eq!(ask(&etcd, alive, "pre-lock").0, Some(0));
}

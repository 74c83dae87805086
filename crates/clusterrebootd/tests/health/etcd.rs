//! etcd: voters are counted, and never their addresses.

use crate::stage::{AFTER, Answer, BEFORE, Stage, says};

const LIST: &str = "member list";
const HEALTH: &str = "endpoint health --cluster";

/// A member as etcd lists it: its name, whether it learns, its addresses.
type Member<'a> = (&'a str, bool, Vec<String>);

/// Two addresses of a member's own.
fn addresses(name: &str) -> Vec<String> {
    let address = |port: &u32| format!("https://{name}.example:{port}");
    [2379, 4001].iter().map(address).collect()
}

fn voter(name: &str) -> Member<'_> {
    (name, false, addresses(name))
}

/// As `etcdctl member list -w fields` prints it.
fn list(members: &[Member<'_>]) -> String {
    let mut text = "\"ClusterID\" : 17\n\"MemberID\" : 901\n\"Revision\" : 0\n".to_owned();
    for (at, (name, is_learner, urls)) in members.iter().enumerate() {
        text.push_str(&format!("\"ID\" : {}\n\"Name\" : \"{name}\"\n", 901 + at));
        text.push_str(&format!("\"PeerURL\" : \"https://{name}.example:2380\"\n"));
        for url in urls {
            text.push_str(&format!("\"ClientURL\" : \"{url}\"\n"));
        }
        text.push_str(&format!("\"IsLearner\" : {is_learner}\n\n"));
    }
    text
}

/// As `etcdctl endpoint health --cluster -w fields` prints it, with these addresses ill.
fn health(members: &[Member<'_>], ill: &[String]) -> Answer {
    let mut text = String::new();
    let mut urls: Vec<_> = members.iter().flat_map(|(_, _, urls)| urls).collect();
    urls.sort();
    urls.dedup();
    for url in urls {
        let is_well = !ill.contains(url);
        let error = if is_well {
            ""
        } else {
            "context deadline exceeded"
        };
        text.push_str(&format!(
            "\"Endpoint\" : \"{url}\"\n\"Health\" : {is_well}\n"
        ));
        text.push_str(&format!("\"Took\" : 6.1ms\n\"Error\" : {error}\n\n"));
    }
    match ill {
        [] => Answer::Says(text),
        _ => Answer::Fails(text, "Error: unhealthy cluster", 1),
    }
}

fn cluster(members: &[Member<'_>], ill: &[String]) -> Stage {
    let stage = Stage::new("etcd-quorum").with("etcdctl", LIST, says(&list(members)));
    stage.with("etcdctl", HEALTH, health(members, ill))
}

/// Voters of these names, of which some do not answer.
fn voters(names: &[&str], dead: &[&str]) -> Stage {
    let members: Vec<_> = names.iter().map(|name| voter(name)).collect();
    let ill: Vec<_> = dead.iter().flat_map(|name| addresses(name)).collect();
    cluster(&members, &ill)
}

pub(crate) fn well() -> Stage {
    voters(&["a", "b", "c"], &[])
}

#[test]
fn a_dead_member_of_three_blocks_however_many_addresses_the_others_have() {
    let stage = voters(&["a", "b", "c"], &["c"]);
    stage.bad(&BEFORE, &["2 of 3 voters", "not: c", "quorum is 2"]);
    stage.good(&AFTER);
}

#[test]
fn without_a_quorum_nothing_is_well() {
    let stage = voters(&["a", "b", "c"], &["b", "c"]);
    stage.bad(&BEFORE, &["1 of 3 voters"]);
    stage.bad(&AFTER, &["1 of 3 voters", "not: b c"]);
}

#[test]
fn after_a_reboot_this_node_s_own_member_has_to_be_back() {
    let stage = voters(&["a", "b", "c", "d", "e"], &["a"]);
    stage.bad(&AFTER, &["a of this node does not answer"]);
    stage.good(&BEFORE);
}

#[test]
fn one_address_that_answers_is_enough() {
    let members = [voter("a"), voter("b"), voter("c")];
    let ill = ["a", "b", "c"].map(|name| addresses(name).remove(0));
    let stage = cluster(&members, &ill);
    stage.good(&BEFORE);
    stage.good(&AFTER);
}

#[test]
fn an_address_of_two_members_proves_nothing_for_either() {
    let local = "http://localhost:2379".to_owned();
    let lost = |name| (name, false, vec![local.clone()]);
    let stage = cluster(&[lost("a"), lost("b"), lost("c")], &[]);
    stage.bad(
        &BEFORE,
        &["0 of 3 voters", "localhost", "two members have it"],
    );
    let with_local = |name| {
        let (_, _, mut urls) = voter(name);
        urls.insert(0, local.clone());
        (name, false, urls)
    };
    let members = ["a", "b", "c"].map(with_local);
    cluster(&members, &[]).good(&BEFORE);
    cluster(&members, &addresses("b")).bad(&BEFORE, &["2 of 3 voters", "not: b"]);
}

#[test]
fn learners_do_not_vote() {
    let learner = ("l", true, addresses("l"));
    let members = [voter("a"), voter("b"), voter("c"), learner];
    let ill: Vec<_> = [addresses("c"), addresses("l")].concat();
    // Were they voters, four would be a quorum of three, and three of four well.
    cluster(&members, &addresses("c")).bad(&BEFORE, &["2 of 3 voters"]);
    cluster(&members, &ill).good(&AFTER);
    cluster(&members, &addresses("l")).good(&BEFORE);
    let own = cluster(&members, &addresses("l")).set("MEMBER", "l");
    own.bad(&AFTER, &["l is a learner", "promote"]);
}

#[test]
fn a_member_that_never_started_is_down() {
    let fresh = ("", false, Vec::new());
    let members = [voter("a"), voter("b"), fresh];
    cluster(&members, &[]).bad(&BEFORE, &["2 of 3 voters", "903(never started)"]);
    cluster(&members, &[]).good(&AFTER);
}

#[test]
fn a_cluster_of_one_may_go_when_it_is_well_and_is_not_well_when_it_is_ill() {
    voters(&["a"], &[]).good(&BEFORE);
    voters(&["a"], &[]).good(&AFTER);
    voters(&["a"], &["a"]).bad(&BEFORE, &["0 of 1 voters"]);
    voters(&["a"], &["a"]).bad(&AFTER, &["0 of 1 voters"]);
}

#[test]
fn two_that_may_go_at_once_are_both_counted() {
    well()
        .set("AT_ONCE", "2")
        .bad(&BEFORE, &["2 may go at once", "let fewer"]);
    well().set("AT_ONCE", "2").good(&AFTER);
    let five = ["a", "b", "c", "d", "e"];
    voters(&five, &[]).set("AT_ONCE", "2").good(&BEFORE);
    let one_down = voters(&five, &["e"]);
    one_down.good(&BEFORE);
    one_down
        .set("AT_ONCE", "2")
        .bad(&BEFORE, &["4 of 5", "not: e", "2 may go"]);
}

#[test]
fn a_list_without_health_or_health_without_a_list_is_no_proof() {
    let fetch = Answer::Fails(String::new(), "Error: failed to fetch endpoints", 1);
    let stage = well().with("etcdctl", HEALTH, fetch);
    stage.bad(&BEFORE, &["failed to fetch endpoints", "check etcd"]);
    stage.bad(&AFTER, &["failed to fetch endpoints"]);
    let timed_out = health(&[voter("a")], &addresses("a")).text().to_owned();
    let killed = Answer::Fails(timed_out, "Killed", 137);
    well()
        .with("etcdctl", HEALTH, killed)
        .bad(&AFTER, &["137", "Killed"]);
    // What an etcdctl before 3.4 prints.
    let old = says("https://a.example:2379 is healthy: successfully committed proposal\n");
    well()
        .with("etcdctl", HEALTH, old)
        .bad(&BEFORE, &["0 of 3 voters"]);
}

#[test]
fn it_asks_the_endpoints_of_the_store_unless_told_others() {
    let stage = Stage::new("etcd-quorum");
    let stage = stage.with("etcdctl", LIST, Answer::Tells("$ETCDCTL_ENDPOINTS"));
    stage.bad(&["pre-lock"], &["asked: 127.0.0.1:2379"]);
    let told = stage.set("RC_ETCD_ENDPOINTS", "https://s1:2379,https://s2:2379");
    told.bad(&["pre-lock"], &["asked: https://s1:2379,https://s2:2379"]);
    let own = told.set("ETCDCTL_ENDPOINTS", "https://own:2379");
    own.bad(&["pre-lock"], &["asked: https://own:2379"]);
}

//! Kubernetes: this node is in the list, or the list is another cluster's.

use crate::stage::{AFTER, BEFORE, Stage, says};

fn nodes(text: &str) -> Stage {
    Stage::new("kubernetes-node-ready").with("kubectl", "get nodes", says(text))
}

pub(crate) fn well() -> Stage {
    nodes("a True\nb True\nc True\n")
}

#[test]
fn another_node_that_is_not_ready_blocks_before_a_reboot() {
    for state in ["False", "Unknown", "", "True True"] {
        let stage = nodes(&format!("a True\nb {state}\nc True\n"));
        stage.bad(&BEFORE, &["not ready: b", "kubectl describe node"]);
        stage.good(&AFTER);
    }
    nodes("a True\nb False\nc Unknown\n").bad(&BEFORE, &["not ready: b c"]);
}

#[test]
fn this_node_need_not_be_ready_to_go_but_has_to_be_when_it_is_back() {
    for state in ["False", "Unknown", ""] {
        let stage = nodes(&format!("a {state}\nb True\nc True\n"));
        stage.good(&BEFORE);
        stage.bad(&AFTER, &["a is not ready", "kubectl describe node"]);
    }
}

#[test]
fn an_empty_list_and_another_cluster_s_block_in_every_phase() {
    for (text, count) in [
        ("", "0 nodes"),
        ("\n", "0 nodes"),
        ("x True\ny True\n", "2 nodes"),
    ] {
        nodes(text).bad(&BEFORE, &[count, "not a", "KUBECONFIG", "MEMBER"]);
        nodes(text).bad(&AFTER, &[count, "not a", "KUBECONFIG"]);
    }
    // A name is a whole name.
    nodes("aa True\na.example True\n").bad(&BEFORE, &["not a"]);
}

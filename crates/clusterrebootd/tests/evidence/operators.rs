//! What operators do to a group, as the daemons live it.

use crate::bench::Bench;
use crate::machine::Machine;
use crate::scripts::KILL_DAEMON;
use nix::sys::signal::Signal;
use reboot_core::group::{Action, Pause};
use reboot_core::write::Write;

#[test]
fn a_pause_of_the_fleet_holds_everybody_back_until_it_ends() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    let pause = Pause {
        by: "olga".to_owned(),
        reason: "the big match".to_owned(),
        until: None,
        session: None,
    };
    bench.write(Write::pause_fleet(Some(pause), "olga", ""));
    machine.touch("sentinel");
    bench.wait("paused", || machine.has_outcome("paused"));
    assert!(machine.says("olga") && machine.says("the big match"));
    assert_eq!(machine.run(&["status"]).code, 0);
    assert!(machine.events("lock_attempt").is_empty());
    bench.write(Write::pause_fleet(None, "olga", ""));
    bench.wait("it goes by itself", || machine.has("down"));
}

#[test]
fn a_broken_hold_lets_the_others_go_on_and_the_lost_machine_come_back() {
    let bench = Bench::new();
    let mut lost = bench.machine("n1");
    lost.script("reboot", KILL_DAEMON);
    lost.touch("sentinel");
    lost.start();
    bench.wait("it goes", || lost.exit_code().is_some());
    let mut other = bench.machine("n2");
    other.touch("sentinel");
    other.start();
    bench.wait("the other waits", || other.has_outcome("lock_unavailable"));
    let number = bench.holds()[0].number;
    bench.ask(
        "olga.1",
        Action::Break {
            number,
            by: "olga".to_owned(),
            reason: "the board is dead".to_owned(),
        },
    );
    bench.wait("the other goes", || other.has("down"));
    other.power_cycle(&bench, Signal::SIGTERM);
    lost.power_cycle(&bench, Signal::SIGKILL);
    bench.wait_for_no_hold();
    bench.wait("it is back", || lost.last_outcome() == "no_action");
    assert!(!lost.has("run/rebooted"), "it held nothing any more");
    assert!(other.has("run/rebooted"));
}

#[test]
fn more_slots_let_the_next_one_go_at_once() {
    let bench = Bench::new();
    let mut machines = bench.machines(3);
    for machine in &mut machines {
        machine.touch("sentinel");
        machine.start();
    }
    let down = || machines.iter().filter(|it| it.has("down")).count();
    let waits = || {
        let waits = machines
            .iter()
            .filter(|it| it.has_outcome("lock_unavailable"));
        waits.count()
    };
    bench.wait("one is down, two wait", || down() == 1 && waits() == 2);
    let by = "olga".to_owned();
    bench.ask("olga.1", Action::SetMax { max: 2, by });
    bench.wait("a second goes", || down() == 2);
}

#[test]
fn a_file_that_names_another_number_of_slots_changes_nothing_and_is_told() {
    let bench = Bench::new();
    let mut machines = bench.machines(2);
    machines[1].set("max", 2);
    for machine in &mut machines {
        machine.touch("sentinel");
        machine.start();
        bench.wait("it has had its look", || !machine.outcomes().is_empty());
    }
    bench.wait("the first is down", || machines[0].has("down"));
    bench.wait("the second waits", || {
        machines[1].last_outcome() == "lock_unavailable"
    });
    let both = "group default has 1 slots, this configuration says 2";
    let warnings = |machine: &Machine| {
        let warnings = machine.events("config_warning");
        let texts = warnings.iter().map(|it| it["message"].as_str().unwrap());
        let texts = texts.filter(|text| text.contains("group default has"));
        Vec::from_iter(texts.map(str::to_owned))
    };
    let told = warnings(&machines[1]);
    assert!(told.len() == 1 && told[0].starts_with(both), "{told:?}");
    let ran = machines[1].run(&["status"]);
    assert!(
        ran.stdout.contains(&format!("warning: {both}")),
        "{}",
        ran.stdout
    );
    assert_eq!(machines[1].calls(), 0);
    let by = "olga".to_owned();
    bench.ask("olga.1", Action::SetMax { max: 0, by });
    bench.wait("it is told again, once", || {
        warnings(&machines[1]).len() == 2
    });
    let both = "group default has 0 slots, this configuration says 2";
    assert!(warnings(&machines[1])[1].starts_with(both));
    let silent = machines[0].run(&["status"]);
    assert!(!silent.stdout.contains("warning:"), "{}", silent.stdout);
    assert!(silent.stdout.contains("max is 0"), "it saw the group");
    assert_eq!(warnings(&machines[0]), Vec::<String>::new());
}

#[test]
fn groups_do_not_wait_for_each_other() {
    let bench = Bench::new();
    let mut machines = bench.machines(2);
    machines[1].set("group", "databases");
    for machine in &mut machines {
        machine.touch("sentinel");
        machine.start();
    }
    bench.wait("both are down", || machines.iter().all(|it| it.has("down")));
    assert_eq!(bench.holds().len(), 2);
}

//! What docs/operations.md has people do with the scripts, done below a folder.

use crate::rules;
use crate::stage::{Answer, Call, Machine, repository, shipped, write_program};
use std::fs;
use std::process::Command;

/// The guide's section on the scripts.
fn section() -> String {
    let text = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let (_, below) = text
        .split_once("\n### The example health scripts\n")
        .unwrap();
    let (section, _) = below.split_once("\n## ").unwrap();
    section.to_owned()
}

/// Its blocks, as they read on this machine.
fn blocks(machine: &Machine) -> Vec<String> {
    let examples = repository().join("packaging/health");
    let etc = machine.dir.path().join("etc");
    let section = section();
    let blocks = section.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split_once("```").unwrap().0);
    let here = blocks.map(|block| {
        let examples = examples.to_str().unwrap();
        let block = block.replace("/usr/share/doc/clusterrebootd/examples/health", examples);
        let block = block.replace("/etc/clusterrebootd", etc.to_str().unwrap());
        block.replace("sudo ", "")
    });
    here.collect()
}

/// The calls of all tools, where all is well but for this one.
fn calls(ill: Option<&'static str>) -> Vec<Call> {
    let calls = rules::all().into_iter().flat_map(|stage| stage.calls);
    let changed = calls.map(|call| match ill {
        Some(words) if words == call.words => Call {
            answer: Answer::Fails(String::new(), "no way", 1),
            ..call
        },
        _ => call,
    });
    changed.collect()
}

#[test]
fn the_scripts_are_installed_and_combined_as_the_guide_says() {
    let machine = Machine::new(&["env", "chmod", "install"]);
    let [install, combined, try_it] = &blocks(&machine)[..] else {
        panic!("the section has three scripts");
    };
    let run = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-euc", script]).env_clear();
        shell.env("TMPDIR", machine.dir.path().join("tmp"));
        let output = shell.env("PATH", machine.dir.path().join("bin")).output();
        let output = output.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said)
    };
    assert_eq!(run(install), (true, String::new()));
    fs::write(machine.dir.path().join("etc/health"), combined).unwrap();
    let try_it = try_it.replace("RC_NODE_NAME=node-1", "RC_NODE_NAME=a");
    for (ill, words) in [
        (None, "systemd is running"),
        (Some("member list"), "etcdctl member list failed"),
        (Some("list-units"), "systemctl list-units failed"),
    ] {
        machine.place(&calls(ill));
        let (is_good, said) = run(&try_it);
        assert_eq!(is_good, ill.is_none(), "{said}");
        assert!(said.lines().last().unwrap().contains(words), "{said}");
    }
}

#[test]
fn the_guides_first_script_says_no_for_its_reasons() {
    let text = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let (_, below) = text.split_once("\n## The health script\n").unwrap();
    let (_, script) = below.split_once("```sh\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let program = |name: &str, text: &str| write_program(&dir.path().join(name), text);
    program("health", script);
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    for (active, jobs, phase, expected) in [
        (0, 7, "pre-lock", Ok("")),
        (3, 7, "pre-lock", Err("myservice is down\n")),
        (0, 101, "pre-lock", Ok("")),
        (0, 101, "post-lock", Err("more than 100 jobs wait\n")),
        (0, 100, "post-lock", Ok("")),
    ] {
        let systemctl = "#!/bin/sh\n[ \"$*\" = 'is-active --quiet myservice' ] && exit ";
        program("systemctl", &format!("{systemctl}{active}\n"));
        program("myservice", &format!("#!/bin/sh\necho {jobs}\n"));
        let mut health = Command::new(dir.path().join("health"));
        let output = health.env("PATH", &path).env("RC_PHASE", phase).output();
        let output = output.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let is_good = output.status.success();
        let seen = if is_good { Ok(&*said) } else { Err(&*said) };
        assert_eq!(seen, expected, "{active} {jobs} {phase}");
    }
}

#[test]
fn the_guide_names_every_script_with_every_setting() {
    let section = section();
    let names = ["MEMBERS", "MEMBER", "AT_ONCE", "MAX_LAG_MB", "IGNORE"];
    for stage in rules::all() {
        let text = fs::read_to_string(shipped(stage.script)).unwrap();
        let cell = format!("| `{}` |", stage.script);
        let row = section.lines().find(|line| line.starts_with(&cell));
        let settings = row.unwrap().split('|').nth(4).unwrap();
        for name in names {
            let has = text.contains(&format!("\n{name}=\"${{{name}:-"));
            let told = settings.contains(&format!("`{name}`"));
            assert_eq!(told, has, "{} and {name}", stage.script);
            // The head of a script tells of them too.
            assert_eq!(text.contains(&format!("#   {name} ")), has, "{name}");
        }
        assert!(text.contains("#   TIMEOUT_SEC "), "{}", stage.script);
    }
}

#[test]
fn what_the_guide_combines_is_as_clean_as_the_scripts() {
    let machine = Machine::new(&[]);
    let file = machine.dir.path().join("health");
    write_program(&file, &blocks(&machine)[1]);
    let mut check = Command::new("shellcheck");
    let output = check.arg("--shell=sh").arg(&file).output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot start shellcheck ({error}): run `apt-get install shellcheck`")
    });
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

//! `run-isolated`.

use super::super::world::{World, in_a_world};
use super::is_refused;

in_a_world! {
    a_program_has_no_network_from_the_start
    what_is_not_acceptable_is_refused
}

fn a_program_has_no_network_from_the_start(world: &World) {
    let before = world.state();
    let listener = world.listen(7);
    let reach = "exec 3<>/dev/tcp/192.0.2.1/7 && echo reached";
    let said = world.fyke_well(&[
        "run",
        "run-isolated",
        "--",
        "sh",
        "-c",
        "cat /proc/net/dev; cat /proc/net/route | wc -l; echo \"$1\"",
        "sh",
        "a,b --help",
    ]);
    assert!(said.out.contains("lo:") && !said.out.contains("eth0") && said.out.ends_with("0\na,b --help\n"), "{said:?}");
    assert!(said.err.contains("in a network without interfaces, which cannot be lifted"), "{said:?}");
    let said = world.fyke(&["run", "run-isolated", "--", "bash", "-c", reach]);
    assert!(
        said.code == Some(1) && said.err.contains("Network is unreachable") && said.err.contains("bash ended with status 1"),
        "{said:?}"
    );
    // So it is for those that it starts.
    let said = world.fyke_well(&["run", "run-isolated", "--", "sh", "-c", &format!("bash -c '{reach}' || echo kept")]);
    assert!(said.out.ends_with("kept\n"), "{said:?}");
    let outside = std::process::Command::new("bash").args(["-c", reach]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&outside.stdout), "reached\n");
    let said = world.fyke_well(&["plan", "run-isolated", "--", "touch", "/run/was-here"]);
    assert!(said.err.contains("the plan is known up to run-isolated:") && !std::path::Path::new("/run/was-here").exists(), "{said:?}");
    let said = world.fyke(&["--timeout", "500ms", "run", "run-isolated", "--", "sleep", "60"]);
    assert_eq!(said.code, Some(8), "{said:?}");
    drop(listener);
    assert_eq!(world.state(), before);
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["run-isolated"], "nothing stands behind `--`");
    is_refused(world, &["run-isolated", "--"], "nothing stands behind `--`");
    is_refused(world, &["run-isolated", "--", ""], "it names no program");
    is_refused(world, &["run-isolated", "--", "./x"], "its path does not begin at the root");
    is_refused(world, &["block-process", "--", "x"], "block-process takes no words behind it");
}

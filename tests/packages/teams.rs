//! Two teams: one publishes a library through a bare repository, the other uses it on a host, and knows what it gets. Proved with packets.

use std::fs;

use serde_json::Value;

use super::yard::{Yard, flat};
use crate::kernel::world::{World, in_a_world};
use crate::program::Said;

in_a_world! {
    one_team_publishes_and_another_uses_it
}

const MODULE: &str = r#"//! Ports that nobody may connect to.

/// Drops new connections to a TCP port.
fn close(port) {
    iptables::table("filter").chain("INPUT").ensure_first(#{ proto: "tcp", dport: port, jump: "DROP" });
}
"#;

const RECIPE: &str = r#"//! Drop new connections to a TCP port.
//! needs: iptables
//! risk: disrupts

import "guard" as guard;

let port = param("port", 7001, "TCP port to close", #{ key: true });

guard::close(port);
"#;

const LATER: &str = r#"
/// Drops new connections to a TCP port, over IPv6 as well.
fn close_both(port) {
    close(port);
    ip6tables::table("filter").chain("INPUT").ensure_first(#{ proto: "tcp", dport: port, jump: "DROP" });
}
"#;

const ABOUT: &str =
    "description = \"Ports that nobody may connect to.\"\nlicense = \"MIT\"\nmodules = [\"guard\"]\nrecipes = [\"close-port\"]\n";

fn one_team_publishes_and_another_uses_it(world: &World) {
    let yard = Yard::new();
    let fyke = |words: &[&str]| -> Said { yard.settle(world.command(words), "firewall").output().unwrap().into() };
    let well = |words: &[&str]| {
        let said = fyke(words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said
    };
    let asks = |more: &str| format!("{ABOUT}\n[permissions]\nallow = [\"iptables: filter/INPUT\"{more}]\n");
    // The first team publishes.
    yard.release("teamlib", "1.0.0", &asks(""), &[("guard.rhai", MODULE), ("close-port.rhai", RECIPE)]);
    assert!(yard.well("teamlib", &["publish"]).err.contains("the tag v1.0.0 stands for it"));
    // The second one adds, locks and runs.
    yard.project("firewall");
    let said = well(&["add", "../teamlib.git"]);
    assert!(said.err.contains("teamlib asks for:") && said.err.contains("iptables: filter/INPUT"), "{said:?}");
    let before = world.state();
    let listener = (world.listen(7001), world.listen(7002));
    // What it has not granted is refused before anything is touched.
    let said = fyke(&["run", "teamlib/close-port"]);
    assert!(said.code == Some(5) && flat(&said.err).contains("[grants.teamlib] in fyke.toml"), "{said:?}");
    assert_eq!(world.state(), before);
    well(&["add", "--grant", "../teamlib.git"]);
    world.passes("192.0.2.2", 7001);
    well(&["run", "teamlib/close-port"]);
    world.is_dropped("192.0.2.2", 7001);
    world.passes("192.0.2.2", 7002);
    // A second run of the same changes nothing, and another instance stands beside it.
    assert!(flat(&well(&["run", "teamlib/close-port"]).err).contains("nothing"));
    let history: Value = serde_json::from_str(&well(&["--json", "history"]).out).unwrap();
    assert!(history.to_string().contains("teamlib:close-port"), "{history}");
    world.undo();
    assert_eq!(world.state(), before);
    world.passes("192.0.2.2", 7001);
    // A recipe of its own, with the module.
    yard.write("firewall/own.rhai", "//! Close two ports.\n//! needs: iptables\n//! risk: disrupts\nimport \"teamlib/guard\" as guard;\nguard::close(7001);\nguard::close(7002);\n");
    well(&["check", "own.rhai"]);
    assert!(well(&["plan", "own.rhai"]).out.contains("--dport 7002"));
    assert_eq!(world.state(), before);
    well(&["run", "own.rhai"]);
    world.is_dropped("192.0.2.2", 7001);
    world.is_dropped("192.0.2.2", 7002);
    world.undo();
    assert_eq!(world.state(), before);
    // The first team publishes more, and that asks for more.
    yard.release("teamlib", "1.1.0", &asks(", \"ip6tables: filter/INPUT\""), &[("guard.rhai", &format!("{MODULE}{LATER}"))]);
    let said = fyke(&["update"]);
    assert!(said.code == Some(5) && flat(&said.err).contains("teamlib: \"ip6tables: filter/INPUT\""), "{said:?}");
    well(&["update", "--grant"]);
    // A recipe that may do all gives none of that to the package: what it took back is refused, and what was done before is lifted.
    let manifest = yard.read("firewall/fyke.toml");
    yard.write("firewall/fyke.toml", manifest.replace("\"ip6tables: filter/INPUT\"", "\"ip6tables: filter/OUTPUT\""));
    yard.write("firewall/own.rhai", "//! Close a port.\n//! needs: iptables, ip6tables\n//! risk: disrupts\nimport \"teamlib/guard\" as guard;\nguard::close_both(7001);\n");
    let said = fyke(&["run", "own.rhai"]);
    assert!(said.code == Some(5) && flat(&said.err).contains("ip6tables: filter/INPUT"), "{said:?}");
    assert_eq!(world.state(), before);
    yard.write("firewall/fyke.toml", manifest);
    yard.write(
        "firewall/own.rhai",
        "//! Close a port.\n//! needs: iptables\n//! risk: disrupts\nimport \"teamlib/guard\" as guard;\nguard::close_both(7001);\n",
    );
    // Without the other team's repository, and without the network.
    fs::rename(yard.path("teamlib.git"), yard.path("away.git")).unwrap();
    well(&["fetch", "--frozen"]);
    well(&["run", "own.rhai"]);
    world.is_dropped("192.0.2.2", 7001);
    world.is_dropped("2001:db8::2", 7001);
    world.undo();
    assert_eq!(world.state(), before);
    world.passes("2001:db8::2", 7001);
    drop(listener);
    // Whoever can change the host's files has changed a module: it does not run.
    for path in yard.files("home/.cache").into_keys() {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).replace("DROP", "PASS");
        fs::write(&path, text.as_bytes()).unwrap();
    }
    let said = fyke(&["run", "own.rhai"]);
    assert!(said.code == Some(6) && flat(&said.err).contains("and fyke.lock says sha256:"), "{said:?}");
    assert_eq!(world.state(), before);
}

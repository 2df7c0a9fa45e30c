//! What is compared with what: the machine, the scripts, the texts.

use std::fmt::Write;
use std::process::Command;
use std::{fs, thread};

use crate::Outcome;
use crate::measure::quiet;

/// Describes the machine and the versions of what is measured, as a list.
pub(crate) fn describe() -> Outcome<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let cpu = cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown");
    let cores = thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut text = format!("- {cpu}, {cores} cores; Linux {}\n", kernel.trim());
    for command in ["iptables -V", "bash --version", "python3 --version", "rustc --version"] {
        match said(command) {
            Ok(version) => writeln!(text, "- {}", version.lines().next().unwrap_or_default())?,
            Err(_) => writeln!(text, "- {command}: not there")?,
        }
    }
    Ok(text)
}

fn said(line: &str) -> Outcome<String> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap_or_default()).args(words).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// A virtual environment beside cargo's output.
const VENV: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/python");
/// What is compared with and is written in Python: the module, and its package.
const MODULES: [(&str, &str); 2] = [("pyroute2", "pyroute2"), ("scapy.all", "scapy")];

/// Gives a python3 that can import a module, or the way to one.
pub(crate) fn python(module: &str) -> Result<String, String> {
    let imports =
        |python: &String| Command::new(python).args(["-c", &format!("import {module}")]).output().is_ok_and(|out| out.status.success());
    let pythons = ["python3".to_owned(), format!("{VENV}/bin/python3")];
    let package = MODULES.iter().find(|(known, _)| *known == module).map_or(module, |(_, package)| package);
    pythons
        .into_iter()
        .find(imports)
        .ok_or_else(|| format!("no python3 can import it; python3 -m venv {VENV}; {VENV}/bin/pip install {package}"))
}

/// Installs what is missing of it and can be had: that takes the network of the machine.
pub(crate) fn install_modules() {
    for (module, package) in MODULES {
        if python(module).is_err() && quiet(&format!("python3 -m venv {VENV}")).is_ok() {
            // Where it cannot be had, the page says so.
            let _ = quiet(&format!("{VENV}/bin/pip install --quiet {package}"));
        }
    }
}

/// Empties the tables of a backend.
pub(crate) fn clear(backend: &str) -> Outcome {
    if backend == "nft" {
        return quiet("nft flush ruleset");
    }
    for command in ["iptables-legacy", "ip6tables-legacy"] {
        quiet(&format!("{command} -F"))?;
        quiet(&format!("{command} -X"))?;
    }
    Ok(())
}

/// Writes what the recipe does as people write it today.
pub(crate) fn ssh_rate_limit(backend: &str) -> String {
    let mut text = "set -e\n".to_owned();
    for (command, mask) in [("iptables", "255.255.255.255"), ("ip6tables", "ffff:ffff:ffff:ffff::")] {
        let recent = format!("--name ssh-22 --mask {mask} --rsource");
        for words in [
            "-N SSH-DROP",
            "-A SSH-DROP -m limit --limit 10/min -j LOG --log-prefix 'SSH-LIMIT 22: '",
            "-A SSH-DROP -j DROP",
            "-N SSH-LIMIT",
            &format!("-A SSH-LIMIT -m recent --update --seconds 240 --hitcount 3 {recent} -j SSH-DROP"),
            &format!("-A SSH-LIMIT -m recent --set {recent}"),
            "-I INPUT -p tcp --dport 22 -m conntrack --ctstate NEW -j SSH-LIMIT",
        ] {
            text += &format!("{command}-{backend} {words}\n");
        }
    }
    text
}

/// Writes the words of the n-th rule, each another one, as iptables-save lists them.
fn rule(number: usize) -> String {
    format!("-s 10.{}.{}.{}/32 -p tcp -m tcp --dport 22", number >> 16, number >> 8 & 255, number & 255)
}

/// The same words for Rhai, which counts with `n`.
const RULE: &str = "`-s 10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32 -p tcp -m tcp --dport 22 -j DROP`";

/// Writes a script that appends rules one by one, to INPUT or to a chain that it makes.
pub(crate) fn appends(chain: &str, rules: usize) -> String {
    let find = if chain == "INPUT" { "chain" } else { "ensure_chain" };
    format!(
        "//! Appends many rules.\n//! needs: iptables\n//! risk: changes\n\
         let chain = iptables::table(\"filter\").{find}(\"{chain}\");\nfor n in 0..{rules} {{ chain.append({RULE}); }}\n"
    )
}

/// Writes a script that ensures rules one by one.
pub(crate) fn ensures(rules: usize) -> String {
    format!(
        "//! Ensures many rules.\n//! needs: iptables\n//! risk: changes\n\
         let chain = iptables::table(\"filter\").chain(\"INPUT\");\nfor n in 0..{rules} {{ chain.ensure({RULE}); }}\n"
    )
}

/// Writes the same rules for iptables-restore, with the comments by which fyke knows its own.
pub(crate) fn restore_text(rules: usize) -> String {
    let line = |n| format!("-A INPUT {} -m comment --comment \"fyke:append#baaaaaaa.{}\" -j DROP\n", rule(n), n + 1);
    format!("*filter\n{}COMMIT\n", (0..rules).map(line).collect::<String>())
}

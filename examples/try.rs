//! `make try`: a port is rate-limited, packets show it, and the run is undone.
//!
//! All of it happens in a network of its own, which dies with this program: a server with a listener on port 22, and a client behind a
//! virtual cable. As an ordinary user it takes a user namespace. What is shown is checked as well: the exit code is 1 if a connection
//! passes that should not, or if something is left behind.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

/// Anything that goes wrong ends the demonstration.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// From the blocks for documentation (RFC 5737, RFC 3849), which nobody has.
const SERVER: [&str; 2] = ["192.0.2.1:22", "[2001:db8::1]:22"];
const NETWORK: &[&str] = &[
    "ip link set lo up",
    "ip netns add client",
    "ip link add eth0 type veth peer name eth0 netns client",
    "ip address add 192.0.2.1/24 dev eth0",
    "ip address add 2001:db8::1/64 dev eth0 nodad",
    "ip link set eth0 up",
    "ip -n client address add 192.0.2.2/24 dev eth0",
    "ip -n client address add 2001:db8::2/64 dev eth0 nodad",
    "ip -n client link set eth0 up",
];
/// The first three connections pass: that is what the recipe's parameter `hits` says by default.
const HITS: usize = 3;
const ATTEMPTS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["client", address] => client(address),
        ["inside"] => demonstration(),
        _ => move_inside(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ntry: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts this program again in namespaces of its own: with the rights of root, or else as root of a user namespace.
fn move_inside() -> Outcome {
    // The network comes second: its files in /proc belong to the root of a user namespace only if that was complete when it was made.
    let unshare = |user: bool| {
        let mut unshare = Command::new("unshare");
        unshare.args(if user { &["--user", "--map-root-user"][..] } else { &[] }).args(["--mount", "--", "unshare", "--net", "--"]);
        unshare
    };
    let works = |user| unshare(user).arg("true").output().is_ok_and(|output| output.status.success());
    let user = !works(false);
    if user && !works(true) {
        return Err("user namespaces are switched off here; run it as root".into());
    }
    Err(unshare(user).arg(env::current_exe()?).arg("inside").exec().into())
}

/// The client's side: one connection, within a second.
fn client(address: &str) -> Outcome {
    let begun = Instant::now();
    TcpStream::connect_timeout(&address.parse()?, PATIENCE)?;
    println!("{:.1}", begun.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

fn demonstration() -> Outcome {
    // fyke's journal lives in /run: this one dies with the namespace.
    run("mount -t tmpfs tmpfs /run")?;
    NETWORK.iter().try_for_each(|command| run(command).map(drop))?;
    let found = rules()?;
    serve()?;

    say("A server listens on port 22. A client is connected to it by a virtual cable. Both have a network of their own,");
    say("made for this demonstration: the network of this machine is not touched.\n");
    say("What would the recipe change?\n");
    fyke("plan ssh-rate-limit")?;
    say("It is run.\n");
    fyke("run ssh-rate-limit")?;

    say(&format!("The client connects {ATTEMPTS} times.\n"));
    connections()?;

    say("\nThe rules that did it, with what they counted:\n");
    let rules_now = fyke("eval 'iptables::table(\"filter\").list()'")?;
    check(rules_now.contains("SSH-LIMIT-22"), "the rules are not listed")?;
    say("The sources that the server remembers:\n");
    let remembered = fyke("eval 'iptables::recent(\"ssh-22-ipv4-32\").list()'")?;
    check(remembered.contains("192.0.2.2"), "the client is not remembered")?;

    say("The run is in the journal, and can be undone.\n");
    fyke("history")?;
    fyke("undo last")?;
    check(rules()? == found, "the rules are not what they were before the run")?;
    check(lists()? == 0, "a list of remembered sources is left")?;
    check(attempts()?.iter().all(Option::is_some), "the client cannot connect after the undo")?;
    say("The rules are what they were before, no source is remembered, and the client can connect again.");
    Ok(())
}

/// Listens on port 22 and takes every connection.
fn serve() -> Outcome {
    for address in SERVER {
        let listener = TcpListener::bind(address)?;
        thread::spawn(move || listener.incoming().for_each(drop));
    }
    Ok(())
}

/// Has the client connect several times, shows what became of it, and compares that with what the recipe promises.
fn connections() -> Outcome {
    say("      from 192.0.2.2       from 2001:db8::2");
    let mut right = true;
    for number in 1..=ATTEMPTS {
        let attempts = attempts()?;
        let words = attempts.iter().map(|time| time.as_ref().map_or("dropped".to_owned(), |time| format!("passed in {time} ms")));
        let columns: String = words.map(|words| format!("{words:21}")).collect();
        say(format!("  {number}   {columns}").trim_end());
        right &= attempts.iter().all(|time| time.is_some() == (number <= HITS));
    }
    check(right, &format!("the first {HITS} connections should pass, and no other"))
}

/// Has the client connect once by either family, at the same time; gives the milliseconds that it took, none where it was dropped.
fn attempts() -> Outcome<Vec<Option<String>>> {
    let program = env::current_exe()?;
    let attempt = |address: &str| {
        let mut command = Command::new("nsenter");
        command.arg("--net=/run/netns/client").arg(&program).args(["client", address]);
        let output = command.output()?;
        Ok::<_, std::io::Error>(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    };
    thread::scope(|scope| {
        let attempts = SERVER.map(|address| scope.spawn(move || attempt(address)));
        attempts.into_iter().map(|attempt| Ok(attempt.join().map_err(|_| "an attempt panicked")??)).collect()
    })
}

/// Gives the rules of both families as iptables has them, counters and times aside.
fn rules() -> Outcome<BTreeMap<&'static str, Vec<String>>> {
    let save = |command| {
        let text = run(command)?;
        let kept = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(" [").next().unwrap_or(line).to_owned());
        Ok((command, kept.collect()))
    };
    ["iptables-save", "ip6tables-save"].into_iter().map(save).collect()
}

/// Counts the lists of sources that the kernel remembers.
fn lists() -> Outcome<usize> {
    let folder = Path::new("/proc/thread-self/net/xt_recent");
    Ok(if folder.exists() { fs::read_dir(folder)?.count() } else { 0 })
}

/// Shows a command of fyke as it is typed, runs it, and shows what it says.
fn fyke(words: &str) -> Outcome<String> {
    say(&format!("  $ fyke {words}"));
    let folder = program_folder()?;
    let output = Command::new("sh").arg("-c").arg(format!("exec \"$0\" {words} 2>&1")).arg(folder.join("fyke")).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().for_each(|line| say(&format!("  {line}")));
    say("");
    check(output.status.success(), &format!("fyke {words} failed"))?;
    Ok(text)
}

/// Gives the folder in which cargo puts the program: that of this example is a part of it.
fn program_folder() -> Outcome<PathBuf> {
    let example = fs::canonicalize(env::current_exe()?)?;
    let folder = example.parent().and_then(Path::parent).ok_or("this is not in cargo's target folder")?;
    Ok(folder.to_owned())
}

fn run(command: &str) -> Outcome<String> {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let Output { status, stdout, stderr } =
        Command::new(program).args(words).output().map_err(|error| format!("cannot run {program}: {error}"))?;
    check(status.success(), &format!("{command}: {}", String::from_utf8_lossy(&stderr).trim()))?;
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

fn check(right: bool, otherwise: &str) -> Outcome {
    if right { Ok(()) } else { Err(otherwise.into()) }
}

fn say(line: &str) {
    println!("{line}");
}

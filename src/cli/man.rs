//! `fyke man`: the man pages, from the same declaration as the command line.

use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args;

use crate::kernel::files;
use crate::model::{Fault, Kind};

/// A section that is a list of terms.
type Terms = &'static [(&'static str, &'static str)];

const EXIT_STATUS: Terms = &[
    ("0", "Done."),
    ("1", "The script failed. What it had changed is rolled back."),
    ("2", "The command line, the recipe or a parameter is not acceptable. Nothing was begun."),
    ("3", "A rollback or a recovery is incomplete; the fault says what is left."),
    ("4", "Another process holds a lock, and the time to wait for it is over."),
    ("5", "The user, a capability or a grant does not suffice; or it could cut the connection by which the user is logged in."),
    ("6", "The present is not what the journal says; or, with plan --exit-code, something would change."),
    ("7", "This kernel, or a tool on this host, cannot do it."),
    ("8", "A limit or the deadline was reached. What the script had changed is rolled back."),
    ("64 to 113", "The script ended itself with this code."),
    ("130, 143", "Interrupted by SIGINT or SIGTERM, and rolled back."),
    ("141", "Nobody reads what it prints any more, as behind head(1). What a script has changed stays."),
];

const FILES: Terms = &[
    (
        "/run/fyke",
        "The journal of root: what each run changed, and what was there before. It dies with the kernel state that it describes.",
    ),
    ("$XDG_RUNTIME_DIR/fyke", "The journal of an ordinary user, else /run/user/UID/fyke."),
    ("/var/lib/fyke/history", "What root's runs were, also before the last boot; nothing is ever done because of it."),
    ("$XDG_STATE_HOME/fyke/history", "The same of an ordinary user, else ~/.local/state/fyke/history."),
    (
        "fyke.toml, fyke.lock",
        "What a project or package is and needs, and what was taken for it; looked for in the folder of the recipe, and in those above it.",
    ),
    ("$XDG_CACHE_HOME/fyke", "The packages that were fetched, by their content, else ~/.cache/fyke. They are verified at every load."),
    ("/etc/fyke/fyke.toml", "In its table [trust]: whose signatures count for all projects of the machine."),
    ("/etc/systemd/system/fyke-*.service", "Where fyke persist --install puts its units."),
    ("/run/fyke/netns", "The network namespaces that have lost their names and may get them back."),
    ("/run/netns", "The network namespaces that --netns knows by name, see ip-netns(8)."),
];

const ENVIRONMENT: Terms = &[
    (
        "SSH_CONNECTION",
        "The connection of a remote login, which run, eval and undo refuse to cut. Where sudo took it away, the processes above tell.",
    ),
    ("XDG_RUNTIME_DIR", "Where the journal of an ordinary user lies."),
    ("XDG_CACHE_HOME", "Where fetched packages are kept."),
    ("NO_COLOR", "No colours, if it is not empty."),
    ("TERM", "No colours, if it is dumb or not set."),
    ("COLUMNS", "The width of the terminal."),
];

/// Writes all pages into a folder.
pub(crate) fn run(folder: &Path) -> Result<u8, Fault> {
    for (name, text) in pages().map_err(|error| Fault::new(Kind::System, "write the man pages", error.to_string()))? {
        files::write(&folder.join(name), &text)?;
    }
    Ok(0)
}

/// Gives the name and the text of every page: `fyke.1`, and one for each verb.
fn pages() -> Result<Vec<(String, Vec<u8>)>, std::io::Error> {
    let mut command = args::command();
    command.build();
    let verbs: Vec<Command> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    std::iter::once(command).chain(verbs).map(page).collect()
}

fn page(command: Command) -> Result<(String, Vec<u8>), std::io::Error> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace(' ', "-");
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let top = command.get_subcommands().next().is_some();
    let man =
        Man::new(command.after_help("")).title(name.to_uppercase()).source(concat!("fyke ", env!("CARGO_PKG_VERSION"))).manual("fyke");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if top {
        man.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    terms(&mut roff, "EXIT STATUS", EXIT_STATUS);
    if top {
        terms(&mut roff, "FILES", FILES);
        terms(&mut roff, "ENVIRONMENT", ENVIRONMENT);
        lines(
            &mut roff,
            "EXAMPLES",
            &["fyke --sandbox plan ssh-rate-limit --port 2222", "fyke run ssh-rate-limit --port 2222", "fyke undo last"],
        );
        roff.control("SH", ["SEE ALSO"]).text([roman("iptables(8), iptables-extensions(8), ip-netns(8), network_namespaces(7)")]);
    } else {
        let examples: Vec<&str> = examples.lines().skip(1).map(str::trim).collect();
        lines(&mut roff, "EXAMPLES", &examples);
        roff.control("SH", ["SEE ALSO"]).text([roman("fyke(1)")]);
    }
    roff.to_writer(&mut text)?;
    Ok((format!("{name}.1"), text))
}

fn terms(roff: &mut Roff, heading: &str, list: Terms) {
    roff.control("SH", [heading]);
    for (term, text) in list {
        roff.control("TP", []).text([bold(*term)]).text([roman(*text)]);
    }
}

fn lines(roff: &mut Roff, heading: &str, lines: &[&str]) {
    roff.control("SH", [heading]).control("nf", []);
    for line in lines {
        roff.text([roman(*line)]);
    }
    roff.control("fi", []);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_with_the_sections_that_people_look_for() {
        let pages = pages().unwrap();
        assert!(pages.len() > 10, "{}", pages.len());
        for (name, text) in pages {
            let text = String::from_utf8(text).unwrap();
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
                assert!(
                    text.lines().any(|line| line == format!(".SH {section}") || line == format!(".SH \"{section}\"")),
                    "{name}: {section}\n{text}"
                );
            }
        }
    }
}

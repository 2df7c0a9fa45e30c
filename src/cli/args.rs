//! The words of the command line. fyke's own flags stand before the recipe; what follows the recipe's name is the recipe's.

mod doc;
mod import;
mod package;
mod rights;
mod safety;
mod test;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use self::doc::Doc;
pub(crate) use self::import::{Import, RuleFamily, RuleFormat};
pub(crate) use self::package::{Add, Fetch, Key, Names, New, Packages, Publish};
pub(crate) use self::rights::Rights;
pub(crate) use self::safety::{Reach, Safety, Stay, Timeout};
pub(crate) use self::test::Test;

const EXIT_CODES: &str = "Exit status: 0 done, 1 failed and rolled back, 2 bad input, 3 rollback incomplete, 4 locked, 5 not permitted, \
6 drift, 7 not possible here, 8 limit reached, 130 or 143 interrupted; `man fyke` says more.";

/// Run, plan and lift network recipes
///
/// fyke runs recipes that change the network configuration of a Linux host. What a recipe changes is journaled before the kernel is touched,
/// so that it can be planned, shown, and lifted again.
#[derive(Debug, Parser)]
#[command(name = "fyke", version, disable_help_subcommand = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Line {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The flags that every verb takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Print one JSON document instead of text; at the prompt one a statement, each on a line
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// Use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_default_value = true, help_heading = "Output")]
    pub(crate) color: When,
    /// Say more: every change
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) verbose: bool,
    /// Work in this network namespace
    #[arg(long, global = true, value_name = "NAME|PATH", value_hint = ValueHint::AnyPath, help_heading = "Where")]
    pub(crate) netns: Option<OsString>,
    /// Work in a throw-away network of its own, with a peer behind eth0; no root needed, nothing remains
    #[arg(long, global = true, help_heading = "Where")]
    pub(crate) sandbox: bool,
    /// Use this implementation of iptables
    #[arg(long, global = true, value_name = "BACKEND", help_heading = "Where")]
    pub(crate) backend: Option<Backend>,
    /// End the script, a statement of the prompt or a test after this time and lift what it did; 0 for never [default: 10m, of a test 60s]
    #[arg(long, global = true, value_name = "DURATION", value_parser = safety::timeout, help_heading = "Where")]
    pub(crate) timeout: Option<Timeout>,
}

impl Options {
    /// Gives the time that a script has.
    pub(crate) fn timeout(&self) -> Timeout {
        self.timeout.unwrap_or(Timeout::OF_SCRIPTS)
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The implementation of iptables to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// nf_tables, iptables-nft(8)
    Nft,
    /// x_tables, iptables-legacy(8)
    Legacy,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a recipe
    ///
    /// Runs a recipe against the live kernel. A recipe that fails, is interrupted or reaches the time limit is rolled back. In a remote login, a
    /// recipe that could cut the connection of that login is refused.
    #[command(after_help = "Examples:
  fyke run ssh-rate-limit --port 2222
  fyke run ./my.rhai
  fyke run --confirm 60s ssh-rate-limit
  fyke --sandbox run ssh-rate-limit
  fyke run ssh-rate-limit --help")]
    Run(Start),
    /// Show what a recipe would change, and change nothing
    ///
    /// Runs a recipe against a shadow of the kernel and shows the difference. A plan holds nothing that could write.
    #[command(after_help = "Examples:
  fyke plan ssh-rate-limit --port 2222
  fyke plan --commands ssh-rate-limit
  fyke plan --exit-code ./my.rhai || echo it would change something")]
    Plan(Plan),
    /// Run one line of script and print its value
    ///
    /// Runs one expression, or a few statements. What it changes is journaled, as with `run`.
    #[command(after_help = "Examples:
  fyke eval 'iptables::table(\"filter\").chain(\"INPUT\").list()'
  fyke --json eval '6 * 7'")]
    Eval(Eval),
    /// Type statements, see at once what they do, and lift them again
    ///
    /// Every statement is a transaction of its own: one that fails is lifted alone, `:undo` lifts the last one, and leaving asks whether to keep or
    /// to lift what is in force. A lost terminal lifts. `--timeout` bounds each statement. `?NAME` explains, Tab completes, `:help` lists the
    /// commands. The history is in $XDG_STATE_HOME/fyke or ~/.local/state/fyke, for its user alone; a line that begins with a blank is not remembered.
    /// Without a terminal it takes statements from standard input; the first that fails ends it, and all is lifted.
    #[command(after_help = "Examples:
  fyke --sandbox repl
  fyke --netns peer repl
  echo '1 + 1' | fyke repl")]
    Repl(Prompt),
    /// Find the faults of a recipe, or of a whole package, without running anything
    ///
    /// Parses a recipe, resolves its imports, and looks for unknown functions, wrong numbers of arguments and undeclared needs. Of a package, which a
    /// folder stands for, it checks the manifest, the lock, all that is in it, and that what it gives to others is there and documented. A
    /// file of a package is checked as what it is there: a recipe, a module or tests. Without arguments it checks the project that you are in.
    #[command(after_help = "Examples:
  fyke check ./my.rhai
  fyke check
  fyke check ../teamlib")]
    Check(Recipes),
    Test(Test),
    /// List the built-in recipes, and those of the packages of the project
    #[command(after_help = "Examples:
  fyke list")]
    List(List),
    /// Print a recipe, to copy and edit
    #[command(after_help = "Examples:
  fyke cat ssh-rate-limit > mine.rhai")]
    Cat(Recipe),
    /// Make a recipe of rules that others wrote
    ///
    /// Reads the text of iptables-save(8), or a shell script with lines of iptables(8) and ip6tables(8), and prints a recipe that sets the same
    /// rules: by table and chain, with the comments, and with parameters for the ports and interfaces that stand there most often, and for plain
    /// variables of the script. Plain loops are followed; nothing of the input is ever run. What cannot be read is kept as a comment, with the
    /// reason; if a line for iptables is among that, the exit status is 1.
    ///
    /// The recipe adds to what is there. With `--exact` it lets that give way where the original does.
    #[command(after_help = "Examples:
  iptables-save | fyke import
  fyke import --family 6 -o firewall6.rhai rules.v6
  fyke import --exact firewall.sh > firewall.rhai")]
    Import(Import),
    /// Explain a recipe or a function
    #[command(after_help = "Examples:
  fyke help
  fyke help ssh-rate-limit
  fyke help iptables::table
  fyke help teamlib/limits")]
    Help(Topic),
    Doc(Doc),
    /// Say what is in force, and what is not as it was left
    ///
    /// Lists the runs whose changes are in force in this network namespace, and compares each with the present: what somebody else changed or
    /// took away since is drift.
    #[command(after_help = "Examples:
  fyke status
  fyke --json status
  fyke status --exit-code || echo somebody changed something")]
    Status(Status),
    /// List the runs that the journal knows
    #[command(after_help = "Examples:
  fyke history
  fyke history last")]
    History(History),
    /// Lift a run: take back what it changed
    ///
    /// Takes back what a run changed and is still as the run left it. What somebody else changed since is reported, not touched. Several runs
    /// are lifted in the right order, the latest first. To undo an undo is to set its run again.
    #[command(after_help = "Examples:
  fyke undo last
  fyke undo k3v9x2ab
  fyke undo --recipe ssh-rate-limit/22
  fyke undo --all")]
    Undo(Undo),
    /// Let a run stay that would be lifted otherwise
    ///
    /// A run with `--confirm` or `--for` is lifted by itself when its time is over, unless it is confirmed before.
    #[command(after_help = "Examples:
  fyke confirm
  fyke confirm k3v9x2ab")]
    Confirm(Confirm),
    /// Set again what an undo has lifted
    ///
    /// Puts back what the undo of a run took away, with the same tags, where it is still as the undo left it. The recipe is not run again.
    #[command(after_help = "Examples:
  fyke redo
  fyke redo k3v9x2ab")]
    Redo(Redo),
    /// Make a run come back with the next boot
    ///
    /// Prints a systemd unit that runs the same recipe with the same parameters at boot, and lifts it when it is stopped. It says no more than
    /// that: nothing is installed without `--install`, and nothing is enabled. The recipe and all that it imports must be as the run found them,
    /// in files and folders that only root may write to: at boot, that is what keeps them the same. With `--print`, prints instead what the run
    /// has in force now.
    #[command(after_help = "Examples:
  fyke persist last
  fyke persist --install k3v9x2ab
  fyke persist --print iptables-save k3v9x2ab > rules.v4")]
    Persist(Persist),
    /// Finish what a killed run left half done
    #[command(after_help = "Examples:
  fyke recover")]
    Recover,
    /// Say what this kernel and this user can do, and the cure for what is missing
    #[command(after_help = "Examples:
  fyke doctor
  fyke --sandbox doctor")]
    Doctor,
    New(New),
    Add(Add),
    Remove(Names),
    Update(Packages),
    Fetch(Fetch),
    /// Copy all packages into the folder vendor of the project
    ///
    /// What lies there is used in the place of what was fetched, if it is what fyke.lock says. Under version control the project then needs nothing
    /// from elsewhere.
    #[command(after_help = "Examples:
  fyke vendor")]
    Vendor,
    /// Show what the project needs, directly or not, and why in this version
    #[command(after_help = "Examples:
  fyke tree
  fyke --json tree")]
    Tree,
    Publish(Publish),
    Trust(Key),
    /// Print the completions for a shell
    #[command(after_help = "Examples:
  source <(fyke completions bash)")]
    Completions(Completions),
    /// Write the man pages into a folder
    #[command(after_help = "Examples:
  fyke man /usr/local/share/man/man1")]
    Man(Folder),
}

/// What `run` takes.
#[derive(Args, Debug)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) safety: Safety,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) stay: Stay,
    #[command(flatten)]
    pub(crate) rights: Rights,
    /// Ask at the terminal for a permission that is lacking
    #[arg(long, help_heading = "Permissions")]
    pub(crate) ask: bool,
    #[command(flatten)]
    pub(crate) recipe: Words,
}

/// A recipe with its own parameters.
#[derive(Args, Debug)]
pub(crate) struct Words {
    /// A path, `-` for standard input, the name of a built-in recipe, or PACKAGE/RECIPE; then the recipe's own parameters (`--help` lists them)
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_names = ["RECIPE", "PARAMETER"], value_hint = ValueHint::AnyPath)]
    pub(crate) words: Vec<OsString>,
}

/// What `plan` takes.
#[derive(Args, Debug)]
pub(crate) struct Plan {
    /// Print the commands that would do the same
    #[arg(long)]
    pub(crate) commands: bool,
    /// Exit with 6 when something would change
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) rights: Rights,
    #[command(flatten)]
    pub(crate) recipe: Words,
}

/// What `eval` takes.
#[derive(Args, Debug)]
pub(crate) struct Eval {
    #[command(flatten)]
    pub(crate) safety: Safety,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) stay: Stay,
    #[command(flatten)]
    pub(crate) rights: Rights,
    /// The script, or `-` for standard input
    pub(crate) script: OsString,
}

/// One recipe.
#[derive(Args, Debug)]
pub(crate) struct Recipe {
    /// A path, `-` for standard input, the name of a built-in recipe, or PACKAGE/RECIPE
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) recipe: OsString,
}

/// What `repl` takes.
#[derive(Args, Debug)]
pub(crate) struct Prompt {
    #[command(flatten)]
    pub(crate) safety: Safety,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) rights: Rights,
}

/// Some recipes.
#[derive(Args, Debug)]
pub(crate) struct Recipes {
    /// Paths, `-` for standard input, names of built-in recipes, PACKAGE/RECIPE, or folders of packages; without any, the project that you are in
    #[arg(value_name = "RECIPE", value_hint = ValueHint::AnyPath)]
    pub(crate) recipes: Vec<OsString>,
}

/// What `list` takes.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Print the names only, one a line (for completions)
    #[arg(long, hide = true)]
    pub(crate) names: bool,
}

/// What `help` takes.
#[derive(Args, Debug)]
pub(crate) struct Topic {
    /// A recipe, a function, a room, a module or a verb of the command line
    pub(crate) topic: Option<String>,
}

/// What `status` takes.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Exit with 6 when something has drifted
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// What `history` takes.
#[derive(Args, Debug)]
pub(crate) struct History {
    /// A run, by its id or as `last`: show what it changed
    pub(crate) run: Option<String>,
}

/// What `undo` takes.
#[derive(Args, Debug)]
#[group(id = "which", required = true)]
pub(crate) struct Undo {
    #[command(flatten)]
    pub(crate) safety: Safety,
    /// Ids of runs or their beginnings of four characters or more, or `last`: the last run here whose changes are in force
    #[arg(value_name = "RUN", group = "which")]
    pub(crate) runs: Vec<String>,
    /// Lift all that is in force in this network namespace
    #[arg(long, group = "which", conflicts_with_all = ["runs", "recipe"])]
    pub(crate) all: bool,
    /// Lift all that a recipe, or one instance of it, has in force
    #[arg(long, value_name = "NAME[/INSTANCE]", group = "which", conflicts_with = "runs")]
    pub(crate) recipe: Option<String>,
    /// Lift also what somebody else changed since, and what later runs build on
    #[arg(long)]
    pub(crate) force: bool,
}

/// What `confirm` takes.
#[derive(Args, Debug)]
pub(crate) struct Confirm {
    /// The id of a run or its beginning of four characters or more; without one, the last run here that waits for it
    #[arg(default_value = "last", hide_default_value = true)]
    pub(crate) run: String,
}

/// What `redo` takes.
#[derive(Args, Debug)]
pub(crate) struct Redo {
    #[command(flatten)]
    pub(crate) safety: Safety,
    /// The id of a run, or of its undo
    #[arg(default_value = "last", hide_default_value = true)]
    pub(crate) run: String,
    /// Put back also where somebody else changed something since
    #[arg(long)]
    pub(crate) force: bool,
}

/// What `persist` takes.
#[derive(Args, Debug)]
pub(crate) struct Persist {
    /// The id of a run that is in force, the beginning of one (four characters or more), or `last`
    pub(crate) run: String,
    /// Write the unit to /etc/systemd/system
    #[arg(long)]
    pub(crate) install: bool,
    /// Print the rules, chains and policies of the run, without fyke's tags, for iptables-restore --noflush
    #[arg(long, value_name = "FORMAT", conflicts_with = "install")]
    pub(crate) print: Option<Saved>,
}

/// The formats that rules can be printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Saved {
    /// iptables-save(8)
    #[value(name = "iptables-save")]
    IptablesSave,
    /// ip6tables-save(8)
    #[value(name = "ip6tables-save")]
    Ip6tablesSave,
}

/// What `completions` takes.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// The shells that have completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// bash(1)
    Bash,
    /// zsh(1)
    Zsh,
    /// fish(1)
    Fish,
}

/// A folder.
#[derive(Args, Debug)]
pub(crate) struct Folder {
    /// The folder; it is there already
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
}

/// Gives the declaration of the whole command line, for completions and man pages.
pub(crate) fn command() -> clap::Command {
    Line::command()
}

#[cfg(test)]
mod tests;

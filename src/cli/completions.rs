//! `fyke completions`: what a shell offers at the tab key; names of recipes come from `fyke list`.

use clap_complete::Shell;

use super::args::{self, Completions};
use super::show::Screen;
use crate::model::Fault;

/// Adds the names of recipes where one may stand, and leaves the rest to what clap made.
const BASH: &str = r#"
_fyke_recipes() {
    _fyke "$@"
    case "$3" in
        run | plan | check | cat | help | --commands | --exit-code)
            COMPREPLY+=($(compgen -W "$(fyke list --names 2>/dev/null)" -- "$2")) ;;
    esac
}
complete -F _fyke_recipes -o bashdefault -o default fyke
"#;

const FISH: &str = r#"
complete -c fyke -n "__fish_seen_subcommand_from run plan check cat help" -a "(fyke list --names 2>/dev/null)"
"#;

/// Offers recipes and files where clap would offer files only.
const ZSH: &str = r#"
_fyke_recipes() {
    _alternative 'recipes:recipe:($(fyke list --names 2>/dev/null))' 'files:file:_files'
}
"#;

/// Prints the completions for a shell.
pub(crate) fn run(screen: &Screen, options: &Completions) -> Result<u8, Fault> {
    screen.print(&text(options.shell))?;
    Ok(0)
}

fn text(shell: args::Shell) -> String {
    let generator = match shell {
        args::Shell::Bash => Shell::Bash,
        args::Shell::Fish => Shell::Fish,
        args::Shell::Zsh => Shell::Zsh,
    };
    let mut made = Vec::new();
    clap_complete::generate(generator, &mut args::command(), "fyke", &mut made);
    let made = String::from_utf8_lossy(&made);
    match shell {
        args::Shell::Bash => format!("{made}{BASH}"),
        args::Shell::Fish => format!("{made}{FISH}"),
        args::Shell::Zsh => zsh(&made),
    }
}

/// Puts our function before clap's, and names it in the lines of those arguments that are recipes.
fn zsh(made: &str) -> String {
    const RECIPES: &[&str] = &["'*::words", "'*::recipes", "':recipe", "'::topic"];
    let lines = made.lines().map(|line| {
        let files = RECIPES.iter().any(|start| line.starts_with(start));
        let line =
            if files { line.replace(":_files'", ":_fyke_recipes'").replace(":_default'", ":_fyke_recipes'") } else { line.to_owned() };
        if line.starts_with("autoload") { format!("{line}\n{ZSH}") } else { format!("{line}\n") }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_recipes_are_asked_for_in_every_shell() {
        for shell in [args::Shell::Bash, args::Shell::Fish, args::Shell::Zsh] {
            assert!(text(shell).contains("fyke list --names"), "{shell:?}");
        }
        assert_eq!(text(args::Shell::Zsh).matches(":_fyke_recipes'").count(), 5);
    }
}

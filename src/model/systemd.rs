//! The text of a systemd unit that runs a recipe at boot, see systemd.unit(5), systemd.service(5) and systemd.exec(5).

use super::Fault;
use super::iptables::{Owner, RunId};

/// What the first line of every unit of ours begins with: a file that begins otherwise is somebody else's.
const MARK: &str = "# Made by `fyke persist` for ";

/// What is run at boot, as it was run before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The recipe and its instance.
    pub owner: Owner,
    /// The run that it is made from.
    pub run: RunId,
    /// The path of this program.
    pub program: String,
    /// The path of the recipe, or the name of a built-in one.
    pub recipe: String,
    /// The parameters of the recipe.
    pub words: Vec<String>,
    /// What the recipe may do, as words before its name.
    pub options: Vec<String>,
    /// The backend of iptables, where one was written to.
    pub backend: String,
    /// The network namespace, where it is not the host's.
    pub netns: Option<String>,
}

impl Unit {
    /// Gives the name of the file.
    pub fn name(&self) -> String {
        format!("fyke-{}.service", self.owner.to_string().replace('/', "-"))
    }

    /// Gives the first line, by which an earlier unit of the same recipe and instance is known.
    pub fn mark(&self) -> String {
        format!("{MARK}{}.\n", self.owner)
    }

    /// Writes the unit.
    pub fn text(&self) -> Result<String, Fault> {
        let (owner, recipe) = (self.owner.to_string(), self.recipe.as_str());
        let netns = self.netns.iter().flat_map(|name| ["--netns", name]);
        let backend = Some(self.backend.as_str()).filter(|name| !name.is_empty()).into_iter().flat_map(|name| ["--backend", name]);
        let words = self.words.iter().map(String::as_str);
        let options = self.options.iter().map(String::as_str);
        let start = self.command(netns.clone().chain(backend).chain(["run"]).chain(options).chain([recipe]).chain(words))?;
        let stop = self.command(netns.chain(["undo", "--recipe", &owner]))?;
        let mark = format!("{}# It does at boot what run {} did, and lifts it when it is stopped.\n", self.mark(), self.run);
        let head = format!("[Unit]\nDescription=fyke: {owner}\nDocumentation=man:fyke-persist(1)\n");
        let file = if recipe.contains('/') { format!("RequiresMountsFor={}\n", quoted(recipe, Place::Path)?) } else { String::new() };
        let body = format!("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={start}\nExecStop={stop}\n");
        let order = self.order();
        Ok(format!("{mark}\n{head}{order}{file}\n{body}\n[Install]\nWantedBy=multi-user.target\n"))
    }

    /// Gives the place in the boot: rules stand before the first interface is up, but a namespace has to be made first.
    fn order(&self) -> &'static str {
        match self.netns {
            None => {
                "DefaultDependencies=no\nWants=network-pre.target\nBefore=network-pre.target shutdown.target\n\
                 After=local-fs.target systemd-modules-load.service\nConflicts=shutdown.target\n"
            }
            Some(_) => "# Name here what makes the network namespace.\nAfter=network.target\n",
        }
    }

    fn command<'a>(&'a self, words: impl Iterator<Item = &'a str>) -> Result<String, Fault> {
        let words = words.map(|word| quoted(word, Place::Word)).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("{} {}", quoted(&self.program, Place::Path)?, words.join(" ")))
    }
}

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// An argument of a command: variables are looked for in it.
    Word,
    /// The path of a program or of a mount: a `$` is a `$`.
    Path,
}

/// Quotes a word so that systemd hands it on unchanged.
fn quoted(word: &str, place: Place) -> Result<String, Fault> {
    if let Some(bad) = word.chars().find(|c| c.is_control()) {
        return Err(Fault::input("write a systemd unit", format!("the word {word:?} holds the control character {bad:?}")));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Ok(word.to_owned());
    }
    let mut text = String::from('"');
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            // A specifier, and a variable of the environment.
            '%' => text.push_str("%%"),
            '$' if place == Place::Word => text.push_str("$$"),
            other => text.push(other),
        }
    }
    text.push('"');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> Unit {
        Unit {
            owner: Owner::new("ssh-rate-limit", "22"),
            run: RunId::from_bits(7),
            program: "/usr/bin/fyke".into(),
            recipe: "ssh-rate-limit".into(),
            words: vec!["--port".into(), "22".into()],
            options: Vec::new(),
            backend: "nft".into(),
            netns: None,
        }
    }

    #[test]
    fn a_unit_does_what_the_run_did() {
        let wanted = "\
# Made by `fyke persist` for ssh-rate-limit/22.
# It does at boot what run haaaaaaa did, and lifts it when it is stopped.

[Unit]
Description=fyke: ssh-rate-limit/22
Documentation=man:fyke-persist(1)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target systemd-modules-load.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/fyke --backend nft run ssh-rate-limit --port 22
ExecStop=/usr/bin/fyke undo --recipe ssh-rate-limit/22

[Install]
WantedBy=multi-user.target
";
        assert_eq!(unit().text().unwrap(), wanted.replace("haaaaaaa", unit().run.as_str()));
        assert_eq!(unit().name(), "fyke-ssh-rate-limit-22.service");
    }

    #[test]
    fn a_namespace_and_a_file_are_waited_for() {
        let recipe = "/srv/my rules.rhai".to_owned();
        let text = Unit { netns: Some("blue".into()), recipe, backend: String::new(), ..unit() }.text().unwrap();
        for line in [
            "After=network.target",
            "RequiresMountsFor=\"/srv/my rules.rhai\"",
            "ExecStart=/usr/bin/fyke --netns blue run \"/srv/my rules.rhai\" --port 22",
            "ExecStop=/usr/bin/fyke --netns blue undo --recipe ssh-rate-limit/22",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_recipe_may_do_at_boot_what_it_might_before() {
        let options = ["--allow", "iptables: filter/INPUT", "--deny", "exec"].map(String::from).into();
        let text = Unit { options, ..unit() }.text().unwrap();
        let start = "run --allow \"iptables: filter/INPUT\" --deny exec ssh-rate-limit --port 22\n";
        assert!(text.contains(start), "{text}");
    }

    #[test]
    fn words_reach_the_recipe_unchanged() {
        let word = |text| quoted(text, Place::Word).unwrap();
        assert_eq!(["", ";", "a b", "it's", "~"].map(word), ["\"\"", "\";\"", "\"a b\"", "\"it's\"", "\"~\""]);
        assert_eq!(["%h", "$HOME", "${X}", "a\"b", "a\\"].map(word), ["\"%%h\"", "\"$$HOME\"", "\"$${X}\"", "\"a\\\"b\"", "\"a\\\\\""]);
        assert_eq!(quoted("/a$b", Place::Path).unwrap(), "\"/a$b\"");
        assert!(quoted("a\nExecStart=/bin/sh", Place::Word).unwrap_err().why.contains("control character"));
    }
}

//! `fyke doc`: the site as files, the site in a browser, and what comes from packages that nobody should trust.

mod browser;
mod definitions;
mod files;
mod reading;
mod written;

use std::path::PathBuf;

use crate::packages::yard::Yard;

/// What a package may try, wherever text of its own is shown.
const HOSTILE: &str = "<script>window.caught = 1</script><img src=x onerror='window.caught = 2'>";

/// A project with a package that is what it should be, and one that tries everything.
pub(crate) struct Docs {
    pub(crate) yard: Yard,
}

impl Docs {
    /// Makes the project and its packages, and writes the site.
    pub(crate) fn new() -> Self {
        let yard = Yard::new();
        yard.write("teamlib/fyke.toml", "name = \"teamlib\"\nversion = \"1.2.0\"\ndescription = \"Limits that all our hosts have.\"\nlicense = \"MIT\"\nauthors = [\"The network team\"]\nmodules = [\"limits\"]\nrecipes = [\"close-port\"]\n\n[permissions]\nallow = [\"iptables: filter/INPUT\"]\n");
        yard.write("teamlib/limits.rhai", "//! Limits for hosts.\n//!\n//! More about `iptables::table`, and [the web](https://example.org/).\n\n/// Closes a TCP port.\n///\n/// - `port`: the port, 1 to 65535\n///\n/// # Changes\n/// A rule of filter/INPUT.\n///\n/// # Example\n/// ```rhai\n/// close(23);\n/// ```\nfn close(port) { iptables::table(\"filter\").chain(\"INPUT\").ensure_first(#{ proto: \"tcp\", dport: port, jump: \"DROP\" }); }\n\n/// Is nobody's business.\nprivate fn hidden() { 1 }\n");
        yard.write("teamlib/close-port.rhai", "//! Close a TCP port.\n//! needs: iptables\n//! risk: disrupts\n\nimport \"limits\" as limits;\nlet port = param(\"port\", 23, \"TCP port to close\", #{ key: true });\nlimits::close(port);\n");
        let toml = HOSTILE.replace('"', "\\\"");
        yard.write("hostile/fyke.toml", format!("name = \"hostile\"\nversion = \"0.1.0\"\ndescription = \"{toml}\"\nlicense = \"{toml}\"\nauthors = [\"{toml}\"]\nmodules = [\"odd\"]\nrecipes = [\"run\"]\n"));
        yard.write("hostile/odd.rhai", format!("//! {HOSTILE}\n//!\n//! [a](javascript:window.caught=3) <javascript:window.caught=4> [b](data:text/html,x) ![c](javascript:window.caught=5)\n\n/// {HOSTILE} </section></main>\n///\n/// - `a`: {HOSTILE}\n///\n/// # {HOSTILE}\n/// {HOSTILE}\n///\n/// # Example\n/// ```rhai\n/// let x = \"{}\";\n/// ```\n///\n/// # Source\n/// [x](JAVASCRIPT:window.caught=6) [y](//evil.example/) [z](../../etc/passwd)\nfn __proto__(a) {{ \"</script>],[\" }}\n", HOSTILE.replace('"', "'")));
        yard.write(
            "hostile/run.rhai",
            format!("//! {HOSTILE}\n//! needs: <b>\n//! risk: reads\nlet a = param(\"a\", \"{HOSTILE}\", \"{HOSTILE}\");\nprint(a);\n"),
        );
        yard.project("firewall");
        yard.well("firewall", &["add", "../teamlib"]);
        yard.well("firewall", &["add", "../hostile"]);
        yard.well("firewall", &["doc"]);
        Self { yard }
    }

    /// Gives the folder of the site.
    pub(crate) fn folder(&self) -> PathBuf {
        self.yard.path("firewall/dist/doc")
    }

    /// Gives the names and texts of the files of the site.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let files = self.yard.files("firewall/dist/doc");
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.into_iter().map(|(path, bytes)| (name(path), String::from_utf8(bytes).unwrap())).collect()
    }

    /// Gives the pages.
    pub(crate) fn pages(&self) -> Vec<(String, String)> {
        self.files().into_iter().filter(|(name, _)| name.ends_with(".html")).collect()
    }
}

//! Names for parameters.

/// Words that a variable of a recipe cannot be called by, and names that recipes have for other things.
const TAKEN: &[&str] = &[
    "as",
    "async",
    "await",
    "break",
    "call",
    "case",
    "catch",
    "const",
    "continue",
    "curry",
    "debug",
    "default",
    "do",
    "else",
    "eval",
    "exit",
    "export",
    "false",
    "filter",
    "filter6",
    "fn",
    "for",
    "global",
    "go",
    "goto",
    "help",
    "if",
    "import",
    "in",
    "instance",
    "ip6tables",
    "iptables",
    "is",
    "let",
    "loop",
    "mangle",
    "mangle6",
    "match",
    "module",
    "nat",
    "nat6",
    "new",
    "nil",
    "null",
    "package",
    "param",
    "print",
    "private",
    "protected",
    "public",
    "raw",
    "raw6",
    "return",
    "security",
    "security6",
    "shared",
    "spawn",
    "static",
    "super",
    "switch",
    "sync",
    "this",
    "thread",
    "throw",
    "true",
    "try",
    "until",
    "use",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Ports whose services have names that everybody knows.
const SERVICES: &[(u16, &str)] = &[
    (20, "ftp_data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "dns"),
    (80, "http"),
    (110, "pop3"),
    (123, "ntp"),
    (143, "imap"),
    (161, "snmp"),
    (389, "ldap"),
    (443, "https"),
    (465, "smtps"),
    (500, "isakmp"),
    (514, "syslog"),
    (587, "submission"),
    (636, "ldaps"),
    (993, "imaps"),
    (995, "pop3s"),
    (1194, "openvpn"),
    (2049, "nfs"),
    (3306, "mysql"),
    (3389, "rdp"),
    (5432, "postgresql"),
    (6379, "redis"),
    (51820, "wireguard"),
];

/// Names the parameter of a port.
pub(super) fn of_port(port: u16) -> String {
    let service = SERVICES.iter().find(|(number, _)| *number == port);
    service.map_or_else(|| format!("port_{port}"), |(_, name)| format!("{name}_port"))
}

/// Names the parameter of a variable of a shell script.
pub(super) fn of_variable(variable: &str) -> String {
    clean(variable, "value")
}

/// Names the parameter of an interface.
pub(super) fn of_interface(interface: &str) -> String {
    clean(interface, "interface")
}

/// Makes a name that is not taken yet.
pub(super) fn unique(name: String, taken: &[String]) -> String {
    let is_free = |name: &String| !taken.contains(name) && !TAKEN.contains(&name.as_str());
    if is_free(&name) {
        return name;
    }
    (2..).map(|number| format!("{name}_{number}")).find(is_free).unwrap_or(name)
}

fn clean(text: &str, otherwise: &str) -> String {
    let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect::<String>();
    let name = letters.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches('_');
    if name.is_empty() { otherwise.to_owned() } else { name.to_owned() }
}

//! One command line of iptables(8), read.

use super::{Param, Word};
use crate::model::Family;
use crate::model::iptables::{Policy, Table};

/// What a command asks for. Places are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Append(String),
    Insert(String, usize),
    Delete(String),
    DeleteAt(String, usize),
    Replace(String, usize),
    New(String),
    DeleteChain(Option<String>),
    Flush(Option<String>),
    /// The policy, and whether it is said on purpose.
    Policy(String, Policy, bool),
    Rename(String, String),
    /// Whether a rule is there.
    Check(String),
    /// It only looks, or counts anew.
    Look,
}

/// A command that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The families that it is for.
    pub(super) families: Vec<Family>,
    /// The table.
    pub(super) table: Table,
    /// What is asked for.
    pub(super) verb: Verb,
    /// The words of the rule: of several, where addresses are a list.
    pub(super) rules: Vec<Vec<Word>>,
    /// Whether the text has asked, and goes on only where the rule is not there.
    pub(super) is_needed: bool,
}

/// Options whose value is a text that may look like an option.
const TEXTS: &[&str] = &["--comment", "--log-prefix", "--nflog-prefix", "--ulog-prefix", "--string", "--hex-string", "--name"];

/// Options with addresses, of which the tool takes lists: for each source, all destinations.
const ADDRESSES: [&[&str]; 2] = [&["-s", "--source", "--src"], &["-d", "--destination", "--dst"]];

/// The most rules that lists of addresses may become; longer ones stay as they are, and fyke refuses them.
const MOST: usize = 4096;

/// Reads the words of a command, without the name of the program.
pub(super) fn request(words: &[Word], params: &[Param], family: Family, table: Table) -> Result<Request, String> {
    let mut reader = Reader { texts: words.iter().map(|word| word.text(params)).collect(), at: 0 };
    let mut request = Request { families: vec![family], table, verb: Verb::Look, rules: Vec::new(), is_needed: false };
    let (mut verb, mut rule) = (None, Vec::new());
    while reader.at < words.len() {
        let (at, text) = (reader.at, reader.texts[reader.at].clone());
        reader.at += 1;
        if at > 0 && TEXTS.contains(&reader.texts[at - 1].as_str()) {
            rule.push(words[at].clone());
            continue;
        }
        let (option, value) = match text.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option.to_owned(), Some(value.to_owned())),
            _ => (text.clone(), None),
        };
        if let Some(found) = reader.verb(&option, value.as_deref())? {
            if verb.replace(found).is_some() {
                return Err("it asks for two things at once".to_owned());
            }
            continue;
        }
        match option.as_str() {
            "-t" | "--table" => request.table = table_of(&reader.value(value, "a table")?)?,
            _ if text.starts_with("-t") && !text.starts_with("--") => request.table = table_of(&text[2..])?,
            "-w" | "--wait" | "-W" | "--wait-interval" => reader.number(),
            "-4" | "--ipv4" => request.families.retain(|family| *family == Family::V4),
            "-6" | "--ipv6" => request.families.retain(|family| *family == Family::V6),
            "-v" | "--verbose" | "-n" | "--numeric" | "-x" | "--exact" | "--line-numbers" => {}
            "-c" | "--set-counters" => [(); 2].into_iter().for_each(|()| reader.number()),
            _ => rule.push(words[at].clone()),
        }
    }
    request.verb = verb.ok_or("it asks for nothing")?;
    request.rules = apart(turned(rule, params), params);
    Ok(request)
}

fn table_of(name: &str) -> Result<Table, String> {
    name.parse().map_err(|_| format!("there is no table {name:?}"))
}

struct Reader {
    texts: Vec<String>,
    at: usize,
}

impl Reader {
    fn value(&mut self, attached: Option<String>, what: &str) -> Result<String, String> {
        attached.or_else(|| self.optional()).ok_or_else(|| format!("it lacks {what}"))
    }

    /// Takes a word that is no option.
    fn optional(&mut self) -> Option<String> {
        let next = self.texts.get(self.at).filter(|text| !text.starts_with('-') && *text != "!").cloned();
        self.at += usize::from(next.is_some());
        next
    }

    /// Takes a number, if there is one.
    fn number(&mut self) {
        let is_number = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        self.at += usize::from(self.texts.get(self.at).is_some_and(is_number));
    }

    /// Takes the place of a rule, if there is one.
    fn place(&mut self) -> Option<usize> {
        let place = self.texts.get(self.at).and_then(|text| text.parse().ok()).filter(|place| *place > 0);
        self.at += usize::from(place.is_some());
        place
    }

    /// Reads what a command asks for, if this option says it.
    fn verb(&mut self, option: &str, value: Option<&str>) -> Result<Option<Verb>, String> {
        let attached = value.map(str::to_owned);
        let mut chain = || self.value(attached.clone(), "a chain");
        Ok(Some(match option {
            "-A" | "--append" => Verb::Append(chain()?),
            "-I" | "--insert" => {
                let chain = chain()?;
                Verb::Insert(chain, self.place().unwrap_or(1))
            }
            "-D" | "--delete" => {
                let chain = chain()?;
                self.place().map_or(Verb::Delete(chain.clone()), |place| Verb::DeleteAt(chain, place))
            }
            "-R" | "--replace" => {
                let chain = chain()?;
                Verb::Replace(chain, self.place().ok_or("it lacks the place of a rule")?)
            }
            "-N" | "--new-chain" | "--new" => Verb::New(chain()?),
            "-X" | "--delete-chain" => Verb::DeleteChain(attached.or_else(|| self.optional())),
            "-F" | "--flush" => Verb::Flush(attached.or_else(|| self.optional())),
            "-P" | "--policy" => {
                let chain = chain()?;
                let policy = self.value(None, "a policy")?;
                Verb::Policy(chain, policy.parse().map_err(|_| format!("{policy:?} is no policy"))?, true)
            }
            "-E" | "--rename-chain" => {
                let from = chain()?;
                Verb::Rename(from, self.value(None, "a new name")?)
            }
            "-C" | "--check" => Verb::Check(chain()?),
            "-L" | "--list" | "-S" | "--list-rules" | "-Z" | "--zero" | "-h" | "--help" | "-V" | "--version" => {
                self.at = self.texts.len();
                Verb::Look
            }
            // As in `iptables -nvL`.
            _ if option.starts_with('-') && option.contains(['L', 'S']) && option[1..].bytes().all(|b| b"nvxLS".contains(&b)) => {
                self.at = self.texts.len();
                Verb::Look
            }
            _ => return Ok(None),
        }))
    }
}

/// Puts a `!` that stands before a value, as old scripts have it, before the option: `-s ! 192.0.2.1`.
fn turned(mut rule: Vec<Word>, params: &[Param]) -> Vec<Word> {
    for at in 1..rule.len().saturating_sub(1) {
        let text = |at: usize| rule[at].text(params);
        let is_option = text(at - 1).starts_with('-') && !TEXTS.contains(&text(at - 1).as_str());
        if text(at) == "!" && is_option && !text(at + 1).starts_with('-') {
            rule.swap(at - 1, at);
        }
    }
    rule
}

/// Makes a rule of each address of a list, in the order of the tool.
fn apart(rule: Vec<Word>, params: &[Param]) -> Vec<Vec<Word>> {
    let mut rules = vec![rule];
    for options in ADDRESSES {
        let is_option = |word: &Word| options.contains(&word.text(params).as_str());
        let Some(at) = rules[0].iter().position(is_option).map(|at| at + 1) else { continue };
        let text = rules[0]
            .get(at)
            .map(|word| word.text(params))
            .filter(|text| text.contains(',') && text.split(',').count() * rules.len() <= MOST);
        let Some(text) = text else { continue };
        let with = |rule: &[Word], address: &str| {
            let mut rule = rule.to_vec();
            rule[at] = Word::plain(address);
            rule
        };
        rules = rules.iter().flat_map(|rule| text.split(',').map(|address| with(rule, address)).collect::<Vec<_>>()).collect();
    }
    rules
}

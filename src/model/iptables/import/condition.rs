//! What a line of a script depends on: whether a rule or a set is there. That, and nothing else, a recipe can say as well.

use super::collect::same;
use super::command::{Request, Verb};
use super::script::{Script, assignment_only, first_word, opens, without_first};
use super::shell::{Command, Item};
use super::{Param, sets};
use crate::model::ipset::SetName;

/// What the command before was, for `&&` and `||`.
#[derive(Clone, Debug)]
pub(super) enum Before {
    /// A change by iptables or ipset, or something else that does not fail.
    Change,
    /// A look, and whether it is turned round by a `!`.
    Look(Look, bool),
    Other,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub(super) enum Look {
    Rule(Box<Request>),
    Set(SetName),
}

/// What has to be so for a command to be run.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Always,
    /// This is there, or it is not.
    There(Look, bool),
    /// Only a shell can know, for this reason.
    Unknown(&'static str),
}

impl Condition {
    /// Gives the condition of a command by what stands between it and the one before.
    pub(super) fn and(&self, joint: Option<&str>, before: Before) -> Self {
        match (joint, before) {
            (Some("&&"), Before::Other) => Condition::Unknown("it depends on another command"),
            (Some("&&"), Before::Look(look, is_not)) => Condition::There(look, !is_not),
            (Some("||"), Before::Look(look, is_not)) => Condition::There(look, is_not),
            (Some("||"), _) => Condition::Unknown("it is for the case that another command fails"),
            _ => self.clone(),
        }
    }

    pub(super) fn is_always(&self) -> bool {
        matches!(self, Condition::Always)
    }

    /// Sees to it that the command is run in any case.
    pub(super) fn always(&self) -> Result<(), String> {
        match self {
            Condition::Always => Ok(()),
            Condition::There(Look::Rule(_), _) => Err("it depends on whether another rule is there".to_owned()),
            Condition::There(Look::Set(set), _) => Err(format!("it depends on whether the set {set} is there")),
            Condition::Unknown(why) => Err((*why).to_owned()),
        }
    }

    /// Gives what is asked for under this condition: a rule that is put in unless it is there, or taken out if it is.
    pub(super) fn rule(&self, request: Request, params: &[Param]) -> Result<Request, String> {
        let Condition::There(Look::Rule(look), is_there) = self else { return self.always().map(|()| request) };
        let chain = match (&request.verb, is_there) {
            (Verb::Append(chain) | Verb::Insert(chain, _), false) | (Verb::Delete(chain), true) => Some(chain),
            _ => None,
        };
        let words = |request: &Request| request.rules.iter().map(|rule| same(rule, params)).collect::<Vec<_>>();
        let is_same = matches!(&look.verb, Verb::Check(of) if Some(of) == chain)
            && (&look.families, look.table) == (&request.families, request.table)
            && words(look) == words(&request);
        match is_same {
            true => Ok(Request { is_needed: !is_there, ..request }),
            false => self.always().map(|()| request),
        }
    }

    /// Gives what is asked for under this condition: a set that is made unless it is there, or changed or taken away if it is.
    pub(super) fn set(&self, request: sets::Request, params: &[Param]) -> Result<sets::Request, String> {
        let Condition::There(Look::Set(look), is_there) = self else { return self.always().map(|()| request) };
        let is_same = request.name(params)?.as_ref() == Some(look);
        match (request.verb, is_there) {
            (sets::Verb::Create, false) if is_same => Ok(sets::Request { exist: true, ..request }),
            (sets::Verb::Destroy | sets::Verb::Flush, true) if is_same => Ok(request),
            _ => self.always().map(|()| request),
        }
    }
}

impl Script<'_> {
    /// Follows an `if` that asks whether a rule or a set is there, and a `{ }` behind such a question.
    pub(super) fn asked(&mut self, items: &[Item]) -> bool {
        let [Item::Command(head), body @ .., Item::Command(end)] = items else { return false };
        let is_end = |word| end.words.len() == 1 && first_word(end) == word;
        let before = std::mem::replace(&mut self.before, Before::Other);
        let (condition, body) = match (first_word(head), without_first(head, "{")) {
            ("if", _) if is_end("fi") && head.after.is_none() => match self.look(head, body) {
                Some(look) => (look, body.to_vec()),
                None => return false,
            },
            ("{", Some(first)) if is_end("}") => {
                let first = Some(first).filter(|first| !first.words.is_empty()).map(Item::Command);
                (self.part.and(head.after, before), first.into_iter().chain(body.iter().cloned()).collect())
            }
            _ => return false,
        };
        if !matches!(condition, Condition::There(..)) || !body.iter().all(is_plain) {
            return false;
        }
        self.follow(condition, &body);
        true
    }

    /// Gives what an `if` asks, where what it asks is all in its first command.
    fn look(&mut self, head: &Command, body: &[Item]) -> Option<Condition> {
        let first = body.iter().find_map(|item| if let Item::Command(command) = item { Some(command) } else { None })?;
        if first_word(first) != "then" || !self.part.is_always() {
            return None;
        }
        let kept = self.into.import.kept.len();
        self.command(&without_first(head, "if")?);
        match std::mem::replace(&mut self.before, Before::Other) {
            Before::Look(look, is_not) if self.into.import.kept.len() == kept => Some(Condition::There(look, !is_not)),
            _ => {
                self.into.import.kept.truncate(kept);
                None
            }
        }
    }

    fn follow(&mut self, condition: Condition, body: &[Item]) {
        let outside = std::mem::replace(&mut self.part, condition);
        self.depth += 1;
        for item in body {
            let Item::Command(command) = item else {
                if let Item::Comment(text) = item {
                    self.into.note(text);
                }
                continue;
            };
            if let ("else", Condition::There(_, is_there)) = (first_word(command), &mut self.part) {
                *is_there = !*is_there;
            }
            let bare = ["then", "else"].iter().find_map(|word| without_first(command, word));
            let command = bare.as_ref().unwrap_or(command);
            if !command.words.is_empty() {
                self.command(command);
            }
        }
        self.depth -= 1;
        (self.part, self.before) = (outside, Before::Other);
    }
}

/// Tells whether what a condition is about is nothing but commands, one after the other.
fn is_plain(item: &Item) -> bool {
    let Item::Command(command) = item else { return true };
    let bare = ["then", "else"].iter().find_map(|word| without_first(command, word));
    let command = bare.as_ref().unwrap_or(command);
    let ends = ["elif", "exit", "return", "break", "continue", "exec"].contains(&first_word(command));
    opens(command) == 0 && !ends && assignment_only(command).is_none()
}

//! The oracle: rules restored in a network namespace made for the purpose, and read back.
//!
//! Only iptables knows that `--dport ssh` is `-m tcp --dport 22`, and only the kernel knows that it takes no hit count of 65536.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::programs::{Call, Programs, Said};
use super::restore::Script;
use super::{Ask, Verdict, lost};
use crate::kernel::netns::Netns;
use crate::model::iptables::{ChainName, ChainRef, Ruleset, Table, Words, save};
use crate::model::{Family, Fault, Kind};

/// Answers what iptables makes of words, and remembers what it was asked.
pub(super) struct Oracle {
    programs: Programs,
    accepted: HashMap<Ask, Words>,
}

/// Rules of one family that are tried together, by their numbers in the list of questions.
struct Trial {
    family: Family,
    asks: Vec<usize>,
}

/// What a trial showed.
enum Outcome {
    /// How the rules are listed; more or fewer of them than were asked for where one of them makes several.
    Listed(BTreeMap<(Table, ChainName), Vec<Words>>),
    /// What iptables complained of, and about which of the rules, as far as it says.
    Refused(Said, Option<usize>),
}

/// One round of questions.
struct Questions<'a> {
    programs: Programs,
    asks: &'a [&'a Ask],
    chains: &'a [ChainRef],
}

impl Oracle {
    /// Makes an oracle that asks these programs.
    pub(super) fn new(programs: Programs) -> Self {
        Self { programs, accepted: HashMap::new() }
    }

    /// Gives a verdict on each rule. `chains` are the user-defined chains that there are.
    pub(super) fn canonical(&mut self, asks: &[Ask], chains: &[ChainRef]) -> Result<Vec<Verdict>, Fault> {
        let mut open: Vec<&Ask> = Vec::new();
        let mut seen = BTreeMap::new();
        let mut places = HashMap::new();
        for (at, ask) in asks.iter().enumerate().filter(|(_, ask)| !self.accepted.contains_key(*ask)) {
            let number = *places.entry(ask).or_insert_with(|| {
                open.push(ask);
                open.len() - 1
            });
            seen.insert(at, number);
        }
        let verdicts = Questions { programs: self.programs, asks: &open, chains }.answer()?;
        for (ask, verdict) in open.iter().zip(&verdicts) {
            if let Verdict::Canonical(words) = verdict {
                self.accepted.insert((*ask).clone(), words.clone());
            }
        }
        let verdict = |(at, ask)| match seen.get(&at) {
            Some(number) => verdicts[*number].clone(),
            None => Verdict::Canonical(self.accepted[ask].clone()),
        };
        Ok(asks.iter().enumerate().map(verdict).collect())
    }
}

impl Questions<'_> {
    fn answer(&self) -> Result<Vec<Verdict>, Fault> {
        let mut verdicts: Vec<Option<Verdict>> = vec![None; self.asks.len()];
        let of = |family| (0..self.asks.len()).filter(move |at| self.asks[*at].chain.family == family).collect();
        let mut trials: VecDeque<Trial> = Family::BOTH.into_iter().map(|family| Trial { family, asks: of(family) }).collect();
        loop {
            // Fresh tables for each round: what an earlier round left is no place for the next.
            let round: Vec<Trial> = trials.drain(..).filter(|trial| !trial.asks.is_empty()).collect();
            if round.is_empty() {
                break;
            }
            // Both families side by side; halves of one family one after the other.
            let mut now: Vec<Trial> = Vec::new();
            for trial in round {
                if now.iter().any(|other| other.family == trial.family) { trials.push_back(trial) } else { now.push(trial) }
            }
            let outcomes = self.try_all(&now, &Netns::create()?)?;
            for (trial, outcome) in now.into_iter().zip(outcomes) {
                trials.extend(self.judge(trial, outcome, &mut verdicts)?);
            }
        }
        Ok(verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| Verdict::Unknown("it was not tried".into()))).collect())
    }

    /// Runs one trial a family in a scratch namespace.
    fn try_all(&self, trials: &[Trial], scratch: &Netns) -> Result<Vec<Outcome>, Fault> {
        let scripts: Vec<Script> = trials.iter().map(|trial| self.script(trial)).collect();
        let restores: Vec<Call<'_>> = scripts.iter().map(|script| Call::restore(script.family(), script.text())).collect();
        let said = self.programs.run(&restores, Some(scratch))?;
        let saves: Vec<Call<'_>> =
            trials.iter().zip(&said).filter(|(_, said)| said.well()).map(|(trial, _)| Call::save(trial.family, None)).collect();
        let mut saved = self.programs.run(&saves, Some(scratch))?.into_iter();
        let mut outcomes = Vec::new();
        for ((trial, script), said) in trials.iter().zip(&scripts).zip(said) {
            outcomes.push(if said.well() {
                Outcome::Listed(listed(trial.family, &saved.next().unwrap_or_default())?)
            } else {
                let said = if script.blamed(&said).is_none() { self.alone(trial, said, scratch)? } else { said };
                let blamed = script.blamed(&said).map(|id| id as usize);
                Outcome::Refused(said, blamed)
            });
        }
        Ok(outcomes)
    }

    /// Asks again by a command for one rule where a restore names no reason: the command has the kernel's error.
    fn alone(&self, trial: &Trial, said: Said, scratch: &Netns) -> Result<Said, Fault> {
        let [at] = trial.asks[..] else { return Ok(said) };
        let Ask { chain, words } = self.asks[at];
        let mut args = vec!["-t".to_owned(), chain.table.to_string(), "-A".to_owned(), chain.chain.to_string()];
        args.extend(words.split());
        let chains = self.chains_only(trial);
        self.programs.run_one(&Call::restore(trial.family, chains.text()), Some(scratch))?;
        let again = self.programs.run_one(&Call::command(trial.family, args), Some(scratch))?;
        Ok(if again.well() { said } else { again })
    }

    fn script(&self, trial: &Trial) -> Script {
        let mut script = Script::new(trial.family);
        for table in Table::ALL {
            let asks: Vec<usize> = trial.asks.iter().copied().filter(|at| self.asks[*at].chain.table == table).collect();
            if asks.is_empty() {
                continue;
            }
            script.open(table);
            self.chains_of(trial.family, table, &asks).iter().for_each(|chain| script.new_chain(table, chain));
            for at in asks {
                let Ask { chain, words } = self.asks[at];
                script.append(table, &chain.chain, words.as_str(), at as u64);
            }
            script.commit(table);
        }
        script
    }

    fn chains_only(&self, trial: &Trial) -> Script {
        let mut script = Script::new(trial.family);
        if let Some(table) = trial.asks.first().map(|at| self.asks[*at].chain.table) {
            script.open(table);
            self.chains_of(trial.family, table, &trial.asks).iter().for_each(|chain| script.new_chain(table, chain));
            script.commit(table);
        }
        script
    }

    /// Gives the user-defined chains in which rules are to stand, and those of the host to which they jump.
    fn chains_of<'b>(&'b self, family: Family, table: Table, asks: &[usize]) -> BTreeSet<&'b ChainName> {
        let homes = asks.iter().map(|at| &self.asks[*at].chain.chain).filter(|chain| !chain.is_builtin(table));
        let here: BTreeMap<&str, &ChainName> =
            self.chains.iter().filter(|at| at.family == family && at.table == table).map(|at| (at.chain.as_str(), &at.chain)).collect();
        let targets = asks.iter().filter_map(|at| here.get(self.asks[*at].words.target()?.as_str()).copied());
        homes.chain(targets.filter(|chain| !chain.is_builtin(table))).collect()
    }

    /// Draws the verdicts from a trial, and gives what has to be tried again.
    fn judge(&self, mut trial: Trial, outcome: Outcome, verdicts: &mut [Option<Verdict>]) -> Result<Vec<Trial>, Fault> {
        match outcome {
            Outcome::Listed(listed) => {
                if self.pair(&trial, listed, verdicts) {
                    return Ok(Vec::new());
                }
                if let [at] = trial.asks[..] {
                    let why = "it makes several rules of one, or none: give one address, one port range at a time";
                    verdicts[at] = Some(Verdict::Refused(why.into()));
                }
            }
            Outcome::Refused(said, blamed) => {
                let fault = said.fault("try rules in a scratch network namespace");
                if matches!(fault.kind, Kind::Permission | Kind::Busy) {
                    return Err(fault);
                }
                let single = if let [at] = trial.asks[..] { Some(at) } else { None };
                // What the kernel refuses in company may be fine alone: two rules that do not go together need not meet on the host.
                let certain = single.or(blamed.filter(|_| said.parsing()));
                if let Some(at) = certain {
                    verdicts[at] = Some(refused(&self.asks[at].words, &said));
                }
                if let Some(at) = certain.or(blamed) {
                    trial.asks.retain(|other| *other != at);
                    let again = certain.is_none().then(|| Trial { family: trial.family, asks: vec![at] });
                    return Ok(again.into_iter().chain([trial]).collect());
                }
            }
        }
        if trial.asks.len() < 2 {
            return Ok(Vec::new());
        }
        let half = trial.asks.split_off(trial.asks.len() / 2);
        Ok(vec![Trial { family: trial.family, asks: half }, trial])
    }

    /// Pairs the rules of each chain, in order, with the questions about it; false where their numbers differ.
    fn pair(&self, trial: &Trial, mut listed: BTreeMap<(Table, ChainName), Vec<Words>>, verdicts: &mut [Option<Verdict>]) -> bool {
        let mut homes: BTreeMap<(Table, ChainName), Vec<usize>> = BTreeMap::new();
        for at in &trial.asks {
            let chain = &self.asks[*at].chain;
            homes.entry((chain.table, chain.chain.clone())).or_default().push(*at);
        }
        if homes.iter().any(|(home, asks)| listed.get(home).map_or(0, Vec::len) != asks.len()) {
            return false;
        }
        for (home, asks) in homes {
            for (at, words) in asks.into_iter().zip(listed.remove(&home).unwrap_or_default()) {
                verdicts[at] = Some(match lost::lost(&self.asks[at].words, &words) {
                    Some(why) => Verdict::Refused(why),
                    None => Verdict::Canonical(words),
                });
            }
        }
        true
    }
}

/// Reads the rules of a listing, by chain.
fn listed(family: Family, said: &Said) -> Result<BTreeMap<(Table, ChainName), Vec<Words>>, Fault> {
    if !said.well() {
        return Err(said.fault("read rules back from a scratch network namespace"));
    }
    let mut ruleset = Ruleset::empty(family);
    save::read(&mut ruleset, said.listing(family)?, &|_| false)?;
    let chains =
        ruleset.tables.into_iter().flat_map(|(table, state)| state.chains.into_iter().map(move |(name, chain)| ((table, name), chain)));
    Ok(chains.map(|(home, chain)| (home, chain.rules.into_iter().map(|entry| entry.rule.words.clone()).collect())).collect())
}

/// Makes a verdict of a complaint about one rule.
fn refused(words: &Words, said: &Said) -> Verdict {
    // Sets, accounting objects and timeouts belong to a namespace; cgroups and pinned programs may be made before the rule is.
    let named = |option: &str| words.as_str().split(' ').any(|word| word == option);
    let set = said.complaint.contains("Set ") && said.complaint.contains("doesn't exist");
    let object = ["--path", "--nfacct-name", "--timeout", "--object-pinned"].into_iter().any(named) && !said.parsing()
        || named("--object-pinned") && said.complaint.contains("bpf object");
    if set || object { Verdict::Unknown(said.why()) } else { Verdict::Refused(said.why()) }
}

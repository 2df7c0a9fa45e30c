//! Matches that iptables-save itself loses.

use crate::model::iptables::Words;

/// Tells what a listing leaves out of a rule: such a rule, saved and restored, would let other packets through.
pub(super) fn lost(asked: &Words, listed: &Words) -> Option<String> {
    let after = |words: &[String]| -> Vec<String> {
        let pairs = words.windows(2).filter(|pair| ["-m", "--match"].contains(&pair[0].as_str()));
        pairs.map(|pair| pair[1].clone()).collect()
    };
    let (asked, listed) = (asked.split(), after(&listed.split()));
    let missing = after(&asked).into_iter().find(|name| !listed.contains(name))?;
    Some(format!("iptables-save does not list the match {missing:?} of this rule, so that it could neither be recognised nor put back"))
}

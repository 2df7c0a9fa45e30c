//! Names that tell the instances of a recipe apart: two protected ports have two chains.

use super::iptables::rule::fingerprint;

/// Joins a name and an instance; what would have more than `most` bytes is cut, and told apart by a hash.
pub fn name(base: &str, instance: &str, most: usize) -> String {
    if instance.is_empty() {
        return base.to_owned();
    }
    let whole = format!("{base}-{instance}");
    if whole.len() <= most {
        return whole;
    }
    let hash = format!("-{:08x}", fingerprint(&whole) as u32);
    let kept: String = whole.chars().filter(char::is_ascii).take(most - hash.len()).collect();
    kept + &hash
}

//! "Did you mean": the nearest of the known names.

/// Finds the known name that is most like a given one, if any is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Every name of a letter or two is like every other.
    if word.chars().count() < 3 {
        return None;
    }
    let most = (word.chars().count() / 3).clamp(1, 2);
    known
        .into_iter()
        .filter(|name| *name != word)
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Writes the hint about the nearest name.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_like_names_are_offered() {
        assert_eq!(nearest("prot", ["port", "hits"]), Some("port"));
        assert_eq!(nearest("ssh-rate-limt", ["ssh-rate-limit", "x"]), Some("ssh-rate-limit"));
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("interface", ["interval"]), None);
    }
}

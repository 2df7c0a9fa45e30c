//! "Did you mean": the nearest of some names.

/// Finds the name nearest to a mistyped one, if any is near enough to be worth a question.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = 1 + typed.chars().count() / 4;
    let scored = names.into_iter().map(|name| (distance(&typed.to_lowercase(), &name.to_lowercase()), name));
    scored.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// Counts the edits between two words, a swap of neighbours being one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let edit = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = edit.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let names = ["append", "insert", "ensure", "ensure_first"];
        assert_eq!(nearest("apend", names), Some("append"));
        assert_eq!(nearest("isnert", names), Some("insert"));
        assert_eq!(nearest("Ensure", names), Some("ensure"));
        assert_eq!(nearest("tables", names), None);
    }
}

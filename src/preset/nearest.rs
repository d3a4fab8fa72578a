//! “Did you mean …?”

/// The candidate that `typed` was most likely meant to be, if any is near enough.
pub(super) fn nearest<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('-', "_");
    // A third of the letters wrong is still a slip; more is another word.
    let farthest = (typed.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            let plain = candidate.replace('-', "_");
            let part = typed.len() >= 4 && plain.contains(&typed);
            (if part { 1 } else { distance(&typed, &plain) }, candidate)
        })
        .filter(|&(distance, _)| distance <= farthest)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be put in, taken out or changed to get from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 4] = ["chunk_size", "max_clients", "playout_delay_ms", "low-latency"];

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        assert_eq!(nearest("chunk_sise", WORDS), Some("chunk_size"));
        assert_eq!(nearest("chunksize", WORDS), Some("chunk_size"));
        assert_eq!(nearest("Max-Clients", WORDS), Some("max_clients"));
        assert_eq!(nearest("lowlatency", WORDS), Some("low-latency"));
        assert_eq!(nearest("low_latency", WORDS), Some("low-latency"));
    }

    #[test]
    fn a_part_of_a_word_finds_the_whole() {
        assert_eq!(nearest("playout_delay", WORDS), Some("playout_delay_ms"));
        assert_eq!(nearest("delay", WORDS), Some("playout_delay_ms"));
    }

    #[test]
    fn another_word_finds_nothing() {
        assert_eq!(nearest("banana", WORDS), None);
        assert_eq!(nearest("", WORDS), None);
        assert_eq!(nearest("ms", WORDS), None);
    }
}

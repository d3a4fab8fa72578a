//! What people are called where two want the same name.

use crate::format::cut;
use crate::wire::MAX_NAME_BYTES;

/// `wanted`, or with a number behind it if one of `others` has that name already: nobody can pass for
/// somebody else.
pub(super) fn distinct<'a>(
    wanted: String,
    others: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let is_taken = |name: &str| others.clone().any(|other| other.eq_ignore_ascii_case(name));
    if wanted.is_empty() || !is_taken(&wanted) {
        return wanted;
    }
    let is_alike = |other: &str| {
        let rest = other.split_at_checked(wanted.len());
        rest.is_some_and(|(name, rest)| {
            name.eq_ignore_ascii_case(&wanted) && (rest.is_empty() || rest.starts_with(" ("))
        })
    };
    let mut number = others.clone().filter(|other| is_alike(other)).count().max(1);
    loop {
        number += 1;
        let suffix = format!(" ({number})");
        let name = format!("{}{suffix}", cut(&wanted, MAX_NAME_BYTES - suffix.len()).trim_end());
        if !is_taken(&name) {
            return name;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(wanted: &str, others: &[&str]) -> String {
        distinct(wanted.to_owned(), others.iter().copied())
    }

    #[test]
    fn nobody_gets_a_name_that_somebody_has() {
        assert_eq!(named("Anna", &[]), "Anna");
        assert_eq!(named("Anna", &["Annabel", "Bob"]), "Anna");
        assert_eq!(named("Anna", &["Anna", "Annabel"]), "Anna (2)");
        assert_eq!(named("anna", &["Anna"]), "anna (2)");
        assert_eq!(named("Anna", &["Anna", "Anna (2)"]), "Anna (3)");
        assert_eq!(named("Anna", &["Anna", "Anna (3)"]), "Anna (4)", "3 is taken");
        assert_eq!(named("", &["", ""]), "");
    }

    #[test]
    fn the_longest_names_stay_within_their_bytes_and_differ() {
        for letter in ["x", "ü", "\u{1f600}"] {
            let long = letter.repeat(64 / letter.len());
            let mut names = vec![long.clone()];
            for _ in 0..12 {
                let next = distinct(long.clone(), names.iter().map(String::as_str));
                assert!(next.len() <= MAX_NAME_BYTES && !names.contains(&next), "{next}");
                names.push(next);
            }
        }
    }
}

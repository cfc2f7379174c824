//! What names look like to a file system that hardly tells them apart.

use unicode_normalization::UnicodeNormalization;

/// Stands for `/` in a folded name; no name has it.
pub(super) const SEPARATOR: char = '\0';

/// What a name is to a file system that is as careless as any: without case, accents apart from
/// their letters, without invisible characters.
///
/// Normalisation is canonical. No file system compares by compatibility, and under it `m²` and `m2`
/// could not lie side by side.
pub(super) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase().replace('/', "\0");
    }
    let folded = name
        .nfd()
        .filter(|letter| !is_ignored(*letter))
        .flat_map(char::to_lowercase)
        .flat_map(fold_letter);
    folded.nfd().map(|letter| if letter == '/' { SEPARATOR } else { letter }).collect()
}

/// Brings a lowercase letter to the form that it shares with all whose upper case is the same: `ß`
/// to `ss`, `ς` to `σ`. Not the dotless i, which every file system holds apart from `i`.
fn fold_letter(letter: char) -> impl Iterator<Item = char> {
    let (dotless, other) = if letter == 'ı' { (Some(letter), None) } else { (None, Some(letter)) };
    let other = other.into_iter().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    dotless.into_iter().chain(other)
}

/// Characters that HFS+ leaves out when it compares names (Apple's TN1150, case-insensitive string
/// comparison).
pub(super) fn is_ignored(letter: char) -> bool {
    matches!(
        letter,
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_folded_name_has_no_case_and_its_own_separator() {
        assert_eq!(fold("Dir/README.md"), "dir\0readme.md");
        assert_eq!(fold("Straße/Σας"), "strasse\0σασ");
        assert_eq!(fold("é\u{200d}"), "e\u{301}");
        assert_eq!(fold("ı"), "ı");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(name in "\\PC{0,12}") {
            let once = fold(&name);
            prop_assert_eq!(fold(&once), once);
        }
    }
}

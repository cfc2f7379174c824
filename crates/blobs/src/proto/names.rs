//! Before a name becomes a path: what a collection's names must be so that writing them below one
//! directory stays below it, on any platform, and no file takes the place of another.
//!
//! A collection comes from whoever made it. Nothing here touches a file; whoever writes also has to
//! follow no link and to create every file anew.

use std::fmt;

use super::{
    collection::{MAX_META_BYTES, MAX_NAMES},
    fold::{SEPARATOR, fold, is_ignored},
};

/// Most bytes of a whole name.
pub const MAX_NAME_BYTES: usize = 4096;

/// Most bytes between two `/`: the limit of the file systems in use.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// Most components of a name.
pub const MAX_DEPTH: usize = 128;

/// Most characters of a name that an error shows.
const SHOWN_CHARS: usize = 120;

/// For which platforms a name must be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameRules {
    /// All of them: what is good here can be written anywhere.
    #[default]
    Everywhere,
    /// All but Windows: its device names, its forbidden characters and dots and spaces at an end are
    /// allowed. For trees that need them, on a system that can have them.
    Unix,
}

/// Why one name must not become a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameProblem {
    /// No characters at all.
    #[error("it is empty")]
    Empty,
    /// Over [`MAX_NAME_BYTES`].
    #[error("it has more than {MAX_NAME_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_DEPTH`] components.
    #[error("it has more than {MAX_DEPTH} components")]
    TooDeep,
    /// Starts with `/`.
    #[error("it is absolute")]
    Absolute,
    /// Two `/` in a row, or one at the end.
    #[error("a component is empty")]
    EmptyComponent,
    /// A component is `.` or `..`, or would be one for a file system that ignores invisible
    /// characters.
    #[error("a component is '.' or '..'")]
    Dots,
    /// Over [`MAX_COMPONENT_BYTES`].
    #[error("a component has more than {MAX_COMPONENT_BYTES} bytes")]
    ComponentTooLong,
    /// NUL or another control character.
    #[error("it has a control character")]
    Control,
    /// `\` or `:`, which separate on Windows; there `:` also names drives and alternate streams. On
    /// Windows rules also `<`, `>`, `"`, `|`, `?` and `*`.
    #[error("it has a {0:?}")]
    Character(char),
    /// A component is a device of Windows, such as `NUL` or `com1.txt`.
    #[error("a component is the name of a device on Windows")]
    Device,
    /// A component ends with a dot or a space, which Windows cuts off.
    #[error("a component ends with a dot or a space")]
    Ending,
}

/// Why the names of a collection must not become paths together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamesError {
    /// More than [`MAX_NAMES`].
    #[error("{0} names, the limit is {MAX_NAMES}")]
    TooMany(usize),
    /// All together over [`MAX_META_BYTES`].
    #[error("the names have more than {MAX_META_BYTES} bytes together")]
    TooLong,
    /// One name is bad by itself.
    #[error("name {index}, {name}: {problem}")]
    Bad {
        /// Its place, from 0.
        index: usize,
        /// The name.
        name: ShownName,
        /// Why.
        problem: NameProblem,
    },
    /// Two names are the same file where case or the form of accents does not count.
    #[error("names {first} and {second} are the same, or would be on some system: {name}")]
    Duplicate {
        /// Place of the one.
        first: usize,
        /// Place of the other, which comes later.
        second: usize,
        /// The later one.
        name: ShownName,
    },
    /// One name would be a file, and a directory for another one.
    #[error("name {file} is a directory of name {within}: {name}")]
    FileAndDirectory {
        /// Place of the one that would be both.
        file: usize,
        /// Place of the one within it.
        within: usize,
        /// The one that would be both.
        name: ShownName,
    },
}

/// A name as an error shows it: escaped, so that it cannot act on a terminal, and cut where it is
/// long.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownName(String);

impl ShownName {
    fn new(name: &str) -> Self {
        Self(match name.char_indices().nth(SHOWN_CHARS) {
            Some((at, _)) => format!("{:?}…", &name[..at]),
            None => format!("{name:?}"),
        })
    }
}

impl fmt::Display for ShownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ShownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks one name, a path relative to some root with `/` between its components.
///
/// ```
/// use gaiwan_blobs::proto::{NameProblem, NameRules, check_name};
///
/// assert_eq!(check_name("photos/2024/überall.jpg", NameRules::Everywhere), Ok(()));
/// assert_eq!(check_name("../.ssh/authorized_keys", NameRules::Everywhere), Err(NameProblem::Dots));
/// ```
pub fn check_name(name: &str, rules: NameRules) -> Result<(), NameProblem> {
    if name.is_empty() {
        return Err(NameProblem::Empty);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(NameProblem::TooLong);
    }
    if name.starts_with('/') {
        return Err(NameProblem::Absolute);
    }
    for letter in name.chars() {
        let forbidden = match letter {
            '\\' | ':' => true,
            '<' | '>' | '"' | '|' | '?' | '*' => rules == NameRules::Everywhere,
            _ if letter.is_control() => return Err(NameProblem::Control),
            _ => false,
        };
        if forbidden {
            return Err(NameProblem::Character(letter));
        }
    }
    if name.split('/').count() > MAX_DEPTH {
        return Err(NameProblem::TooDeep);
    }
    name.split('/').try_for_each(|component| check_component(component, rules))
}

fn check_component(component: &str, rules: NameRules) -> Result<(), NameProblem> {
    if component.is_empty() {
        return Err(NameProblem::EmptyComponent);
    }
    if component.len() > MAX_COMPONENT_BYTES {
        return Err(NameProblem::ComponentTooLong);
    }
    let mut visible = component.chars().filter(|letter| !is_ignored(*letter));
    if matches!(
        (visible.next(), visible.next(), visible.next()),
        (None, ..) | (Some('.'), None, _) | (Some('.'), Some('.'), None)
    ) {
        return Err(NameProblem::Dots);
    }
    if rules == NameRules::Everywhere {
        if is_device(component) {
            return Err(NameProblem::Device);
        }
        if component.ends_with(['.', ' ']) {
            return Err(NameProblem::Ending);
        }
    }
    Ok(())
}

/// Checks all names of a collection: each by itself, and all against each other. To be done before
/// the first of them is written.
///
/// Two are the same if they are after canonical normalisation and case folding; and no name may be
/// a directory of another one. Takes memory in proportion to the names.
pub fn check_names<'a>(
    names: impl IntoIterator<Item = &'a str>,
    rules: NameRules,
) -> Result<(), NamesError> {
    let mut bytes = 0;
    let mut folded = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        if index >= MAX_NAMES {
            return Err(NamesError::TooMany(index + 1));
        }
        bytes += name.len();
        if bytes > MAX_META_BYTES {
            return Err(NamesError::TooLong);
        }
        check_name(name, rules).map_err(|problem| {
            let name = ShownName::new(name);
            NamesError::Bad { index, name, problem }
        })?;
        folded.push((fold(name), index, name));
    }
    // With the lowest of all characters as its separator, everything within a directory follows
    // right after the directory's own name: it is enough to look at neighbours.
    folded.sort_unstable();
    for pair in folded.windows(2) {
        let [(key, first, name), (next, second, next_name)] = pair else { continue };
        if key == next {
            let name = ShownName::new(next_name);
            return Err(NamesError::Duplicate { first: *first, second: *second, name });
        }
        if next.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with(SEPARATOR)) {
            let name = ShownName::new(name);
            return Err(NamesError::FileAndDirectory { file: *first, within: *second, name });
        }
    }
    Ok(())
}

/// Whether Windows would open a device: it looks at what stands before the first dot, without the
/// spaces at its end, and takes the superscripts 1 to 3 for digits ("Naming Files, Paths, and
/// Namespaces").
fn is_device(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let stem = stem.to_ascii_uppercase();
    if matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let mut digits = port.unwrap_or_default().chars();
    matches!((digits.next(), digits.next()), (Some('1'..='9' | '¹' | '²' | '³'), None))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn check(name: &str) -> Result<(), NameProblem> {
        check_name(name, NameRules::Everywhere)
    }

    fn check_all(names: &[&str]) -> Result<(), NamesError> {
        check_names(names.iter().copied(), NameRules::Everywhere)
    }

    #[test]
    fn g6_a_name_that_leaves_its_directory_is_refused() {
        use NameProblem::*;
        let cases = [
            ("", Empty),
            ("/", Absolute),
            ("/etc/passwd", Absolute),
            ("//server/share", Absolute),
            (".", Dots),
            ("..", Dots),
            ("../a", Dots),
            ("a/../../b", Dots),
            ("a/..", Dots),
            ("a/./b", Dots),
            (".\u{200d}./a", Dots),
            ("\u{feff}", Dots),
            ("a//b", EmptyComponent),
            ("a/", EmptyComponent),
            ("a\\b", Character('\\')),
            ("..\\a", Character('\\')),
            ("C:", Character(':')),
            ("C:/Windows", Character(':')),
            ("a.txt:stream", Character(':')),
            ("a\0b", Control),
            ("a\nb", Control),
            ("\u{1b}[2J", Control),
            ("a\u{7f}", Control),
            ("a\u{85}", Control),
        ];
        for (name, problem) in cases {
            assert_eq!(check(name), Err(problem), "{name:?}");
            assert_eq!(check_name(name, NameRules::Unix), Err(problem), "{name:?}");
        }
    }

    #[test]
    fn g6_what_windows_cannot_write_is_refused_everywhere_unless_asked_otherwise() {
        use NameProblem::*;
        let cases = [
            ("CON", Device),
            ("a/nul", Device),
            ("Aux.c", Device),
            ("prn.tar.gz", Device),
            ("com1", Device),
            ("LPT9.txt", Device),
            ("COM²", Device),
            ("nul .txt", Device),
            ("conin$", Device),
            ("a.", Ending),
            ("a ", Ending),
            ("dir./b", Ending),
            ("...", Ending),
            ("who?.mp3", Character('?')),
            ("a*b", Character('*')),
            ("<a>", Character('<')),
            ("a|b", Character('|')),
            ("\"a\"", Character('"')),
        ];
        for (name, problem) in cases {
            assert_eq!(check(name), Err(problem), "{name:?}");
            assert_eq!(check_name(name, NameRules::Unix), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn names_that_only_look_odd_are_good() {
        let names = [
            "a",
            "..a",
            "a..b",
            ".git/config",
            "dir/文件.txt",
            "übergröße",
            " a",
            "com",
            "com0",
            "com10",
            "lpt",
            "console.log",
            "nula",
            "xaux",
            "a b/c d",
            "👩\u{200d}🚀.png",
            "~$x",
            "-rf",
            "%2e%2e/x",
        ];
        for name in names {
            assert_eq!(check(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn g6_components_depth_and_length_have_limits() {
        let component = "é".repeat(127);
        assert_eq!(check(&format!("{component}x")), Ok(()));
        assert_eq!(check(&format!("{component}xx")), Err(NameProblem::ComponentTooLong));
        assert_eq!(check(&["a"; MAX_DEPTH].join("/")), Ok(()));
        assert_eq!(check(&["a"; MAX_DEPTH + 1].join("/")), Err(NameProblem::TooDeep));
        let long = [&*"x".repeat(255); 16].join("/");
        assert_eq!((long.len(), check(&long)), (4095, Ok(())));
        assert_eq!(check(&format!("{long}/x")), Err(NameProblem::TooLong));
    }

    #[test]
    fn g6_duplicates_after_folding_are_refused() {
        let pairs = [
            ("a.txt", "a.txt"),
            ("README", "readme"),
            ("dir/A", "DIR/a"),
            ("é", "e\u{301}"),
            ("É", "e\u{301}"),
            ("straße", "STRASSE"),
            ("stra\u{1e9e}e", "strasse"),
            ("σας", "ΣΑΣ"),
            ("\u{212a}", "k"),
            ("\u{212b}", "å"),
            ("가", "\u{1100}\u{1161}"),
            ("a\u{200c}b", "ab"),
            ("e\u{323}\u{301}", "e\u{301}\u{323}"),
        ];
        for (one, two) in pairs {
            for (names, first, second) in
                [(["x", one, "y/z", two], 1, 3), ([two, "x", "z", one], 0, 3)]
            {
                let name = ShownName::new(names[second]);
                let error = NamesError::Duplicate { first, second, name };
                assert_eq!(check_all(&names), Err(error), "{one:?} {two:?}");
            }
        }
        let apart = ["a", "b", "m²", "m2", "sıra", "sira", "dir/a", "DIR/b", "a1", "e", "é"];
        assert_eq!(check_all(&apart), Ok(()));
    }

    #[test]
    fn g6_a_name_that_is_a_directory_of_another_is_refused() {
        let cases = [
            (["a/b", "a!", "a"], 2, 0),
            (["a", "a-b/c", "a/b/c"], 0, 2),
            (["É", "x", "e\u{301}/x"], 0, 2),
            (["A/b/c", "x", "a/B"], 2, 0),
        ];
        for (names, file, within) in cases {
            let name = ShownName::new(names[file]);
            let error = NamesError::FileAndDirectory { file, within, name };
            assert_eq!(check_all(&names), Err(error), "{names:?}");
        }
        assert_eq!(check_all(&["a/b", "a.b", "a!/c", "ab", "a b", "a/c"]), Ok(()));
    }

    #[test]
    fn g6_one_bad_name_refuses_all_and_is_named() {
        let error = check_all(&["good", "also/good", "bad/../../x"]).unwrap_err();
        let expected = "name 2, \"bad/../../x\": a component is '.' or '..'";
        assert_eq!(error.to_string(), expected);
        let error = check_all(&["\u{1b}[31m"]).unwrap_err().to_string();
        assert!(!error.contains('\u{1b}'), "{error}");
        let long = format!("a/{}", "x".repeat(3000));
        assert!(check_all(&[&long]).unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn g6_many_or_much_is_refused() {
        let many = std::iter::repeat_n("a", MAX_NAMES + 1);
        let error = NamesError::TooMany(MAX_NAMES + 1);
        assert_eq!(check_names(many, NameRules::Everywhere), Err(error));
        let long = ["x"; MAX_DEPTH - 1].map(|x| x.repeat(31)).join("/");
        let much = std::iter::repeat_n(&*long, MAX_META_BYTES / long.len() + 1);
        assert_eq!(check_names(much, NameRules::Everywhere), Err(NamesError::TooLong));
    }

    proptest! {
        #[test]
        fn g6_a_good_name_stays_below_its_root(name in "[./a\\\\: \u{200d}]{0,12}|\\PC{0,20}") {
            if check(&name).is_ok() {
                let path = std::path::Path::new(&name);
                let normal = |part| matches!(part, std::path::Component::Normal(_));
                prop_assert!(path.components().all(normal));
                prop_assert_eq!(path.components().count(), name.split('/').count());
            }
        }

        #[test]
        fn g6_case_never_tells_two_names_apart(name in "\\PC{1,12}") {
            // Upper case makes a letter of the iota below another one: a mark that is written after it, and belongs before
            // it, would go to the wrong letter.
            let apart: String = name.nfd().collect();
            let name = if apart.contains('\u{345}') { apart } else { name };
            for other in [name.to_lowercase(), name.to_uppercase()] {
                // Upper case makes an I of the dotless i, and that is another name.
                if check(&name).is_ok() && check(&other).is_ok() && !name.contains('ı') {
                    prop_assert!(check_all(&[&name, &other]).is_err(), "{:?} {:?}", name, other);
                }
            }
        }

        #[test]
        fn g6_neighbours_find_what_all_pairs_find(names in proptest::collection::vec("[abA][/!-]?[ab]?", 0..7)) {
            prop_assume!(names.iter().all(|name| check(name).is_ok()));
            let lower: Vec<_> = names.iter().map(|name| name.to_lowercase()).collect();
            let clash = (0..names.len()).any(|a| (0..names.len()).any(|b| {
                a != b && (lower[a] == lower[b] || lower[a].starts_with(&format!("{}/", lower[b])))
            }));
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            prop_assert_eq!(check_all(&names).is_err(), clash);
        }
    }
}

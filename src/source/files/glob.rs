//! [`Glob`]: a file name pattern with `*` and `?`.

use std::fmt;

/// A pattern for file names: `*` stands for any characters, also none, `?` for exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// A pattern of this text.
    ///
    /// ```
    /// use tidemill::source::Glob;
    ///
    /// assert!(Glob::new("part-?????").matches("part-00007"));
    /// ```
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether the whole of `name` fits.
    ///
    /// Takes time in proportion to pattern times name at worst: only the last `*` is ever widened, since
    /// what came before it has been matched as early as it can be.
    ///
    /// ```
    /// use tidemill::source::Glob;
    ///
    /// let glob = Glob::new("*.log");
    /// assert!(glob.matches("a.log") && !glob.matches("a.txt"));
    /// ```
    pub fn matches(&self, name: &str) -> bool {
        let mut pattern = self.0.chars();
        let mut name = name.chars();
        // Behind the last `*`: the rest of the pattern, and the name from where it was tried last.
        let mut widen: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let before = name.clone();
            match (pattern.next(), name.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    name = before;
                    widen = Some((pattern.clone(), name.clone()));
                }
                (Some('?'), Some(_)) => {}
                (Some(wanted), Some(found)) if wanted == found => {}
                _ => {
                    let Some((rest, tried)) = &mut widen else {
                        return false;
                    };
                    if tried.next().is_none() {
                        return false;
                    }
                    (pattern, name) = (rest.clone(), tried.clone());
                }
            }
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tries everything.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|skip| naive(rest, &name[skip..])),
            (['?', rest @ ..], [_, behind @ ..]) => naive(rest, behind),
            ([wanted, rest @ ..], [found, behind @ ..]) => wanted == found && naive(rest, behind),
            _ => false,
        }
    }

    #[test]
    fn stars_and_question_marks() {
        let matches = |pattern: &str, name| Glob::new(pattern).matches(name);
        assert!(matches("*.log", "a.log"));
        assert!(matches("*.log", ".log"));
        assert!(!matches("*.log", "a.log.gz"));
        assert!(matches("part-????", "part-0001"));
        assert!(!matches("part-????", "part-001"));
        assert!(matches("a*b*c", "aXbbYc"));
        assert!(matches("?", "ä"));
        assert!(matches("*", ""));
        assert!(!matches("", "a"));
        assert!(!matches(&"*a".repeat(30), &"a".repeat(29)));
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = naive(&chars(&pattern), &chars(&name));
            prop_assert_eq!(Glob::new(pattern).matches(&name), expected);
        }
    }
}

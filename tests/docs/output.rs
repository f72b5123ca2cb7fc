//! Compares what is printed with what a document says: `…` in a line stands for any characters, alone in a
//! line for any lines.

/// Whether `printed` is what `shown` says.
pub fn is_as_shown(shown: &str, printed: &str) -> bool {
    let shown: Vec<&str> = shown.trim_end().lines().map(str::trim_end).collect();
    let printed: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
    matches(
        &shown,
        &printed,
        |line| line.trim() == "…",
        |shown, printed| {
            let characters: Vec<char> = shown.chars().collect();
            let printed: Vec<char> = printed.chars().collect();
            matches(&characters, &printed, |c| *c == '…', |a, b| a == b)
        },
    )
}

/// Whether a pattern with wildcards matches the whole of a text.
fn matches<T>(
    pattern: &[T],
    text: &[T],
    is_any: impl Fn(&T) -> bool + Copy,
    is_same: impl Fn(&T, &T) -> bool + Copy,
) -> bool {
    match pattern {
        [] => text.is_empty(),
        [first, rest @ ..] if is_any(first) => {
            (0..=text.len()).any(|taken| matches(rest, &text[taken..], is_any, is_same))
        }
        [first, rest @ ..] => match text {
            [] => false,
            [found, others @ ..] => is_same(first, found) && matches(rest, others, is_any, is_same),
        },
    }
}

#[test]
fn dots_stand_for_anything() {
    assert!(is_as_shown("a\n…\nz … 9\n", "a\nb\nc\nz 1 2 9\n"));
    assert!(is_as_shown("…\nz", "z"));
    assert!(!is_as_shown("a …", "b 1"));
    assert!(!is_as_shown("a", "a\nb"));
}

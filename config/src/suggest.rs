//! The nearest valid name for a mistyped one.

/// What to tell somebody who wrote `name` where only `valid` names are known; `None` if there are none.
pub(crate) fn help<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let valid: Vec<&str> = valid.into_iter().collect();
    let (nearest, distance) = nearest(name, valid.iter().copied())?;
    if is_slip(name, nearest, distance) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    if valid.len() == 1 {
        return Some(format!("the only valid name is `{nearest}`"));
    }
    Some(format!(
        "the nearest valid name is `{nearest}`, of: {}",
        valid.join(", ")
    ))
}

/// The valid name that `name` is a slip of the keyboard for.
pub(crate) fn nearest_of<'a>(
    name: &str,
    valid: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let (nearest, distance) = nearest(name, valid.into_iter())?;
    is_slip(name, nearest, distance).then_some(nearest)
}

/// Whether so many edits are few: a third of the letters wrong is still a slip of the keyboard; more is
/// another word.
fn is_slip(name: &str, nearest: &str, distance: usize) -> bool {
    let longest = name.chars().count().max(nearest.chars().count());
    distance <= longest.div_ceil(3)
}

/// The valid name with the fewest edits from `name`, ignoring case, and the number of edits.
fn nearest<'a>(name: &str, valid: impl Iterator<Item = &'a str>) -> Option<(&'a str, usize)> {
    let name = name.to_lowercase();
    valid
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
            // Among equals, a common beginning weighs more than a common end.
            let likeness = strsim::jaro_winkler(&name, candidate);
            (candidate, distance, likeness)
        })
        .min_by(|a, b| a.1.cmp(&b.1).then(b.2.total_cmp(&a.2)))
        .map(|(candidate, distance, _)| (candidate, distance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_another_word_gets_the_list() {
        let valid = ["address", "max_line", "max_rate"];
        assert_eq!(help("addres", valid).unwrap(), "did you mean `address`?");
        assert_eq!(help("max-rate", valid).unwrap(), "did you mean `max_rate`?");
        assert_eq!(
            help("frobnicate", valid).unwrap(),
            "the nearest valid name is `max_rate`, of: address, max_line, max_rate"
        );
        assert_eq!(help("x", []), None);
    }
}

//! Parameters behind the `?` of a path.

use crate::problem::Problem;

/// The parameters, in their order; a name may be there several times. What is in percent form is put back.
pub(super) fn parameters(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((plain(name)?, plain(value)?))
        })
        .collect()
}

/// The one parameter that means something where it is asked for; its last value, if it is given.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Result<Option<String>, Problem> {
    let mut value = None;
    for (given, text) in parameters(query.unwrap_or_default())? {
        if given != name {
            let detail = format!("`{given}` is no parameter here; `{name}` is");
            return Err(Problem::bad_request(detail));
        }
        value = Some(text);
    }
    Ok(value)
}

/// Text out of its percent form.
pub(super) fn plain(text: &str) -> Result<String, Problem> {
    let wrong = || Problem::bad_request(format!("`{text}` isn't text in percent form"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let value = digit().zip(digit()).ok_or_else(wrong)?;
                u8::try_from(value.0 * 16 + value.1).map_err(|_| wrong())?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_from_their_percent_form() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let read = parameters("a=b%20c&&a=%C3%A9+%2b&d").unwrap();
        assert_eq!(read, [pair("a", "b c"), pair("a", "é +"), pair("d", "")]);
        for wrong in ["a=%", "a=%2", "a=%zz", "%ff=a"] {
            assert!(parameters(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_parameter_that_means_nothing_is_refused() {
        assert_eq!(parameter(None, "name").unwrap(), None);
        let last = parameter(Some("name=a&name=b"), "name").unwrap();
        assert_eq!(last.as_deref(), Some("b"));
        assert!(parameter(Some("nmae=a"), "name").is_err());
    }
}

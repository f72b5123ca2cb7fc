//! [`Token`]: a secret that requests show.

use std::fmt;
use std::io::Read;
use std::path::Path;

/// The longest token file that is read, in bytes.
const MAX_FILE: u64 = 4096;

/// The shortest token that is of any use, in bytes.
const MIN_TOKEN: usize = 16;

/// A secret that requests must show as `Authorization: Bearer TOKEN`. Never printed.
pub struct Token(Box<[u8]>);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file can't be read.
    #[error("the token file {place}: {error}")]
    Unreadable {
        /// The file.
        place: String,
        /// The system's words.
        #[source]
        error: std::io::Error,
    },
    /// Its contents are no token.
    #[error(
        "the token in {place} must be one line of {MIN_TOKEN} to {MAX_FILE} visible ASCII characters: make \
         one with `openssl rand -hex 32`"
    )]
    Unusable {
        /// The file, or what else should hold it.
        place: String,
    },
}

impl Token {
    /// Reads a token from a file, without the white space around it.
    ///
    /// # Errors
    /// When the file can't be read or holds no token.
    ///
    /// ```
    /// use tidemill::admin::Token;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("operator.token");
    /// std::fs::write(&path, "0123456789abcdef\n")?;
    /// assert_eq!(Token::read(&path)?.authorization(), "Bearer 0123456789abcdef");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let place = path.display().to_string();
        let unreadable = |error| TokenError::Unreadable {
            place: place.clone(),
            error,
        };
        // One byte more than there may be is enough to tell.
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
        read.map_err(unreadable)?;
        Self::parse(&place, &bytes)
    }

    /// Takes a token out of what `place` holds, without the white space around it.
    ///
    /// # Errors
    /// When it is none.
    ///
    /// ```
    /// use tidemill::admin::Token;
    ///
    /// assert!(Token::parse("the example", b"0123456789abcdef\n").is_ok());
    /// let error = Token::parse("the example", b"secret").unwrap_err();
    /// assert!(error.to_string().contains("16"), "{error}");
    /// ```
    pub fn parse(place: &str, text: &[u8]) -> Result<Self, TokenError> {
        let token = text.trim_ascii();
        let is_long_enough = token.len() >= MIN_TOKEN && text.len() as u64 <= MAX_FILE;
        if !is_long_enough || !token.iter().all(u8::is_ascii_graphic) {
            let place = place.to_owned();
            return Err(TokenError::Unusable { place });
        }
        Ok(Self(token.into()))
    }

    /// Whether an `Authorization` header shows this token. How long the answer takes tells the shown
    /// token's length and nothing else.
    ///
    /// ```
    /// use tidemill::admin::Token;
    ///
    /// let token = Token::parse("the example", b"0123456789abcdef")?;
    /// assert!(token.is_shown_by(b"Bearer 0123456789abcdef"));
    /// assert!(!token.is_shown_by(b"Bearer 0123456789abcdeF"));
    /// # Ok::<(), tidemill::admin::TokenError>(())
    /// ```
    #[must_use]
    pub fn is_shown_by(&self, authorization: &[u8]) -> bool {
        let shown = match authorization.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
            _ => return false,
        };
        let mut difference = u8::from(shown.len() != self.0.len());
        for (index, byte) in shown.iter().enumerate() {
            // Past the end of ours the comparison goes on, with bytes that can't be in a token.
            let ours = self.0.get(index).copied().unwrap_or_default();
            difference = std::hint::black_box(difference | (byte ^ ours));
        }
        difference == 0
    }

    /// Whether this is the same token.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.is_shown_by(other.authorization().as_bytes())
    }

    /// The value of an `Authorization` header that shows it.
    ///
    /// ```
    /// use tidemill::admin::Token;
    ///
    /// let token = Token::parse("the example", b"0123456789abcdef")?;
    /// assert_eq!(token.authorization(), "Bearer 0123456789abcdef");
    /// # Ok::<(), tidemill::admin::TokenError>(())
    /// ```
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Result<Token, TokenError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        Token::read(&path)
    }

    #[test]
    fn only_the_whole_token_opens() {
        let token = token("0123456789abcdef\n").unwrap();
        assert!(token.is_shown_by(b"Bearer 0123456789abcdef"));
        assert!(token.is_shown_by(token.authorization().as_bytes()));
        for wrong in [
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdeX",
            "Bearer ",
            "Bearer",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "",
        ] {
            assert!(!token.is_shown_by(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn short_long_and_odd_files_hold_no_token() {
        for text in ["", "short", "two words in one line", &"x".repeat(5000)] {
            let error = token(text).unwrap_err().to_string();
            assert!(error.contains("openssl rand"), "{error}");
        }
        assert!(Token::read(Path::new("/nowhere/token")).is_err());
    }
}

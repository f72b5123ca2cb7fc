//! [`Certificate`]: what is known of a client by the certificate that it showed.

use std::fmt;

/// A client's certificate, which was verified in the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Its DNS names (subject alternative names).
    pub(super) names: Vec<String>,
    /// The SHA-256 of its DER form, in lower hexadecimal digits.
    pub(super) fingerprint: String,
}

impl Certificate {
    /// Whether it is the one that is meant: by one of its names, or by `sha256:FINGERPRINT`, with or without
    /// colons.
    pub(crate) fn is(&self, meant: &str) -> bool {
        match meant.strip_prefix("sha256:") {
            Some(fingerprint) => {
                let digits = fingerprint.chars().filter(|c| *c != ':');
                digits
                    .map(|c| c.to_ascii_lowercase())
                    .eq(self.fingerprint.chars())
            }
            None => self
                .names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(meant)),
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.names.first().map_or("without a name", String::as_str);
        let short = self.fingerprint.get(..16).unwrap_or(&self.fingerprint);
        write!(f, "{name} (sha256:{short}...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_known_by_its_names_and_its_whole_fingerprint() {
        let certificate = Certificate {
            names: vec!["ops.example".to_owned()],
            fingerprint: "00aa".repeat(16),
        };
        let with_colons = format!("sha256:{}", "00:AA:".repeat(16).trim_end_matches(':'));
        for meant in [
            "ops.example",
            "OPS.example",
            &format!("sha256:{}", "00aa".repeat(16)),
            &with_colons,
        ] {
            assert!(certificate.is(meant), "{meant}");
        }
        for other in ["", "example", "*.example", "sha256:", "sha256:00aa", "00aa"] {
            assert!(!certificate.is(other), "{other}");
        }
    }
}

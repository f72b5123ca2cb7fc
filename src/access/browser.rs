//! Requests that a web page of somebody else may have made its reader's browser send.
//!
//! The browser is on the machine, or in the network, that the page's author can't reach. What tells it from a
//! program is what the author can't change: the origin of the page, and the name that it was asked by.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, header};

/// Why a request to change something is refused: a page of another origin sends it. Browsers name the origin of a
/// page that posts; programs don't.
pub(crate) fn is_of_another_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(HeaderValue::as_bytes);
    let Some(origin) = text(header::ORIGIN) else {
        return false;
    };
    let host = text(header::HOST).unwrap_or_default();
    let authority = [b"http://".as_slice(), b"https://"]
        .iter()
        .find_map(|s| origin.strip_prefix(*s));
    authority != Some(host)
}

/// Whether it asks by a name that somebody else may own, and that may have been made to stand for this machine (DNS
/// rebinding): then the page's origin is the same, and nothing but a token tells. Addresses can't be made to, nor
/// names without a dot.
pub(crate) fn is_by_a_public_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return false;
    };
    let Ok(host) = host.to_str() else {
        return true;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_address = bare.parse::<IpAddr>().is_ok();
    name.contains('.') && !is_address && !name.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn pages_of_other_origins_are_told_apart() {
        let is_other = |origin| is_of_another_origin(&headers("127.0.0.1:4040", origin));
        assert!(!is_other(None));
        assert!(!is_other(Some("http://127.0.0.1:4040")));
        for other in ["http://evil.example", "http://127.0.0.1:4041", "null", ""] {
            assert!(is_other(Some(other)), "{other}");
        }
    }

    #[test]
    fn names_that_somebody_may_own_are_told_from_addresses() {
        for ours in [
            "127.0.0.1:4040",
            "127.0.0.1",
            "[::1]:4040",
            "[::1]",
            "localhost:4040",
            "a.localhost",
            "tidemill:4040",
            "",
        ] {
            assert!(!is_by_a_public_name(&headers(ours, None)), "{ours}");
        }
        for theirs in [
            "evil.example:4040",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
        ] {
            assert!(is_by_a_public_name(&headers(theirs, None)), "{theirs}");
        }
        assert!(!is_by_a_public_name(&HeaderMap::new()));
    }
}

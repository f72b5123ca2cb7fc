//! `/` and `/page/...`: the streaming page. Its files are in the program; they ask the API for all they show.
//!
//! They hold nothing of the pipeline, so they are given without the token that the API asks for: the page has to
//! be there to ask its reader for it.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// Scripts and styles of its own only, no connection to anywhere else, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What its files are, besides the page itself.
pub(super) const MEDIA: &[&str] = &["text/html", "text/css", "text/javascript"];

/// A file of the page.
struct File {
    path: &'static str,
    bytes: &'static [u8],
    etag: String,
}

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_bytes!(concat!("page/", $path)).as_slice())),*]
    };
}

/// All that the page is made of.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let files = files![
        "index.html",
        "style.css",
        "main.js",
        "api.js",
        "batch.js",
        "batches.js",
        "charts.js",
        "checkpoint.js",
        "dom.js",
        "format.js",
        "graph.js",
        "header.js",
        "live.js",
        "model.js",
        "sources.js",
        "steer.js",
        "theme.js",
        "timelines.js",
        "token.js",
        "wal.js",
        "vendor/uPlot.esm.js",
        "vendor/uPlot.min.css",
        "vendor/dagre.esm.js",
    ];
    let file = |(path, bytes)| File {
        path,
        bytes,
        etag: format!("\"{:08x}\"", crc32fast::hash(bytes)),
    };
    files.into_iter().map(file).collect()
});

/// Whether a path is the page's own.
pub(super) fn is_of_page(path: &str) -> bool {
    path == "/" || path.starts_with("/page/")
}

pub(super) async fn index(headers: HeaderMap) -> Result<Response, Problem> {
    answer("index.html", &headers)
}

pub(super) async fn file(
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&path, &headers)
}

fn answer(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let file = FILES.iter().find(|file| file.path == path);
    let file = file.ok_or_else(|| Problem::not_found(format!("the page has no file `{path}`")))?;
    let held = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut held = held
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','));
    let is_held = held.any(|tag| tag.trim().trim_start_matches("W/") == file.etag);
    let about = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Held, and asked for each time whether it is still the same.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_TYPE, content_type(file.path)),
        (header::ETAG, &file.etag),
    ];
    Ok(match is_held {
        true => (StatusCode::NOT_MODIFIED, about).into_response(),
        false => (about, file.bytes).into_response(),
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_held_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        let first = answer("main.js", &headers).unwrap();
        assert_eq!(first.status(), StatusCode::OK);
        let etag = first.headers()[header::ETAG].clone();
        headers.insert(header::IF_NONE_MATCH, etag);
        let again = answer("main.js", &headers).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = answer("style.css", &headers).unwrap();
        assert_eq!(other.status(), StatusCode::OK);
        assert!(answer("../page.rs", &headers).is_err());
    }

    /// The folder and the table hold the same, and so does what each script imports.
    #[test]
    fn every_file_is_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page");
        let beside = ["package.json", "package-lock.json"];
        for folder in [folder.clone(), folder.join("vendor")] {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                let is_beside = beside.contains(&name) || name.contains("LICENSE");
                let known = FILES.iter().any(|file| file.path.ends_with(name));
                assert!(path.is_dir() || is_beside || known, "{}", path.display());
            }
        }
        for file in FILES
            .iter()
            .filter(|file| !file.path.starts_with("vendor/"))
        {
            let text = std::str::from_utf8(file.bytes).unwrap();
            // The one address is a name: that of SVG.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("://"), "{}", file.path);
            let imports = text
                .lines()
                .filter_map(|line| line.split(" from \"./").nth(1));
            for import in imports.map(|rest| rest.split('"').next().unwrap()) {
                let known = FILES.iter().any(|file| file.path == import);
                assert!(known, "{} imports {import}", file.path);
            }
        }
    }
}

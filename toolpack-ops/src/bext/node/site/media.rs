//! The `Content-Type` of a file, by its name.

use std::ffi::OsStr;
use std::path::Path;

use http::HeaderValue;

/// What is not known is downloaded rather than shown: with `nosniff`, no browser guesses.
const UNKNOWN: &str = "application/octet-stream";

/// The type of a file of this name; text says that it is in UTF-8.
pub(super) fn content_type(name: &OsStr) -> HeaderValue {
    // Apple asks for this one without an extension, and takes nothing but JSON.
    if name == "apple-app-site-association" {
        return HeaderValue::from_static("application/json; charset=utf-8");
    }
    let guess = mime_guess::from_path(Path::new(name)).first_raw().unwrap_or(UNKNOWN);
    let media = match (extension(name).as_str(), guess) {
        // One name for a script (RFC 9239); source maps are JSON; video in pieces, rather than what it is called by DLNA.
        ("mjs" | "cjs", _) => "text/javascript",
        ("map", _) => "application/json",
        ("ts", _) => "video/mp2t",
        (_, guess) => guess,
    };
    if is_text(media) {
        return HeaderValue::from_str(&format!("{media}; charset=utf-8"))
            .unwrap_or(HeaderValue::from_static(UNKNOWN));
    }
    HeaderValue::from_static(media)
}

fn extension(name: &OsStr) -> String {
    Path::new(name)
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default()
}

/// Whether it is text that we say the encoding of. XML other than SVG says its own, which a parameter would override.
fn is_text(media: &str) -> bool {
    let named = matches!(media, "application/javascript" | "application/json" | "image/svg+xml");
    named || media.ends_with("+json") || (media.starts_with("text/") && media != "text/xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_sites_are_made_of() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTM", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.js.map", "application/json; charset=utf-8"),
            ("a.json", "application/json; charset=utf-8"),
            ("site.webmanifest", "application/manifest+json; charset=utf-8"),
            ("apple-app-site-association", "application/json; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("robots.txt", "text/plain; charset=utf-8"),
            ("README.md", "text/markdown; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("sitemap.xml", "text/xml"),
            ("a.wasm", "application/wasm"),
            ("a.png", "image/png"),
            ("a.jpg", "image/jpeg"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("favicon.ico", "image/x-icon"),
            ("a.woff2", "font/woff2"),
            ("a.mp4", "video/mp4"),
            ("piece.ts", "video/mp2t"),
            ("a.pdf", "application/pdf"),
            ("a.tar.gz", "application/gzip"),
            ("a.js.br", UNKNOWN),
            ("LICENSE", UNKNOWN),
            ("a.", UNKNOWN),
            ("a.no-such-thing", UNKNOWN),
        ] {
            assert_eq!(content_type(OsStr::new(name)), expected, "{name}");
        }
    }
}

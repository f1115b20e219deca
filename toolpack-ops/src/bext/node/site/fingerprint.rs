//! Which names have a hash of the content in them, so that what they name never changes.
//!
//! The rule is strict, since a file that is wrongly taken for unchanging stays stale for a year, and one that is missed is
//! only asked for again. A name has such a hash if, before its extension (and before `chunk`, `min`, `bundle`, `module`,
//! `LICENSE` in front of that), it ends in a part behind a `.` or `-` that is
//!
//! - 8 to 64 lower-case hexadecimal digits with two figures and two letters among them at least (`main.3f2a1b9c.js`), or
//! - 8 characters of base64url in which capitals, small letters and figures all occur and change five times at least
//!   (`index-B7xK2mQ9.js`, and not `shot-iPhone6s.png`).
//!
//! 16 to 64 hexadecimal digits may be the whole name. A UUID is no hash, and documents (`.html`) have none.

use std::ffi::OsStr;

/// Words that tools put between the hash and the extension.
const WORDS: [&str; 5] = ["chunk", "min", "bundle", "module", "LICENSE"];

/// Whether a file of this name never changes.
pub(super) fn is_fingerprinted(name: &OsStr) -> bool {
    let Some((mut stem, extension)) = name.to_str().and_then(|name| name.rsplit_once('.')) else {
        return false;
    };
    if matches!(extension.to_ascii_lowercase().as_str(), "html" | "htm" | "xhtml") {
        return false;
    }
    // `main.3f2a1b9c.js.map` is as unchanging as `main.3f2a1b9c.js`.
    if extension == "map" {
        stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    }
    while let Some((before, word)) = stem.rsplit_once('.')
        && WORDS.contains(&word)
    {
        stem = before;
    }
    if is_uuid_at_the_end(stem) {
        return false;
    }
    match stem.rsplit_once(['.', '-']) {
        // A hash in base64url may have `-` in it, so it is looked for by its length.
        Some((before, last)) => {
            (!before.is_empty() && is_hexadecimal_hash(last, 8)) || ends_in_base64_hash(stem)
        }
        None => is_hexadecimal_hash(stem, 16),
    }
}

fn is_hexadecimal_hash(text: &str, shortest: usize) -> bool {
    let figures = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(|byte| matches!(byte, b'a'..=b'f')).count();
    (shortest..=64).contains(&text.len()) && figures + letters == text.len() && figures >= 2 && letters >= 2
}

fn ends_in_base64_hash(stem: &str) -> bool {
    let bytes = stem.as_bytes();
    let Some(at) = bytes.len().checked_sub(9).filter(|&at| at > 0) else { return false };
    let kinds: Vec<u8> = bytes[at + 1..]
        .iter()
        .map(|byte| match byte {
            b'A'..=b'Z' => b'A',
            b'a'..=b'z' => b'a',
            b'0'..=b'9' => b'0',
            b'-' | b'_' => b'-',
            _ => b'?',
        })
        .collect();
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let has = |kind| kinds.contains(&kind);
    matches!(bytes[at], b'.' | b'-') && !has(b'?') && has(b'A') && has(b'a') && has(b'0') && changes >= 5
}

fn is_uuid_at_the_end(stem: &str) -> bool {
    let Some(uuid) = stem.len().checked_sub(36).and_then(|at| stem.get(at..)) else { return false };
    let parts: Vec<&str> = uuid.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_the_common_build_tools() {
        for name in [
            "main.3f2a1b9c.js",
            "main.3f2a1b9c.chunk.js",
            "2.3f2a1b9c.chunk.css",
            "main.3f2a1b9c.js.map",
            "app-3f2a1b9c4d5e.min.js",
            "framework-8e0e0f4a6b83a956.js",
            "117-9b45d0b2a1f7c3e8.js",
            "5f3a0c1d2e4b6978a1b2c3d4e5f60718.png",
            "index-B7xK2mQ9.js",
            "index-D1-r2gTA.css",
            "main.3f2a1b9c.js.LICENSE.txt",
        ] {
            let expected = !name.ends_with(".txt");
            assert_eq!(is_fingerprinted(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn names_that_only_look_like_it() {
        for name in [
            "index.html",
            "app.js",
            "app.min.js",
            "jquery-3.7.1.min.js",
            "report-20240131.pdf",
            "photo-1234567a.jpg",
            "logo-Retina2x.png",
            "book-Chapter1.pdf",
            "shot-iPhone6s.png",
            "guide-GettingStarted.css",
            "my-PhotoBlog.png",
            "deadbeef.js",
            "x-deadbeef.js",
            "3f2a1b9c.js",
            "page-3f2a1b9c.html",
            "-3f2a1b9c.js",
            "3F2A1B9C.js",
            "3f2a1b9c",
            "550e8400-e29b-41d4-a716-44665544a0b0.png",
            "avatar-550e8400-e29b-41d4-a716-44665544a0b0.png",
            "",
            ".",
            "..",
            "B7xK2mQ9.js",
            "-B7xK2mQ9.js",
            "été-naïve-é.png",
        ] {
            assert!(!is_fingerprinted(OsStr::new(name)), "{name}");
        }
    }
}

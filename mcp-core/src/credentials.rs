//! What is told for a credential, by the name that it has or by its form, wherever it stands in a text.

use std::{borrow::Cow, ops::Range};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// What stands in place of a secret.
pub(crate) const HIDDEN: &str = "[hidden]";

/// A name that has one of these in it, in whatever case and with whatever marks in between, is a credential's.
const CREDENTIALS: [&str; 24] = [
    "accesskey",
    "apikey",
    "authorization",
    "authkey",
    "bearer",
    "clientkey",
    "connectionstring",
    "cookie",
    "credential",
    "dsn",
    "encryptionkey",
    "jwt",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pincode",
    "privatekey",
    "pwd",
    "secret",
    "servicekey",
    "sessionkey",
    "signingkey",
    "token",
];

/// Unless its last word is one of these: a name of a secret is none, and is what a record is read for.
const NO_CREDENTIALS: [&str; 4] = ["count", "limit", "name", "names"];

/// Whether a name is that of a credential.
pub(crate) fn is_credential(name: &str) -> bool {
    let (mut few, mut many) = ([0; 64], Vec::new());
    // Names are short, and looked at in every call.
    let bare = match few.get_mut(..name.len()) {
        Some(few) => few,
        None => {
            many.resize(name.len(), 0);
            &mut many[..]
        }
    };
    let mut len = 0;
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric) {
        bare[len] = byte.to_ascii_lowercase();
        len += 1;
    }
    let bare = &bare[..len];
    let has = |part: &str| bare.windows(part.len()).any(|window| window == part.as_bytes());
    CREDENTIALS.into_iter().any(has)
        && !NO_CREDENTIALS.iter().any(|word| last_word(name).eq_ignore_ascii_case(word))
}

/// The last word of a name like `token_count`, `token-count` or `tokenCount`.
fn last_word(name: &str) -> &str {
    let name = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let bytes = name.as_bytes();
    let begins = |at: usize| {
        let (before, first) = (bytes[at - 1], bytes[at]);
        !before.is_ascii_alphanumeric() || (before.is_ascii_lowercase() && first.is_ascii_uppercase())
    };
    let start = (1..bytes.len()).rev().find(|&at| begins(at)).unwrap_or(0);
    // Where a word begins there is a character of ASCII, or one stands before it.
    name.get(start..).unwrap_or(name)
}

/// A text in which credentials are told by their form and taken out; all else stays, so that nothing can hide beside
/// something that looks like one.
pub(crate) fn without_credentials(text: &str) -> Cow<'_, str> {
    let mut spans = Vec::new();
    passwords_of_urls(text, &mut spans);
    authorizations(text, &mut spans);
    tokens(text, &mut spans);
    private_keys(text, &mut spans);
    if spans.is_empty() {
        return text.into();
    }
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let (mut shown, mut end) = (String::with_capacity(text.len()), 0);
    for span in spans {
        if span.start >= end {
            shown.push_str(&text[end..span.start]);
            shown.push_str(HIDDEN);
        }
        end = end.max(span.end);
    }
    shown.push_str(&text[end..]);
    shown.into()
}

/// `postgres://ada:password@host`; the password may have slashes in it, as it should not.
fn passwords_of_urls(text: &str, spans: &mut Vec<Range<usize>>) {
    const MARK: &str = "://";
    let mut done = 0;
    // Where the text without a gap ends that was looked at last, and where the last `@` in it stands.
    let mut run = (0, None);
    for (at, _) in text.match_indices(MARK) {
        let start = at + MARK.len();
        if start < done {
            continue;
        }
        if start > run.0 || run.0 == 0 {
            let is_gap = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '`' | '<' | '>');
            let end = text[start..].find(is_gap).map_or(text.len(), |len| start + len);
            run = (end, text[start..end].rfind('@').map(|at| start + at));
        }
        let Some(last_at) = run.1.filter(|last_at| *last_at >= start) else { continue };
        let rest = &text[start..run.0];
        // A path may have an `@` in it, but none of a database does.
        let ends: &[char] = if is_of_database(&text[..at]) { &['?', '#'] } else { &['/', '?', '#'] };
        let authority = &rest[..rest.find(MARK).unwrap_or(rest.len())];
        let authority = &authority[..authority.find(ends).unwrap_or(authority.len())];
        let (user, end) = match authority.rfind('@') {
            Some(at) => (&authority[..at], start + at),
            // What stands between is the password, unless it is the port of a host.
            None => match authority.split_once(':') {
                Some((host, port)) if host.starts_with('[') || is_port(port) => continue,
                _ => (authority, last_at),
            },
        };
        if let Some(colon) = user.find(':')
            && start + colon + 1 < end
        {
            spans.push(start + colon + 1..end);
            done = end;
        }
    }
}

fn is_port(text: &str) -> bool {
    let digits = text.split_once('/').map_or(text, |(port, _)| port);
    digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the scheme at the end of this text is that of a database.
fn is_of_database(before: &str) -> bool {
    let start = before
        .rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))
        .map_or(0, |at| at + 1);
    // What is no ASCII may stand before it, and be longer than a byte.
    let scheme = before.get(start..).unwrap_or_default();
    ["amqp", "mongodb", "mysql", "mariadb", "postgres", "redis", "mssql", "sqlserver"]
        .iter()
        .any(|kind| scheme.get(..kind.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(kind)))
}

/// `Bearer …`, `Basic …`, and whatever else follows `Authorization:`.
fn authorizations(text: &str, spans: &mut Vec<Range<usize>>) {
    for (at, word) in words(text, "bearer") {
        spans.extend(credentials_after(text, at + word.len()));
    }
    for (at, word) in words(text, "basic") {
        let span = credentials_after(text, at + word.len());
        // An ordinary word as well, unless a name and a password follow, or nothing else is there.
        spans
            .extend(span.filter(|span| (at == 0 && span.end == text.len()) || is_basic(&text[span.clone()])));
    }
    let mut done = 0;
    for (at, word) in words(text, "authorization") {
        if at < done {
            continue;
        }
        let rest = text[at + word.len()..].trim_start_matches(['"', '\'', '\\']);
        let Some(rest) = rest.strip_prefix([':', '=']) else { continue };
        let rest = rest.trim_start_matches([' ', '\t', '"', '\'', '\\']);
        let start = text.len() - rest.len();
        let first = start + token_len(rest);
        done = first;
        match credentials_after(text, first) {
            // The name of a scheme, and what is shown by it.
            Some(span) => spans.push(span),
            None if first > start => spans.push(start..first),
            None => {}
        }
    }
}

/// Where a word stands in a text, in whatever case and not as a part of another.
fn words<'a>(text: &'a str, word: &'static str) -> impl Iterator<Item = (usize, &'static str)> + use<'a> {
    let bytes = text.as_bytes();
    let is_it = move |at: &usize| {
        bytes[*at..*at + word.len()].eq_ignore_ascii_case(word.as_bytes())
            && (*at == 0 || !bytes[at - 1].is_ascii_alphanumeric())
    };
    (0..(bytes.len() + 1).saturating_sub(word.len())).filter(is_it).map(move |at| (at, word))
}

/// What stands on the same line behind a scheme and blanks, of the characters that credentials are made of.
fn credentials_after(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text[at..].trim_start_matches([' ', '\t']);
    let start = text.len() - rest.len();
    let len = token_len(rest);
    (start > at && len > 0).then_some(start..start + len)
}

/// How many of the first bytes are of those that RFC 9110 lets credentials be made of.
fn token_len(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte)).count()
}

fn is_basic(text: &str) -> bool {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    LENIENT.decode(text).is_ok_and(|bytes| bytes.contains(&b':'))
}

/// JSON Web Tokens, and keys of this server: `bx_7f3k2m9q.` and 43 characters, of which the first part is no secret.
fn tokens(text: &str, spans: &mut Vec<Range<usize>>) {
    /// How many characters the secret part of a key has.
    const SECRET: usize = 43;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let len = bytes[at..].iter().take_while(|byte| is_part(byte) || **byte == b'.').count();
        if len == 0 {
            at += 1;
            continue;
        }
        let token = &text[at..at + len];
        if let Some(jwt) = token.find("eyJ").filter(|jwt| token[*jwt..].matches('.').count() >= 2) {
            spans.push(at + jwt..at + len);
        } else {
            let mut start = at;
            let mut before = "";
            for part in token.split('.') {
                if part.len() >= SECRET && before.contains('_') {
                    spans.push(start..start + part.len());
                }
                start += part.len() + 1;
                before = part;
            }
        }
        at += len;
    }
}

/// The lines of private keys in PEM, also where they have become one line.
fn private_keys(text: &str, spans: &mut Vec<Range<usize>>) {
    /// The most words of headers before the key itself.
    const HEADERS: usize = 12;
    /// Shorter ones are a line of a key only at its end, or if they have more than letters.
    const LINE: usize = 20;
    for mark in ["PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"] {
        let mut done = 0;
        for (at, _) in text.match_indices(mark) {
            let (mut at, mut span, mut headers) = (at + mark.len(), None::<Range<usize>>, 0);
            if at < done {
                continue;
            }
            while headers < HEADERS {
                at += blank_len(&text[at..]);
                let len = text[at..]
                    .bytes()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
                    .count();
                let line = &text[at..at + len];
                let after = &text[at + len..];
                let is_whole = after.is_empty() || blank_len(after) > 0 || after.starts_with("-----");
                let is_last = span.is_some() && after[blank_len(after)..].starts_with("-----END");
                let has_more = line.bytes().any(|byte| !byte.is_ascii_alphabetic());
                if is_whole && len > 0 && (len >= LINE || is_last || has_more || line.starts_with("MI")) {
                    span = Some(span.map_or(at, |span| span.start)..at + len);
                } else if span.is_some() || after.is_empty() || text[at..].starts_with("-----") {
                    break;
                } else {
                    headers += 1;
                    at += text[at..].find(char::is_whitespace).unwrap_or(text.len() - at);
                    continue;
                }
                at += len;
            }
            done = at;
            spans.extend(span);
        }
    }
}

/// How many of the first bytes are blanks, also those that were escaped once more.
fn blank_len(text: &str) -> usize {
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        let trimmed = trimmed.strip_prefix("\\n").or_else(|| trimmed.strip_prefix("\\r")).unwrap_or(trimmed);
        if trimmed.len() == rest.len() {
            return text.len() - rest.len();
        }
        rest = trimmed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_by_whole_words() {
        let long = format!("{}password", "a".repeat(64));
        for name in [
            "password_account",
            "passwordAccount",
            "API-Key",
            "tokencount",
            "DB_PASSWORD",
            "token_name_2",
            &long,
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in [
            "secret_name",
            "tokenCount",
            "TOKEN_COUNT",
            "token-limit",
            "cookieNames",
            "key",
            "monkey",
            "ä",
            "",
        ] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn what_is_hidden_is_the_credential_and_nothing_beside_it() {
        let secret = "Ab3-_".repeat(9)[..43].to_owned();
        let key = format!("use bx_7f3k2m9q.{secret}, please. ü");
        let pem = "x -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEpAIBAAKCAQEAabcdefgh\nab=\n-----END RSA PRIVATE KEY----- y";
        let escaped =
            "-----BEGIN PRIVATE KEY-----\\nMIIEpAIBAAKCAQEAabcdefgh\\nqwer\\n-----END PRIVATE KEY-----";
        for (text, shown) in [
            ("DELETE FROM a /* a://b:c@d */", "DELETE FROM a /* a://b:[hidden]@d */"),
            ("DELETE FROM a -- PRIVATE KEY-----", "DELETE FROM a -- PRIVATE KEY-----"),
            ("-- PRIVATE KEY-----\nDELETE FROM a\nWHERE b", "-- PRIVATE KEY-----\nDELETE FROM a\nWHERE b"),
            ("/*PRIVATE KEY-----*/DELETE FROM a", "/*PRIVATE KEY-----*/DELETE FROM a"),
            ("see postgres://ada:pass@host/db?x=1", "see postgres://ada:[hidden]@host/db?x=1"),
            ("postgres://u:pa/ss@h/db", "postgres://u:[hidden]@h/db"),
            ("postgres://u:1/2@h/db and a@b", "postgres://u:[hidden]@h/db and a@b"),
            ("postgres://u:p@ss/wo@rd@h/db?x=a@b", "postgres://u:[hidden]@h/db?x=a@b"),
            ("redis://:pa@ss@h", "redis://:[hidden]@h"),
            ("a://b:c@d,e://f:g@h", "a://b:[hidden]@d,e://f:[hidden]@h"),
            ("Bearer abc", "Bearer [hidden]"),
            ("curl -H 'Authorization: Bearer a.b-c' x", "curl -H 'Authorization: Bearer [hidden]' x"),
            ("{\"authorization\":\"token abc\"}", "{\"authorization\":\"token [hidden]\"}"),
            ("authorization: abc; rm -r /", "authorization: [hidden]; rm -r /"),
            ("basic YTpi", "basic [hidden]"),
            ("-u basic YTpi x", "-u basic [hidden] x"),
            ("t=eyJhbGciOiJIUzI1NiJ9.e30.c2ln&x", "t=[hidden]&x"),
            (&*key, "use bx_7f3k2m9q.[hidden], please. ü"),
            (
                pem,
                "x -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n[hidden]\n-----END RSA PRIVATE KEY----- y",
            ),
            (escaped, "-----BEGIN PRIVATE KEY-----\\n[hidden]\\n-----END PRIVATE KEY-----"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
        for text in [
            "https://host:80/a@b:c",
            "http://localhost:4873/@scope/a",
            "http://[::1]:80/a@b",
            "redis://host:6379/?x=a@b",
            "mail ada@host",
            "a basic example of bearers",
            "bää://ö:ü",
            "table_name.column_name = 'x'",
            "eyJ is how it begins. So. So",
            "://",
            "",
        ] {
            assert_eq!(without_credentials(text), text);
        }
    }

    #[test]
    fn any_text_is_looked_at_to_its_end() {
        const PARTS: [&str; 24] = [
            "://",
            ":",
            "@",
            "/",
            "a",
            "ü",
            " ",
            "\n",
            "\\n",
            ".",
            "_",
            "-",
            "=",
            "\"",
            "?",
            "80",
            "[",
            "postgres",
            "Bearer",
            "basic",
            "authorization",
            "eyJ",
            "PRIVATE KEY-----",
            "-----END",
        ];
        let secret = "s".repeat(43);
        for first in PARTS {
            for second in PARTS {
                for third in PARTS {
                    let text = format!("{first}{second}{third} Bearer {secret} {third}{first}");
                    let shown = without_credentials(&text);
                    assert!(!shown.contains(&secret), "{text}");
                    assert!(shown.contains(HIDDEN), "{text}");
                    is_credential(&text);
                }
            }
        }
    }

    #[test]
    fn what_is_made_to_take_long_takes_no_longer() {
        // As many beginnings as there is room for; were each looked at to the end, that would be minutes.
        for part in [
            "://",
            "://a:",
            "bearer ",
            "eyJ",
            "PRIVATE KEY-----",
            "PRIVATE KEY-----\\n",
            "a_.",
            "authorization:",
            "authorization=",
            "a://a:1/",
        ] {
            let text = part.repeat((1 << 18) / part.len());
            let since = std::time::Instant::now();
            without_credentials(&text);
            assert!(since.elapsed().as_secs() < 5, "{part}");
        }
    }
}

//! What is told for a credential in a configuration, by its name or by its form.
//!
//! In doubt it is one: a harmless value that is hidden costs a look into the file, a secret that is shown costs more.

/// A name with one of these in it, in whatever case and with whatever marks in between, is a credential's.
const PARTS: [&str; 21] = [
    "apikey",
    "auth",
    "bearer",
    "connectionstring",
    "connstr",
    "cookie",
    "credential",
    "dsn",
    "jwt",
    "license",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pincode",
    "private",
    "pwd",
    "secret",
    "signature",
    "token",
    "webhook",
];

/// And so is one with one of these as a word of its own.
const WORDS: [&str; 14] = [
    "hmac", "key", "keys", "otp", "pass", "pat", "pem", "pin", "psk", "pw", "salt", "seed", "session", "sig",
];

/// How tokens of well-known services begin.
const BEGINNINGS: [&str; 14] = [
    "akia",
    "aiza",
    "bx_",
    "gho_",
    "ghp_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "npm_",
    "rk_live_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xox",
];

/// Whether a name is that of a credential.
pub(super) fn is_named_by(name: &str) -> bool {
    let bare: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    PARTS.iter().any(|part| bare.contains(part))
        // As in sshkey, hmac_key_2.
        || bare.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with("key")
        || words(name).any(|word| {
            let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
            WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
        })
}

/// Whether a text names a credential, as `the password is` does.
pub(super) fn are_named_in(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').any(is_named_by)
}

/// Whether a text has a credential in it that is told by its form.
pub(super) fn are_in(text: &str) -> bool {
    has_user_info(text) || has_pair(text) || has_token(text) || has_private_key(text)
}

/// The words of a name like `client_key`, `client-key` or `clientKey`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let mut before = None;
        let end = rest.char_indices().find_map(|(at, c)| {
            let begins = !c.is_alphanumeric()
                || (c.is_uppercase() && before.is_some_and(|c: char| c.is_lowercase() || c.is_numeric()));
            before = Some(c);
            begins.then_some(at)
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// `postgres://ada:word@host`, and the same without a scheme.
fn has_user_info(text: &str) -> bool {
    // A password may have any mark in it, as it should not: so whatever stands before an @ counts.
    text.split_whitespace().any(|word| {
        let before = word.rfind('@').map(|at| &word[..at]);
        before.is_some_and(|before| before.contains(':'))
    })
}

/// `password=…`, `"token": …`, `--api-key …`, `Bearer …`.
fn has_pair(text: &str) -> bool {
    let is_mark = |c: char| !c.is_alphanumeric() && c != '_' && c != '-' && c != '.';
    let mut rest = text;
    while let Some(start) = rest.find(|c| !is_mark(c)) {
        rest = &rest[start..];
        let end = rest.find(is_mark).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        let after = after.trim_start_matches(['"', '\'', '\\', ' ', '\t', ']']);
        let is_option = word.starts_with('-') && is_named_by(word);
        let is_scheme = word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic");
        let is_pair = after.starts_with([':', '=']) && is_named_by(word);
        if !after.is_empty() && (is_option || is_scheme || is_pair) {
            return true;
        }
    }
    false
}

/// JSON Web Tokens, and those that say by their beginning whose they are.
fn has_token(text: &str) -> bool {
    const SHORTEST: usize = 12;
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-' && c != '.').any(|word| {
        let begins =
            |known: &&str| word.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known));
        (word.len() >= SHORTEST && BEGINNINGS.iter().any(begins))
            || word.find("eyJ").is_some_and(|at| word[at..].matches('.').count() >= 2)
    })
}

fn has_private_key(text: &str) -> bool {
    text.contains("PRIVATE KEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_told() {
        for name in [
            "password",
            "DB_PASSWORD",
            "dbPassword",
            "pass-word",
            "api.key",
            "apiKey",
            "key",
            "KEY_2",
            "key2",
            "sshkey",
            "auth",
            "x-auth",
            "authorization",
            "token",
            "accessToken",
            "dsn",
            "sentry_dsn",
            "client_secret",
            "secrets",
            "credentials",
            "pwd",
            "db_pass",
            "pin",
            "privateKey",
            "session",
            "JWT",
            "MY_PAT",
            "connection-string",
            "encryptionKeys",
            "otp",
            "Salt",
        ] {
            assert!(is_named_by(name), "{name}");
        }
        for name in [
            "header_timeout",
            "max_connections",
            "compass",
            "spin",
            "pattern",
            "keep_artifacts",
            "keyboard",
            "url",
            "",
            "ä",
            "__",
            "passive",
            "interval",
            "opinion",
        ] {
            assert!(!is_named_by(name), "{name}");
        }
    }

    #[test]
    fn credentials_are_told_by_their_form() {
        for text in [
            "postgres://ada:word@host/db",
            "see redis://:p@ss/w?or#d@h",
            "ada:word@host",
            "https://host/?access_token=abc",
            "https://host/?a=b&sig=abc",
            "https://token@host/",
            "Server=db;Password=abc",
            "{\"token\":\"abc\"}",
            "password: abc",
            "password  =  abc",
            "serve --api-key abc",
            "Bearer abc",
            "authorization: abc",
            "basic YTpi",
            "-----BEGIN RSA PRIVATE KEY-----",
            "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
            "ghp_0123456789abcdef",
            "sk-0123456789abcdef",
            "export API_KEY=abc",
        ] {
            assert!(are_in(text), "{text}");
        }
        for text in [
            "",
            "10s",
            "http://host:80/path?x=1",
            "ada@host",
            "a basic",
            "bearer",
            "task-0123456789abcdef",
            "the password",
            "x = 1",
            "://",
            "@",
            "ä:ö",
        ] {
            assert!(!are_in(text), "{text}");
        }
        assert!(are_named_in("# the password is"));
        assert!(are_named_in("old (API_KEY)"));
        assert!(!are_named_in("How long a process may take."));
    }
}

//! An API key: what is shown once, what is kept of it, and how a new one is asked for.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_core::{Principal, PrincipalKind, Signal};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use super::key_error::KeyError;

/// A key as its holder has it, `prefix_id.secret`: the id is of lower-case letters and digits, the secret 32 random bytes
/// in 43 characters of base64url. It is shown when it is made, and never again.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Makes one with a random id and secret.
    pub(super) fn random(prefix: &str) -> Result<Self, KeyError> {
        /// Without letters that are taken for others, and as many as five bits can tell apart.
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        /// With a prefix of up to 13 characters the key is one block of BLAKE3. Of two that meet one is made anew.
        const ID_CHARS: usize = 6;
        let mut random = [0; ID_CHARS + 32];
        getrandom::fill(&mut random).map_err(|error| KeyError::store("no randomness for a key", error))?;
        let (id, secret) = random.split_at(ID_CHARS);
        let mut text = format!("{prefix}_");
        text.extend(id.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])));
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(secret, &mut text);
        Ok(Self(text))
    }

    /// The whole key, for its holder.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The id, which is no secret.
    pub fn id(&self) -> &str {
        let head = self.0.split_once('.').map_or("", |(head, _)| head);
        head.rsplit_once('_').map_or("", |(_, id)| id)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// How long a key may be: far more than any is. What is longer is not worth being hashed.
pub(super) const MAX_BYTES: usize = 256;

/// What is kept of a key in place of the key: the BLAKE3 of all of it.
///
/// A key is 256 bits of randomness, which nobody guesses from a fast hash; a slow one, as passwords need, would be paid
/// at each request. Of hashes that nobody finds a key for, BLAKE3 costs little on every processor, SHA-256 only on those
/// with instructions for it. A cheaper hash under a secret of the process would not do: whoever reads its memory finds the
/// secret, and with it makes keys that fit.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &[u8]) -> Self {
        Self(*blake3::hash(key).as_bytes())
    }

    /// A hash that was kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash, to be kept.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// In words, of which there are fewer than bytes.
    fn words(&self) -> [u64; 4] {
        let (words, _) = self.0.as_chunks::<8>();
        [0, 1, 2, 3].map(|word| u64::from_le_bytes(words[word]))
    }
}

/// In a time that does not depend on where they differ.
impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.words().ct_eq(&other.words()).into()
    }
}

impl Eq for KeyHash {}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.words()[0]);
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

/// What sort of caller a key is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// An application.
    #[default]
    Client,
    /// A service of the operator's own.
    Service,
    /// A person.
    User,
}

impl KeyKind {
    /// The kind in one word: `client`, `service` or `user`.
    pub const fn as_str(self) -> &'static str {
        self.principal().as_str()
    }

    const fn principal(self) -> PrincipalKind {
        match self {
            Self::Client => PrincipalKind::Client,
            Self::Service => PrincipalKind::Service,
            Self::User => PrincipalKind::User,
        }
    }
}

impl FromStr for KeyKind {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        [Self::Client, Self::Service, Self::User]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| KeyError::Invalid("a key is for a client, a service or a user".to_owned()))
    }
}

/// Scopes or tenants that a key's holder was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// Whichever there are.
    Every,
    /// These.
    These(Vec<String>),
}

/// What is kept of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// What it is found by: the part of the key between `_` and `.`.
    pub id: String,
    /// What people know it by; several may have the same.
    pub name: String,
    /// What sort of caller it is for.
    pub kind: KeyKind,
    /// What it is recognized by.
    pub hash: KeyHash,
    /// The scopes it grants.
    pub scopes: Granted,
    /// The tenants it is a member of.
    pub tenants: Granted,
    /// When it was made, to the millisecond.
    pub created: SystemTime,
    /// Until when it is good, to the millisecond; for ever where there is none.
    pub expires: Option<SystemTime>,
    /// When it was revoked, to the millisecond.
    pub revoked: Option<SystemTime>,
}

impl KeyRecord {
    /// Whether it is good at this moment: neither expired nor revoked.
    pub fn is_valid(&self) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|at| SystemTime::now() < at)
    }

    /// Whom a request with it is made by: its id is the subject, since names may be given twice; its name is a claim.
    pub(super) fn principal(self, revocation: Signal) -> Principal {
        let principal = Principal::new(self.kind.principal(), self.id).with_revocation(revocation);
        let principal = match self.scopes {
            Granted::Every => principal.with_every_scope(),
            Granted::These(scopes) => principal.with_scopes(scopes),
        };
        let principal = match self.tenants {
            Granted::Every => principal.with_every_tenant(),
            Granted::These(tenants) => principal.with_tenants(tenants),
        };
        let principal = principal.with_claims([("name".to_owned(), json!(self.name))].into_iter().collect());
        match self.expires {
            Some(at) => principal.with_expiry(at),
            None => principal,
        }
    }
}

/// A key to be made: by default for a client, without scopes and tenants, and without an end.
#[derive(Clone, Debug)]
#[must_use]
pub struct NewKey {
    name: String,
    kind: KeyKind,
    scopes: Granted,
    tenants: Granted,
    expires: Expiry,
}

#[derive(Clone, Copy, Debug)]
enum Expiry {
    Never,
    In(Duration),
    At(SystemTime),
}

impl NewKey {
    /// A key that people know by this name: one to 100 characters, none of them a control character.
    pub fn named(name: impl Into<String>) -> Self {
        let nothing = || Granted::These(Vec::new());
        Self {
            name: name.into(),
            kind: KeyKind::default(),
            scopes: nothing(),
            tenants: nothing(),
            expires: Expiry::Never,
        }
    }

    /// For a caller of this sort.
    pub fn kind(mut self, kind: KeyKind) -> Self {
        self.kind = kind;
        self
    }

    /// Grants these scopes, in place of earlier ones.
    pub fn scopes<I>(mut self, scopes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.scopes = Granted::These(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Grants every scope there is.
    pub fn every_scope(mut self) -> Self {
        self.scopes = Granted::Every;
        self
    }

    /// Makes its holder a member of these tenants, in place of earlier ones.
    pub fn tenants<I>(mut self, tenants: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.tenants = Granted::These(tenants.into_iter().map(Into::into).collect());
        self
    }

    /// Makes its holder a member of every tenant there is.
    pub fn every_tenant(mut self) -> Self {
        self.tenants = Granted::Every;
        self
    }

    /// Good for so long from when it is made, at least a millisecond.
    pub fn expires_in(mut self, time: Duration) -> Self {
        self.expires = Expiry::In(time);
        self
    }

    /// Good until then.
    pub fn expires_at(mut self, at: SystemTime) -> Self {
        self.expires = Expiry::At(at);
        self
    }

    /// What is to be kept of this key.
    pub(super) fn record(self, key: &ApiKey) -> Result<KeyRecord, KeyError> {
        const MAX_CHARS: usize = 100;
        let invalid = |why: &str| Err(KeyError::Invalid(why.to_owned()));
        if !(1..=MAX_CHARS).contains(&self.name.chars().count()) || self.name.chars().any(char::is_control) {
            return invalid("a key's name has 1 to 100 characters, none of them a control character");
        }
        for granted in [&self.scopes, &self.tenants] {
            let Granted::These(names) = granted else { continue };
            let is_bad = |name: &String| name.is_empty() || name.chars().any(|c| c.is_control() || c == ' ');
            if names.iter().any(is_bad) {
                return invalid("a scope or tenant is empty, or holds a space or a control character");
            }
        }
        let created = to_the_millisecond(SystemTime::now());
        let expires = match self.expires {
            Expiry::Never => None,
            Expiry::At(at) => Some(at),
            Expiry::In(time) => match created.checked_add(time) {
                Some(at) => Some(at),
                None => return invalid("a key's end is too far away"),
            },
        };
        let expires = expires.map(to_the_millisecond);
        if expires.is_some_and(|at| at <= created) {
            return invalid("a key's end is in the past");
        }
        let (id, hash) = (key.id().to_owned(), KeyHash::of(key.expose().as_bytes()));
        let Self { name, kind, scopes, tenants, .. } = self;
        Ok(KeyRecord { id, name, kind, hash, scopes, tenants, created, expires, revoked: None })
    }
}

/// What stores keep of a point in time, so that what was made and what is read again are the same.
pub(super) fn to_the_millisecond(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_form_and_is_shown_by_nothing_but_expose() {
        let key = ApiKey::random("bx").unwrap();
        let (head, secret) = key.expose().split_once('.').unwrap();
        assert_eq!(head, format!("bx_{}", key.id()));
        assert_eq!((key.id().len(), secret.len()), (6, 43));
        assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_ne!(key, ApiKey::random("bx").unwrap());
        let record = NewKey::named("ci").record(&key).unwrap();
        let shown = format!("{key:?} {record:?} {:?}", record.hash);
        assert!(!shown.contains(secret), "{shown}");
        assert_eq!(format!("{:?}", record.hash), "KeyHash");
    }

    #[test]
    fn what_was_kept_of_a_key_is_known_again_by_any_version() {
        // As others compute BLAKE3.
        for (key, hash) in [
            ("", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
            ("abc", "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
        ] {
            let kept: String =
                KeyHash::of(key.as_bytes()).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(kept, hash);
        }
    }

    #[test]
    fn what_makes_no_sense_makes_no_key() {
        let key = ApiKey::random("bx").unwrap();
        let day = Duration::from_secs(86_400);
        for bad in [
            NewKey::named(""),
            NewKey::named("a\nb"),
            NewKey::named("a".repeat(101)),
            NewKey::named("a").scopes([""]),
            NewKey::named("a").scopes(["a b"]),
            NewKey::named("a").tenants(["a\u{7}"]),
            NewKey::named("a").expires_in(Duration::ZERO),
            NewKey::named("a").expires_in(Duration::MAX),
            NewKey::named("a").expires_at(SystemTime::now() - day),
        ] {
            assert!(matches!(bad.clone().record(&key), Err(KeyError::Invalid(_))), "{bad:?}");
        }
        let record = NewKey::named("a").expires_in(day).record(&key).unwrap();
        assert_eq!(record.expires, Some(record.created + day));
    }
}

//! API keys: making, listing and revoking them, and finding whose one is.

use std::{fmt, sync::Arc, time::SystemTime};

use http::{HeaderName, request::Parts};

use super::{
    Authenticate, Found,
    api_key::{ApiKey, KeyHash, KeyRecord, MAX_BYTES, NewKey},
    credentials::{Shown, shown},
    key_error::KeyError,
    ring::Ring,
    store::KeyStore,
};

/// The API keys of a server, over the store that keeps them; cheap to clone.
///
/// ```no_run
/// # #[cfg(feature = "sqlite")] {
/// # use mcp_core::Server;
/// use mcp_transport_http::{ApiKeys, Http, NewKey};
///
/// # async fn example(server: Server) -> Result<(), Box<dyn std::error::Error>> {
/// let keys = ApiKeys::open("data")?.prefix("bx")?;
/// let (record, key) = keys.create(NewKey::named("ci").scopes(["db:read"])).await?;
/// println!("{} is {}", record.name, key.expose()); // bx_7f3k2m.… is shown this once
/// Http::new().keys(keys).serve(server, "127.0.0.1:8080").await?;
/// # Ok(()) } }
/// ```
///
/// A client sends its key as `Authorization: Bearer KEY`, or in a header that is [named](Self::header). Whatever is wrong
/// with a key, be it unknown, not its holder's, expired or revoked, the answer is the same.
///
/// **Revoking** counts for the very next request, also where another process does it over the same store, and ends open
/// streams and sessions within a second. Where the store cannot be read no key is taken: 503.
#[derive(Clone)]
pub struct ApiKeys {
    ring: Arc<Ring>,
    headers: Vec<HeaderName>,
    prefix: Box<str>,
}

impl ApiKeys {
    /// The keys of a store.
    pub fn new(store: impl KeyStore) -> Self {
        Self { ring: Ring::new(Arc::new(store)), headers: Vec::new(), prefix: "key".into() }
    }

    /// The keys in the file `keys.db` of this directory, as [`SqliteKeys`](super::SqliteKeys) keeps them; both are made
    /// where they are missing. It blocks while files are opened.
    ///
    /// # Errors
    ///
    /// As of [`SqliteKeys::open`](super::SqliteKeys::open).
    #[cfg(feature = "sqlite")]
    pub fn open(directory: impl AsRef<std::path::Path>) -> Result<Self, KeyError> {
        Ok(Self::new(super::SqliteKeys::open(directory)?))
    }

    /// What new keys begin with, so that people and scanners see whose a key is: 1 to 16 lower-case letters and digits;
    /// `key` by default. Keys that were made with another prefix stay good.
    ///
    /// # Errors
    ///
    /// [`KeyError::Invalid`].
    pub fn prefix(mut self, prefix: &str) -> Result<Self, KeyError> {
        let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(1..=16).contains(&prefix.len()) || !prefix.bytes().all(is_right) {
            let why = "a prefix of keys has 1 to 16 lower-case letters and digits";
            return Err(KeyError::Invalid(why.to_owned()));
        }
        self.prefix = prefix.into();
        Ok(self)
    }

    /// Also takes a key that stands in this header, without any scheme before it, such as `X-Client-Key`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Invalid`] for what can be the name of none, and for `Authorization`, which is looked at anyway.
    pub fn header(mut self, name: &str) -> Result<Self, KeyError> {
        match name.parse::<HeaderName>() {
            Ok(name) if name == http::header::AUTHORIZATION => {
                Err(KeyError::Invalid("Authorization is looked at anyway".to_owned()))
            }
            Ok(name) => {
                if !self.headers.contains(&name) {
                    self.headers.push(name);
                }
                Ok(self)
            }
            Err(_) => Err(KeyError::Invalid(format!("{name:?} cannot be the name of a header"))),
        }
    }

    /// Makes a key. It is nowhere but in the answer: what is kept is its hash.
    ///
    /// # Errors
    ///
    /// [`KeyError::Invalid`], [`KeyError::Store`].
    pub async fn create(&self, new: NewKey) -> Result<(KeyRecord, ApiKey), KeyError> {
        /// With 30 bits of an id, even the second is a rarity.
        const TRIES: usize = 5;
        for _ in 1..TRIES {
            match self.try_create(new.clone()).await {
                Err(KeyError::Taken) => {}
                created => return created,
            }
        }
        self.try_create(new).await
    }

    async fn try_create(&self, new: NewKey) -> Result<(KeyRecord, ApiKey), KeyError> {
        let key = ApiKey::random(&self.prefix)?;
        let record = new.record(&key)?;
        let kept = record.clone();
        self.blocking(move |store| store.insert(&kept)).await?;
        Ok((record, key))
    }

    /// Every key there is, the oldest first, also those that have expired or were revoked.
    ///
    /// # Errors
    ///
    /// [`KeyError::Store`].
    pub async fn list(&self) -> Result<Vec<KeyRecord>, KeyError> {
        let mut records = self.blocking(KeyStore::load).await?;
        records.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        Ok(records)
    }

    /// Takes a key back, for good. False where there is none of this id that was not revoked already.
    ///
    /// # Errors
    ///
    /// [`KeyError::Store`].
    pub async fn revoke(&self, id: &str) -> Result<bool, KeyError> {
        let id = id.to_owned();
        let is_revoked = self.blocking(move |store| store.revoke(&id, SystemTime::now())).await?;
        // At once, and not only when the next request or the next look finds it. It is revoked also where this fails.
        _ = self.ring.renew().await;
        Ok(is_revoked)
    }

    /// Asks the store on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn KeyStore) -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let store = Arc::clone(self.ring.store());
        match tokio::task::spawn_blocking(move || work(&*store)).await {
            Ok(done) => done,
            Err(error) => Err(KeyError::store("the store of keys did not answer", error)),
        }
    }
}

impl Authenticate for ApiKeys {
    fn authenticate(&self, head: &Parts) -> Found {
        match shown(&head.headers, &self.headers) {
            Shown::Nothing => Found::Nothing,
            Shown::Malformed(why) => Found::Malformed(why),
            Shown::Token(token) if token.len() > MAX_BYTES => Found::Unknown,
            Shown::Token(token) => self.ring.find(KeyHash::of(token)),
        }
    }

    fn challenge(&self) -> &str {
        "Bearer realm=\"mcp\""
    }

    fn headers(&self) -> &[HeaderName] {
        &self.headers
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys")
            .field("store", self.ring.store())
            .field("headers", &self.headers)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

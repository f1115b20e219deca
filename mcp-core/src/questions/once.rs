//! What may happen once only: a confirmation is used up when it is acted on.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;

/// The name of something that may happen once: text that nobody could guess.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nonce(String);

impl Nonce {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, of at most 256 bytes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce")
    }
}

/// Remembers what has happened already, so that it does not happen again.
///
/// In memory by default ([`MemoryOnce`]): what an earlier process or another replica asked to confirm is then asked
/// anew. A store that all of them share lifts that.
#[async_trait]
pub trait Once: fmt::Debug + Send + Sync + 'static {
    /// Uses a nonce up: true for the first who comes, false for everybody after, however many come at once.
    ///
    /// It may be forgotten after `until`.
    ///
    /// # Errors
    ///
    /// The store cannot say. The request then fails with 503, and the cause goes to the log.
    async fn use_up(
        &self,
        nonce: &Nonce,
        until: SystemTime,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>>;

    /// Whether it outlives this process and serves every replica.
    fn is_shared(&self) -> bool;
}

/// A memory of this process alone.
#[derive(Debug)]
pub struct MemoryOnce {
    most: usize,
    used: Mutex<HashMap<Nonce, SystemTime>>,
}

impl Default for MemoryOnce {
    /// Remembers 65,536 nonces at once.
    fn default() -> Self {
        Self::with_room_for(1 << 16)
    }
}

impl MemoryOnce {
    /// Remembers at most this many nonces at once; each is kept until its time is up.
    pub fn with_room_for(most: usize) -> Self {
        Self { most, used: Mutex::default() }
    }
}

#[async_trait]
impl Once for MemoryOnce {
    async fn use_up(
        &self,
        nonce: &Nonce,
        until: SystemTime,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains_key(nonce) {
            return Ok(false);
        }
        if used.len() >= self.most {
            let now = SystemTime::now();
            used.retain(|_, until| *until > now);
            // Forgetting one that is still good would let it be used again.
            if used.len() >= self.most {
                return Err(format!("{} confirmations are remembered already", self.most).into());
            }
        }
        used.insert(nonce.clone(), until);
        Ok(true)
    }

    fn is_shared(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_nonce_is_good_once_and_room_comes_from_those_whose_time_is_up() {
        let once = MemoryOnce::with_room_for(2);
        let nonce = |text: &str| Nonce::new(text.to_owned());
        let now = SystemTime::now();
        let later = now + Duration::from_secs(60);
        assert!(once.use_up(&nonce("a"), later).await.unwrap());
        assert!(!once.use_up(&nonce("a"), later).await.unwrap());
        assert!(once.use_up(&nonce("b"), now).await.unwrap());
        assert!(once.use_up(&nonce("c"), later).await.unwrap());
        assert!(once.use_up(&nonce("d"), later).await.is_err());
        assert!(!once.use_up(&nonce("c"), later).await.unwrap());
    }
}

//! What the questions of all requests share: the key of their state, what was confirmed, the schemas of forms.

use std::{
    any::TypeId,
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::{
    once::Once,
    seal::{Sealer, random},
};
use crate::{input::Input, limits::Limits, questions::SealKey, schema::FormSchema};

/// Where the questions of a server are prepared and their answers taken.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) sealer: Sealer,
    pub(super) once: Arc<dyn Once>,
    /// Tells the state of this process from that of others with the same key.
    pub(super) boot: [u8; 16],
    pub(super) limits: Limits,
    pub(super) forms: Forms,
    waiting: Arc<AtomicUsize>,
    /// A key that no other process has, and nobody was told of it yet.
    is_key_unsaid: AtomicBool,
}

impl Desk {
    /// A desk with these keys, or with a random one.
    pub(crate) fn new(
        keys: Vec<SealKey>,
        once: Arc<dyn Once>,
        limits: Limits,
    ) -> Result<Self, getrandom::Error> {
        let is_key_unsaid = AtomicBool::new(keys.is_empty());
        let keys = if keys.is_empty() { vec![SealKey::random()?] } else { keys };
        Ok(Self {
            sealer: Sealer::new(keys),
            once,
            boot: random()?,
            limits,
            forms: Forms::default(),
            waiting: Arc::default(),
            is_key_unsaid,
        })
    }

    /// A place for a question that waits for its answer, if there is one.
    pub(super) fn wait(&self) -> Option<Waiting> {
        let place = Waiting(Arc::clone(&self.waiting));
        (self.waiting.fetch_add(1, Ordering::Relaxed) < self.limits.waiting_questions).then_some(place)
    }

    /// Says, once, that no other process can take the answers to these questions.
    pub(super) fn warn_of_random_key(&self) {
        if self.is_key_unsaid.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "questions are asked over HTTP with a random key: their answers are of use to this very process alone, \
                 and are asked for anew after a restart or at another replica; set one with Server::seal_key"
            );
        }
    }
}

/// A place among the questions that wait for an answer; given back when dropped.
#[derive(Debug)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The schemas of the forms that were asked so far, each made once.
#[derive(Default)]
pub struct Forms(Mutex<HashMap<TypeId, Result<Arc<FormSchema>, String>>>);

impl Forms {
    /// The schema of this type, or why it has none.
    pub(super) fn of<F: Input>(&self) -> Result<Arc<FormSchema>, String> {
        // A schema that panics while it is made leaves nothing behind.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(TypeId::of::<F>()).or_insert_with(|| FormSchema::of::<F>().map(Arc::new)).clone()
    }
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forms")
    }
}

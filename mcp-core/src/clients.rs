//! The clients of sessions, of which many are alike: what they say of themselves is kept once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::call::KnownClient;

/// So many different ones are remembered; of further ones each session keeps its own.
const MAX_KINDS: usize = 16;

/// The clients of sessions that were opened lately.
///
/// A flag of a capability alone takes some 600 bytes in a map, for which a server with many sessions would pay with each.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<VecDeque<Weak<KnownClient>>>);

impl Clients {
    /// This client, in the place of any that is the same.
    pub(crate) fn share(&self, client: KnownClient) -> Arc<KnownClient> {
        // Nothing in here panics with the lock held.
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = kinds.iter().filter_map(Weak::upgrade).find(|known| **known == client) {
            return same;
        }
        kinds.retain(|known| known.strong_count() > 0);
        if kinds.len() == MAX_KINDS {
            kinds.pop_front();
        }
        let client = Arc::new(client);
        kinds.push_back(Arc::downgrade(&client));
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str) -> KnownClient {
        let mut client = KnownClient { info: Box::default(), capabilities: Box::default() };
        name.clone_into(&mut client.info.name);
        client
    }

    #[test]
    fn clients_that_are_alike_are_kept_once_and_no_longer_than_they_are_needed() {
        let clients = Clients::default();
        let first = clients.share(client("a"));
        assert!(Arc::ptr_eq(&first, &clients.share(client("a"))));
        let different: Vec<_> = (0..100).map(|number| clients.share(client(&number.to_string()))).collect();
        let kinds = || clients.0.lock().map_or(0, |kinds| kinds.len());
        assert_eq!(kinds(), MAX_KINDS);
        // The first is not remembered any more, and is what it was.
        assert!(!Arc::ptr_eq(&first, &clients.share(client("a"))));
        assert_eq!(*first, client("a"));
        drop(different);
        drop(clients.share(client("b")));
        assert_eq!(kinds(), 1);
    }
}

//! What the questions of all requests share: the key of their state, what was confirmed, the schemas of forms.

use std::{
    any::TypeId,
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    once::Once,
    seal::{Sealer, random},
};
use crate::{
    caller::Caller,
    input::Input,
    limits::Limits,
    places::{Full, Place, Places},
    questions::SealKey,
    schema::FormSchema,
};

/// Where the questions of a server are prepared and their answers taken.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The server's name: replicas of one share it, and others with the same key do not.
    pub(super) server: String,
    pub(super) sealer: Sealer,
    pub(super) once: Arc<dyn Once>,
    /// Tells the state of this process from that of others with the same key.
    pub(super) boot: [u8; 16],
    pub(crate) limits: Limits,
    pub(super) forms: Forms,
    waiting: Arc<Places>,
    /// What callers are hashed under.
    callers: RandomState,
    /// A key that no other process has, and nobody was told of it yet.
    is_key_unsaid: AtomicBool,
}

impl Desk {
    /// The desk of the server of this name, with these keys, or with a random one.
    pub(crate) fn new(
        server: String,
        keys: Vec<SealKey>,
        once: Arc<dyn Once>,
        limits: Limits,
    ) -> Result<Self, getrandom::Error> {
        let is_key_unsaid = AtomicBool::new(keys.is_empty());
        let keys = if keys.is_empty() { vec![SealKey::random()?] } else { keys };
        Ok(Self {
            server,
            sealer: Sealer::new(keys),
            once,
            boot: random()?,
            waiting: Places::new(limits.waiting_questions, limits.questions_per_caller),
            callers: RandomState::new(),
            limits,
            forms: Forms::default(),
            is_key_unsaid,
        })
    }

    /// A place for a question that waits for its answer, if there is one for this caller.
    pub(super) fn wait(&self, caller: &Caller<'_>) -> Result<Place, Full> {
        self.waiting.take(|| self.callers.hash_one(caller))
    }

    /// Says, once, that no other process can take the answers to these questions.
    pub(super) fn warn_of_random_key(&self) {
        if self.is_key_unsaid.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "questions are asked over HTTP or a socket with a random key: their answers are of use to this very \
                 process alone, and are refused after a restart or at another replica; set one with Server::seal_key"
            );
        }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use std::{future::poll_fn, sync::atomic::AtomicUsize};

    use serde_json::json;
    use tracing::{Event, Subscriber, subscriber::set_default};
    use tracing_subscriber::{Layer, layer::Context, prelude::*, registry};

    use super::*;
    use crate::{
        Annotations, Endpoint, Exchange, ListRoots, MirroredHeaders, NamedSession, Post, Principal, Server,
        Signal, Step, Text,
        testing::{Client, Options},
        tool_fn,
    };

    /// Counts what is warned of. Nothing else in this binary asks over HTTP, so that no other thread can have decided
    /// that nobody wants to hear of it.
    #[derive(Clone, Default)]
    struct Warnings(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Warnings {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            if *event.metadata().level() == tracing::Level::WARN {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn server() -> Server {
        Server::new("test", "1").add(tool_fn(
            "roots",
            Annotations::read_only(),
            async |_: crate::Empty, call| {
                Ok(Text::new(format!("{}", call.ask("roots", ListRoots).await.len())))
            },
        ))
    }

    /// Has a question asked as over HTTP.
    async fn ask(endpoint: &Endpoint) {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
        });
        let params = json!({"name": "roots", "_meta": meta});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let headers = MirroredHeaders {
            protocol_version: Some(b"2026-07-28".as_slice().into()),
            method: Some(b"tools/call".as_slice().into()),
            name: Some(b"roots".as_slice().into()),
            params: Vec::new(),
        };
        let message = message.to_string();
        let exchange = endpoint.exchange(Post {
            message: message.as_bytes(),
            headers,
            session: NamedSession::None,
            principal: Principal::anonymous(),
            peer: None,
            takes_stream: true,
            closing: &Signal::new(),
        });
        let Exchange::Running(mut running) = exchange else { panic!("{exchange:?}") };
        let Step::Answer(answer) = poll_fn(|cx| running.poll_step(cx)).await else {
            panic!("a notification")
        };
        let answer: serde_json::Value = serde_json::from_slice(&answer.bytes).unwrap();
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    }

    #[tokio::test]
    async fn a_random_key_is_warned_of_once_where_another_process_might_get_the_answer() {
        let warnings = Warnings::default();
        let _guard = set_default(registry().with(warnings.clone()));
        let count = || warnings.0.load(Ordering::Relaxed);

        ask(&server().seal_key(SealKey::new([1; 32])).build().unwrap()).await;
        let local = Client::with(server(), Options::new().capabilities(json!({"roots": {}}))).await;
        assert!(local.call("roots", json!({})).await.reply().state().is_some());
        assert_eq!(count(), 0);

        let endpoint = server().build().unwrap();
        assert_eq!(count(), 0);
        for _ in 0..3 {
            ask(&endpoint).await;
            assert_eq!(count(), 1);
        }
    }
}

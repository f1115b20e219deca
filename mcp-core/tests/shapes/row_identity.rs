//! Row-level identity: the caller's claims reach the engine with every call, and cannot be forgotten.

use std::sync::{Arc, Mutex};

use mcp_core::{
    Annotations, Call, Principal, PrincipalKind, Revision, Server, Tool, ToolError,
    testing::{Client, Options},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A database with policies on its rows. It hands nothing out but sessions, and a session is somebody's: there is no way
/// to the rows that does not say for whom.
trait Database: Send + Sync + 'static {
    /// A session on behalf of this caller.
    fn session(&self, principal: &Principal) -> Box<dyn Session + '_>;
}

/// What one caller may see and change.
trait Session: Send {
    /// The notes that the caller may see, oldest first.
    fn notes(&self) -> Vec<Note>;

    /// Keeps a note as the caller's own.
    fn keep(&mut self, text: String) -> Note;
}

/// A note.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Note {
    /// Whose it is.
    owner: String,
    /// What it says.
    text: String,
}

/// The state of the tools. They get a session for their call from it, and nothing else.
struct Notes {
    database: Arc<dyn Database>,
}

impl Notes {
    fn of(&self, call: &Call) -> Box<dyn Session + '_> {
        self.database.session(call.principal())
    }
}

/// Lists the notes that you may see, oldest first.
#[derive(Deserialize, JsonSchema)]
struct ListNotes {}

/// Notes.
#[derive(Serialize, JsonSchema)]
struct NoteList {
    /// The notes, oldest first.
    notes: Vec<Note>,
}

impl Tool<Notes> for ListNotes {
    const NAME: &'static str = "list_notes";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = NoteList;

    async fn call(self, notes: &Notes, call: &Call) -> Result<NoteList, ToolError> {
        Ok(NoteList { notes: notes.of(call).notes() })
    }
}

/// Keeps a note of your own.
#[derive(Deserialize, JsonSchema)]
struct KeepNote {
    /// What it says.
    text: String,
}

impl Tool<Notes> for KeepNote {
    const NAME: &'static str = "keep_note";
    const ANNOTATIONS: Annotations = Annotations::write();
    type Output = Note;

    async fn call(self, notes: &Notes, call: &Call) -> Result<Note, ToolError> {
        Ok(notes.of(call).keep(self.text))
    }
}

/// A database in memory whose policy is that of Fluxbase: a row belongs to the `sub` of the token, and the role
/// `service_role` sees all.
#[derive(Debug, Default)]
struct InMemory(Mutex<Vec<Note>>);

impl Database for InMemory {
    fn session(&self, principal: &Principal) -> Box<dyn Session + '_> {
        let claim = |name: &str| principal.claims().get(name).and_then(Value::as_str).map(str::to_owned);
        let sees_all = claim("role").as_deref() == Some("service_role");
        Box::new(InMemorySession { database: self, sub: claim("sub").unwrap_or_default(), sees_all })
    }
}

struct InMemorySession<'a> {
    database: &'a InMemory,
    sub: String,
    sees_all: bool,
}

impl Session for InMemorySession<'_> {
    fn notes(&self) -> Vec<Note> {
        let notes = self.database.0.lock().unwrap();
        notes.iter().filter(|note| self.sees_all || note.owner == self.sub).cloned().collect()
    }

    fn keep(&mut self, text: String) -> Note {
        let note = Note { owner: self.sub.clone(), text };
        self.database.0.lock().unwrap().push(note.clone());
        note
    }
}

fn caller(sub: &str, role: &str) -> Principal {
    let claims = json!({"sub": sub, "role": role}).as_object().cloned().unwrap();
    Principal::new(PrincipalKind::User, sub).with_claims(claims)
}

#[tokio::test]
async fn every_caller_sees_their_own_rows_however_many_come_at_once() {
    let database: Arc<dyn Database> = Arc::<InMemory>::default();
    let server =
        Server::new("fluxbase", "1.0.0").over(Notes { database }).tool::<ListNotes>().tool::<KeepNote>();
    let endpoint = server.build().unwrap();
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = async |sub: &str, role: &str| {
            Client::with(&endpoint, Options::new().revision(revision).principal(caller(sub, role))).await
        };
        let (ada, bob) = (client("ada", "authenticated").await, client("bob", "authenticated").await);
        tokio::join!(
            ada.call("keep_note", json!({"text": "engine"})),
            bob.call("keep_note", json!({"text": "hammer"})),
        );
        let (hers, his) = tokio::join!(ada.call("list_notes", json!({})), bob.call("list_notes", json!({})));
        for (reply, owner) in [(hers, "ada"), (his, "bob")] {
            let notes = reply.structured()["notes"].as_array().unwrap().clone();
            assert!(!notes.is_empty() && notes.iter().all(|note| note["owner"] == owner), "{notes:?}");
        }
        let service = client("robot", "service_role").await.call("list_notes", json!({})).await;
        let all = service.structured()["notes"].as_array().unwrap().len();
        assert!(all >= 2);
        // Without claims nobody is anybody.
        let stranger = Client::with(&endpoint, Options::new().principal(Principal::anonymous())).await;
        assert_eq!(stranger.call("list_notes", json!({})).await.structured(), &json!({"notes": []}));
    }
}

#[test]
fn claims_do_not_show_where_a_principal_is_printed() {
    let shown = format!("{:?}", caller("ada", "secret-role"));
    assert!(shown.contains("role") && !shown.contains("secret-role"), "{shown}");
}

//! Context that a caller chooses and finds again, with no session to keep it in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use mcp_core::{
    Annotations, Call, Principal, PrincipalKind, Revision, Server, Tool, ToolError,
    testing::{Client, Options},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The environments of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Environment {
    /// What users see.
    Production,
    /// What is about to be seen.
    Staging,
    /// Where things are tried.
    Development,
}

/// What every caller has chosen. It belongs to who they are, not to a connection: a request of the newest revision has
/// none, and a person goes on where they were from another machine.
#[derive(Debug, Default)]
struct Contexts(Mutex<HashMap<Caller, Environment>>);

/// Who a context belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Caller(PrincipalKind, String);

impl Contexts {
    /// The caller that can be told from others; nobody can be of whom it is not known who they are.
    fn caller(call: &Call) -> Option<Caller> {
        let principal = call.principal();
        let is_known = principal.kind() != PrincipalKind::Anonymous;
        is_known.then(|| Caller(principal.kind(), principal.subject().to_owned()))
    }

    fn chosen(&self, call: &Call) -> Option<Environment> {
        let contexts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.get(&Self::caller(call)?).copied()
    }

    /// The environment that a call means: the one it names, else the one that was chosen.
    fn environment(&self, named: Option<Environment>, call: &Call) -> Result<Environment, ToolError> {
        named.or_else(|| self.chosen(call)).ok_or_else(|| {
            let message = "Name an `environment`, or choose one for all further calls with set_environment";
            ToolError::new("no_environment", message).at("/environment")
        })
    }
}

/// Tells which environment further calls mean where they name none.
#[derive(Deserialize, JsonSchema)]
struct GetContext {}

/// What the caller has chosen.
#[derive(Debug, Serialize, JsonSchema)]
struct Context {
    /// The current environment; absent if none is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
}

impl Tool<Contexts> for GetContext {
    const NAME: &'static str = "get_context";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Context;

    async fn call(self, contexts: &Contexts, call: &Call) -> Result<Context, ToolError> {
        Ok(Context { environment: contexts.chosen(call) })
    }
}

/// Chooses the environment that your further calls mean where they name none.
#[derive(Deserialize, JsonSchema)]
struct SetEnvironment {
    /// The environment.
    environment: Environment,
}

impl Tool<Contexts> for SetEnvironment {
    const NAME: &'static str = "set_environment";
    const ANNOTATIONS: Annotations = Annotations::write().idempotent();
    type Output = Context;

    async fn call(self, contexts: &Contexts, call: &Call) -> Result<Context, ToolError> {
        let caller = Contexts::caller(call).ok_or_else(|| {
            ToolError::new("unknown_caller", "Nobody knows who you are: name the `environment` in each call")
        })?;
        contexts.0.lock().unwrap_or_else(PoisonError::into_inner).insert(caller, self.environment);
        Ok(Context { environment: Some(self.environment) })
    }
}

/// Counts the tables of an environment.
#[derive(Deserialize, JsonSchema)]
struct CountTables {
    /// Environment to look at; the chosen one when absent.
    environment: Option<Environment>,
}

/// A number of tables.
#[derive(Serialize, JsonSchema)]
struct TableCount {
    /// Where they are.
    environment: Environment,
    /// How many there are.
    tables: u32,
}

impl Tool<Contexts> for CountTables {
    const NAME: &'static str = "count_tables";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = TableCount;

    async fn call(self, contexts: &Contexts, call: &Call) -> Result<TableCount, ToolError> {
        let environment = contexts.environment(self.environment, call)?;
        let tables = match environment {
            Environment::Production => 12,
            Environment::Staging => 13,
            Environment::Development => 21,
        };
        Ok(TableCount { environment, tables })
    }
}

#[tokio::test]
async fn two_callers_at_once_find_their_own_context_again_on_any_connection() {
    let server = Server::new("bkend", "1.0.0")
        .over(Contexts::default())
        .tool::<GetContext>()
        .tool::<SetEnvironment>()
        .tool::<CountTables>();
    let endpoint = server.build().unwrap();
    let client = async |name: &str, revision| {
        let principal = Principal::new(PrincipalKind::User, name);
        Client::with(&endpoint, Options::new().revision(revision).principal(principal)).await
    };
    let (ada, bob) = (client("ada", Revision::V2026_07_28).await, client("bob", Revision::V2026_07_28).await);
    let nothing = ada.call("get_context", json!({})).await;
    assert_eq!(nothing.structured(), &json!({}));
    let unclear = ada.call("count_tables", json!({})).await;
    assert_eq!(
        (unclear.error_code().as_str(), unclear.error_pointer().as_str()),
        ("no_environment", "/environment")
    );

    tokio::join!(
        ada.call("set_environment", json!({"environment": "staging"})),
        bob.call("set_environment", json!({"environment": "production"})),
    );
    for (name, tables) in [("ada", 13), ("bob", 12)] {
        for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
            let elsewhere = client(name, revision).await;
            let counted = elsewhere.call("count_tables", json!({})).await;
            assert_eq!(counted.structured()["tables"], tables, "{name}, {revision}");
        }
    }
    let named = bob.call("count_tables", json!({"environment": "development"})).await;
    assert_eq!(named.structured(), &json!({"environment": "development", "tables": 21}));
}

#[tokio::test]
async fn strangers_share_no_context() {
    let server = Server::new("bkend", "1.0.0").over(Contexts::default()).tool::<SetEnvironment>();
    let client = Client::with(server, Options::new().principal(Principal::anonymous())).await;
    let refused = client.call("set_environment", json!({"environment": "staging"})).await;
    assert_eq!(refused.error_code(), "unknown_caller");
}

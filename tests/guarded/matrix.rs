//! The matrix over real transports, over both eras: each row a caller, known by its key or by its connection.

use std::collections::HashMap;

use mcp_core::{Principal, Signal};
use mcp_transport_http::{Http, KeyKind, NewKey};
use serde_json::json;

use super::{
    ERAS,
    door::{Credentials, Door, Inside, Keys},
    lines::Lines,
    table::{ANSWERS, DASHBOARD, READER, THINGS, caller, letters, rules, server},
    walk::walk,
};

/// The credentials of each row, of which none is revoked yet.
async fn credentials(keys: &Keys) -> HashMap<&'static str, Credentials> {
    let mut credentials = HashMap::new();
    for (row, _) in ANSWERS {
        let key = NewKey::named(row).kind(KeyKind::User);
        let all = NewKey::named(row).kind(KeyKind::Service).every_scope().every_tenant();
        let shown = match row {
            "local" => Credentials::local(),
            "anonymous" => Credentials::none(),
            "user" => keys.make(key).await,
            "user with scope" | "read-only" => keys.make(key.scopes(["read"])).await,
            "of acme" => keys.make(key.tenants(["acme"])).await,
            "of umbrella" => keys.make(key.tenants(["umbrella"])).await,
            "allow-listed" => keys.make(key.kind(KeyKind::Client).scopes(["read"]).tenants(["acme"])).await,
            "expired" => keys.make_expired(all).await,
            "revoked" => keys.make(all).await,
            _ => panic!("nobody is called {row}"),
        };
        credentials.insert(row, shown);
    }
    credentials
}

/// A server with the rules of the table, for whoever has these keys.
async fn open(options: Http, keys: &Keys, credentials: &HashMap<&'static str, Credentials>) -> Door {
    let rules = rules(&credentials["read-only"].subject, &credentials["allow-listed"].subject);
    Door::open(options, keys, server(rules)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_everybody_with_a_key_sees_and_may_do_what_the_table_says() {
    for revision in ERAS {
        let keys = Keys::none();
        let credentials = credentials(&keys).await;
        let options = Http::new().authenticate(Inside).strangers_are(Principal::anonymous());
        let door = open(options, &keys, &credentials).await;
        for (row, _) in ANSWERS {
            let mut visitor = match door.try_enter(&credentials[row], revision) {
                Ok(visitor) => visitor,
                Err(refused) => {
                    assert_eq!((row, refused.status()), ("expired", 401), "{refused:?}");
                    continue;
                }
            };
            if !revision.is_modern() {
                visitor.open_ears();
            }
            if row == "revoked" {
                keys.revoke(&credentials[row]).await;
            }
            walk(&mut visitor, &door.endpoint, row, &letters(row), revision).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_who_is_nobody_gets_nothing_by_any_way() {
    let keys = Keys::none();
    let credentials = credentials(&keys).await;
    let door = open(Http::new(), &keys, &credentials).await;
    let forged = credentials["user"].forged(&credentials["of acme"]);
    for (row, shown) in
        [("no key", Credentials::none()), ("unknown", Credentials::unknown()), ("forged", forged)]
    {
        for revision in ERAS {
            let Err(refused) = door.try_enter(&shown, revision) else {
                assert!(revision.is_modern(), "{row} has a session");
                let mut visitor = door.enter(&shown, revision);
                walk(&mut visitor, &door.endpoint, row, &['x'; THINGS.len()], revision).await;
                continue;
            };
            assert_eq!((refused.status(), &refused.json()["error"]["code"]), (401, &json!(401)));
            // Nor does a session of another help.
            let other = door.enter(&credentials["user"], revision);
            let mut visitor = other.impersonated_by(&shown);
            walk(&mut visitor, &door.endpoint, row, &['x'; THINGS.len()], revision).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_lines_everybody_sees_and_may_do_what_the_table_says() {
    let endpoint = server(rules(READER, DASHBOARD)).build().unwrap();
    for revision in ERAS {
        for (row, _) in ANSWERS {
            let revoked = Signal::new();
            let mut lines = match Lines::connect(&endpoint, caller(row, &revoked), revision) {
                Ok(lines) => lines,
                Err(refused) => {
                    assert_eq!((row, &refused["error"]["code"]), ("expired", &json!(401)));
                    continue;
                }
            };
            if row == "revoked" {
                revoked.raise();
            }
            walk(&mut lines, &endpoint, row, &letters(row), revision).await;
        }
    }
}

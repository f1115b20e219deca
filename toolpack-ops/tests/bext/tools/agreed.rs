//! What a person is asked before something is taken away: what it would do to what is there now.

use mcp_core::testing::{Client, Options, Reaction};
use mcp_core::{ConfirmDestructive, PackOptions, Server};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use toolpack_ops::ErrorKind;
use toolpack_ops::bext;
use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};
use toolpack_ops::bext::engine::{AppStatus, Engines};

use super::stand_in::{StandIn, app, canary};

/// Calls a tool on behalf of somebody who declines; what they were asked, or the error if nobody was.
async fn asked(stand_in: StandIn, tool: &str, mut arguments: Value) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let engine = Embedded::open(directory.path(), EmbeddedConfig::default()).await.unwrap();
    let engines = stand_in.beside(Engines::of(engine));
    let server = Server::new("test", "1.0.0")
        .confirm(ConfirmDestructive::new())
        .pack(bext::pack(engines), PackOptions::new());
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let options = {
        let asked = asked.clone();
        Options::new().answering(move |question| {
            let message = question.params["message"].as_str().unwrap_or_default().to_owned();
            asked.lock().unwrap().push(message);
            Reaction::Answer(json!({ "action": "decline" }))
        })
    };
    let client = Client::with(server, options).await;
    arguments["instance_id"] = json!("local");
    let reply = client.call(tool, arguments).await;
    assert!(reply.is_error(), "nobody agreed to it: {}", reply.text());
    let first = asked.lock().unwrap().first().cloned();
    first.ok_or_else(|| reply.text())
}

async fn is_asked(stand_in: StandIn, tool: &str, arguments: Value, want: &str) {
    let question = asked(stand_in, tool, arguments).await.unwrap();
    assert_eq!(question, format!("{want}\n\nAllow `{tool}`?"));
}

#[tokio::test]
async fn a_rollback_says_from_where_to_where() {
    let shop = json!({ "app": "shop" });
    let text = "This takes shop on local back from v1.2.4 to v1.2.3 for every request.";
    is_asked(StandIn::default(), "rollback", shop.clone(), text).await;
    is_asked(StandIn::default(), "rollback", json!({}), text).await;

    let mut stand_in = StandIn::default();
    stand_in.apps[0].canary = canary("1.3.0", 10);
    let text = "This ends the canary v1.3.0 (10% of new visitors) of shop on local; v1.2.4 gets every request again.";
    is_asked(stand_in.clone(), "rollback", shop.clone(), text).await;
    let text = "This takes shop on local back from v1.2.4 to v1.2.2 for every request, and ends its canary v1.3.0 \
                (10% of new visitors).";
    is_asked(stand_in, "rollback", json!({ "app": "shop", "version": "v1.2.2" }), text).await;
}

#[tokio::test]
async fn nobody_is_asked_in_vain() {
    let refused = async |stand_in: StandIn, tool: &str, arguments: Value| {
        asked(stand_in, tool, arguments).await.unwrap_err()
    };
    let mut stand_in = StandIn::default();
    stand_in.apps[0].previous_version = None;
    let text = refused(stand_in.clone(), "rollback", json!({})).await;
    assert!(text.ends_with("[no_previous_version]"), "{text}");
    stand_in.apps.push(app("blog"));
    let text = refused(stand_in.clone(), "rollback", json!({})).await;
    assert!(text.contains("shop, blog") && text.ends_with("[app_required]"), "{text}");
    stand_in.apps.clear();
    let text = refused(stand_in, "rollback", json!({})).await;
    assert!(text.ends_with("[app_not_found]"), "{text}");
    let text = refused(StandIn::default(), "remove_app", json!({ "app": "shp" })).await;
    assert!(text.contains("did you mean `shop`?") && text.ends_with("[app_not_found]"), "{text}");
    let text = refused(StandIn::default(), "remove_domain", json!({ "domain": "shop.example.org" })).await;
    assert!(text.contains("shop.example.com") && text.ends_with("[domain_not_found]"), "{text}");
    let broken = StandIn { error: Some((ErrorKind::Unavailable, "store_unavailable")), ..StandIn::default() };
    let text = refused(broken, "remove_app", json!({ "app": "shop" })).await;
    assert!(text.ends_with("[store_unavailable]"), "{text}");
}

#[tokio::test]
async fn a_removal_says_what_goes_with_it() {
    let shop = json!({ "app": "shop" });
    let end = "Its releases and secrets are deleted for good; its deploy history, database and keys stay.";
    let text = format!(
        "This removes the app shop from local. v1.2.4 is live and stops answering. Its domains lead nowhere then: \
         shop.example.com. {end}"
    );
    is_asked(StandIn::default(), "remove_app", shop.clone(), &text).await;
    let mut stand_in = StandIn::default();
    stand_in.apps[0].domains.clear();
    stand_in.apps[0].canary = canary("54c5c1e5", 99);
    let text = format!(
        "This removes the app shop from local. v1.2.4 and its canary 54c5c1e5 are live and stop answering. {end}"
    );
    is_asked(stand_in.clone(), "remove_app", shop.clone(), &text).await;
    let app = &mut stand_in.apps[0];
    (app.current_version, app.canary, app.status) = (None, None, AppStatus::Stopped);
    let text = format!("This removes the app shop from local. It is not deployed. {end}");
    is_asked(stand_in, "remove_app", shop, &text).await;

    let text = "This takes the domain shop.example.com from the app shop on local; requests for it are answered with \
                404 then.";
    is_asked(StandIn::default(), "remove_domain", json!({ "domain": "SHOP.example.com" }), text).await;
}

#[tokio::test]
async fn a_secret_is_named_before_it_is_deleted() {
    let text = "This deletes the secret DATABASE_URL of the app shop on local for good; what runs keeps it until its \
                next deploy, rollback or restart.";
    let arguments = json!({ "app": "shop", "name": "DATABASE_URL" });
    is_asked(StandIn::default(), "delete_secret", arguments, text).await;
    let text = "There is no secret TOKEN of all apps on local, so nothing is deleted.";
    is_asked(StandIn::default(), "delete_secret", json!({ "name": "TOKEN" }), text).await;
}

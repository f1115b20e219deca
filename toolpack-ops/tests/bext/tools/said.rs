//! What the tools for apps, releases, secrets and configurations say: sentences, data, and the argument at fault.

use mcp_core::testing::{CallReply, Client, Options};
use mcp_core::{PackOptions, Principal, PrincipalKind, Revision, Server};
use serde_json::{Value, json};
use toolpack_ops::ErrorKind;
use toolpack_ops::bext;
use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};
use toolpack_ops::bext::engine::{AppStatus, Engines, Outcome, Strategy};
use toolpack_ops::bext::scopes;

use super::stand_in::{StandIn, record};

/// A client of these engines beside embedded ones, which know `prod-1`, `prod-2` and `local`.
async fn client(stand_in: StandIn, options: Options) -> Client {
    let directory = tempfile::tempdir().unwrap();
    let rows = ["local", "prod-1", "prod-2"].map(|id| format!("[[instance]]\nid = \"{id}\"\n"));
    std::fs::write(directory.path().join("instances.toml"), rows.concat()).unwrap();
    let engine = Embedded::open(directory.path(), EmbeddedConfig::default()).await.unwrap();
    let pack = bext::pack(stand_in.beside(Engines::of(engine)));
    // The engine goes on in a folder that is gone: no test here reads or writes what lies in it.
    std::mem::forget(directory);
    Client::with(Server::new("test", "1.0.0").pack(pack, PackOptions::new()), options).await
}

async fn call(stand_in: StandIn, tool: &str, mut arguments: Value) -> CallReply {
    if arguments.get("instance_ids").is_none() && arguments.get("instance_id").is_none() {
        arguments["instance_id"] = json!("local");
    }
    client(stand_in, Options::new()).await.call(tool, arguments).await
}

#[tokio::test(start_paused = true)]
async fn a_release_is_said_in_one_sentence() {
    let stand_in = StandIn::default();
    for (tool, arguments, sentence) in [
        ("deploy", json!({}), "Deployed v1.2.4 in 3.2s"),
        ("deploy", json!({ "version": "v1.2.4" }), "Deployed v1.2.4 in 3.2s"),
        ("deploy", json!({ "version": "54c5c1e5" }), "Deployed 54c5c1e5 in 3.2s"),
        (
            "deploy",
            json!({ "canary_percent": 10 }),
            "Deployed v1.2.4 in 3.2s as a canary for 10% of new visitors",
        ),
        ("rollback", json!({ "version": "1.2.3" }), "Rolled back to v1.2.3 in 3.2s"),
        ("promote_canary", json!({ "app": "shop" }), "Promoted v1.2.4 in 3.2s"),
    ] {
        let reply = call(stand_in.clone(), tool, arguments.clone()).await;
        assert_eq!(reply.sentence(), sentence, "{tool} {arguments}");
        let data = reply.structured();
        assert_eq!(data["deployed_by"], "local");
        let mirrored = reply.result()["content"][1]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(mirrored).unwrap(), *data, "{tool}");
    }
    let mut ended = record();
    ended.strategy = Strategy::Canary;
    let reply = call(StandIn { records: vec![ended], ..stand_in }, "rollback", json!({})).await;
    assert_eq!(reply.sentence(), "Ended the canary of shop in 3.2s; v1.2.4 gets every request again");
    assert_eq!(reply.structured()["status"], "rolled_back");
}

#[tokio::test(start_paused = true)]
async fn who_asked_is_on_record() {
    let ada = Principal::new(PrincipalKind::User, "ada").with_scopes([scopes::WRITE]);
    let client = client(StandIn::default(), Options::new().principal(ada)).await;
    let reply = client.call("deploy", json!({ "instance_id": "local" })).await;
    assert_eq!(reply.structured()["deployed_by"], "ada");
}

#[tokio::test(start_paused = true)]
async fn stages_are_reported_and_what_lasts_is_reported_again() {
    for revision in Revision::NEWEST {
        let client = client(StandIn::default(), Options::new().revision(revision)).await;
        let reply = client.call("deploy", json!({ "instance_id": "local" })).await;
        let notes = reply.reply().notifications();
        let said: Vec<&str> = notes.iter().map(|note| note["params"]["message"].as_str().unwrap()).collect();
        let want = ["building", "building (1 s)", "building (2 s)", "waiting for the health check"];
        assert_eq!(said, want);
        let done: Vec<f64> = notes.iter().map(|note| note["params"]["progress"].as_f64().unwrap()).collect();
        assert!(done.is_sorted() && done[0] == 0.0 && done[2] < 1.0 && done[3] == 1.0, "{done:?}");
        assert!(notes.iter().all(|note| note["params"]["total"] == 2.0), "{notes:?}");
    }
}

#[tokio::test]
async fn a_fleet_is_counted() {
    let ids = json!({ "instance_ids": ["prod-2", "local", "prod-1"], "version": "1.2.4" });
    let reply = call(StandIn::default(), "fleet_deploy", ids.clone()).await;
    assert_eq!(reply.sentence(), "3/3 instances deployed successfully");
    let entry = |id| json!({ "instance_id": id, "ok": true, "version": "1.2.4", "duration_ms": 3240 });
    let want = json!({
        "total": 3,
        "succeeded": 3,
        "failed": 0,
        "results": [entry("prod-2"), entry("local"), entry("prod-1")],
    });
    assert_eq!(*reply.structured(), want);

    let some = StandIn { failing: vec!["prod-2"], ..StandIn::default() };
    let reply = call(some, "fleet_deploy", ids.clone()).await;
    assert_eq!(reply.sentence(), "2/3 instances deployed successfully");
    let failed =
        json!({ "instance_id": "prod-2", "ok": false, "version": "1.2.4", "error": "it stays unhealthy" });
    assert_eq!(reply.structured()["results"][0], failed);

    let all = StandIn { failing: vec!["prod-2", "local", "prod-1"], ..StandIn::default() };
    let reply = call(all, "fleet_deploy", ids).await;
    assert_eq!(reply.error_code(), "fleet_deploy_failed");
    let text = reply.text();
    assert!(
        text.starts_with("0/3 instances deployed successfully\nprod-2: it stays unhealthy\nlocal:"),
        "{text}"
    );
}

#[tokio::test]
async fn the_unknown_one_of_a_fleet_is_pointed_at() {
    let ids = json!({ "instance_ids": ["local", "prod-9"] });
    let reply = call(StandIn::default(), "fleet_deploy", ids).await;
    assert_eq!(
        (reply.error_code().as_str(), reply.error_pointer().as_str()),
        ("instance_not_found", "/instance_ids/1")
    );
    for ids in [json!([]), json!(["local", "local"])] {
        let reply = call(StandIn::default(), "fleet_deploy", json!({ "instance_ids": ids })).await;
        assert_eq!(reply.error_code(), "invalid_arguments");
        assert_eq!(reply.error_pointer(), "/instance_ids");
    }
}

#[tokio::test]
async fn a_history_has_twenty_records_unless_told() {
    let records = (0..70).map(|_| record()).collect();
    let stand_in = StandIn { records, ..StandIn::default() };
    let client = client(stand_in, Options::new()).await;
    assert_eq!(client.call("deploy_history", json!({})).await.structured()["count"], 20);
    assert_eq!(client.call("deploy_history", json!({ "limit": 60 })).await.structured()["count"], 60);
    let read = client.read("bext://deploy-history").await;
    let text = read.result()["contents"][0]["text"].as_str().unwrap().to_owned();
    let history: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(history["count"], 50);
    assert_eq!(history["deploys"][0], json!(record()));
    assert_eq!(read.result()["contents"][0]["mimeType"], "application/json");
}

#[tokio::test]
async fn a_score_comes_first_as_words() {
    let reply = call(StandIn::default(), "run_conformance", json!({})).await;
    assert_eq!(reply.sentence(), "Score: 66.6% (2 pass, 1 partial, 0 fail)");
    let data = reply.structured();
    assert_eq!((&data["score"], &data["total"], &data["failures"]), (&json!(66.6), &json!(3), &json!([])));
    assert_eq!(data["suites"], json!([{ "suite": "routing", "passed": 2, "partial": 1, "failed": 0 }]));
    assert_eq!(data["checks"].as_array().unwrap().len(), 3);
    let failing = StandIn { outcomes: vec![Outcome::Failed], ..StandIn::default() };
    let reply = call(failing, "run_conformance", json!({})).await;
    assert_eq!(reply.sentence(), "Score: 0% (0 pass, 0 partial, 1 fail)");
    assert_eq!(reply.structured()["failures"][0]["seen"], "200");
}

#[tokio::test]
async fn changes_are_said_as_data() {
    let get = async |tool: &str, arguments: Value| {
        call(StandIn::default(), tool, arguments).await.structured().clone()
    };
    let shop = json!({ "app": "shop" });
    assert_eq!(get("remove_app", shop.clone()).await, json!({ "removed": true, "app": "shop" }));
    let added = get("add_domain", json!({ "app": "shop", "domain": "Bücher.Example" })).await;
    assert_eq!(added, json!({ "domain": "xn--bcher-kva.example", "app": "shop", "added": true }));
    let removed = get("remove_domain", json!({ "domain": "a.example" })).await;
    assert_eq!(removed, json!({ "domain": "a.example", "removed": true }));
    let deleted = get("delete_secret", json!({ "name": "DATABASE_URL" })).await;
    assert_eq!(deleted, json!({ "name": "DATABASE_URL", "deleted": true }));
    let config = get("read_config", json!({})).await;
    assert_eq!(config, json!({ "path": "bext.config.toml", "toml": "[gateway]\n" }));
    let want = json!({
        "reloaded": true,
        "changed": ["gateway.request_timeout"],
        "needs_restart": [],
        "warnings": [],
    });
    assert_eq!(get("reload_config", json!({})).await, want);
    let app = json!({ "name": "blog", "source": "/srv/blog", "domains": ["a.example"], "runtime": "static" });
    let added = get("add_app", app).await;
    assert_eq!((&added["name"], &added["status"]), (&json!("blog"), &json!("stopped")));
    assert_eq!(added.get("current_version"), None);
}

/// The schema cannot say it, so the type does, in words.
#[tokio::test]
async fn a_host_name_is_explained() {
    for (tool, arguments, says) in [
        (
            "add_domain",
            json!({ "app": "shop", "domain": "https://a.example" }),
            "a domain has labels of 1 to 63",
        ),
        ("remove_domain", json!({ "domain": "a.example:80" }), "no scheme, port, path"),
        (
            "add_app",
            json!({ "name": "a", "source": "/a", "domains": ["a.example", "-a.b"] }),
            "inner hyphens",
        ),
        ("add_app", json!({ "name": "a", "source": "../a" }), "a source is a path or an address"),
    ] {
        let reply = call(StandIn::default(), tool, arguments).await;
        assert_eq!(reply.error_code(), "invalid_arguments", "{tool}");
        assert!(reply.text().contains(says), "{tool}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_secret_says_when_it_is_seen() {
    let set = json!({ "app": "shop", "name": "TOKEN", "value": "hunter2" });
    let reply = call(StandIn::default(), "set_secret", set.clone()).await;
    let when = "at the next deploy, rollback or restart of the app";
    assert_eq!(*reply.structured(), json!({ "name": "TOKEN", "set": true, "takes_effect": when }));
    let mut stand_in = StandIn::default();
    stand_in.apps[0].status = AppStatus::Stopped;
    let reply = call(stand_in, "set_secret", set).await;
    assert_eq!(*reply.structured(), json!({ "name": "TOKEN", "set": true }));
}

/// No error has the value, be it refused by the schema, by the type, or by the engine.
#[tokio::test]
async fn a_refused_secret_is_not_shown() {
    let broken = StandIn { error: Some((ErrorKind::Unexpected, "unexpected")), ..StandIn::default() };
    for (stand_in, name, value) in [
        (StandIn::default(), "TOKEN", format!("hunter2{}", "x".repeat(70_000))),
        (StandIn::default(), "TOKEN", "hunter2\0".to_owned()),
        (StandIn::default(), "TOKEN", format!("hunter2{}", "é".repeat(40_000))),
        (StandIn::default(), "1TOKEN", "hunter2".to_owned()),
        (broken, "TOKEN", "hunter2".to_owned()),
    ] {
        let reply = call(stand_in, "set_secret", json!({ "name": name, "value": value })).await;
        assert!(reply.is_error());
        assert!(!reply.result().to_string().contains("hunter2"), "{}", reply.text());
    }
}

#[tokio::test(start_paused = true)]
async fn the_argument_at_fault_is_named() {
    use ErrorKind::{AlreadyExists, Conflict, InvalidInput, NotFound, Unavailable, Unsupported};
    let add_app = json!({ "name": "shop", "source": "/srv/shop" });
    let add_domain = json!({ "app": "shop", "domain": "a.example" });
    for (tool, arguments, kind, code, pointer) in [
        ("add_app", add_app.clone(), AlreadyExists, "app_exists", "/name"),
        ("add_app", add_app.clone(), AlreadyExists, "domain_taken", "/domains"),
        ("add_app", add_app.clone(), InvalidInput, "source_not_found", "/source"),
        ("add_app", add_app.clone(), InvalidInput, "source_invalid", "/source"),
        ("add_app", add_app.clone(), Unsupported, "source_unsupported", "/source"),
        ("add_app", add_app.clone(), InvalidInput, "manifest_invalid", "/source"),
        ("add_app", add_app, InvalidInput, "runtime_mismatch", "/runtime"),
        ("add_domain", add_domain, AlreadyExists, "domain_taken", "/domain"),
        ("remove_domain", json!({ "domain": "a.example" }), NotFound, "domain_not_found", "/domain"),
        ("remove_app", json!({ "app": "shop" }), NotFound, "app_not_found", "/app"),
        ("remove_app", json!({ "app": "shop" }), Unavailable, "app_busy", ""),
        ("deploy", json!({}), InvalidInput, "app_required", "/app"),
        ("deploy", json!({}), NotFound, "version_not_found", "/version"),
        ("deploy", json!({}), InvalidInput, "manifest_invalid", ""),
        ("deploy", json!({}), InvalidInput, "source_not_found", ""),
        ("deploy", json!({}), Conflict, "canary_running", "/canary_percent"),
        ("deploy", json!({}), Conflict, "nothing_live", "/canary_percent"),
        ("deploy", json!({}), Conflict, "deploy_failed", ""),
        ("rollback", json!({}), NotFound, "version_not_kept", "/version"),
        ("rollback", json!({}), Conflict, "no_previous_version", ""),
        ("promote_canary", json!({}), Conflict, "no_canary", ""),
        ("set_secret", json!({ "name": "PORT", "value": "1" }), InvalidInput, "secret_reserved", "/name"),
        ("list_apps", json!({}), InvalidInput, "invalid_cursor", "/cursor"),
        ("read_config", json!({}), NotFound, "instance_not_found", "/instance_id"),
        ("reload_config", json!({}), InvalidInput, "config_invalid", ""),
        ("run_conformance", json!({ "suite": "nope" }), NotFound, "suite_not_found", "/suite"),
        ("run_conformance", json!({}), Conflict, "no_instance", "/instance_id"),
    ] {
        let broken = StandIn { error: Some((kind, code)), ..StandIn::default() };
        let reply = call(broken, tool, arguments).await;
        assert_eq!(reply.error_code(), code, "{tool}");
        assert_eq!(reply.error_pointer(), pointer, "{tool} {code}");
        assert_eq!(reply.text(), format!("it does not work [{code}]"), "{tool}");
        let retry = if kind == Unavailable { "later" } else { "never" };
        assert_eq!(reply.result()["_meta"]["toolpack/error"]["retry"], retry, "{tool} {code}");
    }
}

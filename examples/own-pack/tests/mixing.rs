//! bext's tools and ours in one server.

use own_pack::desk::Desk;
use serde_json::{Value, json};
use tempfile::tempdir;
use toolpack::{Annotations, PackOptions, Server, Text, testing::Client, tool_fn};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

async fn names(server: Server) -> Vec<String> {
    let tools = Client::new(server).await.list_tools().await;
    tools.iter().filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect()
}

/// Why a server does not start.
fn refusal(server: Server) -> String {
    server.build().unwrap_err().to_string()
}

#[tokio::test]
async fn a_desk_has_the_reading_list_and_some_of_bext_under_a_prefix() {
    let folder = tempdir().unwrap();
    let desk = Desk::open(folder.path()).await.unwrap();
    let list = ["add_item", "discard_items", "import_texts", "list_items", "mark_items"];
    let bext = ["my_kv_get", "my_kv_list", "my_kv_set"];
    assert_eq!(names(desk.server()).await, [&list[..], &bext, &["reading_time"]].concat());
}

#[tokio::test]
async fn packs_are_filtered_by_the_effect_of_their_tools() {
    let folder = tempdir().unwrap();
    let desk = Desk::open(folder.path()).await.unwrap();
    let looking = || PackOptions::new().tools_that(|effect: Annotations| effect.read_only);
    let server = Server::new("looking", "1").pack(desk.reading, looking()).pack(desk.bext, looking());
    let bext = ["db_query", "instance_health", "instance_overview", "kv_get", "kv_list", "list_instances"];
    assert_eq!(names(server).await, [&bext[..], &["list_items", "reading_time"]].concat());
}

#[tokio::test]
async fn the_keys_of_bext_lie_in_our_drawer() {
    let folder = tempdir().unwrap();
    let client = Client::new(Desk::open(folder.path()).await.unwrap().server()).await;
    let set = json!({"instance_id": "local", "key": "bookmark", "value": "page 12"});
    client.call("my_kv_set", set).await.structured();
    let item = json!({"title": "Emma", "topic": "novels", "words": 160_000});
    client.call("add_item", item).await.structured();

    let drawer: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("drawer.json")).unwrap()).unwrap();
    assert_eq!(drawer["pockets"]["local/default"]["bookmark"]["value"], "page 12");
    assert_eq!(drawer["shelf"]["items"][0]["title"], "Emma");

    // And they are there for whoever opens it next.
    let client = Client::new(Desk::open(folder.path()).await.unwrap().server()).await;
    let get = client.call("my_kv_get", json!({"instance_id": "local", "key": "bookmark"})).await;
    assert_eq!(get.structured()["value"], "page 12");
    let unknown = client.call("my_kv_get", json!({"instance_id": "elsewhere", "key": "bookmark"})).await;
    assert_eq!(unknown.error_code(), "instance_not_found");
}

#[tokio::test]
async fn an_allow_list_with_a_typo_names_what_was_meant() {
    let folder = tempdir().unwrap();
    let desk = Desk::open(folder.path()).await.unwrap();
    let misspelt = PackOptions::new().only(["list_items", "ad_item"]);
    assert_eq!(
        refusal(Server::new("desk", "1").pack(desk.reading, misspelt)),
        "the server cannot start; pack option `only`: `ad_item`: the pack has nothing of this name; did you mean \
         `add_item`?"
    );
}

#[tokio::test]
async fn names_that_collide_refuse_to_start_and_a_prefix_resolves_it() {
    let folder = tempdir().unwrap();
    let desk = Desk::open(folder.path()).await.unwrap();
    let own = || tool_fn("list_items", Annotations::read_only(), async |_: Nothing, _| Ok(Text::new("mine")));
    let clash = Server::new("desk", "1").add(own()).pack(desk.reading.clone(), PackOptions::new());
    let refusal = refusal(clash);
    let remedy = "; rename one of them, or take in the pack that it comes from with `PackOptions::prefix`";
    assert!(refusal.contains("tool `list_items`: there are two of this name"), "{refusal}");
    assert!(refusal.ends_with(remedy), "{refusal}");

    let resolved =
        Server::new("desk", "1").add(own()).pack(desk.reading, PackOptions::new().prefix("books_"));
    let names = names(resolved).await;
    assert!(names.contains(&"list_items".into()) && names.contains(&"books_list_items".into()), "{names:?}");
}

#[tokio::test]
async fn of_two_resources_with_one_uri_one_is_left_out() {
    let folder = tempdir().unwrap();
    let desk = Desk::open(folder.path()).await.unwrap();
    let both = |second: PackOptions| {
        let first = desk.reading.clone();
        Server::new("desk", "1").pack(first, PackOptions::new()).pack(desk.reading.clone(), second)
    };
    assert!(refusal(both(PackOptions::new().prefix("more_"))).contains("reading://item/{id}"));
    let second = PackOptions::new().prefix("more_").without(["reading://item/{id}"]);
    assert!(names(both(second)).await.contains(&"more_list_items".into()));
}

//! `bext-companion --http` as a stranger meets it, and its keys as an operator does: from outside, as processes.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Instant,
};

use serde_json::{Value, json};

use crate::support::{
    data::Data,
    http::{Request, Response},
    process::{PATIENCE, Server, call, example, initialize, request},
};

/// A companion over HTTP, with a data directory of its own.
struct Guarded {
    server: Server,
    address: String,
    data: Data,
}

/// Runs the companion to its end.
fn run(args: &[&str], data: &Path) -> Output {
    let mut command = Command::new(example("bext-companion"));
    command.args(args).arg("--data").arg(data).stdin(Stdio::null()).output().unwrap()
}

/// Makes a key with these flags.
fn create(data: &Path, flags: &[&str]) -> String {
    let output = run(&[&["keys", "create", "--name", "test"], flags].concat(), data);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn id_of(key: &str) -> &str {
    key.split_once('_').unwrap().1.split_once('.').unwrap().0
}

fn revoke(data: &Path, key: &str) {
    let output = run(&["keys", "revoke", id_of(key)], data);
    assert!(output.status.success(), "{output:?}");
}

impl Guarded {
    /// With a directory in which there is a key already, so that none is printed.
    fn start(flags: &[&str]) -> (Self, String) {
        let data = Data::new();
        let key = create(data.path(), &["--scopes", "*"]);
        let server = serve(data.path(), flags);
        let address = address(&server);
        (Self { server, address, data }, key)
    }

    fn post(&self, key: &str, message: &Value) -> Response {
        Request::post(&self.address, message).key(key).send()
    }
}

fn serve(data: &Path, flags: &[&str]) -> Server {
    let args = [&["--http", "127.0.0.1:0", "--data", data.to_str().unwrap()], flags].concat();
    Server::start("bext-companion", &args)
}

fn address(server: &Server) -> String {
    server.url().strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().to_owned()
}

fn list() -> Value {
    call(1, "list_instances", json!({}))
}

fn set(key: &str) -> Value {
    call(1, "kv_set", json!({"instance_id": "local", "key": key, "value": "v"}))
}

#[test]
fn without_a_good_key_nobody_learns_anything() {
    let (server, key) = Guarded::start(&[]);
    assert_eq!(server.post(&key, &list()).status, 200);
    let other = create(server.data.path(), &["--scopes", "bext:read"]);
    let revoked = create(server.data.path(), &["--scopes", "*"]);
    revoke(server.data.path(), &revoked);
    let (name, secret) = key.split_once('.').unwrap();
    let bad = [
        format!("{}.{secret}", other.split_once('.').unwrap().0),
        format!("bx_zzzzzz.{secret}"),
        format!("{name}.{}", secret.to_ascii_lowercase()),
        name.to_owned(),
        "x".to_owned(),
        revoked,
    ];
    let mut answers: Vec<(String, Option<String>)> = Vec::new();
    for bad in bad {
        let response = server.post(&bad, &list());
        assert_eq!(response.status, 401, "{response:?}");
        assert_eq!(response.json()["error"]["code"], 401);
        let challenge = response.header("www-authenticate").map(str::to_owned);
        assert!(challenge.as_deref().unwrap().starts_with("Bearer"), "{response:?}");
        answers.push((response.body, challenge));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "what is wrong with a key can be told: {answers:?}");

    let none = Request::post(&server.address, &list()).send();
    assert_eq!((none.status, none.header("www-authenticate").is_some()), (401, true));
    let in_query = Request::new(&server.address, "POST", &format!("/mcp?access_token={key}&key={key}"));
    assert_eq!(in_query.header("Content-Length", "0").send().status, 401);
    for twice in [
        Request::post(&server.address, &list()).key(&key).key(&key),
        Request::post(&server.address, &list()).key(&key).header("Authorization", "Bearer x"),
        Request::post(&server.address, &list()).header("Authorization", &format!("Bearer {key}\u{1}")),
        Request::post(&server.address, &list()).header("Authorization", "Bearer "),
        Request::post(&server.address, &list()).header("Authorization", &format!("Bearer {key} {key}")),
    ] {
        let status = twice.send().status;
        assert!(matches!(status, 400 | 401), "{status}");
    }
    // And who is only asked whether they live, says so to everybody.
    let health = Request::get(&server.address, "/health").send();
    assert_eq!((health.status, health.json()), (200, json!({"status": "ok"})));
}

#[test]
fn a_first_start_makes_a_key_that_works_and_a_second_makes_none() {
    let data = Data::new();
    let mut server = serve(data.path(), &[]);
    let address = address(&server);
    let configuration = server.said().iter().find_map(|line| {
        let configuration: Value = serde_json::from_str(line.trim()).ok()?;
        Some(configuration["mcpServers"]["bext"].clone())
    });
    let configuration = configuration.expect("a ready configuration");
    assert_eq!(configuration["url"], json!(format!("http://{address}/mcp")));
    let header = configuration["headers"]["Authorization"].as_str().unwrap();
    let key = header.strip_prefix("Bearer ").unwrap();
    assert!(server.said().iter().any(|line| line.contains(key) && !line.contains("mcpServers")));
    let response = Request::post(&address, &set("k")).key(key).send();
    assert_eq!((response.status, response.json()["result"]["isError"].clone()), (200, Value::Null));

    server.terminate();
    let server = serve(data.path(), &[]);
    let address = self::address(&server);
    assert_eq!(server.said(), Vec::<String>::new());
    assert_eq!(Request::post(&address, &list()).key(key).send().status, 200);
}

#[test]
fn a_key_can_do_what_it_was_granted_and_is_told_what_it_lacks() {
    let (server, _) = Guarded::start(&[]);
    let reader = create(server.data.path(), &["--scopes", "bext:read"]);
    assert_eq!(server.post(&reader, &list()).status, 200);
    let refused = server.post(&reader, &set("k"));
    assert_eq!(refused.status, 403, "{refused:?}");
    let error = refused.json()["error"].clone();
    assert_eq!((&error["code"], &error["data"]["requiredScopes"]), (&json!(403), &json!(["bext:write"])));
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains(r#"scope="bext:write""#), "{challenge}");
    // It is listed all the same: whoever reads the list learns what to ask for.
    let tools = server.post(&reader, &request(1, "tools/list", json!({}))).json();
    assert!(tools.to_string().contains("kv_set"));
}

#[test]
fn a_key_that_is_taken_back_ends_at_once_and_so_do_its_streams() {
    let (server, key) = Guarded::start(&[]);
    let listen = request(1, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let mut listening = Request::post(&server.address, &listen).key(&key).open();
    listening.line_with("data: ");
    let opened = server.post(&key, &initialize("2025-11-25"));
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let of_session = |request: Request| request.header("Mcp-Session-Id", &session);
    let mut standing = of_session(Request::get(&server.address, "/mcp")).key(&key).open();
    assert_eq!(standing.head().0, 200);

    let other = create(server.data.path(), &["--scopes", "*"]);
    // A session is its owner's alone.
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    assert_eq!(of_session(Request::post(&server.address, &ping)).key(&other).send().status, 404);
    assert_eq!(of_session(Request::post(&server.address, &ping)).key(&key).send().status, 200);

    revoke(server.data.path(), &key);
    assert_eq!(server.post(&key, &list()).status, 401);
    assert_eq!(of_session(Request::post(&server.address, &ping)).key(&key).send().status, 401);
    // Both end: reading them would time out otherwise.
    listening.rest();
    standing.rest();
    assert_eq!(server.post(&other, &list()).status, 200);
    // Taking back what is not there is a mistake, and is said to be one.
    let output = run(&["keys", "revoke", "zzzzzz"], server.data.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("zzzzzz"));
}

#[test]
fn a_key_expires() {
    let (server, _) = Guarded::start(&[]);
    let brief = create(server.data.path(), &["--scopes", "*", "--expires", "1s"]);
    let began = Instant::now();
    while server.post(&brief, &list()).status == 200 {
        assert!(began.elapsed() < PATIENCE, "it never expires");
    }
    assert_eq!(server.post(&brief, &list()).status, 401);
}

#[test]
fn keys_are_listed_and_kept_as_hashes() {
    let (mut server, key) = Guarded::start(&["--verbose"]);
    let output = run(&["keys", "list"], server.data.path());
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("test") && shown.contains(id_of(&key)), "{shown}");
    let secret = key.split_once('.').unwrap().1;
    assert!(secret.len() >= 43 && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    assert!(!shown.contains(secret));
    server.post(&key, &set("k"));
    server.post(&format!("{key}x"), &list());
    Request::post(&server.address, &list()).key(&key).key(&key).send();
    Request::get(&server.address, &format!("/mcp?key={key}")).send();
    server.server.terminate();
    let log = std::fs::read_to_string(server.data.path().join("node.log")).unwrap();
    let logged = server.server.errors().join("\n") + &log;
    assert!(logged.contains("DEBUG"), "it was to log what happens");
    assert!(!logged.contains(secret), "{logged}");
    for file in walk(server.data.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_there, "the secret is in {}", file.display());
    }
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    // A socket cannot be read.
    let files = entries.filter(|path| path.is_dir() || path.is_file());
    files.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_flood_is_refused_and_others_are_served() {
    let (server, key) = Guarded::start(&[]);
    let other = create(server.data.path(), &["--scopes", "*"]);
    let refused = (0..3_000).find_map(|_| {
        let response =
            Request::post(&server.address, &list()).key(&key).header("X-Forwarded-For", "203.0.113.9").send();
        (response.status != 200).then_some(response)
    });
    let refused = refused.expect("a bucket has a bottom");
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    let error = refused.json();
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!(1), &json!(429)));
    assert!(error["error"]["data"]["retryAfterMs"].as_u64().unwrap() > 0);
    assert_eq!(server.post(&other, &list()).status, 200);
    assert_eq!(Request::get(&server.address, "/health").send().status, 200);
}

#[test]
fn figures_are_for_whoever_may_read_them() {
    let (server, key) = Guarded::start(&[]);
    let writer = create(server.data.path(), &["--scopes", "bext:write"]);
    assert_eq!(server.post(&key, &list()).status, 200);
    assert_eq!(server.post(&writer, &list()).status, 403);
    let figures = || Request::get(&server.address, "/metrics");
    assert_eq!(figures().send().status, 401);
    let refused = figures().key(&writer).send();
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.header("www-authenticate").unwrap().contains(r#"scope="bext:admin""#));
    let page = figures().key(&key).send();
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"), "{page:?}");
    for line in [
        r#"mcp_server_calls_total{method="tools/call",name="list_instances",end="completed"} 1"#,
        r#"mcp_server_calls_total{method="tools/call",name="list_instances",end="error"} 1"#,
        r#"mcp_server_refusals_total{reason="forbidden"} 2"#,
        r#"mcp_server_refusals_total{reason="unauthorized"} 1"#,
        r#"mcp_server_http_responses_total{status="401"} 1"#,
        "mcp_server_sessions 0",
    ] {
        assert!(page.body.lines().any(|known| known == line), "{line} is not in\n{}", page.body);
    }
}

#[test]
fn figures_may_have_an_address_of_their_own() {
    let data = Data::new();
    create(data.path(), &["--scopes", "*"]);
    let server = serve(data.path(), &["--metrics", "127.0.0.1:0"]);
    let endpoint = address(&server);
    let said = server.said();
    let figures =
        said.iter().find_map(|line| line.strip_prefix("figures at http://")?.strip_suffix("/metrics"));
    let figures = figures.expect("where they are");
    assert_eq!(Request::get(figures, "/metrics").send().status, 200);
    assert_eq!(Request::post(figures, &list()).send().status, 404, "nothing but figures is served there");
    assert_eq!(Request::get(&endpoint, "/metrics").send().status, 404);
}

#[test]
fn no_key_is_made_for_a_server_that_does_not_start_or_that_nobody_saw() {
    let data = Data::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_eq!(run(&["--http", &address], data.path()).status.code(), Some(1));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(example("bext-companion"));
    command.args(["keys", "create", "--name", "lost", "--scopes", "*", "--data"]).arg(data.path());
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = String::from_utf8(run(&["keys", "list"], data.path()).stdout).unwrap();
    let rows: Vec<&str> = shown.lines().skip(1).collect();
    assert!(rows.len() == 1 && rows[0].contains("revoked"), "{shown}");
    // And where none is good, it is said why nobody gets in.
    let server = serve(data.path(), &[]);
    server.url();
    assert!(server.said().iter().any(|line| line.contains("No key is good")), "{:?}", server.said());
}

#[test]
fn servers_that_start_at_once_make_one_key() {
    let data = Data::new();
    let servers: Vec<Server> = (0..4).map(|_| serve(data.path(), &[])).collect();
    servers.iter().for_each(|server| _ = server.url());
    let told = servers.iter().filter(|server| server.said().iter().any(|line| line.contains("bx_")));
    assert_eq!(told.count(), 1);
    let shown = String::from_utf8(run(&["keys", "list"], data.path()).stdout).unwrap();
    assert_eq!(shown.lines().count(), 2, "{shown}");
}

#[test]
fn a_key_is_revoked_however_it_is_named_and_looking_makes_nothing() {
    let data = Data::new();
    let nowhere = data.path().join("nowhere");
    let looked = run(&["keys", "list"], &nowhere);
    assert!(looked.status.success() && !nowhere.exists(), "{looked:?}");
    let names: [fn(&str) -> &str; 3] = [|key| key, |key| key.split('.').next().unwrap(), id_of];
    for name in names {
        let key = create(data.path(), &["--scopes", "*"]);
        let output = run(&["keys", "revoke", name(&key)], data.path());
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.contains(key.split_once('.').unwrap().1), "{said}");
    }
}

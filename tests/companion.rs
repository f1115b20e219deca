//! `bext-companion` as an assistant meets it: a process over a directory, whose word can be taken.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{
    data::{Data, companion_in},
    process::{Server, call, example, initialize, request},
};

const TOOLS: [&str; 26] = [
    "add_app",
    "add_domain",
    "db_execute",
    "db_query",
    "delete_secret",
    "deploy",
    "deploy_history",
    "fleet_deploy",
    "instance_health",
    "instance_overview",
    "kv_delete",
    "kv_get",
    "kv_list",
    "kv_set",
    "list_apps",
    "list_domains",
    "list_instances",
    "list_secrets",
    "promote_canary",
    "read_config",
    "reload_config",
    "remove_app",
    "remove_domain",
    "rollback",
    "run_conformance",
    "set_secret",
];

fn companion(data: &Path) -> Server {
    Server::start("bext-companion", &["--mcp", "--data", data.to_str().unwrap()])
}

/// Runs it to its end.
fn run(args: &[&str], variables: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(example("bext-companion"));
    command.args(args).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Calls a tool on the instance `local` and waits for the result.
fn ask(server: &mut Server, tool: &str, mut arguments: Value) -> Value {
    arguments["instance_id"] = json!("local");
    server.send(&call(tool, tool, arguments));
    server.answer_to(tool)["result"].clone()
}

/// The same, of a call that succeeds.
fn get(server: &mut Server, tool: &str, arguments: Value) -> Value {
    let result = ask(server, tool, arguments);
    assert_ne!(result["isError"], true, "{result}");
    result["structuredContent"].clone()
}

fn insert(writer: &str, n: usize) -> Value {
    json!({ "sql": "INSERT INTO t VALUES (?1, ?2)", "params": [writer, n] })
}

const CREATE: &str = "CREATE TABLE IF NOT EXISTS t (writer TEXT, n INTEGER)";

#[test]
fn both_eras_find_the_tools_and_use_them() {
    let directory = Data::new();
    let data = directory.path().join("not/there/yet");
    let mut server = companion(&data);

    server.send(&initialize("2025-11-25"));
    let opened = server.receive()["result"].clone();
    assert_eq!(opened["serverInfo"]["name"], "bext-companion");
    assert!(opened["instructions"].as_str().unwrap().contains("list_instances"), "{opened}");
    server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    server.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    server.send(&request(2, "tools/list", json!({})));
    for id in [1, 2] {
        let answer = server.answer_to(id);
        let names = answer["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone());
        assert_eq!(names.collect::<Vec<_>>(), TOOLS);
    }
    let set = json!({"instance_id": "local", "key": "k", "value": "v"});
    server.send(
        &json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "kv_set", "arguments": set}}),
    );
    assert_eq!(server.answer_to(3)["result"]["structuredContent"], json!({"key": "k", "set": true}));
    assert_eq!(
        get(&mut server, "kv_get", json!({"key": "k"})),
        json!({"key": "k", "found": true, "value": "v"})
    );
    server.send(&call("list", "list_instances", json!({})));
    assert_eq!(server.answer_to("list")["result"]["structuredContent"]["instances"][0]["status"], "healthy");

    server.end_input();
    assert!(server.wait().success());
    assert_eq!(server.errors(), Vec::<String>::new());
    assert!(companion_in(&data, &["node", "stop"]).status.success());
    assert!(data.join("instances.toml").is_file());
    // Its journal has been put back into it: the file alone is the whole store.
    let store = data.join("instances/local/apps/default");
    let files = std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(files.collect::<Vec<_>>(), ["kv.sqlite"]);
}

#[test]
fn what_was_answered_survives_a_kill() {
    const ANSWERED: usize = 25;
    let directory = Data::new();
    let mut server = companion(directory.path());
    get(&mut server, "db_execute", json!({ "sql": CREATE }));
    for n in 0..ANSWERED {
        get(&mut server, "db_execute", insert("w", n));
        get(&mut server, "kv_set", json!({ "key": n.to_string(), "value": "v" }));
    }
    // One more of each is under way, and may be kept or not.
    for (tool, mut arguments) in [
        ("db_execute", insert("w", ANSWERED)),
        ("kv_set", json!({ "key": ANSWERED.to_string(), "value": "v" })),
    ] {
        arguments["instance_id"] = json!("local");
        server.send(&call("unanswered", tool, arguments));
    }
    directory.kill_node();
    assert_eq!(server.wait().code(), Some(1));
    let said = server.errors();
    assert!(said.concat().contains("the node has ended unexpectedly"), "{said:?}");

    let mut server = companion(directory.path());
    let sql = "SELECT count(*), count(DISTINCT n), max(n) + 1 FROM t";
    let rows = get(&mut server, "db_query", json!({ "sql": sql }))["rows"][0].clone();
    let kept = rows[0].as_u64().unwrap() as usize;
    assert!((ANSWERED..=ANSWERED + 1).contains(&kept), "{rows}");
    assert_eq!(rows, json!([kept, kept, kept]), "each row once");
    let keys = get(&mut server, "kv_list", json!({ "limit": 1000 }))["count"].as_u64().unwrap() as usize;
    assert!((ANSWERED..=ANSWERED + 1).contains(&keys), "{keys} keys");
    get(&mut server, "db_execute", insert("after", 0));
    server.end_input();
    assert!(server.wait().success());
}

#[test]
fn clients_share_one_directory() {
    const WRITES: usize = 20;
    let directory = Data::new();
    // Both make the directory's files at once, and write to the same tables.
    let mut servers = [companion(directory.path()), companion(directory.path())];
    for (server, writer) in servers.iter_mut().zip(["one", "two"]) {
        server.send(&call("create", "db_execute", json!({ "instance_id": "local", "sql": CREATE })));
        for n in 0..WRITES {
            let mut arguments = insert(writer, n);
            arguments["instance_id"] = json!("local");
            server.send(&call(n, "db_execute", arguments));
            let set = json!({ "instance_id": "local", "key": format!("{writer}:{n}"), "value": writer });
            server.send(&call(format!("kv {n}"), "kv_set", set));
        }
    }
    for server in &mut servers {
        for _ in 0..=2 * WRITES {
            let answer = server.receive();
            assert_ne!(answer["result"]["isError"], true, "{answer}");
        }
    }
    for server in &mut servers {
        let sql = "SELECT writer, count(DISTINCT n) FROM t GROUP BY writer ORDER BY writer";
        let rows = get(server, "db_query", json!({ "sql": sql }))["rows"].clone();
        assert_eq!(rows, json!([["one", WRITES], ["two", WRITES]]));
        assert_eq!(get(server, "kv_list", json!({}))["count"], 2 * WRITES);
    }
    // What one writes, the other reads at once.
    let [one, two] = &mut servers;
    get(one, "kv_set", json!({ "key": "news", "value": "from one" }));
    assert_eq!(get(two, "kv_get", json!({ "key": "news" }))["value"], "from one");
}

#[test]
fn a_hostile_caller_breaks_nothing() {
    let directory = Data::new();
    let mut server = companion(directory.path());
    get(&mut server, "db_execute", json!({ "sql": "CREATE TABLE t (a)" }));
    get(&mut server, "db_execute", json!({ "sql": "INSERT INTO t VALUES ('kept')" }));
    let outside = directory.path().join("outside.sqlite");
    let outside = outside.to_str().unwrap();
    let many = vec![json!(1); 100_000];
    for (tool, arguments) in [
        ("db_execute", json!({ "sql": "/* x */ dRoP\n\tTABLE t" })),
        ("db_execute", json!({ "sql": "DELETE FROM t; DROP TABLE t" })),
        ("db_execute", json!({ "sql": "DELETE FROM t;;" })),
        ("db_execute", json!({ "sql": "DELETE FROM t\u{0}; DROP TABLE t" })),
        ("db_execute", json!({ "sql": format!("ATTACH '{outside}' AS x") })),
        ("db_execute", json!({ "sql": format!("VACUUM INTO '{outside}'") })),
        ("db_execute", json!({ "sql": "PRAGMA writable_schema = 1" })),
        ("db_execute", json!({ "sql": "DELETE FROM sqlite_schema" })),
        ("db_execute", json!({ "sql": "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END" })),
        ("db_execute", json!({ "sql": "BEGIN" })),
        ("db_query", json!({ "sql": "WITH x AS (SELECT 1) DELETE FROM t" })),
        ("db_query", json!({ "sql": "EXPLAIN SELECT 1; DELETE FROM t" })),
        ("db_query", json!({ "sql": "SELECT readfile('/etc/passwd')" })),
        ("db_query", json!({ "sql": "SELECT load_extension('/tmp/x')" })),
        ("db_query", json!({ "sql": "SELECT randomblob(1000000000)" })),
        ("db_query", json!({ "sql": "(".repeat(9_000) })),
        ("db_query", json!({ "sql": "SELECT 1", "params": many })),
        ("db_query", json!({ "sql": "SELECT 1", "params": [{ "a": [[[[1]]]] }] })),
        ("db_query", json!({ "sql": "SELECT 1", "app": "../../../../etc" })),
        ("db_query", json!({ "sql": "SELECT 1", "app": "a/b" })),
        ("kv_get", json!({ "key": "k", "app": ".." })),
        ("kv_set", json!({ "key": "k".repeat(1_000_000), "value": "v" })),
        ("kv_set", json!({ "key": "k", "value": "v", "ttl": u64::MAX })),
    ] {
        let shown: String = format!("{tool} {arguments}").chars().take(100).collect();
        let result = ask(&mut server, tool, arguments);
        assert_eq!(result["isError"], true, "{shown}: {result}");
    }
    // Whatever text is a key and a value.
    for key in ["\u{0}", "\u{202e}\u{feff}", "'; DROP TABLE kv; --", "\u{10ffff}"] {
        get(&mut server, "kv_set", json!({ "key": key, "value": key }));
        assert_eq!(get(&mut server, "kv_get", json!({ "key": key }))["value"], key);
    }
    assert_eq!(get(&mut server, "db_query", json!({ "sql": "SELECT a FROM t" }))["rows"], json!([["kept"]]));
    let mut left: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    left.retain(|name| !name.to_str().unwrap().starts_with("fleet.sqlite"));
    assert_eq!(
        left,
        [
            "audit",
            "instances",
            "instances.toml",
            "node.json",
            "node.lock",
            "node.log",
            "node.sock",
            "secret.key"
        ]
    );
}

#[test]
fn the_demo_works_and_leaves_nothing_but_a_drawing() {
    let (temporary, drawn) = (Data::new(), tempfile::tempdir().unwrap());
    let plot = drawn.path().join("plot.svg");
    // It returns when nobody holds its outputs any more: neither it nor the child that it starts.
    let output = run(&["--demo", "--plot", plot.to_str().unwrap()], &[("TMPDIR", temporary.path())]);
    let text = text_of(&output.stdout);
    assert!(output.status.success(), "{text}{}", text_of(&output.stderr));
    assert_eq!(text_of(&output.stderr), "");
    for shown in [
        "-> list_instances {}",
        "4/4 instances deployed successfully",
        "Score: ",
        "-> promote_canary ",
        "[deploy_failed]",
        "Rolled back to v1.2.4",
        "What visitors saw",
    ] {
        assert!(text.contains(shown), "{shown} is not in\n{text}");
    }
    assert!(std::fs::read_to_string(&plot).unwrap().starts_with("<svg"));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_demo_that_cannot_play_fails() {
    let temporary = tempfile::tempdir().unwrap();
    let output = run(&["--demo"], &[("TMPDIR", &temporary.path().join("nowhere"))]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!text_of(&output.stderr).is_empty() && !text_of(&output.stdout).contains("calls worked"));
}

#[test]
fn help_and_version_go_to_standard_output() {
    let home = Data::new();
    let output = run(&["--help"], &[("HOME", home.path()), ("XDG_DATA_HOME", &home.path().join("data"))]);
    assert!(output.status.success() && output.stderr.is_empty());
    let help = text_of(&output.stdout);
    let configuration = help.lines().find(|line| line.contains("mcpServers")).unwrap();
    let configuration: Value = serde_json::from_str(configuration).unwrap();
    assert_eq!(
        configuration,
        json!({"mcpServers": {"bext": {"command": "bext-companion", "args": ["--mcp"]}}})
    );
    for flag in [
        "--mcp",
        "--http ADDR",
        "--no-auth",
        "--metrics ADDR",
        "--confirm",
        "--audit MODE",
        "--data DIR",
        "--demo",
        "--verbose",
        "--version",
        "--help",
        "--read-only",
        "--in-process",
        "--instances A,B",
        "node start",
        "node stop",
        "node status",
        "keys create",
        "keys list",
        "keys revoke",
        "audit verify",
        "audit tail",
    ] {
        assert!(help.contains(&format!("\n  {flag}")), "{flag} is not explained");
    }
    // Asking has made nothing.
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);

    let output = run(&["--version"], &[]);
    assert_eq!(text_of(&output.stdout), concat!("bext-companion ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_wrong_command_line_says_what_is_wrong_with_it() {
    let home = Data::new();
    for (args, says) in [
        (&[][..], "--mcp, --http ADDR or --demo"),
        (&["--mpc"], "--mpc"),
        (&["--mcp", "stray"], "stray"),
        (&["--mcp", "--mcp"], "--mcp is there twice"),
        (&["--mcp=1"], "--mcp takes no value"),
        (&["--mcp", "--data"], "--data wants a directory"),
        (&["--http", "--no-auth"], "--http wants an address"),
        (&["--mcp", "--demo"], "--mcp and --demo"),
        (&["--mcp", "--http", "127.0.0.1:0", "--no-auth"], "--mcp and --http"),
        (&["--mcp", "--no-auth"], "--no-auth"),
        (&["--demo", "--data", "x"], "--data"),
        (&["--mcp", "--metrics", "127.0.0.1:0"], "--metrics is about --http"),
        (&["--demo", "--confirm"], "--demo has nobody to ask"),
        (&["--mcp", "--audit", "perhaps"], "--audit perhaps: it is required, best-effort or off"),
        (&["--http", "0.0.0.0:0"], "--http 0.0.0.0:0: other machines could reach that"),
        (&["--http", "127.0.0.1:0", "--metrics", "0.0.0.0:0"], "--metrics 0.0.0.0:0: other machines could"),
        (&["--demo", "--read-only"], "--demo shows what is written"),
        (&["--demo", "--in-process"], "--in-process"),
        (&["--mcp", "--instances", "a,a"], "--instances: a is there twice"),
        (&["--mcp", "--instances", "a,../b"], "--instances: `../b` is no id"),
        (&["node"], "node wants start, stop or status"),
        (&["node", "dance"], "node wants start, stop or status"),
        (&["node", "start", "--json"], "--json"),
        (&["node", "status", "--verbose"], "--verbose"),
        (&["node", "stop", "--instances", "a"], "--instances"),
        (&["node", "start", "--data"], "--data wants a directory"),
        (&["keys"], "keys wants create, list or revoke"),
        (&["keys", "steal"], "keys wants create, list or revoke"),
        (&["keys", "create", "--scopes", "a"], "--name"),
        (&["keys", "create", "--name", "a"], "--scopes"),
        (&["keys", "create", "--name", "a", "--scopes", "a b"], "`a b` is no scope"),
        (&["keys", "create", "--name", "a", "--scopes", "a", "--expires", "soon"], "--expires soon"),
        (&["keys", "create", "--name", "a", "--scopes", "a", "--expires", "0d"], "--expires 0d"),
        (
            &["keys", "create", "--name", "a", "--scopes", "a", "--expires", "99999999999999999999d"],
            "longer than",
        ),
        (&["keys", "create", "--name", " ", "--scopes", "a"], "--name"),
        (&["keys", "create", "--name", "a\u{202e}b", "--scopes", "a"], "--name"),
        (&["--http", "127.0.0.1:0", "--trust-proxy", "nobody"], "--trust-proxy nobody"),
        (&["keys", "revoke"], "keys revoke wants the ID"),
        (&["audit"], "audit wants verify or tail"),
        (&["audit", "tail", "--records", "many"], "--records many"),
        (&["--http", "0.0.0.0:0", "--no-auth"], "--http 0.0.0.0:0: other machines could reach that"),
        (&["--http=[::]:0", "--no-auth"], "--http [::]:0: other machines could reach that"),
        (&["--http", "8080", "--no-auth"], "--http 8080: no address of the form HOST:PORT"),
    ] {
        let output = run(args, &[("HOME", home.path()), ("XDG_DATA_HOME", home.path())]);
        let errors = text_of(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
        assert!(errors.contains(says) && errors.contains("--help"), "{args:?}: {errors}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    // What was refused has made nothing.
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = Data::new();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = run(&["--mcp", "--data", file.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text_of(&output.stderr).contains(file.to_str().unwrap()), "{output:?}");
}

#[test]
fn without_a_flag_the_data_lies_where_the_platform_says() {
    let home = Data::new();
    let output = run(&["--mcp"], &[("HOME", home.path()), ("XDG_DATA_HOME", home.path())]);
    assert!(output.status.success(), "{output:?}");
    let relative = if cfg!(target_os = "macos") { "Library/Application Support/bext" } else { "bext" };
    assert!(home.path().join(relative).join("instances.toml").is_file());
}

#[test]
fn http_is_served_on_loopback() {
    let directory = Data::new();
    let data = directory.path().to_str().unwrap();
    let mut server = Server::start("bext-companion", &["--http", "127.0.0.1:0", "--no-auth", "--data", data]);
    let url = server.url();
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/mcp")).unwrap();
    let exchange = |request: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    };
    let health = exchange(&format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"));
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");

    let set = call(1, "kv_set", json!({ "instance_id": "local", "key": "k", "value": "v" })).to_string();
    let response = exchange(&format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: kv_set\r\nContent-Length: {}\r\n\r\n{set}",
        set.len()
    ));
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    let body: Value = serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["result"]["structuredContent"], json!({ "key": "k", "set": true }));
    // A process beside it sees it.
    assert_eq!(get(&mut companion(directory.path()), "kv_get", json!({ "key": "k" }))["value"], "v");

    kill_process(Pid::from_raw(server.id()).unwrap(), Signal::TERM).unwrap();
    assert!(server.wait().success());
}

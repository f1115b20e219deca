//! What is on record of a call, what is not, and what depends on it.

use std::{
    fs::{self, File},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use mcp_audit::{AuditConfig, AuditLog, ErrorKind, Sink, Verify, digest_of, tail, verify};
use mcp_core::{
    Annotations, AuditMode, Call, ConfirmDestructive, Empty, Principal, PrincipalKind, Rules, Selection,
    Server, Text,
    testing::{Client, Options},
    tool_fn,
};
use serde_json::{Value, json};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::harness::{SINKS, config, files, lines, records, report, server, whole, written};

/// The events of a log, each with the name of what was called.
fn events(config: &AuditConfig) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    records(config)
        .iter()
        .map(|record| format!("{} {}", text(&record["name"]), text(&record["event"])))
        .collect()
}

#[tokio::test]
async fn a_record_says_everything_of_a_call_but_its_secrets() {
    for sink in SINKS {
        let (_directory, config) = config(sink);
        let log = AuditLog::open(config.clone()).unwrap();
        let ada = Principal::new(PrincipalKind::User, "ada");
        let options = Options::new().principal(ada).peer([192, 0, 2, 7].into());
        let client = Client::with(server(&log, &Arc::default()), options).await;
        let long = "k".repeat(3000);
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let arguments = json!({"key": long, "value": "s3cret"});
        let meta = json!({"traceparent": format!("00-{trace}-b7ad6b7169203331-01")});
        let params = json!({"name": "store", "arguments": arguments, "_meta": meta});
        client.request("tools/call", params).await.result();
        client.call("look", json!({})).await.text();
        client.call("store", json!({"key": 1, "api_key": "s3cret", "url": "db://ada:s3cret@host"})).await;
        log.flush().await.unwrap();
        assert_eq!(events(&config), ["store begins", "store ended", "look ended", "store refused"]);
        let records = records(&config);
        let [begins, ended, ..] = &records[..] else { panic!("{records:?}") };
        for (member, value) in [
            ("seq", json!(1)),
            ("kind", json!("user")),
            ("subject", json!("ada")),
            ("transport", json!("inproc")),
            ("peer", json!("192.0.2.7")),
            ("trace", json!(trace)),
            ("method", json!("tools/call")),
            ("name", json!("store")),
            ("decision", json!("allowed")),
            ("confirmation", json!("not_needed")),
            ("outcome", Value::Null),
        ] {
            assert_eq!(begins[member], value, "{member}");
        }
        assert_eq!(begins["arguments"]["value"], "[hidden]");
        assert_eq!((&ended["outcome"], &ended["call"]), (&json!("ok"), &begins["call"]));
        assert!(ended["micros"].is_u64());
        assert_eq!(ended["prev"], begins["hash"]);
        let time = begins["time"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z') && time.contains('T'), "{time}");
        assert_eq!(
            (&records[3]["code"], &records[3]["outcome"]),
            (&json!("invalid_arguments"), &Value::Null)
        );
        for entry in fs::read_dir(&config.directory).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!has("s3cret") && !has(&"k".repeat(201)));
        }
        whole(&config);
    }
}

#[tokio::test]
async fn refusals_and_consent_are_on_record() {
    let (_directory, config) = config(Sink::Files);
    let log = AuditLog::open(config.clone().mode(AuditMode::BestEffort)).unwrap();
    let wipe = tool_fn("wipe", Annotations::destructive(), async |_: Empty, _| Ok(Text::new("")));
    let asks = Server::new("test", "1").audit(log.clone()).confirm(ConfirmDestructive::new());
    let endpoint = asks.add(wipe.scopes(["wipe"])).build().unwrap();
    let granted = Principal::new(PrincipalKind::User, "ada").with_scopes(["wipe"]);
    let agreeing = Options::new().principal(granted.clone()).answering(|asked| asked.accept(json!({})));
    Client::with(&endpoint, agreeing).await.call("wipe", json!({})).await.text();
    let declining = Options::new().principal(granted).answering(|asked| asked.decline());
    Client::with(&endpoint, declining).await.call("wipe", json!({})).await;
    let nobody = Options::new().principal(Principal::new(PrincipalKind::User, "nobody"));
    Client::with(&endpoint, nobody).await.request("tools/call", json!({"name": "wipe"})).await.error();
    log.flush().await.unwrap();
    let short = ["asks_for_consent", "begins", "ended", "asks_for_consent", "not_confirmed", "denied"];
    assert_eq!(events(&config), short.map(|event| format!("wipe {event}")));
    let records = records(&config);
    assert_eq!(
        (&records[1]["confirmation"], &records[2]["confirmation"]),
        (&json!("given"), &json!("given"))
    );
    assert_eq!(records[4]["confirmation"], "declined");
    assert_eq!((&records[5]["decision"], &records[5]["scopes"]), (&json!("denied"), &json!(["wipe"])));
    let text = tail(&config.directory, 1).unwrap()[0].to_string();
    let said = "user nobody  tools/call wipe  denied Forbidden: this needs the scope `wipe`";
    assert!(text.ends_with(said), "{text}");
}

#[tokio::test]
async fn a_record_says_why_though_the_client_is_not_told() {
    let (_directory, config) = config(Sink::Files);
    let log = AuditLog::open(config.clone()).unwrap();
    let wipe = tool_fn("wipe", Annotations::write(), async |_: Empty, _| Ok(Text::new("")));
    let rules = Rules::new().tools(Selection::all().without(["wipe"]));
    let client = Client::new(Server::new("test", "1").audit(log.clone()).policy(rules).add(wipe)).await;
    client.call("wipe", json!({})).await.reply().error();
    log.flush().await.unwrap();
    assert_eq!(records(&config)[0]["reason"], "`deny` has its name");
}

#[tokio::test]
async fn what_was_done_can_be_proved_though_only_a_part_is_shown() {
    for sink in SINKS {
        let (_directory, config) = config(sink);
        let log = AuditLog::open(config.clone()).unwrap();
        let client = Client::new(server(&log, &Arc::default())).await;
        let long = format!("/*{0}*/ DELETE FROM users /* a://b:c@d {0}*/", "x".repeat(210));
        for arguments in [
            json!({"key": long, "value": "s3cret"}),
            json!({"key": long, "value": "another"}),
            json!({"value": "s3cret", "key": "DELETE FROM users /* a://b:c@d */"}),
        ] {
            client.call("store", arguments.clone()).await;
            let records = records(&config);
            let [.., begins, ended] = &records[..] else { panic!("{records:?}") };
            let digest =
                digest_of(config.directory.join("audit.key"), arguments.as_object().unwrap()).unwrap();
            assert_eq!(digest.len(), 32);
            assert_eq!((&begins["digest"], &ended["digest"]), (&json!(digest), &json!(digest)));
        }
        let records = records(&config);
        assert_eq!(records[0]["arguments"], records[2]["arguments"]);
        assert_ne!(records[0]["digest"], records[2]["digest"]);
        assert_eq!(records[4]["arguments"]["key"], "DELETE FROM users /* a://b:[hidden]@d */");
        // Of nothing that has no key.
        let (_other_directory, other) = crate::harness::config(sink);
        written(&other, 1).await;
        let same = json!({"key": "k0"});
        let digest = digest_of(config.directory.join("audit.key"), same.as_object().unwrap()).unwrap();
        assert_ne!(crate::harness::records(&other)[0]["digest"], digest);
        assert_eq!(
            digest_of(config.directory.join("none"), same.as_object().unwrap()).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        whole(&config);
    }
}

#[tokio::test]
async fn nobody_fills_the_record_with_names_of_their_own() {
    let (_directory, config) = config(Sink::Files);
    let log = AuditLog::open(config.clone()).unwrap();
    let client = Client::new(server(&log, &Arc::default())).await;
    let controls = "\u{1}".repeat(199);
    let arguments = json!({"in": vec![vec![controls.clone(); 20]; 20]});
    client.call(&controls, arguments.clone()).await.reply().error();
    // A name that there is, and arguments that do not fit.
    client.call("store", arguments.clone()).await;
    log.flush().await.unwrap();
    let (lines, records) = (lines(&config), records(&config));
    assert_eq!((&records[0]["event"], &records[0]["arguments"]), (&json!("denied"), &Value::Null));
    let digest = digest_of(config.directory.join("audit.key"), arguments.as_object().unwrap()).unwrap();
    assert_eq!((&records[0]["digest"], &records[1]["digest"]), (&json!(digest), &json!(digest)));
    assert!(records[1]["arguments"].is_object());
    assert!(lines[0].len() < 2500 && lines[1].len() < 5500, "{} {}", lines[0].len(), lines[1].len());
}

#[tokio::test]
async fn nothing_is_done_while_the_log_is_out_of_reach() {
    for sink in SINKS {
        let (directory, config) = config(sink);
        let (log, runs) = (AuditLog::open(config.clone()).unwrap(), Arc::new(AtomicUsize::new(0)));
        let client = Client::new(server(&log, &runs)).await;
        let store = async || client.call("store", json!({"key": "k"})).await;
        assert_eq!(store().await.text(), "k");
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&config.directory, &elsewhere).unwrap();
        for _ in 0..3 {
            let reply = store().await;
            assert_eq!(reply.error_code(), "audit_unavailable", "{sink:?}");
            assert!(!reply.result().to_string().contains("elsewhere"));
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        // What changes nothing depends on nothing.
        assert_eq!(client.call("look", json!({})).await.text(), "nothing");
        log.flush().await.unwrap_err();

        fs::rename(&elsewhere, &config.directory).unwrap();
        assert_eq!(store().await.text(), "k");
        log.flush().await.unwrap();
        whole(&config);
        // The ends of three that never began, and what was only read.
        let lost: u64 = records(&config).iter().filter_map(|record| record["count"].as_u64()).sum();
        assert_eq!(lost, 4, "{sink:?}");
    }
}

#[tokio::test]
async fn what_was_done_and_could_not_be_recorded_is_no_success() {
    let (directory, config) = config(Sink::Files);
    let log = AuditLog::open(config.clone()).unwrap();
    let (from, to) = (config.directory.clone(), directory.path().join("elsewhere"));
    // The tool itself takes the log away.
    let hide = tool_fn("hide", Annotations::write(), move |_: Empty, _| {
        fs::rename(&from, &to).unwrap();
        async { Ok(Text::new("hidden")) }
    });
    let client = Client::new(Server::new("test", "1").audit(log).add(hide)).await;
    assert_eq!(client.call("hide", json!({})).await.error_code(), "not_recorded");
}

#[tokio::test]
async fn what_is_lost_under_pressure_is_counted_and_nothing_waits() {
    let (_directory, config) = config(Sink::Files);
    let config = config.mode(AuditMode::BestEffort).with(|config| config.max_queued = 10);
    let log = AuditLog::open(config.clone()).unwrap();
    let client = Client::new(server(&log, &Arc::default())).await;
    // Nobody can write while it is held; and calls do not care.
    let lock = File::open(config.directory.join("audit.lock")).unwrap();
    lock.lock().unwrap();
    for _ in 0..100 {
        assert_eq!(client.call("look", json!({})).await.text(), "nothing");
    }
    lock.unlock().unwrap();
    log.flush().await.unwrap();
    let records = records(&config);
    let lost: u64 = records.iter().filter_map(|record| record["count"].as_u64()).sum();
    let kept = records.iter().filter(|record| record["name"] == "look").count() as u64;
    assert_eq!(kept + lost, 100);
    // What the writer had taken already, and what waited then.
    assert!((10..=20).contains(&kept), "{kept}");
    whole(&config);
}

#[tokio::test]
async fn what_waits_is_written_when_the_server_ends() {
    let (_directory, config) = config(Sink::Files);
    let config = config.mode(AuditMode::BestEffort);
    let log = AuditLog::open(config.clone()).unwrap();
    let client = Client::new(server(&log, &Arc::default())).await;
    for _ in 0..50 {
        client.call("look", json!({})).await.text();
    }
    drop((client, log));
    // The connection of the client lets go of its server in a task of its own.
    while records(&config).len() < 50 {
        tokio::task::yield_now().await;
    }
    whole(&config);
}

#[tokio::test]
async fn calls_that_come_together_are_written_together() {
    let (_directory, config) = config(Sink::Files);
    let log = AuditLog::open(config.clone()).unwrap();
    let endpoint = server(&log, &Arc::default()).build().unwrap();
    let lock = File::open(config.directory.join("audit.lock")).unwrap();
    lock.lock().unwrap();
    let calls = (0..40).map(|call| {
        let endpoint = endpoint.clone();
        tokio::spawn(async move {
            let client = Client::new(&endpoint).await;
            client.call("store", json!({"key": format!("{call}")})).await.text()
        })
    });
    let calls: Vec<_> = calls.collect();
    // Until all of them wait.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    lock.unlock().unwrap();
    for (call, answer) in calls.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap(), call.to_string());
    }
    // A record says what the head covered when it was written: as many heads as batches.
    let mut heads: Vec<_> = records(&config).iter().map(|record| record["head"].as_u64().unwrap()).collect();
    assert_eq!(heads.len(), 80);
    heads.dedup();
    assert!(heads.len() < 40, "{heads:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    for sink in SINKS {
        let (_directory, config) = config(sink);
        written(&config, 1).await;
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&config.directory), 0o700);
        let paths: Vec<_> =
            fs::read_dir(&config.directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(paths.len() >= 4);
        for path in paths {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_others_could_read_is_taken_from_them_when_it_is_opened() {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    for sink in SINKS {
        let (directory, config) = config(sink);
        let config = config.with(|config| config.key_file = Some(directory.path().join("key")));
        written(&config, 1).await;
        let there = fs::read_dir(&config.directory).unwrap().map(|entry| entry.unwrap().path());
        let paths: Vec<_> = there.chain([directory.path().join("key")]).collect();
        // A file beside the log is none of ours.
        let other = config.directory.join("notes.txt");
        fs::write(&other, "").unwrap();
        for path in paths.iter().chain([&other]) {
            fs::set_permissions(path, fs::Permissions::from_mode(0o664)).unwrap();
        }
        let heard = Heard::of("mcp_audit::owner_only");
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(heard.clone()));
        drop(AuditLog::open(config.clone()).unwrap());
        for path in paths.iter().filter(|path| path.exists()) {
            assert_eq!(mode(path), 0o600, "{}", path.display());
        }
        assert_eq!(mode(&other), 0o664);
        let heard = heard.said.lock().unwrap().concat();
        assert!(heard.contains("mode=\"0664\"") && heard.contains("whoever could read the key"), "{heard}");
        assert!(
            Verify::new(&config.directory).key_file(directory.path().join("key")).run().unwrap().is_whole()
        );
    }
}

#[tokio::test]
async fn a_key_that_is_elsewhere_signs_as_well() {
    let (directory, config) = config(Sink::Files);
    let key = directory.path().join("key");
    let config = config.with(|config| config.key_file = Some(key.clone()));
    written(&config, 2).await;
    assert!(key.exists() && !config.directory.join("audit.key").exists());
    assert!(Verify::new(&config.directory).key_file(&key).run().unwrap().is_whole());
    assert!(report(&config).to_string().contains("the key is missing"));
    fs::write(&key, "no key").unwrap();
    assert_eq!(AuditLog::open(config.clone()).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_configuration_is_checked() {
    let parsed = |text: &str| toml::from_str::<AuditConfig>(text);
    let config = parsed("mode = 'required'\nsink = 'sqlite'\nmax_files = 3\ndurability = 'written'").unwrap();
    assert_eq!((config.mode, config.sink, config.max_files), (AuditMode::Required, Sink::Sqlite, Some(3)));
    for wrong in ["mod = 'off'", "mode = 'sometimes'", "sink = 'paper'"] {
        assert!(parsed(wrong).is_err(), "{wrong}");
    }
    let tracing = AuditConfig::new("nowhere").sink(Sink::Tracing).required();
    assert_eq!(AuditLog::open(tracing).unwrap_err().kind(), ErrorKind::InvalidInput);

    let (_directory, config) = crate::harness::config(Sink::Files);
    assert_eq!(verify(&config.directory).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(tail(&config.directory, 1).unwrap_err().kind(), ErrorKind::NotFound);
    let off = AuditLog::open(config.clone().mode(AuditMode::Off)).unwrap();
    let client = Client::new(server(&off, &Arc::default())).await;
    client.call("store", json!({"key": "k"})).await.text();
    assert!(!config.directory.exists() && off.head().is_none());

    written(&config, 1).await;
    let other = config.clone().sink(Sink::Sqlite);
    assert_eq!(AuditLog::open(other).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(files(&config.directory).len(), 1);
}

#[test]
fn the_documentation_has_the_defaults() {
    let documented = include_str!("../../docs/limits.md");
    let config = AuditConfig::default();
    assert_eq!((config.max_queued, config.max_file_bytes, config.max_files), (4096, 64 << 20, None));
    for row in [
        "records that wait to be written (`max_queued`) | 4,096, and 16 MiB",
        "a file of records (`max_file_bytes`) | 64 MiB",
        "files that are kept (`max_files`) | all",
    ] {
        assert!(documented.contains(row), "{row}");
    }
}

/// Keeps the events of a target, as text.
#[derive(Clone)]
struct Heard {
    target: &'static str,
    said: Arc<Mutex<Vec<String>>>,
}

impl Heard {
    fn of(target: &'static str) -> Self {
        Self { target, said: Arc::default() }
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Fields(String);

        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{}={value:?} ", field.name()));
            }
        }
        if event.metadata().target() == self.target {
            let mut fields = Fields(String::new());
            event.record(&mut fields);
            self.said.lock().unwrap().push(fields.0);
        }
    }
}

#[tokio::test]
async fn events_of_tracing_say_the_same() {
    let heard = Heard::of("audit");
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(heard.clone()));
    let log = AuditLog::open(AuditConfig::default().sink(Sink::Tracing)).unwrap();
    let store =
        tool_fn("store", Annotations::write(), async |_: crate::harness::Store, _: Call| Ok(Text::new("")));
    // Here, and not in a task: the subscriber is that of this thread.
    let client = Client::new(Server::new("test", "1").audit(log).add(store)).await;
    client.call("store", json!({"key": "k", "value": "s3cret"})).await.text();
    let heard = heard.said.lock().unwrap();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].starts_with(r#"event="begins" call=""#), "{heard:?}");
    assert!(heard[1].contains(r#"outcome="ok""#) && heard[1].contains("micros="), "{heard:?}");
    assert!(!heard.concat().contains("s3cret"));
}

#[tokio::test]
async fn a_record_that_was_tampered_with_cannot_speak_to_a_terminal() {
    let (_directory, config) = config(Sink::Files);
    written(&config, 1).await;
    let file = &files(&config.directory)[0];
    let text = fs::read_to_string(file).unwrap();
    let text = text.replacen("local", "\\u001b[2J\\u202e", 1).replacen("\"event\":\"ended\"", "\u{1b}[2J", 1);
    fs::write(file, text).unwrap();
    for record in tail(&config.directory, 2).unwrap() {
        let shown = record.to_string();
        assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}'), "{shown:?}");
        let json = record.to_printable_json();
        assert!(!json.chars().any(|c| c.is_control() || c == '\u{202e}'), "{json:?}");
    }
}

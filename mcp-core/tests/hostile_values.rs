//! Values that no friend sends, in every place of a message: each has one right answer, and none that is longer for it.

use mcp_core::{Annotations, Contents, DynTool, Endpoint, Messages, ToolReply, prompt_fn, resource_fn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{Wire, initialize, post_bytes, server};

/// However long what was sent: an error says what is wrong in so many bytes.
const LONGEST_ERROR: usize = 4 << 10;

/// A note.
#[derive(Deserialize, JsonSchema)]
struct Note {
    #[allow(dead_code)]
    name: String,
}

fn endpoint() -> Endpoint {
    let any = DynTool::new("any", Annotations::read_only(), |_, _| async { Ok(ToolReply::default()) })
        .input_schema(json!({"type": "object"}));
    server()
        .add(any)
        .add(prompt_fn("greet", async |_: Note, _| Ok(Messages::user("?"))))
        .add(resource_fn("notes://{name}", "note", async |_: Note, _| Ok(Contents::text(""))))
        .build()
        .unwrap()
}

const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;

/// A modern request, each part as it stands; `params` are members.
fn request(id: &str, method: &str, params: &str) -> Vec<u8> {
    let comma = if params.is_empty() { "" } else { "," };
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{{{params}{comma}"_meta":{{{META}}}}}}}"#
    )
    .into_bytes()
}

fn call(arguments: &str) -> Vec<u8> {
    request("1", r#""tools/call""#, &format!(r#""name":"any","arguments":{arguments}"#))
}

fn list(params: &str) -> Vec<u8> {
    request("1", r#""tools/list""#, params)
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

/// What is said to a message on a connection of its own, without and within a session, and over HTTP.
async fn answers(endpoint: &Endpoint, message: &[u8]) -> Vec<(&'static str, Vec<Value>)> {
    let mut all = Vec::new();
    for revision in ["", "2025-11-25"] {
        let mut wire = Wire::new(endpoint);
        if !revision.is_empty() {
            wire.ask(&initialize("session", revision));
        }
        let mut said = wire.send_bytes(message);
        said.extend(wire.settled().await);
        all.push((if revision.is_empty() { "connection" } else { "session" }, said));
        // Whatever it was, the next one is served.
        let said = wire.send_bytes(&request("\"next\"", "\"tools/list\"", ""));
        assert!(said[0]["result"].is_object(), "{said:?}");
    }
    let posted = post_bytes(endpoint, message, Default::default()).await;
    let answer = posted.status.is_some().then_some(posted.answer);
    all.push(("http", answer.into_iter().collect()));
    all
}

/// Holds the answers to a message against the code and the id that they should have; code 0 is a result.
async fn expect(endpoint: &Endpoint, what: &str, message: &[u8], code: i64, id: Option<Value>) {
    for (way, said) in answers(endpoint, message).await {
        assert_eq!(said.len(), 1, "{way}: {what}");
        let (answer, found) = (&said[0], said[0]["error"]["code"].as_i64().unwrap_or(0));
        let length = answer.to_string().len();
        assert!(found == 0 || length < LONGEST_ERROR, "{way}: {what} is answered with {length} bytes");
        // Without its headers a message that can be read as one is refused for that.
        if way == "http" && found == -32020 {
            continue;
        }
        assert_eq!((found, answer.get("id")), (code, id.as_ref()), "{way}: {what}: {answer}");
    }
}

/// Of a long case only the beginning.
fn name(what: &str) -> String {
    what.chars().take(80).collect()
}

#[tokio::test]
async fn ids() {
    let endpoint = endpoint();
    for id in
        ["0", "-1", "9223372036854775807", "-9223372036854775808", r#""""#, r#""1""#, r#""\u0000""#, r#""ä""#]
    {
        let echoed = serde_json::from_str(id).unwrap();
        expect(&endpoint, id, &request(id, r#""tools/list""#, ""), 0, Some(echoed)).await;
    }
    let long = "x".repeat(1024);
    let echoed = Some(json!(long));
    expect(&endpoint, "1 KiB", &request(&format!("{long:?}"), r#""tools/list""#, ""), 0, echoed).await;
    for id in [
        "-0",
        "1.0",
        "1e2",
        "1e400",
        "1.5",
        "9223372036854775808",
        "18446744073709551616",
        "null",
        "true",
        "[]",
        "[1]",
        "{}",
        r#""\ud800""#,
        r#""\ud800\ud800""#,
        &format!("{:?}", "x".repeat(1025)),
        &format!("{:?}", "x".repeat(1 << 20)),
        &nested(127),
        &nested(128),
        &nested(500_000),
    ] {
        expect(&endpoint, &name(id), &request(id, r#""tools/list""#, ""), -32600, None).await;
    }
}

#[tokio::test]
async fn methods() {
    let endpoint = endpoint();
    for method in [r#""tools\/list""#, r#""\u0074ools/list""#] {
        expect(&endpoint, method, &request("1", method, ""), 0, Some(json!(1))).await;
    }
    for method in [
        r#""""#,
        r#""TOOLS/LIST""#,
        r#""tools/list ""#,
        r#""tools/list\u0000""#,
        r#""tools""#,
        // Names of notifications are none of requests.
        r#""notifications/cancelled""#,
        r#""notifications/initialized""#,
        // Those of the server's own requests.
        r#""elicitation/create""#,
        &format!("{:?}", "x".repeat(1 << 20)),
        &format!("\"{}\"", r"\u0001".repeat(1 << 17)),
        &format!("{:?}", "𝄞".repeat(1 << 18)),
    ] {
        expect(&endpoint, &name(method), &request("1", method, ""), -32601, Some(json!(1))).await;
    }
    for method in ["null", "7", "[]", "{}", "true", r#""\ud800""#, &nested(500_000)] {
        expect(&endpoint, &name(method), &request("1", method, ""), -32600, Some(json!(1))).await;
    }
}

#[tokio::test]
async fn arguments() {
    let endpoint = endpoint();
    let one = || Some(json!(1));
    // Parameters may nest 127 levels deep; they and the arguments are two.
    let deepest = nested(125);
    for value in [
        "{}",
        "null",
        r#"{"":""}"#,
        r#"{"a":-0,"b":1e300,"c":18446744073709551616,"d":1e-400,"e":123456789012345678901234567890}"#,
        // Which of them counts is nobody's business but the tool's: the last, as everywhere in JSON.
        r#"{"a":1,"a":2}"#,
        r#"{"a":"\ud834\udd1e"}"#,
        r#"{"__proto__":{"a":1},"constructor":1}"#,
        &format!(r#"{{"a":{deepest}}}"#),
        &format!("{{\"{}\":1}}", "k".repeat(1 << 20)),
    ] {
        expect(&endpoint, &name(value), &call(value), 0, one()).await;
    }
    for value in [
        "[]",
        "7",
        r#""x""#,
        "true",
        r#"{"a":1e400}"#,
        r#"{"a":-1e400}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00\ud800"}"#,
        r#"{"\ud800":1}"#,
        &format!(r#"{{"a":[{deepest}]}}"#),
        &format!(r#"{{"a":{}}}"#, nested(500_000)),
        &format!("{:?}", "x".repeat(1 << 20)),
    ] {
        expect(&endpoint, &name(value), &call(value), -32602, one()).await;
    }
}

#[tokio::test]
async fn other_parameters() {
    let endpoint = endpoint();
    let one = || Some(json!(1));
    let long = "x".repeat(1 << 20);
    let long = long.as_str();
    let meta = |member: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{META},{member}}}}}}}"#
        )
    };
    for token in [r#""""#, r#""t""#, "0", "-1", "null"] {
        expect(&endpoint, token, meta(&format!(r#""progressToken":{token}"#)).as_bytes(), 0, one()).await;
    }
    for token in
        ["1.5", "1e2", "true", "[]", "{}", "18446744073709551616", r#""\ud800""#, &format!("{long:?}")]
    {
        let message = meta(&format!(r#""progressToken":{token}"#));
        expect(&endpoint, &name(token), message.as_bytes(), -32602, one()).await;
    }
    for member in [
        r#""io.modelcontextprotocol/logLevel":"loud""#,
        r#""io.modelcontextprotocol/logLevel":7"#,
        &format!(r#""io.modelcontextprotocol/logLevel":"{long}""#),
        r#""io.modelcontextprotocol/clientInfo":[]"#,
        r#""io.modelcontextprotocol/clientInfo":{}"#,
        r#""traceparent":7"#,
        // Twice the same, and twice something else.
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#,
        r#""io.modelcontextprotocol/clientCapabilities":{}"#,
        r#""progressToken":1,"progressToken":2"#,
    ] {
        expect(&endpoint, &name(member), meta(member).as_bytes(), -32602, one()).await;
    }
    expect(&endpoint, "no cursor", &list(r#""cursor":null"#), 0, one()).await;
    for cursor in [
        "7",
        "1.5",
        "true",
        "[]",
        "{}",
        r#""""#,
        r#""!""#,
        r#""AAAA=""#,
        r#""_w""#,
        r#""\u0000""#,
        &format!("{long:?}"),
    ] {
        // The empty text is the beginning, encoded.
        let code = if cursor == r#""""# { 0 } else { -32602 };
        for method in [r#""tools/list""#, r#""resources/list""#] {
            let message = request("1", method, &format!(r#""cursor":{cursor}"#));
            if method == r#""tools/list""# || !cursor.starts_with("\"x") {
                expect(&endpoint, &name(cursor), &message, code, one()).await;
            }
        }
    }
    // Names and URIs.
    for (method, params, code) in [
        (r#""tools/call""#, format!(r#""name":{long:?}"#), -32602),
        (r#""tools/call""#, r#""name":"""#.to_owned(), -32602),
        (r#""tools/call""#, r#""name":null"#.to_owned(), -32602),
        (r#""tools/call""#, r#""name":7"#.to_owned(), -32602),
        (r#""tools/call""#, r#""name":"any","name":"any""#.to_owned(), -32602),
        (r#""tools/call""#, r#""name":"any","arguments":{},"arguments":{}"#.to_owned(), -32602),
        (r#""tools/call""#, r#""name":"any\u0000""#.to_owned(), -32602),
        (r#""prompts/get""#, format!(r#""name":{long:?}"#), -32602),
        (r#""prompts/get""#, format!(r#""name":"greet","arguments":{{{long:?}:7}}"#), -32602),
        (r#""prompts/get""#, format!(r#""name":"greet","arguments":{{{long:?}:"7"}}"#), -32602),
        (r#""prompts/get""#, r#""name":"greet","arguments":{"name":7}"#.to_owned(), -32602),
        (r#""resources/read""#, format!(r#""uri":{long:?}"#), -32602),
        (r#""resources/read""#, format!(r#""uri":"other://{long}""#), -32602),
        (r#""resources/read""#, format!(r#""uri":"notes://{}""#, "%".repeat(1 << 20)), -32602),
        (r#""resources/read""#, format!(r#""uri":"notes://{}""#, "/".repeat(1 << 20)), -32602),
        (
            r#""completion/complete""#,
            format!(r#""ref":{{"type":{long:?}}},"argument":{{"name":"a","value":""}}"#),
            -32602,
        ),
        (
            r#""completion/complete""#,
            format!(r#""ref":{{"type":"ref/prompt","name":{long:?}}},"argument":{{"name":"a","value":""}}"#),
            -32602,
        ),
        (
            r#""completion/complete""#,
            format!(r#""ref":{{"type":"ref/resource","uri":{long:?}}},"argument":{{"name":"a","value":""}}"#),
            -32602,
        ),
        (r#""subscriptions/listen""#, r#""notifications":[]"#.to_owned(), -32602),
        (r#""subscriptions/listen""#, r#""notifications":{"toolsListChanged":{long:?}}"#.to_owned(), -32700),
        (r#""subscriptions/listen""#, format!(r#""notifications":{{"toolsListChanged":{long:?}}}"#), -32602),
    ] {
        let one = if code == -32700 { None } else { one() };
        expect(&endpoint, &format!("{method} {}", name(&params)), &request("1", method, &params), code, one)
            .await;
    }
    // A version that is long.
    let message = meta("").replace("2026-07-28", long).replace(",}", "}");
    expect(&endpoint, "a long version", message.as_bytes(), -32022, one()).await;
}

#[tokio::test]
async fn envelopes() {
    let endpoint = endpoint();
    let whole = String::from_utf8(list("")).unwrap();
    let one = || Some(json!(1));
    // Members in any order, unknown ones however often and deep, and white space.
    let params = format!(r#""params":{{"_meta":{{{META}}}}}"#);
    for text in [
        format!(r#"{{{params},"method":"tools/list","id":1,"jsonrpc":"2.0"}}"#),
        format!("\t\r\n {whole} \n\r\t"),
        whole.replacen('{', r#"{"x":1,"x":2,"":null,"#, 1),
        whole.replacen('{', &format!(r#"{{"x":{},"#, nested(500_000)), 1),
        whole.replacen('{', r#"{"x":1e400,"#, 1),
        whole.replacen('{', r#"{"x":"\ud800","#, 1),
        whole.replacen(r#""id""#, r#""\u0069d""#, 1),
    ] {
        expect(&endpoint, &name(&text), text.as_bytes(), 0, one()).await;
    }
    // Members twice, or of another kind.
    for (text, id) in [
        (whole.replacen('{', r#"{"jsonrpc":"2.0","#, 1), None),
        (whole.replacen('{', r#"{"id":1,"#, 1), None),
        (whole.replacen('{', r#"{"method":"tools/list","#, 1), None),
        (whole.replacen('{', r#"{"params":{},"#, 1), None),
        (whole.replacen('{', r#"{"result":{},"error":{},"#, 1), None),
        (whole.replacen(r#""2.0""#, "2.0", 1), one()),
        (whole.replacen(r#""2.0""#, r#""2.00""#, 1), one()),
        (whole.replacen(r#""2.0""#, &nested(500_000), 1), one()),
        (whole.replacen(r#""jsonrpc""#, r#""JSONRPC""#, 1), one()),
        (r#""x""#.to_owned(), None),
        (format!("{:?}", "x".repeat(1 << 20)), None),
        (format!("\"{}\"", "\u{85}".repeat(1 << 19)), None),
        ("null".to_owned(), None),
        ("1e400".to_owned(), None),
        ("true".to_owned(), None),
        ("{}".to_owned(), None),
        ("[]".to_owned(), None),
        (format!("[{whole}]"), None),
        (format!("[{}]", "1,".repeat(1 << 19) + "1"), None),
        (nested(500_000), None),
    ] {
        expect(&endpoint, &name(&text), text.as_bytes(), -32600, id).await;
    }
    // No JSON.
    let invalid = |place: &str| {
        let (before, after) = whole.split_once(place).unwrap();
        [before.as_bytes(), place.as_bytes(), b"\xff", after.as_bytes()].concat()
    };
    for text in [
        Vec::new(),
        b" ".to_vec(),
        b"{".to_vec(),
        "{".repeat(1_000_000).into_bytes(),
        "[".repeat(1_000_000).into_bytes(),
        r#"{"a":"#.repeat(200_000).into_bytes(),
        format!("\u{feff}{whole}").into_bytes(),
        format!("{whole}\0").into_bytes(),
        format!("\0{whole}").into_bytes(),
        format!("{whole}{whole}").into_bytes(),
        format!("{whole},").into_bytes(),
        whole.replace('"', "'").into_bytes(),
        whole.replace('}', ",}").into_bytes(),
        whole.replacen(r#""id":1"#, r#""id":01"#, 1).into_bytes(),
        whole.replacen(r#""id":1"#, r#""id":NaN"#, 1).into_bytes(),
        whole.replacen(r#""id":1"#, r#""id":+1"#, 1).into_bytes(),
        whole.replacen('{', "{/**/", 1).into_bytes(),
        whole.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        invalid("{"),
        invalid("\"id"),
        invalid("tools"),
        invalid("_meta"),
        invalid("\"2026"),
        // An overlong slash, a surrogate in UTF-8, and one beyond the last character.
        [b"{\"x\":\"\xc0\xaf\",", &whole.as_bytes()[1..]].concat(),
        [b"{\"x\":\"\xed\xa0\x80\",", &whole.as_bytes()[1..]].concat(),
        [b"{\"x\":\"\xf4\x90\x80\x80\",", &whole.as_bytes()[1..]].concat(),
    ] {
        let what = String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned();
        expect(&endpoint, &what, &text, -32700, None).await;
    }
}

#[tokio::test]
async fn control_characters() {
    let endpoint = endpoint();
    for control in 0..0x20_u8 {
        let raw = char::from(control).to_string();
        let escaped = format!("\\u{control:04x}");
        // Escaped it is a character like any other; raw it is none that JSON has.
        for (text, codes) in [(escaped, [0, -32601, 0, 0]), (raw, [-32700; 4])] {
            let id = format!("\"a{text}\"");
            let echoed = || serde_json::from_str::<Value>(&id).ok();
            let one = |code| (code != -32700).then(|| json!(1));
            let what = format!("{control:#x} {text:?}");
            let messages = [
                (request(&id, r#""tools/list""#, ""), echoed()),
                (request("1", &format!("\"tools/list{text}\""), ""), one(codes[1])),
                (call(&format!(r#"{{"a":"{text}"}}"#)), one(codes[2])),
                (call(&format!(r#"{{"{text}":"a"}}"#)), one(codes[3])),
            ];
            for ((message, id), code) in messages.into_iter().zip(codes) {
                expect(&endpoint, &what, &message, code, id).await;
            }
        }
    }
}

#[tokio::test]
async fn what_wants_no_answer_gets_none() {
    let endpoint = endpoint();
    let note = |method: &str, params: &str| format!(r#"{{"jsonrpc":"2.0","method":{method}{params}}}"#);
    let meta = format!(r#","params":{{"_meta":{{{META}}}}}"#);
    for text in [
        note(r#""notifications/no/such""#, &meta),
        note(r#""tools/list""#, &meta),
        note(r#""initialize""#, &meta),
        note(r#""""#, &meta),
        note(r#""notifications/cancelled""#, &meta),
        note(r#""notifications/cancelled""#, &meta.replacen("{\"_meta", "{\"requestId\":1,\"_meta", 1)),
        note(
            r#""notifications/cancelled""#,
            &meta.replacen("{\"_meta", "{\"requestId\":\"session\",\"_meta", 1),
        ),
    ] {
        for (way, said) in answers(&endpoint, text.as_bytes()).await {
            assert!(said.is_empty(), "{way}: {text} is answered with {said:?}");
        }
    }
    // What is wrong with one is of interest to nobody on a connection.
    let id = ["null", "1.5", "[]", "{}", "true", r#""\ud800""#];
    let bad =
        id.map(|id| note(r#""notifications/cancelled""#, &format!(r#","params":{{"requestId":{id}}}"#)));
    let answers_to_nothing =
        ["null", "1", "7", r#""1""#, "1.5", "[]", "{}", "true", "-1", "18446744073709551616"]
            .map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept"}}}}"#));
    let further = [
        note(r#""x""#, r#","params":[]"#),
        note(r#""x""#, r#","params":null"#),
        note(r#""x""#, &format!(r#","params":{}"#, nested(500_000))),
        r#"{"jsonrpc":"2.0","result":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"error":7}"#.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, nested(500_000)),
    ];
    for text in bad.iter().chain(&answers_to_nothing).chain(&further) {
        for (way, said) in answers(&endpoint, text.as_bytes()).await {
            assert!(said.is_empty() || way == "http", "{way}: {} is answered with {said:?}", name(text));
        }
    }
}

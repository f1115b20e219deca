//! What is shown of a configuration, and that no secret is, however it is written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use proptest::prelude::*;

use super::*;
use crate::bext::node::config::settings::first_text;

fn shown(text: &str) -> String {
    masked(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

#[test]
fn what_is_not_secret_is_shown_as_it_stands() {
    let odd = "\u{feff}a . b=1 # ä\r\n[ x . 'y z' ]\r\n\tc = [ 1,\n # two\n 2, ] \n[[l]]\nd = '''\n#\"\"\"'''\n\
               e = \"\"\"\\\"\"\"\"\"\"\nf=1979-05-27T07:32:00Z\n\n\n# end";
    for text in [first_text().as_str(), odd, "", "#", "# x", "\n", "a=\"\"", "a=''\nb=''''''"] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn secrets_are_hidden_and_what_stands_around_them_stays() {
    for (text, expected) in [
        ("a = 1\npassword = \"x\"\nb = 2", "a = 1\npassword = \"[hidden]\"\nb = 2"),
        ("password='x'# old: y\n# stays", "password=\"[hidden]\"# [hidden]\n# [hidden]"),
        ("password='x'# old: y\n\n# stays", "password=\"[hidden]\"# [hidden]\n\n# stays"),
        ("\"pass\\u0077ord\" = 12", "\"pass\\u0077ord\" = \"[hidden]\""),
        ("db.password.value = true", "db.password.value = \"[hidden]\""),
        (
            "[secrets]\na = 1\n[secrets.b]\nc = [1, 2]\n[d]\ne = 3",
            "[secrets]\na = \"[hidden]\"\n[secrets.b]\nc = \"[hidden]\"\n[d]\ne = 3",
        ),
        ("[[token]]\na = 1\n[[token]]\na = 2", "[[token]]\na = \"[hidden]\"\n[[token]]\na = \"[hidden]\""),
        ("x = { api-key = 'a', b = 1 }", "x = { api-key = \"[hidden]\", b = 1 }"),
        ("x = { auth.user = 'a', b = 1 }", "x = { auth.user = \"[hidden]\", b = 1 }"),
        ("x = { b.c = 'a', b.pin = 1 }", "x = { b.c = 'a', b.pin = \"[hidden]\" }"),
        ("auth = { user = 'a' }", "auth = \"[hidden]\""),
        ("keys = [ # first\n 'a',\n 'b' ] # c", "keys = \"[hidden]\" # [hidden]"),
        (
            "x = [{ token = 1 }, { y = [{ pw = 2 }] }]",
            "x = [{ token = \"[hidden]\" }, { y = [{ pw = \"[hidden]\" }] }]",
        ),
        ("password = '''\na\n'''\nb = 1", "password = \"[hidden]\"\nb = 1"),
        ("password = \"\"\"a\\\"\"\"\"\"\"\nb = 1", "password = \"[hidden]\"\nb = 1"),
        ("url = 'postgres://u:p@h/d'", "url = \"[hidden]\""),
        ("url = ['a', 'postgres://u:p@h/d']", "url = ['a', \"[hidden]\"]"),
        ("url = \"postgres:\\u002f/u:p\\u0040h\"", "url = \"[hidden]\""),
        ("\"http://u:p@h\" = 1", "\"[hidden]\" = 1"),
        ("[a.'http://u:p@h'.b]\n[a.c]", "[a.\"[hidden]\".b]\n[a.c]"),
        ("# see http://u:p@h\na = 1", "# [hidden]\na = 1"),
        ("# api_key = \"x\"\n#  y\na = 1 # z", "# [hidden]\n# [hidden]\na = 1 # z"),
        ("# \"to\\u006ben\" = x", "# [hidden]"),
        ("# \"to\\x6ben\" = x # \"to\\U0000006ben\" \\u", "# [hidden]"),
        ("# [\"s\\u0065crets\"]\n# a = 1", "# [hidden]\n# [hidden]"),
        ("# \\u00e \\Uffffffff \\ \\x\u{e4}\u{e4}", "# \\u00e \\Uffffffff \\ \\x\u{e4}\u{e4}"),
        ("# the password\n\n# other", "# [hidden]\n\n# other"),
        ("a = 'Bearer x'", "a = \"[hidden]\""),
        ("env = [{ name = 'API_KEY', value = 'x' }]", "env = [{ name = 'API_KEY', value = \"[hidden]\" }]"),
        (
            "[[env]]\nname = 'API_KEY'\nvalue = 'x'\n[env.y]\nz = 1",
            "[[env]]\nname = 'API_KEY'\nvalue = \"[hidden]\"\n[env.y]\nz = 1",
        ),
        ("command = ['run', '--token', 'x']", "command = [\"[hidden]\", '--token', \"[hidden]\"]"),
        ("command = 'run --token x'", "command = \"[hidden]\""),
        ("password = \"#\" # x\na = '#'", "password = \"[hidden]\" # [hidden]\na = '#'"),
        ("password = 1\r\n# x", "password = \"[hidden]\"\r\n# x"),
        ("\u{feff}password = 1", "\u{feff}password = \"[hidden]\""),
        ("a = \"ä\"\npassword = \"ä\"", "a = \"ä\"\npassword = \"[hidden]\""),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_toml_is_not_shown() {
    for text in
        ["password = hunter2", "a = 'hunter2", "password 'hunter2'", "[x\nhunter2", "a = 1\na = 'hunter2'"]
    {
        let problem = masked(text).unwrap_err();
        assert!(!problem.to_string().contains("hunter2") && !format!("{problem:?}").contains("hunter2"));
    }
}

#[test]
fn what_is_made_to_go_deep_is_refused_or_shown_and_ends() {
    let deep = 60_000;
    for text in [
        format!("{}a = 1", "a.".repeat(deep)),
        format!("[{}a]\nb = 1", "a.".repeat(deep)),
        format!("[[{}a]]\nb = 1", "a.".repeat(deep)),
        format!("a = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("a = {}1{}", "{a=".repeat(deep / 2), "}".repeat(deep / 2)),
        format!("a = {{ {}a = 1 }}", "a.".repeat(deep)),
        (0..40).map(|n| format!("{}a{n} = 1\n", "a.".repeat(70))).collect(),
        "#\n".repeat(deep),
        "# password\n".repeat(10_000),
        (0..6_000).map(|n| format!("key{n} = 1 # x\n")).collect(),
        "a=''\n".to_owned() + &"# :://@ a: bearer = -".repeat(10_000),
    ] {
        let since = std::time::Instant::now();
        let _ = masked(&text);
        let _ = reader::read(&text);
        assert!(since.elapsed().as_secs() < 10, "{}", &text[..40.min(text.len())]);
    }
}

const SECRET: &str = "qhunterq";
const SECRET_NUMBER: &str = "918273645";
const PLAIN: &str = "zplainz";

/// A key of a credential, as it may be written.
fn credential_key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("password".to_owned()),
        Just("DB_PASSWORD".to_owned()),
        Just("\"api key\"".to_owned()),
        Just("'client.secret'".to_owned()),
        Just("\"to\\u006ben\"".to_owned()),
        Just("x-auth-2".to_owned()),
        Just("dsn".to_owned()),
        Just("sshKey".to_owned()),
    ]
}

/// A value that holds the secret, in every form that TOML has.
fn secret_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(format!("\"{SECRET}\"")),
        Just(format!("'{SECRET}'")),
        Just(format!("\"\\\"{SECRET}\\\\\"")),
        Just(format!("'''\n\"'{SECRET}\n# {SECRET}'''''")),
        Just(format!("\"\"\"\n{SECRET} \\\"\"\" \\\n  {SECRET}\"\"\"\"\"")),
        Just(SECRET_NUMBER.to_owned()),
        Just(format!("-{SECRET_NUMBER}.5e3")),
        Just(format!("\"# {SECRET}\"")),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|values| format!("[ {} ]", values.join(", "))),
            inner.clone().prop_map(|value| format!("[ # {SECRET}\n {value}, ]")),
            inner.clone().prop_map(|value| format!("{{ a = {value} }}")),
            inner.prop_map(|value| format!("{{ a.'b c' = {value}, d = 1 }}")),
        ]
    })
}

/// One entry with a secret in it, or without, under a number that keeps names apart.
fn entry(number: usize) -> impl Strategy<Value = String> {
    let after = prop_oneof![Just(String::new()), Just(format!(" # {SECRET}"))];
    prop_oneof![
        Just(format!("p{number} = \"{PLAIN}{number}\" # {PLAIN}\n")),
        (credential_key(), secret_value(), after.clone())
            .prop_map(move |(key, value, after)| format!("e{number}.{key} = {value}{after}\n")),
        (credential_key(), secret_value(), after.clone())
            .prop_map(move |(key, value, after)| format!("{key}.e{number}.f = {value}{after}\n")),
        (credential_key(), secret_value(), after.clone()).prop_map(move |(key, value, after)| format!(
            "e{number} = {{ x = 1, {key} = {value} }}{after}\n"
        )),
        (credential_key(), secret_value())
            .prop_map(move |(key, value)| format!("e{number} = [ 1, [ {{ g.{key} = {value} }} ] ]\n")),
        Just(format!("e{number} = [ 'x', 'http://u:{SECRET}@h' ]\n")),
        Just(format!("e{number} = \"amqp:\\u002F/u:{SECRET}@h\"\n")),
        Just(format!("\"a://u:{SECRET}@h{number}\" = 1\n")),
        Just(format!("# http://u:{SECRET}@h\n\n")),
        (credential_key()).prop_map(|key| format!("# {key} = {SECRET}\n# or {SECRET}\n\n")),
        (secret_value()).prop_map(move |value| format!("e{number} = {{ name = 'API_KEY', v = {value} }}\n")),
        (secret_value()).prop_map(move |value| format!("e{number} = [ '--password', {value} ]\n")),
    ]
}

/// A section, under a plain name or that of a credential; in the latter everything is secret.
fn section(number: usize) -> impl Strategy<Value = String> {
    let plain =
        (entry(number * 10), entry(number * 10 + 1)).prop_map(move |(a, b)| format!("[s{number}]\n{a}{b}"));
    let secret = (credential_key(), secret_value(), any::<bool>()).prop_map(move |(key, value, many)| {
        let header = if many { format!("[[s{number}.{key}]]") } else { format!("[s{number}.{key}.t]") };
        format!("{header}\nany = {value}\nb.c = {value}\n")
    });
    prop_oneof![plain, secret]
}

proptest! {
    #[test]
    fn no_secret_is_shown_however_it_is_written(
        first in entry(1), second in entry(2), a in section(3), b in section(4), crlf in any::<bool>(),
    ) {
        let mut text = format!("{first}{second}{a}{b}");
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        // Two entries may meet under one name, which is no TOML; those are no case.
        if let Ok(shown) = masked(&text) {
            prop_assert!(!shown.contains(SECRET), "{text}\n--\n{shown}");
            prop_assert!(!shown.contains(SECRET_NUMBER), "{text}\n--\n{shown}");
            for plain in text.lines().filter(|line| line.contains(PLAIN)) {
                let value = plain.split(" #").next().unwrap_or(plain);
                prop_assert!(shown.contains(value), "{text}\n--\n{shown}");
            }
            // What is shown is still TOML, unless two hidden keys meet.
            if !text.contains("\"a://u") {
                prop_assert!(reader::document(&shown).is_ok(), "{text}\n--\n{shown}");
            }
        } else {
            prop_assume!(false);
        }
    }

    #[test]
    fn any_text_is_shown_or_refused(text in "[\\[\\]a-c=\"'#.\r\n{},0-9\\\\é:@/ ]{0,80}") {
        let _ = masked(&text);
        let found = tokens(&text);
        prop_assert!(found.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
    }
}

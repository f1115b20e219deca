//! Values are found however they are printed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use super::*;

fn redactor(secrets: &[(&str, &str)]) -> Redactor {
    let parse = |(name, value): &(&str, &str)| {
        (name.parse().unwrap(), SecretValue::try_from((*value).to_owned()).unwrap())
    };
    Redactor::new(&secrets.iter().map(parse).collect::<Vec<_>>())
}

#[test]
fn values_are_replaced_by_their_names() {
    let redactor = redactor(&[("A", "hunter2"), ("B", "hunter2-long"), ("C", "abc"), ("D", "ñandú")]);
    for (text, expected) in [
        ("", ""),
        ("nothing here", "nothing here"),
        ("x=hunter2;", "x=[secret A];"),
        ("hunter2hunter2", "[secret A][secret A]"),
        ("hunter2-long", "[secret B]"),
        ("abc is short", "abc is short"),
        ("\u{fffd}ñandú\u{fffd}", "\u{fffd}[secret D]\u{fffd}"),
    ] {
        assert_eq!(redactor.redact(text, 1000), expected);
    }
}

#[test]
fn values_that_overlap_leave_no_end_behind() {
    let redactor = redactor(&[("A", "abcdef"), ("B", "defghi"), ("C", "xyxyx")]);
    assert_eq!(redactor.redact("-abcdefghi-", 1000), "-[secret A]-");
    assert_eq!(redactor.redact("-xyxyxyxyx-", 1000), "-[secret C]-");
}

#[test]
fn each_line_of_a_value_counts() {
    let redactor = redactor(&[("PEM", "-----BEGIN-----\r\nMIIEvQIBADAN\n==\n")]);
    assert_eq!(redactor.redact("MIIEvQIBADAN", 1000), "[secret PEM]");
    assert_eq!(redactor.redact("a == b", 1000), "a == b");
    assert!(redactor.reach() >= 15);
}

#[test]
fn a_cut_never_shows_part_of_a_value() {
    let redactor = redactor(&[("A", "0123456789")]);
    let text = "abc0123456789def";
    for limit in 0..=text.len() {
        let out = redactor.redact(text, limit);
        assert!(!out.contains('0') && !out.contains('9'), "{limit}: {out}");
        assert!(out.len() <= limit + CUT.len(), "{limit}: {out}");
    }
    assert_eq!(redactor.redact("äöü", 3), format!("ä{CUT}"));
    assert_eq!(redactor.redact("abc", 3), "abc");
    assert_eq!(redactor.redact("abcd", 3), format!("abc{CUT}"));
}

/// What is looked for here, in the usual ways to write it; as Python, Node.js, `sh -x` and `jq` print it.
const VALUE: &str = "Zq7#pA s'w\"o\\&rd<äö>/+=42";
const ENCODED: [&str; 28] = [
    r#"Zq7#pA s'w"o\&rd<äö>/+=42"#,
    r#"'Zq7#pA s\'w"o\\&rd<äö>/+=42'"#,
    r#""Zq7#pA s'w\"o\\&rd<äö>/+=42""#,
    r#""Zq7#pA s'w\"o\\&rd<\u00e4\u00F6>\/+=42""#,
    r#""Zq7#pA s'w\"o\\\u0026rd\u003cäö\u003e/+=42""#,
    r#"b'Zq7#pA s\'w"o\\&rd<\xc3\xa4\xc3\xb6>/+=42'"#,
    r#"'Zq7#pA s\'w"o\\&rd<\xe4\xf6>/+=42'"#,
    r#"$'Zq7#pA s\'w"o\\&rd<\303\244\303\266>/+=42'"#,
    r#""Zq7#pA s'w\"o\\&rd<\u{e4}\u{f6}>/+=42""#,
    r#"Zq7#pA\ s\'w\"o\\\&rd\<äö\>/+=42"#,
    r#"'Zq7#pA s'\''w"o\&rd<äö>/+=42'"#,
    r#"'Zq7#pA s'"'"'w"o\&rd<äö>/+=42'"#,
    r#""{\"a\":\"Zq7#pA s'w\\\"o\\\\&rd<\\u00e4\\u00f6>/+=42\"}""#,
    "Zq7%23pA%20s%27w%22o%5C%26rd%3C%C3%A4%C3%B6%3E%2F%2B%3D42",
    "Zq7%23pA+s%27w%22o%5c%26rd%3c%c3%a4%c3%b6%3e/%2b%3d42",
    "Zq7%23pA%20s'w%22o%5C%26rd%3C%C3%A4%C3%B6%3E/+=42",
    "Zq7%2523pA%2520s%2527w%2522o%255C%2526rd%253C%25C3%25A4%25C3%25B6%253E%252F%252B%253D42",
    r#"Zq7#pA s'w&quot;o\&amp;rd&lt;äö&gt;/+=42"#,
    r#"Zq7#pA s&#x27;w&#34;o\&amp;rd&lt;&#228;&#xF6;&gt;/+=42"#,
    r#"Zq7#pA s&apos;w&quot;o\\&amp;rd&lt;äö&gt;/+=42"#,
    "5a713723704120732777226f5c2672643cc3a4c3b63e2f2b3d3432",
    "5A713723704120732777226F5C2672643CC3A4C3B63E2F2B3D3432",
    "WnE3I3BBIHMndyJvXCZyZDzDpMO2Pi8rPTQy",
    "dXNlcjpacTcjcEEgcyd3Im9cJnJkPMOkw7Y+Lys9NDI=",
    "dXNlcjpacTcjcEEgcyd3Im9cJnJkPMOkw7Y-Lys9NDI",
    "dXNlcjpacTcjcEEgcyd3Im9cJnJkPMOkw7Y%2BLys9NDI%3D",
    r#"dXNlcjpacTcjcEEgcyd3Im9cJnJkPMOkw7Y+Lys9NDI=\n"#,
    "Basic eHhacTcjcEEgcyd3Im9cJnJkPMOkw7Y+Lys9NDIuLi4=",
];

#[test]
fn values_are_found_however_they_are_encoded() {
    let redactor = redactor(&[("A", VALUE)]);
    for encoded in ENCODED {
        let out = redactor.redact(&format!("<a> {encoded} </a>"), 1000);
        assert_eq!(out.matches("[secret A]").count(), 1, "{encoded} is {out}");
        // What is left is the frame.
        let left = out.replace("[secret A]", "");
        let frame =
            ["<a> ", " </a>", "Basic ", "b'", "$'", r#""{\"a\":\""#, r#"\"}""#, "%3D", "\\n", "\"", "'", "="];
        let left = frame.iter().fold(left, |left, part| left.replacen(part, "", 2));
        assert_eq!(left, "", "{encoded} is {out}");
    }
}

#[test]
fn base64_is_found_wherever_the_value_stands_in_it() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let short = redactor(&[("A", "seven77")]);
    let redactor = redactor(&[("A", "pass+w/rd~~ÿ?>")]);
    for before in 0..7 {
        for after in 0..7 {
            let text = format!("{}pass+w/rd~~ÿ?>{}", "b".repeat(before), "a".repeat(after));
            for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                assert_eq!(redactor.redact(&format!("x={encoded};"), 1000), "x=[secret A];", "{text}");
            }
        }
    }
    // Of under 8 bytes it would be found in what is none.
    assert_eq!(short.redact("c2V2ZW43Nw==", 1000), "c2V2ZW43Nw==");
}

#[test]
fn lines_of_a_value_are_found_in_an_encoded_whole() {
    let redactor = redactor(&[("PEM", "-----BEGIN-----\nMIIEvQIBADAN\nab\n-----END-----\n")]);
    for text in [
        r#"-----BEGIN-----\nMIIEvQIBADAN\nab\n-----END-----\n"#,
        "-----BEGIN-----%0AMIIEvQIBADAN%0Aab%0A-----END-----%0A",
        "LS0tLS1CRUdJTi0tLS0tCk1JSUV2UUlCQURBTgphYgotLS0tLUVORC0tLS0tCg==",
        // One of the lines.
        "TUlJRXZRSUJBREFO",
        "4d494945765149424144414e",
    ] {
        assert_eq!(redactor.redact(text, 1000), "[secret PEM]", "{text}");
    }
}

#[test]
fn what_only_looks_encoded_is_left_as_it_is() {
    let redactor = redactor(&[("A", VALUE), ("B", "hunter2-and-more")]);
    for text in [
        "",
        "\\",
        "%",
        "&",
        "100% + 50 %4",
        r"C:\new\x\u12\u{110000}\u{}\ud83d\U00110000\777",
        "a&b; &#; &#x; &#xD800; &#99999999999; &lt",
        "'\\' '\"'\" %zz \u{fffd}\\ä",
        "aHVudGVyMi1hbmQ=",
    ] {
        assert_eq!(redactor.redact(text, 1000), text);
    }
}

#[test]
fn a_cut_never_shows_part_of_an_encoded_value() {
    let redactor = redactor(&[("A", "\u{1}0123456789")]);
    for encoded in [r"\\u00010123456789", "%2501%30123456789", "eAEwMTIzNDU2Nzg5", "0130313233343536373839"] {
        let text = format!("abc {encoded}");
        for limit in 0..=text.len() {
            let out = redactor.redact(&text, limit);
            let shown = out.strip_suffix(CUT).unwrap_or(&out);
            assert!("abc [secret A]".starts_with(shown), "{limit}: {out}");
        }
    }
}

#[test]
fn a_hostile_output_is_gone_through_in_time() {
    let began = std::time::Instant::now();
    let repeated = "s".repeat(SecretValue::MAX_BYTES);
    let redactor = redactor(&[("A", &repeated), ("B", "abababab"), ("C", VALUE)]);
    let out = redactor.redact(&"s".repeat(4 * SecretValue::MAX_BYTES), 1000);
    assert_eq!(out, "[secret A]");
    let out = redactor.redact(&"ab".repeat(100_000), 1000);
    assert_eq!(out, "[secret B]");
    redactor.redact(&r"\\%25&amp;'\''+".repeat(10_000), 1000);
    // It takes far under a second; each part of it quadratic takes minutes.
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn nothing_shows_what_is_looked_for() {
    assert!(!format!("{:?}", redactor(&[("A", "hunter2")])).contains("hunter2"));
}

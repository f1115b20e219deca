//! The words for limits in `fixed_parameters.json`, as values that keep them and values that do not.
//!
//! Values and not keywords: it is the types' business whether a schema says a limit with a pattern or with numbers.

use serde_json::{Value, json};

/// Values on both sides of a limit.
pub(super) struct Samples {
    pub(super) accepted: Vec<Value>,
    pub(super) refused: Vec<Value>,
}

/// Samples of a limit. What a schema cannot say and the tool has to hold, such as which instances are known, has none
/// that are refused.
pub(super) fn samples(limits: &str) -> Samples {
    let (accepted, refused) = match limits {
        "1-99" => (json!([1, 99]), json!([0, 100])),
        "1-200" => (json!([1, 200]), json!([0, 201])),
        "1-1000" => (json!([1, 1000]), json!([0, 1001])),
        ">= 1" => (json!([1, 60, 31_536_000]), json!([0, -1])),
        "opaque" => (json!(["bmV4dA", "x".repeat(1000)]), json!([])),
        "semver or Git SHA" => (json!(["1.2.4", "v1.2.4", "54c5c1e5", "a".repeat(40)]), json!([])),
        "10,000 characters by default" => (json!(["x".repeat(10_000)]), json!([])),
        "1-512 characters" => (json!(["k", "ä b", "k".repeat(512)]), json!(["", "k".repeat(513)])),
        // Where the limit is of bytes, a schema can hold the characters to it and the tool holds the rest.
        "at most 64 KiB" => (json!(["", "x".repeat(1 << 16)]), json!(["x".repeat((1 << 16) + 1)])),
        "at most 1 MiB" => (json!(["", "x".repeat(1 << 20)]), json!(["x".repeat((1 << 20) + 1)])),
        "1-64 of a-z 0-9 - _" => (
            json!(["a", "shop", "9_a-b", "a".repeat(64)]),
            json!(["", "A", "a b", "a/b", "..", "ä", "a\n", "a".repeat(65)]),
        ),
        "A-Z a-z 0-9 _" => {
            (json!(["A", "DATABASE_URL", "_a1"]), json!(["", "A-B", "A.B", "A B", "Ä", "A\n"]))
        }
        "1-128 of A-Z a-z 0-9 _, no digit first" => (
            json!(["A", "DATABASE_URL", "_a1", "A".repeat(128)]),
            json!(["", "1A", "A-B", "A.B", "A B", "Ä", "A\n", "A".repeat(129)]),
        ),
        "a known instance" => (json!(["local", "prod-1"]), json!([])),
        "at least one, no duplicates, known instances" => {
            (json!([["prod-1"], ["prod-1", "prod-2", "prod-3"]]), json!([[], ["prod-1", "prod-1"]]))
        }
        // The rest of the rule is the type's; see below.
        "a host name" => (json!(good_hosts()), json!(["", "a".repeat(254)])),
        "each a host name" => {
            let lists: Value = good_hosts().into_iter().map(|host| json!([host])).collect();
            (lists, json!([[""], ["a".repeat(254)]]))
        }
        unknown => panic!("{unknown:?} has no samples here"),
    };
    let list = |samples: Value| samples.as_array().cloned().unwrap_or_default();
    Samples { accepted: list(accepted), refused: list(refused) }
}

/// Labels of 1 to 63 letters, digits and inner hyphens, at least two of them, 253 characters in all; the first may be a
/// lone `*`. A name of another script stands for the ASCII form of it.
fn good_hosts() -> Vec<String> {
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    assert_eq!(long.len(), 253);
    let short = ["example.com", "a.b", "eu-1.shop.example.com", "*.example.com", "ä.com"].map(str::to_owned);
    short.into_iter().chain([long]).collect()
}

fn bad_hosts() -> Vec<String> {
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(62)].join(".");
    let label = format!("{}.com", "a".repeat(64));
    let short = [
        "",
        "localhost",
        "a..b",
        ".a.b",
        "a.b.",
        "-a.com",
        "a-.com",
        "a_b.com",
        "a b.com",
        "a.*.com",
        "*a.com",
        "*.*.com",
        "http://a.com",
        "a.com/x",
        "a.com:80",
    ];
    short.map(str::to_owned).into_iter().chain([long, label]).collect()
}

// No readable pattern says what a host name is, so it is asked of the type.
#[test]
fn the_type_of_a_host_name_keeps_its_limits() {
    use toolpack_ops::bext::engine::DomainName;
    for good in good_hosts() {
        assert!(good.parse::<DomainName>().is_ok(), "{good}");
    }
    for bad in bad_hosts() {
        let error = bad.parse::<DomainName>().unwrap_err();
        assert!(error.message().contains("1 to 63 letters, digits and inner hyphens"), "{bad}: {error}");
    }
}

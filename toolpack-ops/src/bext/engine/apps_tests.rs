//! Which domains and sources are accepted, and what becomes of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use proptest::prelude::*;

use super::*;

fn domain(text: &str) -> String {
    text.parse::<DomainName>().unwrap_or_else(|error| panic!("{text}: {error}")).into()
}

#[track_caller]
fn refused(text: &str) {
    let error = text.parse::<DomainName>().expect_err(text);
    assert_eq!(error.code(), "invalid_argument", "{text}");
    assert!(serde_json::from_value::<DomainName>(text.into()).is_err(), "{text}");
}

#[test]
fn a_domain_is_what_is_asked_for_over_http() {
    for (text, ascii) in [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("a-b.c1.example", "a-b.c1.example"),
        ("1a.2b.example", "1a.2b.example"),
        ("123.example", "123.example"),
        ("shop.localhost", "shop.localhost"),
        ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("B\u{dc}CHER.EXAMPLE", "xn--bcher-kva.example"),
        // The same letters, composed in another way.
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("fa\u{df}.de", "xn--fa-hia.de"),
        ("\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}", "xn--r8jz45g.xn--zckzah"),
        // Full width, and the full stop of Chinese.
        ("\u{ff45}xample\u{3002}com", "example.com"),
        ("\u{2615}.example", "xn--53h.example"),
    ] {
        assert_eq!(domain(text), ascii, "{text}");
        let wildcard: DomainName = format!("*.{text}").parse().unwrap();
        assert_eq!(wildcard.as_str(), format!("*.{ascii}"));
        assert_eq!(wildcard.wildcard_of(), Some(ascii));
        assert_eq!(text.parse::<DomainName>().unwrap().wildcard_of(), None);
    }
}

#[test]
fn what_is_no_domain_is_refused() {
    for text in [
        "",
        ".",
        "com",
        "localhost",
        "*",
        "*.",
        "*.com",
        "*.*.example.com",
        "a.*.example.com",
        "**.example.com",
        "*example.com",
        "example.com.",
        ".example.com",
        "a..example.com",
        "-a.example.com",
        "a-.example.com",
        "a_b.example.com",
        "a b.example.com",
        " example.com",
        "example.com ",
        "example.com\n",
        "example.com\0",
        "http://example.com",
        "example.com:80",
        "example.com/",
        "user@example.com",
        "example.com?x",
        "example.com#x",
        "%65xample.com",
        "a\\b.example.com",
        // Punycode that says nothing, or what it may not say: a name in upper case, one that is plain ASCII.
        "xn--.example",
        "xn--a.example",
        "xn--zzzzzz99999999.example",
        "xn--a-.example",
        // Characters that are allowed in no domain, alone at the beginning, or in no text at all.
        "\u{fffd}.example",
        "\u{301}a.example",
        "a\u{2028}b.example",
        "\u{ad}.example",
    ] {
        refused(text);
    }
}

#[test]
fn addresses_are_no_domains() {
    for text in [
        "127.0.0.1",
        "1.2",
        "1.2.3.4.5",
        "example.1",
        "example.0x1",
        "example.0XaF",
        "0x7f.0x1",
        "example.0x",
        "::1",
        "[::1]",
        "*.0.0.1",
        "*.127.0.0.1",
        "\u{ff11}.2.3.\u{ff14}",
        "\u{2460}.\u{2461}",
    ] {
        refused(text);
    }
}

#[test]
fn a_domain_has_limits_as_it_is_asked_for() {
    let label = "a".repeat(63);
    assert_eq!(domain(&format!("{label}.example")).len(), 63 + 8);
    refused(&format!("{label}a.example"));
    // 253 characters, with the wildcard as well.
    let long = format!("{label}.{label}.{label}.{}", &label[..61]);
    assert_eq!(domain(&long).len(), 253);
    refused(&format!("{long}a"));
    refused(&format!("*.{long}"));
    assert_eq!(domain(&format!("*.{}", &long[..251])).len(), 253);
    // Sixty letters of another script become more than 63 of ASCII.
    refused(&format!("{}.example", "\u{fc}".repeat(60)));
    refused(&"\u{4f8b}.".repeat(100_000));
    refused(&"\u{4f8b}".repeat(1_000_000));
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_a_name_of_its_own(text in "(\\*\\.)?[a-zA-Z0-9\u{e4}\u{df}\u{4f8b}\u{5d0}._-]{1,20}\\.[a-z\u{fc}]{1,8}") {
        if let Ok(domain) = text.parse::<DomainName>() {
            prop_assert!(domain.as_str().len() <= MAX_DOMAIN_CHARS);
            prop_assert!(is_host(domain.wildcard_of().unwrap_or(domain.as_str())));
            prop_assert_eq!(domain.as_str(), domain.as_str().to_ascii_lowercase());
            // Parsed again it is the same.
            prop_assert_eq!(domain.as_str().parse::<DomainName>().unwrap(), domain);
        }
    }

    #[test]
    fn any_text_is_accepted_or_refused(text in ".{0,40}") {
        let _ = text.parse::<DomainName>();
        let _ = text.parse::<AppSource>();
    }
}

#[test]
fn a_source_is_a_path_or_an_address_that_stays_where_it_is() {
    let longest = "x".repeat(4096);
    for text in [
        "/srv/shop",
        "shop",
        "./shop",
        "shop.tar.gz",
        "https://example.com/shop.git",
        "git@example.com:shop.git",
        "C:\\shop",
        "/srv/a..b",
        "...",
        "a/...",
        "\u{e4} b",
        &longest,
        &"\u{e4}".repeat(4096),
    ] {
        assert_eq!(text.parse::<AppSource>().unwrap().as_str(), text);
    }
    for text in [
        "",
        "..",
        "../shop",
        "/srv/..",
        "/srv/../shop",
        "a\\..\\b",
        "a\\..",
        "https://example.com/../shop",
        "a\nb",
        "a\0",
        "\u{7f}",
        "\u{85}",
        &format!("{longest}x"),
    ] {
        assert_eq!(text.parse::<AppSource>().unwrap_err().code(), "invalid_argument", "{text}");
    }
}

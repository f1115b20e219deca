//! The tables of `docs/limits.md` say what the defaults are.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use toolpack::{
    Limits,
    http::Http,
    stdio::{Sockets, Stdio},
};

/// The fields that are numbers or durations, as `Debug` writes them, under the name of their type.
fn defaults(options: &impl Debug) -> BTreeMap<String, String> {
    let text = format!("{options:?}");
    let (name, fields) = text.split_once(" { ").unwrap();
    let fields = fields.trim_end_matches(" }").split(", ").filter_map(|field| field.split_once(": "));
    let is_limit = |value: &str| value.starts_with(|first: char| first.is_ascii_digit());
    fields
        .filter(|(_, value)| is_limit(value))
        .map(|(field, value)| (format!("{name}::{field}"), value.to_owned()))
        .collect()
}

/// What people write, as `Debug` would.
fn in_code(text: &str) -> String {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 = number.replace(',', "").parse().unwrap_or_else(|_| panic!("{text} is no number"));
    match unit {
        "" => number.to_string(),
        "KiB" => (number << 10).to_string(),
        "MiB" => (number << 20).to_string(),
        "seconds" => format!("{:?}", Duration::from_secs(number)),
        "minutes" => format!("{:?}", Duration::from_secs(60 * number)),
        unit => panic!("{unit} is no unit"),
    }
}

#[test]
fn the_tables_have_every_limit_with_its_default() {
    let tables = include_str!("../docs/limits.md");
    let documented: BTreeMap<String, String> = tables
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once("` | "))
        .map(|(name, rest)| (name.to_owned(), in_code(rest.split(" | ").next().unwrap())))
        .collect();
    let mut actual = defaults(&Limits::default());
    actual.append(&mut defaults(&Http::default()));
    actual.append(&mut defaults(&Stdio::default()));
    actual.append(&mut defaults(&Sockets::default()));
    assert_eq!(documented, actual);
}

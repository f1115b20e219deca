//! The tables of `docs/limits.md` and `docs/bext.md` say what the defaults are.

use std::{collections::BTreeMap, fmt::Debug, fs, time::Duration};

use toolpack::{
    Bucket, Limits, Rates,
    http::Http,
    stdio::{Sockets, Stdio},
};

use crate::support::data::Data;

/// The fields that are numbers, durations or buckets, as `Debug` writes them, under the name of their type.
fn defaults(options: &impl Debug) -> BTreeMap<String, String> {
    let text = format!("{options:?}");
    let (name, fields) = text.strip_suffix(" }").and_then(|text| text.split_once(" { ")).unwrap();
    let is_limit = |value: &str| {
        value.starts_with(|first: char| first.is_ascii_digit()) || value.starts_with("Some(Bucket")
    };
    fields_of(fields)
        .into_iter()
        .filter_map(|field| field.split_once(": "))
        .filter(|(_, value)| is_limit(value))
        .map(|(field, value)| (format!("{name}::{field}"), value.to_owned()))
        .collect()
}

/// The fields of a struct, each whole: a field may have fields of its own.
fn fields_of(text: &str) -> Vec<&str> {
    let (mut fields, mut start, mut depth) = (Vec::new(), 0, 0);
    for (index, character) in text.char_indices() {
        match character {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                fields.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    fields.push(text[start..].trim());
    fields
}

fn number<N: std::str::FromStr>(text: &str) -> N {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

/// What people write, as `Debug` would.
fn in_code(text: &str) -> String {
    if let Some((calls, per_minute)) =
        text.strip_suffix(" a minute").and_then(|text| text.split_once(" calls, "))
    {
        return format!("{:?}", Some(Bucket::new(number(calls), number(per_minute))));
    }
    let (amount, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 = number(amount);
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
    actual.append(&mut defaults(&Rates::default()));
    actual.append(&mut defaults(&Http::default()));
    actual.append(&mut defaults(&Stdio::default()));
    actual.append(&mut defaults(&Sockets::default()));
    assert_eq!(documented, actual);
}

#[test]
fn the_table_of_settings_is_what_the_first_file_says() {
    let data = Data::new();
    let started = data.run(&["node", "start"]);
    assert!(started.status.success(), "{started:?}");
    let file = fs::read_to_string(data.path().join("instances/local/bext.config.toml")).unwrap();
    let (mut section, mut range, mut written) = ("", "", Vec::new());
    for line in file.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if let Some((name, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")) {
            written.push(format!("| `{section}.{name}` | {value} | {range} |").replace('"', ""));
        } else {
            // Behind the sentence, as `1s to 1h.`
            range =
                line.strip_suffix('.').and_then(|line| line.rsplit_once(". ")).map_or("", |(_, range)| range);
        }
    }
    assert!(written.len() > 10, "{file}");
    let tables = include_str!("../docs/bext.md").lines().filter(|line| {
        ["gateway", "deploy", "health"].iter().any(|section| line.starts_with(&format!("| `{section}.")))
    });
    let documented: Vec<String> =
        tables.map(|row| row.split(" | ").take(3).collect::<Vec<_>>().join(" | ") + " |").collect();
    assert_eq!(documented, written);
}

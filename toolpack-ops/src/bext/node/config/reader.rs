//! What the text of a configuration says, or everything that is wrong with it and where.
//!
//! Nothing that stands in the text as a value is repeated, unless it is a number: it may be anything, also a secret that
//! was put into the wrong place.

use std::fmt;

use toml_edit::{Document, Item, TableLike, Value};

use super::credentials;
use super::settings::{SETTINGS, Setting, Settings, Unit};
use super::time_text;

/// Something that is wrong, and where; lines and columns begin with 1, and columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    line: usize,
    column: usize,
    message: String,
}

impl Problem {
    fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// Takes the text apart as TOML.
pub(super) fn document(text: &str) -> Result<Document<&str>, Problem> {
    // Only its message: as a whole, it shows the line at fault.
    Document::parse(text).map_err(|error| {
        let offset = error.span().map_or(text.len(), |span| span.start);
        Problem::at(text, offset, error.message())
    })
}

/// The settings; or all that is wrong, in the order of the text.
pub(super) fn read(text: &str) -> Result<Settings, Vec<Problem>> {
    let document = document(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader { text, settings: Settings::default(), problems: Vec::new() };
    reader.root(document.as_table());
    if reader.problems.is_empty() {
        return Ok(reader.settings);
    }
    reader.problems.sort_by_key(|problem| (problem.line, problem.column));
    Err(reader.problems)
}

struct Reader<'a> {
    text: &'a str,
    settings: Settings,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn root(&mut self, root: &dyn TableLike) {
        for (name, item) in root.iter() {
            let offset = key_offset(root, name, item);
            if !SETTINGS.iter().any(|setting| setting.section == name) {
                self.problem(offset, unknown_section(name));
            } else if let Some(section) = item.as_table_like() {
                self.section(name, section);
            } else {
                self.problem(offset, format!("{name} is a section; write it as [{name}]"));
            }
        }
    }

    fn section(&mut self, section: &str, entries: &dyn TableLike) {
        for (name, item) in entries.iter() {
            let offset = key_offset(entries, name, item);
            let found = SETTINGS.iter().find(|setting| setting.section == section && setting.name == name);
            let Some(setting) = found else {
                self.problem(offset, unknown_setting(section, name));
                continue;
            };
            match value(setting, item) {
                Ok(value) => setting.set(&mut self.settings, value),
                Err(message) => {
                    let offset = item.span().map_or(offset, |span| span.start);
                    self.problem(offset, format!("{} {message}", setting.full_name()));
                }
            }
        }
    }

    fn problem(&mut self, offset: usize, message: String) {
        self.problems.push(Problem::at(self.text, offset, message));
    }
}

/// The value of a setting, or what of it is wrong.
fn value(setting: &Setting, item: &Item) -> Result<u64, String> {
    let given = match (setting.unit, item.as_value()) {
        (Unit::Time, Some(Value::String(text))) => time_text::parse(text.value()).ok_or_else(|| {
            "is a number and a unit, such as \"250ms\", \"10s\", \"2m\" or \"1h\"".to_owned()
        })?,
        (Unit::Time, _) => {
            let example = setting.written(setting.default);
            return Err(format!("is a time as text, such as {example}, not {}", kind(item)));
        }
        (Unit::Bytes | Unit::Count, Some(Value::Integer(number))) => {
            u64::try_from(*number.value()).map_err(|_| out_of_range(setting, number.value().to_string()))?
        }
        (Unit::Bytes, _) => return Err(format!("is a whole number of bytes, not {}", kind(item))),
        (Unit::Count, _) => return Err(format!("is a whole number, not {}", kind(item))),
    };
    if (setting.min..=setting.max).contains(&given) {
        Ok(given)
    } else {
        Err(out_of_range(setting, setting.written(given)))
    }
}

fn out_of_range(setting: &Setting, given: String) -> String {
    format!("is {} to {}, not {given}", setting.written(setting.min), setting.written(setting.max))
}

fn kind(item: &Item) -> &'static str {
    match item {
        Item::Value(Value::String(_)) => "a text",
        Item::Value(Value::Integer(_)) => "a number without a unit",
        Item::Value(Value::Float(_)) => "a number with a point",
        Item::Value(Value::Boolean(_)) => "true or false",
        Item::Value(Value::Datetime(_)) => "a date",
        Item::Value(Value::Array(_)) | Item::ArrayOfTables(_) => "a list",
        Item::Value(Value::InlineTable(_)) | Item::Table(_) | Item::None => "a table",
    }
}

fn unknown_section(name: &str) -> String {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) {
        return format!("{name} belongs in [{}]", setting.section);
    }
    let sections = SETTINGS.iter().map(|setting| setting.section);
    match nearest(name, sections) {
        Some(near) => format!("there is no section {}; did you mean [{near}]?", quoted(name)),
        None => format!("there is no section {}; there are [gateway], [deploy] and [health]", quoted(name)),
    }
}

fn unknown_setting(section: &str, name: &str) -> String {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) {
        return format!("{name} belongs in [{}], not in [{section}]", setting.section);
    }
    let known = SETTINGS.iter().filter(|setting| setting.section == section).map(|setting| setting.name);
    match nearest(name, known.clone()) {
        Some(near) => format!("[{section}] has no setting {}; did you mean {near}?", quoted(name)),
        None => {
            let known: Vec<&str> = known.collect();
            format!("[{section}] has no setting {}; it has {}", quoted(name), known.join(", "))
        }
    }
}

/// A name as it stands in the text, unless it is long or may be a secret.
fn quoted(name: &str) -> String {
    const SHOWN: usize = 64;
    if name.chars().count() > SHOWN || credentials::are_in(name) {
        return "of that name".to_owned();
    }
    format!("\"{}\"", name.escape_debug())
}

/// The known name that a misspelt one most likely means.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A long name would make this costly, and is no misspelling.
    const MAX_BYTES: usize = 64;
    if name.len() > MAX_BYTES {
        return None;
    }
    let name = name.to_lowercase().replace('-', "_");
    known
        .map(|known| (strsim::damerau_levenshtein(&name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().max(3) / 3)
        .map(|(_, known)| known)
}

/// Where a key stands; its value, if that cannot be told.
fn key_offset(table: &dyn TableLike, name: &str, item: &Item) -> usize {
    let key = table.key(name).and_then(toml_edit::Key::span);
    key.or_else(|| item.span()).map_or(0, |span| span.start)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use std::time::Duration;

    use super::super::settings::first_text;
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read(text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_first_file_says_the_defaults_and_so_does_an_empty_one() {
        assert_eq!(read("").unwrap(), Settings::default());
        assert_eq!(read(&first_text()).unwrap(), Settings::default());
        // With every setting uncommented, too.
        let set: String = first_text()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting) if setting.contains(" = ") => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert_eq!(set.matches(" = ").count(), SETTINGS.len());
        assert_eq!(read(&set).unwrap(), Settings::default());
    }

    #[test]
    fn a_setting_is_read_however_toml_lets_it_be_written() {
        for text in [
            "[gateway]\nheader_timeout = \"3s\"\nmax_in_flight = 1_000",
            "gateway.header_timeout = '3s'\ngateway.max_in_flight = 0x3e8",
            "gateway = { header_timeout = \"\"\"3000ms\"\"\", \"max_in_flight\" = 1000 }",
            "\u{feff}[ gateway ] # here\r\n\"header\\u005ftimeout\" = \"3s\"\r\nmax_in_flight = +1000\r\n",
        ] {
            let settings = read(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
            assert_eq!(settings.gateway.header_timeout, Duration::from_secs(3), "{text}");
            assert_eq!(settings.gateway.max_in_flight, 1000, "{text}");
            let mut expected = Settings::default();
            expected.gateway.header_timeout = Duration::from_secs(3);
            expected.gateway.max_in_flight = 1000;
            assert_eq!(settings, expected);
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_with_its_place() {
        let text = "[gateway]\nheader_timout = \"1s\"\nconnect_timeout = 2\n  max_body_bytes = -1\n\
                    response_timeout = \"soon\"\ndrain_time = \"1s\"\n[deply]\nx = 1\n[deploy]\nkeep_artifacts = 1001\n\
                    stop_time = \"1h\"\nmax_source_bytes = \"1 GiB\"\n";
        assert_eq!(
            problems(text),
            [
                "line 2, column 1: [gateway] has no setting \"header_timout\"; did you mean header_timeout?",
                "line 3, column 19: gateway.connect_timeout is a time as text, such as \"2s\", not a number without a unit",
                "line 4, column 20: gateway.max_body_bytes is 1024 to 1099511627776, not -1",
                "line 5, column 20: gateway.response_timeout is a number and a unit, such as \"250ms\", \"10s\", \"2m\" or \"1h\"",
                "line 6, column 1: drain_time belongs in [deploy], not in [gateway]",
                "line 7, column 2: there is no section \"deply\"; did you mean [deploy]?",
                "line 10, column 18: deploy.keep_artifacts is 0 to 1000, not 1001",
                "line 11, column 13: deploy.stop_time is \"0s\" to \"10m\", not \"1h\"",
                "line 12, column 20: deploy.max_source_bytes is a whole number of bytes, not a text",
            ]
        );
        for (text, problem) in [
            ("interval = \"1s\"", "line 1, column 1: interval belongs in [health]"),
            ("gateway = 1", "line 1, column 1: gateway is a section; write it as [gateway]"),
            ("[[gateway]]", "line 1, column 3: gateway is a section; write it as [gateway]"),
            (
                "[health.interval]",
                "line 1, column 1: health.interval is a time as text, such as \"10s\", not a table",
            ),
            (
                "x-y-z = 1",
                "line 1, column 1: there is no section \"x-y-z\"; there are [gateway], [deploy] and [health]",
            ),
            (
                "health.\"ä\" = 1",
                "line 1, column 8: [health] has no setting \"ä\"; it has interval, slow_after",
            ),
            (
                "health.interval = 1.5",
                "line 1, column 19: health.interval is a time as text, such as \"10s\", not a number with a point",
            ),
        ] {
            assert_eq!(problems(text), [problem], "{text}");
        }
    }

    #[test]
    fn what_is_no_toml_is_said_with_its_place_and_without_its_text() {
        for (text, place) in [
            ("[gateway\nheader_timeout = 1", "line 1, column 9: "),
            ("a = \"hunter2", "line 1, column "),
            ("x = 1\nä = hunter2", "line 2, column "),
            ("[a]\n[a]\nhunter2 = hunter2", "line "),
            ("hunter2", "line 1, column "),
            ("hunter2 = 1\nhunter2 = 2", "line 2, column 1: "),
        ] {
            let problems = problems(text);
            assert!(problems[0].starts_with(place), "{problems:?}");
            assert!(!problems[0].contains("hunter2"), "{problems:?}");
        }
    }

    #[test]
    fn no_value_is_repeated_and_no_name_that_may_be_a_secret() {
        for text in [
            "[gateway]\nheader_timeout = \"hunter2\"",
            "[gateway]\nmax_in_flight = \"hunter2\"",
            "[gateway]\nmax_in_flight = [\"hunter2\"]",
            "[gateway]\n\"http://a:hunter2@b\" = 1",
            "\"Bearer hunter2\" = 1",
            "gateway = \"hunter2\"",
            &format!("\"{}hunter2\" = 1", "x".repeat(60)),
        ] {
            assert!(!problems(text).concat().contains("hunter2"), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]a-c=\"'#.\n{},0-9\\\\é]{0,60}") {
            let _ = read(&text);
        }
    }
}

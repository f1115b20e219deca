//! What a person is asked to agree to before something destructive is done: all of it, in characters that can be seen.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{guards::Guarded, protocol::JsonObject, tool_error::ToolError};

/// The most characters that a person is shown. What is more is not cut, since what is not shown is not agreed to.
const MOST_CHARS: usize = 4000;

/// So many blanks in a row push what stands behind them out of sight.
const MOST_BLANKS: usize = 8;

/// The question: the tool's own preview, or its name and arguments without those that are shown to nobody.
pub(crate) fn consent_text(
    guarded: &Guarded,
    preview: Option<String>,
    arguments: Option<&JsonObject>,
) -> Result<String, ToolError> {
    let name = &guarded.name;
    if let Some(preview) = preview {
        return Ok(format!("{preview}\n\nAllow `{name}`?"));
    }
    let shown = match arguments.filter(|arguments| !arguments.is_empty()) {
        None => "without arguments".to_owned(),
        Some(arguments) => {
            let mut arguments = Value::Object(arguments.clone());
            guarded.hidden.hide(&mut arguments);
            let shown = visible(&arguments.to_string());
            if shown.chars().count() > MOST_CHARS {
                let message = "Not done: the arguments are too many to show to the person who would have to agree; \
                               do less at once";
                return Err(ToolError::new("too_much_to_show", message));
            }
            format!("with {shown}")
        }
    };
    Ok(format!("Allow `{name}` {shown}? It may delete or take back what is live."))
}

/// JSON in which every character can be seen: what is invisible, or turns the direction of writing, is escaped as JSON has
/// it, and many blanks in a row are counted.
fn visible(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    let mut rest = json.chars().peekable();
    while let Some(c) = rest.next() {
        if c == ' ' {
            let mut blanks = 1;
            while rest.next_if_eq(&' ').is_some() {
                blanks += 1;
            }
            match blanks {
                ..=MOST_BLANKS => shown.extend(std::iter::repeat_n(' ', blanks)),
                // A text takes whatever is written to it.
                _ => _ = write!(shown, "[{blanks} blanks]"),
            }
        } else if c.is_ascii() || is_visible(c) {
            shown.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(shown, "\\u{unit:04x}"));
        }
    }
    shown
}

/// Whether a character leaves a mark of its own. One that goes onto the letter before it does.
fn is_visible(c: char) -> bool {
    let mut text = String::from("a");
    text.push(c);
    // What the standard library would print as it is.
    text.escape_debug().skip(1).eq([c])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_out_of_sight() {
        for (json, shown) in [
            (r#"{"sql":"a = 1"}"#, r#"{"sql":"a = 1"}"#),
            ("\"a = 1                   OR 1=1\"", "\"a = 1[19 blanks]OR 1=1\""),
            ("a\u{202e}b", r"a\u202eb"),
            ("a\u{200b}\u{ad}\u{61c}\u{2028}\u{feff}", r"a\u200b\u00ad\u061c\u2028\ufeff"),
            ("\u{e0041}", r"\udb40\udc41"),
            ("für 日本語 नमस्ते e\u{301} 🦀", "für 日本語 नमस्ते e\u{301} 🦀"),
        ] {
            assert_eq!(visible(json), shown);
        }
    }
}

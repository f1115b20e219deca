//! Messages as people read them: short ones on a line, longer ones broken where it helps.

use serde_json::Value;

const WIDTH: usize = 110;

/// What comes before other keys, in this order.
const FIRST: [&str; 6] = ["jsonrpc", "id", "method", "type", "name", "uri"];

/// Writes a message after whatever the first line begins with.
pub(crate) fn message(head: &str, message: &Value) -> String {
    let mut out = format!("{head} ");
    write(&mut out, message, 1);
    out
}

fn write(out: &mut String, value: &Value, depth: usize) {
    let flat = flat(value);
    if fits(out, &flat) {
        return out.push_str(&flat);
    }
    match value {
        Value::Object(members) => {
            out.push('{');
            for (index, key) in keys(members).into_iter().enumerate() {
                let member = format!("{}: ", Value::from(key.as_str()));
                if index > 0 {
                    // What has members of its own and comes last goes on from here.
                    let is_tail = index + 1 == members.len() && members[key].is_object();
                    let shown = if is_tail { start(&members[key]) } else { self::flat(&members[key]) };
                    let is_short = fits(out, &format!(", {member}{shown}"));
                    out.push_str(if is_short { ", " } else { "," });
                    if !is_short {
                        indent(out, depth);
                    }
                }
                out.push_str(&member);
                write(out, &members[key], depth + 1);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                indent(out, depth);
                write(out, item, depth + 1);
            }
            out.push(']');
        }
        _ => out.push_str(&flat),
    }
}

fn indent(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

fn fits(out: &str, further: &str) -> bool {
    let column = out.len() - out.rfind('\n').map_or(0, |end| end + 1);
    column + further.len() <= WIDTH
}

fn flat(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let member = |key: &String| format!("{}: {}", Value::from(key.as_str()), flat(&members[key]));
            format!("{{{}}}", keys(members).into_iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}

/// The least that has to stand on a line: all up to the end of the first member.
fn start(value: &Value) -> String {
    match value.as_object().map(|members| (members, keys(members))) {
        Some((members, keys)) if !keys.is_empty() => {
            format!("{{{}: {}", Value::from(keys[0].as_str()), start(&members[keys[0]]))
        }
        _ => flat(value),
    }
}

fn keys(members: &serde_json::Map<String, Value>) -> Vec<&String> {
    let mut keys: Vec<_> = members.keys().collect();
    keys.sort_by_key(|key| FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len()));
    keys
}

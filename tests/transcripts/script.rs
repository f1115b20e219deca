//! A script as it stands in its file; `README.md` beside it says what each line means.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A dialogue: who says what, in order.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) path: PathBuf,
    /// The path below the folder of all scripts, as failures show it.
    pub(crate) name: String,
    /// The revision that shorthand is filled in for.
    pub(crate) revision: String,
    /// What the client can be asked.
    pub(crate) capabilities: Value,
    pub(crate) steps: Vec<Step>,
    /// The lines of the file.
    lines: Vec<String>,
}

/// A line with those that continue it.
#[derive(Debug)]
pub(crate) struct Step {
    /// The first one's number, from 1.
    pub(crate) line: usize,
    lines: usize,
    /// The transports it is meant for.
    pub(crate) over: Over,
    pub(crate) action: Action,
}

/// What a step is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Both,
    Http,
    /// Whatever has one stream of messages in each direction: stdio, and a connection in memory.
    Pipe,
}

#[derive(Debug)]
pub(crate) enum Action {
    Say(Saying),
    Hear(Hearing),
    /// Opens a session with everything that the script's head says.
    Handshake,
    /// The client leaves.
    Close,
    /// The client closes the response to the request of this id.
    HangUp(Value),
}

/// What the client sends.
#[derive(Debug)]
pub(crate) struct Saying {
    pub(crate) text: String,
    /// Whether nothing is filled in.
    pub(crate) is_verbatim: bool,
    /// Whether the client breaks the schema on purpose.
    pub(crate) is_wrong: bool,
    /// Headers that differ from what the message asks for; those without a value are left out.
    pub(crate) headers: Vec<(String, Option<String>)>,
}

/// What the server must say.
#[derive(Debug)]
pub(crate) struct Hearing {
    /// The message; `None` for a response without one.
    pub(crate) message: Option<Value>,
    /// Whether the author has not said yet what it is.
    pub(crate) is_blank: bool,
    /// Whether `jsonrpc` stands there.
    pub(crate) is_verbatim: bool,
    /// Whether the protocol leaves open where in its run it comes.
    pub(crate) is_unordered: bool,
    /// The status that it has over HTTP, if not 200.
    pub(crate) status: Option<u16>,
    /// The form that it has over HTTP, where the script says.
    pub(crate) form: Option<Form>,
}

/// The form of a message in an HTTP response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Events,
}

impl Step {
    pub(crate) fn is_for(&self, http: bool) -> bool {
        self.over != if http { Over::Pipe } else { Over::Http }
    }
}

impl Hearing {
    fn reads(first: &str, rest: &str) -> Result<Self, String> {
        let is_verbatim = first.starts_with("<<");
        let is_unordered = first.contains('~');
        let (mut status, mut form, mut rest) = (None, None, rest);
        loop {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            match word {
                "json" => form = Some(Form::Json),
                "events" => form = Some(Form::Events),
                _ if word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit()) => {
                    status = word.parse().ok();
                }
                _ => break,
            }
            rest = after.trim();
        }
        let message = match rest {
            "" => None,
            text => Some(serde_json::from_str(text).map_err(|error| error.to_string())?),
        };
        let is_blank = message.is_none() && status.is_none();
        Ok(Self { message, is_blank, is_verbatim, is_unordered, status, form })
    }
}

impl Script {
    /// Reads a script; what is wrong with it is said with file and line.
    pub(crate) fn read(folder: &Path, path: PathBuf) -> Result<Self, String> {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let (revision, capabilities, steps) = (String::new(), json!({}), Vec::new());
        let mut script = Self { path, name, revision, capabilities, steps, lines };
        let mut headers = Vec::new();
        let mut at = 0;
        while at < script.lines.len() {
            let first = at;
            at += 1;
            let mut logical = script.lines[first].clone();
            let continues = |line: &&String| line.starts_with([' ', '\t']) && !line.trim().is_empty();
            while let Some(more) = script.lines.get(at).filter(continues) {
                logical.push(' ');
                logical.push_str(more.trim());
                at += 1;
            }
            let taken = script.take(&logical, first + 1, at - first, &mut headers);
            taken.map_err(|what| format!("tests/transcripts/{}:{}: {what}", script.name, first + 1))?;
        }
        if script.revision.is_empty() {
            return Err(format!("tests/transcripts/{}: it names no revision", script.name));
        }
        Ok(script)
    }

    fn take(
        &mut self,
        logical: &str,
        line: usize,
        lines: usize,
        headers: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), String> {
        let logical = logical.trim();
        let (first, rest) = logical.split_once(char::is_whitespace).unwrap_or((logical, ""));
        let rest = rest.trim();
        let is_line = first.starts_with(['<', '>']);
        let over = match first.trim_matches(['<', '>', '!', '~']) {
            "http" if is_line => Over::Http,
            "pipe" if is_line => Over::Pipe,
            other if is_line && !other.is_empty() => return Err(format!("there is no {other:?}")),
            _ => Over::Both,
        };
        let action = match first {
            "" | "#" => return Ok(()),
            "revision:" => {
                self.revision = rest.to_owned();
                return Ok(());
            }
            "capabilities:" => {
                self.capabilities = serde_json::from_str(rest).map_err(|error| error.to_string())?;
                return Ok(());
            }
            "handshake" => Action::Handshake,
            "close" => Action::Close,
            _ if first.starts_with('@') => {
                let (name, value) = logical[1..].split_once(':').ok_or("a header has a colon")?;
                let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
                headers.push((name.to_owned(), value));
                return Ok(());
            }
            _ if first.starts_with('<') => Action::Hear(Hearing::reads(first, rest)?),
            _ if first.starts_with('>') => match rest.strip_prefix("hang up ") {
                Some(id) => Action::HangUp(serde_json::from_str(id).map_err(|error| error.to_string())?),
                None => Action::Say(Saying {
                    text: rest.to_owned(),
                    is_verbatim: first.starts_with(">>"),
                    is_wrong: first.contains('!'),
                    headers: std::mem::take(headers),
                }),
            },
            _ => return Err(format!("{first:?} begins no line")),
        };
        self.steps.push(Step { line, lines, over, action });
        Ok(())
    }

    /// The head of a step's first line: all that is not the message.
    pub(crate) fn marks(&self, step: &Step) -> &str {
        self.lines[step.line - 1].split_whitespace().next().unwrap_or_default()
    }

    /// Writes the file anew, with some of its steps replaced.
    pub(crate) fn rewrite(&self, replacements: &[(usize, String)]) {
        let mut text = String::new();
        let mut at = 0;
        while at < self.lines.len() {
            let replaced = replacements.iter().find(|(line, _)| *line == at + 1);
            let lines = match self.steps.iter().find(|step| step.line == at + 1) {
                Some(step) if replaced.is_some() => step.lines,
                _ => 1,
            };
            match replaced {
                Some((_, new)) => text.push_str(new),
                None => text.push_str(&self.lines[at]),
            }
            text.push('\n');
            at += lines;
        }
        std::fs::write(&self.path, text).unwrap();
    }
}

/// Every script below the folder, by name.
pub(crate) fn all(folder: &Path) -> Vec<Result<Script, String>> {
    let files = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
        files.sort();
        files
    };
    let is_script = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "txt");
    let scripts = files(folder).into_iter().flat_map(|revision| files(&revision)).filter(is_script);
    scripts.map(|path| Script::read(folder, path)).collect()
}

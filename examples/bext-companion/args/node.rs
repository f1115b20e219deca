//! `node`: which of its commands, with what.

use std::{ffi::OsString, path::PathBuf};

use super::{
    data_or_default,
    serving::{StartArgs, read_instances},
    words::{Words, once},
};

/// What to do with the node of a data directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NodeTask {
    /// Have it run, by itself.
    Start(StartArgs),
    /// Have it end.
    Stop { data: PathBuf },
    /// Say how it is.
    Status { data: PathBuf, is_json: bool },
    /// Be it, until it is stopped. Not in the help: it is what a start begins, and what a supervisor of services may.
    Run { start: StartArgs, is_detached: bool },
}

/// Reads the words after `node`.
pub(super) fn parse(mut words: Words<impl Iterator<Item = OsString>>) -> Result<NodeTask, String> {
    const COMMANDS: &str = "node wants start, stop or status after it";
    let command = words.next().ok_or(COMMANDS)?;
    let (mut data, mut instances) = (None, None);
    let (mut json, mut verbose, mut detached) = (None, None, None);
    while let Some(word) = words.next() {
        match (command.flag.as_str(), word.flag.as_str()) {
            (_, "--data") => once(&word, &mut data, words.value(&word, "a directory")?)?,
            ("start" | "run", "--instances") => {
                let ids = words.text(&word, "ids such as staging-1,prod-1")?;
                once(&word, &mut instances, read_instances(&ids)?)?;
            }
            ("start" | "run", "--verbose") => once(&word, &mut verbose, word.alone()?)?,
            ("status", "--json") => once(&word, &mut json, word.alone()?)?,
            ("run", "--detached") => once(&word, &mut detached, word.alone()?)?,
            _ => return Err(word.unknown()),
        }
    }
    let start =
        |data| StartArgs { data, instances: instances.unwrap_or_default(), verbose: verbose.is_some() };
    let data = data_or_default(data);
    match command.flag.as_str() {
        "start" => Ok(NodeTask::Start(start(data?))),
        "run" => Ok(NodeTask::Run { start: start(data?), is_detached: detached.is_some() }),
        "stop" => Ok(NodeTask::Stop { data: data? }),
        "status" => Ok(NodeTask::Status { data: data?, is_json: json.is_some() }),
        _ => Err(COMMANDS.to_owned()),
    }
}

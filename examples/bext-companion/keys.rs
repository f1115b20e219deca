//! The keys of a data directory: made, listed and taken back from the command line, and shown by whoever calls over HTTP.

use std::{fs::File, io::Write, path::Path, time::SystemTime};

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use toolpack::{
    bext::scopes,
    http::{ApiKey, ApiKeys, Granted, KeyRecord, NewKey},
};

use crate::{
    Failure,
    args::{KeysCommand, KeysTask, NewKeyArgs},
};

/// What a scope is written as that stands for all of them.
const EVERY_SCOPE: &str = "*";

/// The keys in a data directory.
pub(crate) fn open(data: &Path) -> Result<ApiKeys, Failure> {
    Ok(ApiKeys::open(data)?.prefix("bx")?)
}

/// What a server begins with.
pub(crate) enum Beginning {
    /// There never was a key: this one was made.
    FirstKey(ApiKey),
    /// There is one that is good.
    Keys,
    /// There are some, and none is good any more.
    NoneGood,
}

/// Makes a key where there never was any; of servers that start at once, one does.
pub(crate) async fn begin(keys: &ApiKeys, data: &Path) -> Result<Beginning, Failure> {
    // Held until the key is there. Others wait on threads of their own: on this one they would keep from it whoever has it.
    let path = data.join("keys.lock");
    // To read it is enough, which also those may who did not make it: root may have.
    let lock = File::open(&path).or_else(|_| File::create(&path))?;
    let _lock = spawn_blocking(move || lock.lock().map(|()| lock)).await??;
    let records = keys.list().await?;
    if records.is_empty() {
        let first = NewKey::named("made at the first start").every_scope().every_tenant();
        let (_, key) = keys.create(first).await?;
        return Ok(Beginning::FirstKey(key));
    }
    let is_any_good = records.iter().any(KeyRecord::is_valid);
    Ok(if is_any_good { Beginning::Keys } else { Beginning::NoneGood })
}

/// Does what the command line says; notes are for people.
pub(crate) async fn run(task: KeysTask, out: &mut impl Write, notes: &mut impl Write) -> Result<(), Failure> {
    // What is only looked at is not made for that.
    if !matches!(task.command, KeysCommand::Create(_)) && !task.data.join("keys.db").exists() {
        writeln!(notes, "There are no keys in {}.", task.data.display())?;
        let is_list = task.command == KeysCommand::List;
        return if is_list { write_table(&[], out) } else { Err("there is no key to take back".into()) };
    }
    let keys = open(&task.data)?;
    match task.command {
        KeysCommand::Create(args) => {
            let unknown = args.scopes.iter().find(|scope| !is_known(scope));
            if let Some(scope) = unknown {
                writeln!(
                    notes,
                    "no tool asks for the scope {scope}; those that there are: {}",
                    ALL.join(", ")
                )?;
            }
            let (record, key) = keys.create(new_key(args)).await?;
            if let Err(error) = writeln!(out, "{}", key.expose()).and_then(|()| out.flush()) {
                keys.revoke(&record.id).await?;
                return Err(format!("the key could not be printed, and is taken back: {error}").into());
            }
            writeln!(
                notes,
                "This is all that is ever shown of it. `keys revoke {}` takes it back.",
                record.id
            )?;
        }
        KeysCommand::List => {
            let records = keys.list().await?;
            write_table(&records, out)?;
        }
        KeysCommand::Revoke(given) => {
            let id = id_in(&given);
            if !keys.revoke(id).await? {
                return Err(format!(
                    "there is no key {id} that is good; `keys list` shows those that there are"
                )
                .into());
            }
            writeln!(notes, "{id} is taken back.")?;
        }
    }
    Ok(())
}

/// The id in what was given: be it the id alone, with its prefix, or the whole key, of which the rest is shown nowhere.
fn id_in(given: &str) -> &str {
    let head = given.split('.').next().unwrap_or_default();
    head.rsplit('_').next().unwrap_or_default()
}

/// The scopes that there are.
const ALL: [&str; 3] = [scopes::READ, scopes::WRITE, scopes::ADMIN];

fn is_known(scope: &str) -> bool {
    scope == EVERY_SCOPE || ALL.contains(&scope)
}

fn new_key(args: NewKeyArgs) -> NewKey {
    let key = NewKey::named(args.name);
    // Who may do everything is asked for no tenant either.
    let key =
        if args.scopes == [EVERY_SCOPE] { key.every_scope().every_tenant() } else { key.scopes(args.scopes) };
    match args.expires_in {
        Some(time) => key.expires_in(time),
        None => key,
    }
}

/// Writes what there is to know of keys, one a line.
fn write_table(records: &[KeyRecord], out: &mut impl Write) -> Result<(), Failure> {
    let heads = ["ID", "NAME", "STATE", "SCOPES", "CREATED", "EXPIRES"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(heads).chain(records.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn row(record: &KeyRecord) -> [String; 6] {
    let state = match (record.revoked, record.is_valid()) {
        (Some(_), _) => "revoked",
        (None, true) => "good",
        (None, false) => "expired",
    };
    let scopes = match &record.scopes {
        Granted::Every => EVERY_SCOPE.to_owned(),
        Granted::These(scopes) => scopes.join(","),
    };
    let expires = record.expires.map_or_else(|| "never".to_owned(), written);
    [record.id.clone(), record.name.clone(), state.to_owned(), scopes, written(record.created), expires]
}

/// A point in time, in UTC.
fn written(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| "?".to_owned(), |at| format!("{at:.0}"))
}

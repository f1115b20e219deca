//! A repository that is elsewhere, and the bare copy of it that is fetched anew before it is read.
//!
//! Nothing asks for a password here: over HTTP there are no credentials, and `ssh` runs in batch mode with the keys of the
//! user that the node runs as. A copy has one fetch at a time, in this process and in others.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gix::progress::Discard;
use gix::protocol::handshake::Ref;
use gix::remote::{Direction, fetch::Tags, ref_map};

use super::Refs;
use crate::bext::node::source::place::Place;
use crate::bext::node::source::task::{self, Stop};
use crate::bext::node::source::unwritable;
use crate::error::{Error, ErrorKind};

mod http;
mod ssh;

/// So long after a fetch there is no other: a source that is opened and then resolved is fetched once.
const FRESH: Duration = Duration::from_secs(5);

/// A repository elsewhere.
#[derive(Debug)]
pub(super) struct Remote {
    place: Place,
    copy: PathBuf,
    /// The program for SSH addresses.
    ssh: PathBuf,
    /// Within which time a fetch has to be done.
    limit: Duration,
    fetched: Mutex<Option<(Instant, Arc<Refs>)>>,
}

impl Remote {
    pub(super) fn new(place: Place, copies: &Path, limit: Duration) -> Self {
        Self {
            copy: copies.join(name_of(&place)),
            place,
            ssh: PathBuf::from("ssh"),
            limit,
            fetched: Mutex::new(None),
        }
    }

    pub(super) fn copy(&self) -> &Path {
        &self.copy
    }

    /// What its names lead to now; all of that is in the copy.
    pub(super) async fn refs(self: &Arc<Self>) -> Result<Arc<Refs>, Error> {
        let last = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, refs)) = last
            && at.elapsed() < FRESH
        {
            return Ok(refs);
        }
        let this = self.clone();
        let refs = Arc::new(task::run_within(self.limit, move |stop| this.fetch(stop)).await?);
        *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), refs.clone()));
        Ok(refs)
    }

    fn fetch(&self, stop: &Arc<Stop>) -> Result<Refs, Error> {
        let _turn = Turn::wait(&self.copy, stop)?;
        let unfinished = self.copy.with_extension("fetching");
        // A fetch that was killed may have left locks of git in the copy, which nobody will release.
        if unfinished.exists() && self.copy.exists() {
            fs::remove_dir_all(&self.copy).map_err(unwritable)?;
        }
        File::create(&unfinished).map_err(unwritable)?;
        let result = self.fetch_alone(stop);
        fs::remove_file(&unfinished).map_err(unwritable)?;
        stop.check()?;
        result
    }

    fn fetch_alone(&self, stop: &Arc<Stop>) -> Result<Refs, Error> {
        let repo = self.open_copy()?;
        match &self.place {
            Place::Http(url) => {
                let remote = remote_of(&repo, url).map_err(failed)?;
                let connection = remote.connect(Direction::Fetch).map_err(failed)?;
                let connection = connection.with_transport_options(Box::new(http::options(self.limit)));
                receive(&repo, connection, stop).map_err(http::explain)
            }
            Place::Ssh(address) => {
                let ssh = ssh::Running::start(&self.ssh, address, stop)?;
                let remote = remote_of(&repo, "ssh://host/path").map_err(failed)?;
                let result = receive(&repo, remote.to_connection_with_transport(ssh.transport()?), stop);
                result.map_err(|error| ssh.explain(error))
            }
            Place::Path(_) => Err(Error::new(ErrorKind::Unexpected, "internal", "a path is not fetched")),
        }
    }

    fn open_copy(&self) -> Result<gix::Repository, Error> {
        let options = gix::open::Options::isolated().open_path_as_is(true);
        if self.copy.exists() {
            match gix::open_opts(&self.copy, options.clone()) {
                Ok(repo) => return Ok(repo),
                Err(error) => {
                    tracing::warn!(%error, "the copy of a repository cannot be opened, and is made anew")
                }
            }
            fs::remove_dir_all(&self.copy).map_err(unwritable)?;
        }
        let made = gix::ThreadSafeRepository::init_opts(
            &self.copy,
            gix::create::Kind::Bare,
            gix::create::Options::default(),
            options,
        );
        made.map(Into::into).map_err(|error| unwritable(std::io::Error::other(error)))
    }
}

/// Under which name the copy is kept.
fn name_of(place: &Place) -> String {
    let hash = blake3::hash(format!("{place:?}").as_bytes()).to_hex();
    hash[..32].to_owned()
}

/// Removes the copies of all but these, unless they are being fetched.
pub(in crate::bext::node::source) async fn keep_copies(
    copies: &Path,
    places: Vec<Place>,
) -> Result<(), Error> {
    let copies = copies.to_owned();
    task::run(move |stop| {
        let kept: Vec<String> = places.iter().map(name_of).collect();
        let entries = match fs::read_dir(&copies) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unwritable(error)),
        };
        for entry in entries {
            stop.check()?;
            let entry = entry.map_err(unwritable)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_copy = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_copy
                && !kept.contains(&name)
                && let Some(_turn) = Turn::try_take(&entry.path())?
            {
                fs::remove_dir_all(entry.path()).map_err(unwritable)?;
            }
        }
        Ok(())
    })
    .await
}

fn remote_of<'repo>(repo: &'repo gix::Repository, url: &str) -> gix::Result<gix::Remote<'repo>> {
    let remote = repo.remote_at_without_url_rewrite(url)?.with_fetch_tags(Tags::None);
    remote
        .with_refspecs(["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"], Direction::Fetch)
}

/// Fetches what the copy has not, and says what the names lead to.
fn receive<T: gix::protocol::transport::client::blocking_io::Transport>(
    repo: &gix::Repository,
    connection: gix::remote::Connection<'_, '_, '_, T>,
    stop: &Stop,
) -> gix::Result<Refs> {
    let head = gix::refspec::parse("HEAD".into(), gix::refspec::parse::Operation::Fetch);
    let mut options = ref_map::Options::default();
    options.extra_refspecs.extend(head.ok().map(|head| head.to_owned()));
    // No helper is asked, and no prompt is shown.
    let connection = connection.with_credentials(|_| Ok(None));
    let prepared = connection.prepare_fetch(Discard, options)?;
    let mut refs = Refs::default();
    for reference in &prepared.ref_map().remote_refs {
        match reference {
            Ref::Peeled { full_ref_name, object, .. }
            | Ref::Direct { full_ref_name, object }
            | Ref::Symbolic { full_ref_name, object, .. } => refs.take(full_ref_name, *object),
            Ref::Unborn { .. } => {}
        }
    }
    if refs == Refs::default() {
        return Ok(refs);
    }
    forget_others(repo, &refs)?;
    prepared.with_write_packed_refs_only(true).receive(Discard, stop.flag())?;
    Ok(refs)
}

/// Deletes the names that are gone there: `a` would stand in the way of `a/b`.
fn forget_others(repo: &gix::Repository, refs: &Refs) -> gix::Result<()> {
    for reference in repo.references()?.all()? {
        let Ok(reference) = reference else { continue };
        let name = reference.name().as_bstr().to_string();
        let is_there = match (name.strip_prefix("refs/tags/"), name.strip_prefix("refs/remotes/origin/")) {
            (Some(tag), _) => refs.tags.contains_key(tag),
            (_, Some(branch)) => refs.branches.contains_key(branch),
            _ => true,
        };
        if !is_there {
            reference.delete()?;
        }
    }
    Ok(())
}

fn failed(error: gix::Error) -> Error {
    let message = "the repository cannot be fetched; is its address right, and does its server answer?";
    Error::new(ErrorKind::Unavailable, "source_unreachable", message).with_source(error)
}

fn denied(message: &'static str) -> Error {
    Error::new(ErrorKind::PermissionDenied, "source_denied", message)
}

/// What all errors in a chain say, to tell what happened where there is no type for it.
fn whole_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push('\n');
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

/// That one may fetch into a copy; it ends with the process, however that ends.
struct Turn(#[expect(dead_code, reason = "it is held, not read")] File);

impl Turn {
    fn wait(copy: &Path, stop: &Stop) -> Result<Self, Error> {
        const BETWEEN: Duration = Duration::from_millis(20);
        loop {
            stop.check()?;
            if let Some(turn) = Self::try_take(copy)? {
                return Ok(turn);
            }
            std::thread::sleep(BETWEEN);
        }
    }

    /// None if someone else has it.
    fn try_take(copy: &Path) -> Result<Option<Self>, Error> {
        if let Some(copies) = copy.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(copies).map_err(unwritable)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let lock = options.open(copy.with_extension("lock")).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self(lock))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;

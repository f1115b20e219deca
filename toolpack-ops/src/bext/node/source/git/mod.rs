//! A source that is a repository of git: its versions are tags, branches and commits, and only what is committed counts.
//!
//! Repositories are opened without any configuration of the machine and of its users, and nothing of git runs: no hook, no
//! filter, no helper. A working copy is read by its commits, never by what lies in it.

#[cfg(test)]
pub(crate) mod fixture;
mod remote;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::ObjectId;
use gix::objs::tree::EntryKind;

use super::export::{Export, path_within, shorten};
use super::limits::SourceLimits;
use super::manifest::Manifest;
use super::order::{self, Order};
use super::place::Place;
use super::{invalid, task};
use crate::bext::engine::Version;
use crate::error::{Error, ErrorKind};
use remote::Remote;

pub(super) use remote::keep_copies;

/// A repository on this machine, or a copy of a remote one.
#[derive(Debug)]
pub(super) struct Repository {
    directory: PathBuf,
    remote: Option<Arc<Remote>>,
}

/// What the names of a repository lead to: objects, which may be annotated tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Refs {
    tags: BTreeMap<String, ObjectId>,
    branches: BTreeMap<String, ObjectId>,
    head: Option<ObjectId>,
}

impl Refs {
    /// Takes a reference by its full name; those that are neither tag nor branch nor `HEAD` do not count.
    fn take(&mut self, name: &[u8], object: ObjectId) {
        let Ok(name) = str::from_utf8(name) else { return };
        if name == "HEAD" {
            self.head = Some(object);
        } else if let Some(tag) = name.strip_prefix("refs/tags/") {
            self.tags.insert(tag.to_owned(), object);
        } else if let Some(branch) = name.strip_prefix("refs/heads/") {
            self.branches.insert(branch.to_owned(), object);
        }
    }
}

impl Repository {
    /// One on this machine.
    pub(super) fn local(directory: PathBuf) -> Result<Self, Error> {
        let repository = Self { directory, remote: None };
        repository.open()?;
        Ok(repository)
    }

    /// One elsewhere, with its copy below `copies`.
    pub(super) fn remote(place: Place, copies: &Path, limits: &SourceLimits) -> Self {
        let remote = Remote::new(place, copies, limits.fetch_time);
        Self { directory: remote.copy().to_owned(), remote: Some(Arc::new(remote)) }
    }

    /// Fetches what is new, if it is elsewhere.
    pub(super) async fn refresh(&self) -> Result<(), Error> {
        match &self.remote {
            Some(remote) => remote.refs().await.map(drop),
            None => Ok(()),
        }
    }

    /// The commit of a version, or of the newest, and the name of that version.
    pub(super) async fn resolve(
        self: &Arc<Self>,
        version: Option<&Version>,
    ) -> Result<(Version, ObjectId), Error> {
        let fetched = match &self.remote {
            Some(remote) => Some(remote.refs().await?),
            None => None,
        };
        let (this, version) = (self.clone(), version.cloned());
        task::run(move |_| {
            let repo = this.open()?;
            let refs = match fetched {
                Some(refs) => refs,
                None => Arc::new(local_refs(&repo)?),
            };
            match version {
                Some(version) => find(&repo, &refs, &version),
                None => newest(&repo, &refs),
            }
        })
        .await
    }

    /// The manifest of a commit.
    pub(super) async fn manifest(self: Arc<Self>, commit: ObjectId) -> Result<Manifest, Error> {
        task::run(move |_| {
            let repo = self.open()?;
            let tree = repo.find_commit(commit).and_then(|commit| commit.tree()).map_err(damaged)?;
            let Some(entry) = tree.find_entry(Manifest::FILE) else { return Ok(Manifest::default()) };
            if !entry.mode().is_blob() {
                return Err(invalid(format!("{} must be a file", Manifest::FILE)));
            }
            if repo.find_header(entry.object_id()).map_err(damaged)?.size() > Manifest::MAX_BYTES {
                return Err(invalid(format!(
                    "{} is larger than {} bytes",
                    Manifest::FILE,
                    Manifest::MAX_BYTES
                )));
            }
            Manifest::parse(&repo.find_blob(entry.object_id()).map_err(damaged)?.data)
        })
        .await
    }

    /// Hands all files of a commit to the export. Submodules are left out.
    pub(super) fn export(&self, commit: ObjectId, export: &mut Export<'_>) -> Result<(), Error> {
        let repo = self.open()?;
        let root =
            repo.find_commit(commit).and_then(|commit| Ok(commit.tree_id()?.detach())).map_err(damaged)?;
        let mut waiting = vec![(root, Vec::new())];
        while let Some((tree, within)) = waiting.pop() {
            export.enter()?;
            let tree = repo.find_tree(tree).map_err(damaged)?;
            for entry in tree.iter() {
                export.stop().check()?;
                let entry = entry.map_err(damaged)?;
                let mut path: Vec<u8> = within.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(entry.filename());
                let Some(inner) = path_within(&path, export.limits())? else { continue };
                match entry.kind() {
                    EntryKind::Tree => waiting.push((entry.object_id(), path)),
                    EntryKind::Commit => {}
                    EntryKind::Link => {
                        let target = blob(&repo, entry.object_id(), &inner, export.limits())?;
                        export.link(inner, &target)?;
                    }
                    kind @ (EntryKind::Blob | EntryKind::BlobExecutable) => {
                        let bytes = blob(&repo, entry.object_id(), &inner, export.limits())?;
                        let executable = kind == EntryKind::BlobExecutable;
                        export.file(inner, executable, Some(bytes.len() as u64), bytes.as_slice())?;
                    }
                }
            }
        }
        Ok(())
    }

    fn open(&self) -> Result<gix::Repository, Error> {
        let options = gix::open::Options::isolated().open_path_as_is(self.remote.is_some());
        gix::open_opts(&self.directory, options).map_err(|error| {
            invalid("the repository of git cannot be opened; is it whole, and are its ids of 40 digits?")
                .with_source(error)
        })
    }
}

/// The size is looked at first: what an object claims to be is not taken into memory before.
fn blob(repo: &gix::Repository, id: ObjectId, path: &str, limits: &SourceLimits) -> Result<Vec<u8>, Error> {
    let size = repo.find_header(id).map_err(damaged)?.size();
    if size > limits.object_bytes {
        return Err(invalid(format!("{} has more than {} bytes", shorten(path), limits.object_bytes)));
    }
    Ok(std::mem::take(&mut repo.find_blob(id).map_err(damaged)?.data))
}

fn local_refs(repo: &gix::Repository) -> Result<Refs, Error> {
    let mut refs = Refs::default();
    let platform = repo.references().map_err(damaged)?;
    for reference in platform.all().map_err(damaged)? {
        // One that cannot be read is one that is not there.
        let Ok(mut reference) = reference else { continue };
        let name = reference.name().as_bstr().to_vec();
        if let Ok(object) = reference.peel_to_id() {
            refs.take(&name, object.detach());
        }
    }
    refs.head = repo.head_id().ok().map(gix::Id::detach);
    Ok(refs)
}

fn newest(repo: &gix::Repository, refs: &Refs) -> Result<(Version, ObjectId), Error> {
    let mut tags: Vec<_> = refs
        .tags
        .iter()
        .filter_map(|(name, object)| Some((Order::of(name)?, name.parse::<Version>().ok()?, object)))
        .collect();
    // Releases before pre-releases, and the highest of each first.
    tags.sort_by(|(one, ..), (other, ..)| {
        one.is_pre_release().cmp(&other.is_pre_release()).then_with(|| other.cmp(one))
    });
    for (_, version, object) in tags {
        if let Some(commit) = commit_of(repo, *object) {
            return Ok((version, commit));
        }
    }
    let head = refs.head.and_then(|head| commit_of(repo, head)).ok_or_else(|| {
        let message = "the repository has no version yet: neither a tag nor a commit that HEAD is at";
        Error::new(ErrorKind::NotFound, "version_not_found", message)
    })?;
    Ok((name_of(head)?, head))
}

fn find(repo: &gix::Repository, refs: &Refs, version: &Version) -> Result<(Version, ObjectId), Error> {
    let wanted = version.as_str();
    let exact = refs.tags.get_key_value(wanted);
    let tag = exact.or_else(|| refs.tags.iter().find(|(name, _)| order::is_same(name, wanted)));
    if let Some((name, object)) = tag
        && let (Some(commit), Ok(name)) = (commit_of(repo, *object), name.parse())
    {
        return Ok((name, commit));
    }
    // What a branch is at changes, so the record names the commit.
    if let Some(commit) = refs.branches.get(wanted).and_then(|object| commit_of(repo, *object)) {
        return Ok((name_of(commit)?, commit));
    }
    if (7..=40).contains(&wanted.len())
        && wanted.bytes().all(|byte| byte.is_ascii_hexdigit())
        && let Some(commit) = by_digits(repo, wanted)?
    {
        return Ok((name_of(commit)?, commit));
    }
    let names = refs
        .tags
        .iter()
        .chain(&refs.branches)
        .filter(|(name, object)| name.parse::<Version>().is_ok() && commit_of(repo, **object).is_some())
        .map(|(name, _)| name.as_str());
    match tag {
        // A tag may lead to anything that git holds.
        Some((name, _)) => {
            let there = order::what_there_is(version, names);
            let message = format!("{name} leads to no commit, and so is no version of the source; {there}");
            Err(Error::new(ErrorKind::NotFound, "version_not_found", message))
        }
        None => Err(order::version_not_found(version, names)),
    }
}

/// The commit whose id begins with these digits.
fn by_digits(repo: &gix::Repository, digits: &str) -> Result<Option<ObjectId>, Error> {
    let Ok(prefix) = gix::hash::Prefix::from_hex(&digits.to_ascii_lowercase()) else { return Ok(None) };
    let mut found = HashSet::default();
    repo.objects.lookup_prefix(prefix, Some(&mut found)).map_err(damaged)?;
    let is_commit = |id: &ObjectId| repo.find_header(*id).is_ok_and(|header| header.kind().is_commit());
    let mut commits = found.into_iter().filter(is_commit);
    match (commits.next(), commits.next()) {
        (commit, None) => Ok(commit),
        _ => {
            let message = format!("several commits begin with {digits}; give more digits, up to 40");
            Err(Error::new(ErrorKind::NotFound, "version_not_found", message))
        }
    }
}

fn commit_of(repo: &gix::Repository, object: ObjectId) -> Option<ObjectId> {
    let commit = repo.find_object(object).ok()?.peel_to_kind(gix::objs::Kind::Commit).ok()?;
    Some(commit.id)
}

fn name_of(commit: ObjectId) -> Result<Version, Error> {
    commit.to_hex_with_len(12).to_string().parse()
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    invalid("a part of the repository of git cannot be read; is it whole?").with_source(error)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

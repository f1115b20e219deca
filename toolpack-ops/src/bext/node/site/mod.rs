//! A static site: files of an artifact, served with types, validators, ranges and ready compressed forms.
//!
//! ```text
//! path         the names that a request asks for; what is never served
//! coding       which compressed forms the client takes
//! files        the file, opened without leaving the site
//! tags         its entity tag, by content
//! condition    whether the client still wants it
//! range        which bytes of it
//! answer       the response
//! pieces       its body, read while it is sent
//! health       whether a new site answers as it should
//! media, fingerprint    what a name says: the type, and whether the content ever changes
//! ```
//!
//! A small file costs one trip to a blocking thread, in which it is found, opened and read.

mod answer;
mod coding;
mod condition;
mod files;
mod fingerprint;
mod health;
mod media;
mod path;
mod pieces;
mod range;
mod tags;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use self::answer::{file_answer, missing_page, redirect, text, without_body};
use self::coding::Coding;
use self::condition::Validators;
use self::files::{Files, Found, FoundFile};
use self::path::{Refused, SitePath};
use self::range::Span;
use self::tags::{FileKey, Tags};
use super::body::Body;

/// How much of a file is read at a time. A file that is not larger is read at once.
const PIECE: usize = 64 * 1024;

/// What a site says when it has no such page.
const MISSING_PAGE: &str = "404.html";

/// The files of one artifact.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    shelf: Arc<Shelf>,
    live_since: SystemTime,
}

impl Site {
    /// The site of the files in this directory, which is held open. It counts as live from now on.
    ///
    /// Errors: the directory is not there, is none, or may not be read.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        let shelf = Shelf { files: Files::open(&root)?, tags: Arc::default() };
        Ok(Self { shelf: Arc::new(shelf), live_since: SystemTime::now() }.live_since(SystemTime::now()))
    }

    /// Since when these files are what the site answers with, which is the `Last-Modified` of all of them.
    ///
    /// The times of the files themselves would not do: an earlier release that is live again has older ones, and a client
    /// that asks by date would take it for what it has already.
    #[must_use]
    pub(crate) fn live_since(self, time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // HTTP has whole seconds, and years of four digits.
        Self { live_since: UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799)), ..self }
    }

    /// Answers a request, whatever its method.
    pub(crate) async fn answer(&self, request: &Parts) -> Response<Body> {
        if request.method != Method::GET && request.method != Method::HEAD {
            let mut response =
                text(StatusCode::METHOD_NOT_ALLOWED, "a static site answers GET and HEAD only");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let response = self.look_and_answer(request).await.unwrap_or_else(|error| {
            tracing::error!(path = request.uri.path(), %error, "a file of a static site could not be read");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the file could not be read; the log of the node says why",
            )
        });
        if request.method == Method::HEAD { without_body(response) } else { response }
    }

    async fn look_and_answer(&self, request: &Parts) -> io::Result<Response<Body>> {
        let path = match SitePath::parse(request.uri.path()) {
            Ok(path) => Some(path),
            Err(Refused::NotServed) => None,
            Err(Refused::Malformed) => {
                let message = "the path is malformed: each % has to be followed by two hexadecimal digits";
                return Ok(text(StatusCode::BAD_REQUEST, message));
            }
        };
        let accepted = coding::accepted(&request.headers);
        let wants_content = request.method == Method::GET && !condition::is_revalidation(&request.headers);
        let shelf = self.shelf.clone();
        let look = move || shelf.look(path.as_ref(), &accepted, wants_content);
        match tokio::task::spawn_blocking(look).await.map_err(io::Error::other)?? {
            Looked::File(opened) => {
                let tag = match opened.tag.clone() {
                    Some(tag) => tag,
                    None => self.shelf.tags.of_file(opened.key.clone(), opened.file.clone()).await?,
                };
                Ok(file_answer(request, opened, &Validators { tag, modified: self.live_since }))
            }
            Looked::Directory => Ok(redirect(request)),
            Looked::Missing(page) => Ok(missing_page(page)),
        }
    }
}

/// What the blocking threads need of a site.
#[derive(Debug)]
struct Shelf {
    files: Files,
    tags: Arc<Tags>,
}

/// What there is for a request.
#[derive(Debug)]
enum Looked {
    File(Opened),
    /// A directory, asked for without its slash.
    Directory,
    /// Nothing; the site's own page for that, if it has one.
    Missing(Option<Opened>),
}

/// A file that is open.
#[derive(Debug)]
struct Opened {
    key: FileKey,
    file: Arc<File>,
    varies: bool,
    /// Its tag, if it is known without a long reading.
    tag: Option<HeaderValue>,
    /// All of it, if it is small and was read.
    content: Option<Bytes>,
}

impl Shelf {
    fn look(&self, path: Option<&SitePath>, accepted: &[Coding], wants_content: bool) -> io::Result<Looked> {
        match path.map_or(Ok(Found::Nothing), |path| self.files.find(path, accepted))? {
            Found::File(found) => Ok(Looked::File(self.opened(found, wants_content)?)),
            Found::Directory => Ok(Looked::Directory),
            Found::Nothing => {
                let page = self.files.at_root(MISSING_PAGE, accepted)?;
                Ok(Looked::Missing(page.map(|page| self.opened(page, true)).transpose()?))
            }
        }
    }

    fn opened(&self, found: FoundFile, wants_content: bool) -> io::Result<Opened> {
        let FoundFile { file, path, length, modified, coding, varies } = found;
        let key = FileKey { path, coding, length, modified };
        let mut tag = self.tags.known(&key);
        let mut content = None;
        if length <= PIECE as u64 && (wants_content || tag.is_none()) {
            let whole = pieces::read(&file, Span { start: 0, end: length })?;
            tag.get_or_insert_with(|| self.tags.of_content(key.clone(), &whole));
            content = Some(whole);
        }
        Ok(Opened { key, file: Arc::new(file), varies, tag, content })
    }
}

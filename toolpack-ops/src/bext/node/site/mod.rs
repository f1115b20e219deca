//! A static site: files of an artifact, served with types, validators, ranges and ready compressed forms.

use std::path::PathBuf;

use http::{Response, request::Parts};

use super::body::Body;

/// The files of one artifact.
#[derive(Debug)]
pub(crate) struct Site {}

impl Site {
    /// The site of the files in this directory.
    pub(crate) fn open(_root: PathBuf) -> std::io::Result<Self> {
        unimplemented!()
    }

    /// Answers a request, whatever its method.
    pub(crate) async fn answer(&self, _request: &Parts) -> Response<Body> {
        unimplemented!()
    }
}

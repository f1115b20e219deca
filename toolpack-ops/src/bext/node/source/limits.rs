//! How much a source may hold, so that no source fills a machine, and how long it may take to be fetched.

use std::time::Duration;

/// The most that is read of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceLimits {
    /// Files and links. 100,000 by default.
    pub(crate) files: usize,
    /// Bytes of all files together. 2 GiB by default.
    pub(crate) bytes: u64,
    /// Bytes of one file in git, because it is read in one piece. 256 MiB by default.
    pub(crate) object_bytes: u64,
    /// Bytes of the path of a file within the source. 1,024 by default.
    pub(crate) path_bytes: usize,
    /// Directories in each other. 64 by default.
    pub(crate) depth: usize,
    /// How many times its size an archive may become. 200 by default.
    pub(crate) ratio: u64,
    /// Bytes that come out of an archive before the ratio counts: a page of zeros is no attack. 64 MiB by default.
    pub(crate) ratio_free_bytes: u64,
    /// Within which time a remote repository has to be fetched. 60 seconds by default.
    pub(crate) fetch_time: Duration,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            files: 100_000,
            bytes: 2 << 30,
            object_bytes: 256 << 20,
            path_bytes: 1024,
            depth: 64,
            ratio: 200,
            ratio_free_bytes: 64 << 20,
            fetch_time: Duration::from_secs(60),
        }
    }
}

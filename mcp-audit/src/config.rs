//! What is kept, where and how: as code or as a table of a configuration file.

use std::path::PathBuf;

use mcp_core::AuditMode;
use serde::Deserialize;

/// What is kept, where and how.
///
/// ```
/// # use mcp_audit::AuditConfig;
/// let config: AuditConfig = toml::from_str("mode = 'required'\ndirectory = '/var/lib/shop/audit'")?;
/// assert_eq!(config.max_file_bytes, 64 << 20);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AuditConfig {
    /// `off`, `best_effort` (the default) or `required`: whether what changes something depends on its record.
    pub mode: AuditMode,
    /// Where the log is, and the files beside it; made when it is missing, for its owner alone. By default `audit` in the
    /// working directory.
    pub directory: PathBuf,
    /// In what the records are kept.
    pub sink: Sink,
    /// How large a file gets before the next one is begun, in bytes; 64 MiB by default.
    pub max_file_bytes: u64,
    /// How many files are kept, the one that is written to among them: the oldest go when there are more. All are kept
    /// when not given.
    pub max_files: Option<usize>,
    /// What records survive; by default `synced` where they are required, and `written` otherwise.
    pub durability: Option<Durability>,
    /// The file of the key that signs the head, made on first use; `audit.key` in the directory by default. Where it is
    /// elsewhere, who can write to the directory alone cannot sign.
    pub key_file: Option<PathBuf>,
    /// How many records may wait to be written; 4,096 by default. Past it, one that nothing depends on is lost, and the
    /// number of those is recorded; what depends on one is refused.
    pub max_queued: usize,
}

/// In what records are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sink {
    /// Files of one JSON object a line.
    #[default]
    Files,
    /// The database `audit.sqlite`. It is one file, and nothing in it is removed.
    #[cfg(feature = "sqlite")]
    Sqlite,
    /// Events of `tracing` with the target `audit`; nothing is kept, so nothing can depend on it, and nothing is
    /// chained.
    Tracing,
}

/// What records survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Durability {
    /// The end of the process, be it sudden. After the power failed, records may be missing, and the log may look as if
    /// somebody had cut it.
    Written,
    /// A power cut: the disk is told to write, once for all records that wait.
    Synced,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            mode: AuditMode::BestEffort,
            directory: PathBuf::from("audit"),
            sink: Sink::Files,
            max_file_bytes: 64 << 20,
            max_files: None,
            durability: None,
            key_file: None,
            max_queued: 4096,
        }
    }
}

impl AuditConfig {
    /// Every default, in this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..Self::default() }
    }

    /// The same in this mode.
    #[must_use]
    pub fn mode(mut self, mode: AuditMode) -> Self {
        self.mode = mode;
        self
    }

    /// The same, where what is not read-only depends on its record.
    #[must_use]
    pub fn required(self) -> Self {
        self.mode(AuditMode::Required)
    }

    /// The same, kept in this.
    #[must_use]
    pub fn sink(mut self, sink: Sink) -> Self {
        self.sink = sink;
        self
    }

    /// The same with this of the limits and places changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn is_durable(&self) -> bool {
        match self.durability {
            Some(durability) => durability == Durability::Synced,
            None => self.mode == AuditMode::Required,
        }
    }

    pub(crate) fn key_path(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.directory.join(crate::KEY))
    }
}

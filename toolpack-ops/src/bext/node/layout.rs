//! Where an instance keeps what it has.

use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use crate::bext::engine::{AppName, InstanceId};

/// The directory of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn of(data: &Path, instance: &InstanceId) -> Self {
        Self { root: data.join("instances").join(instance.as_str()) }
    }

    /// Makes the directories that are not there, for their owner only.
    pub(crate) fn make(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        for directory in [self.processes(), self.logs(), self.sources()] {
            builder.create(directory)?;
        }
        Ok(())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state.sqlite")
    }

    pub(crate) fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    pub(crate) fn processes(&self) -> PathBuf {
        self.root.join("processes")
    }

    pub(crate) fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }

    pub(crate) fn log(&self, app: &AppName) -> PathBuf {
        self.logs().join(format!("{app}.log"))
    }

    fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Removes what an app has printed, with the older parts that were set aside as `APP.log.N`.
    pub(crate) fn remove_logs(&self, app: &AppName) -> io::Result<()> {
        let current = format!("{app}.log");
        let entries = match std::fs::read_dir(self.logs()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let rest = name.to_str().and_then(|name| name.strip_prefix(&current));
            // No name of an app has a dot, so no log of another app begins so.
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

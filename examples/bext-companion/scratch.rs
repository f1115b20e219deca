//! A directory for a while.

use std::{
    fs::{self, DirBuilder},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A new directory among the temporary ones; removed with all that is in it when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes it, for its owner only.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let nanos = since.map_or(0, |since| since.as_nanos());
        let path = std::env::temp_dir().join(format!("{name}-{}-{nanos}", std::process::id()));
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Fails where the name is taken, so nobody's directory is used, or removed.
        builder.create(&path)?;
        Ok(Self(path))
    }

    /// Removes it now, and says whether that worked.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.0)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays where temporary files are swept.
        let _ = fs::remove_dir_all(&self.0);
    }
}

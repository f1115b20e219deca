//! The files of all apps, and the connections to them that wait for the next call.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::config::EmbeddedConfig;
use super::connection::Store;
use super::error::{self, Fault};
use super::files::{self, FileId};
use super::place::{Access, StoreFile};
use crate::bext::engine::AppRef;
use crate::error::Error;

#[derive(Debug)]
pub(super) struct Stores {
    root: PathBuf,
    config: EmbeddedConfig,
    // The longest idle first. All apps share one list, so that the open files are bounded however many apps there are.
    idle: Mutex<Vec<Lease>>,
}

/// A connection in use, and what it is a connection to.
#[derive(Debug)]
pub(super) struct Lease {
    app: AppRef,
    file: StoreFile,
    access: Access,
    id: FileId,
    pub(super) store: Store,
}

impl Stores {
    pub(super) fn new(root: &Path, config: EmbeddedConfig) -> Self {
        Self { root: root.to_owned(), config, idle: Mutex::new(Vec::new()) }
    }

    pub(super) fn config(&self) -> &EmbeddedConfig {
        &self.config
    }

    /// A connection to a file of an app; none if there is no such file, as the app has stored nothing.
    pub(super) fn lease(
        &self,
        app: &AppRef,
        file: StoreFile,
        access: Access,
    ) -> Result<Option<Lease>, Error> {
        let path = self.directory(app).join(file.name());
        let Some(id) = files::file_id(&path).map_err(error::store)? else { return Ok(None) };
        if let Some(lease) = self.take_idle(app, file, access) {
            // A file that was put in the place of ours is the one that counts.
            if lease.id == id {
                return Ok(Some(lease));
            }
        }
        let store = Store::open(&path, file, access, &self.config)?;
        Ok(Some(Lease { app: app.clone(), file, access, id, store }))
    }

    /// Makes the file of an app, and the directories it lies in, durably; does nothing where it exists.
    pub(super) fn create(&self, app: &AppRef, file: StoreFile) -> Result<(), Error> {
        let directory = self.directory(app);
        // From the root down; each is synced, also where another process made it: it may not have got that far.
        let made: Vec<&Path> = directory.ancestors().take(4).collect();
        for path in made.into_iter().rev() {
            files::make_dir(path).map_err(error::store)?;
            if let Some(parent) = path.parent() {
                files::sync_dir(parent).map_err(error::store)?;
            }
        }
        files::make_file(&directory.join(file.name()), |path| Store::create(path, file)).map_err(|fault| {
            match fault {
                Fault::Sqlite(error) => error::store(error),
                Fault::Ours(error) => error,
            }
        })
    }

    /// Removes a file of an app, and its directory once it is empty. Nobody may be writing in it.
    ///
    /// Connections that only read may be under way: they end with what they have read, and are not used again, as the
    /// file is not there any more.
    pub(super) fn remove(&self, app: &AppRef, file: StoreFile) -> Result<(), Error> {
        let closing: Vec<Lease> = {
            let mut idle = self.idle();
            idle.extract_if(.., |lease| lease.app == *app && lease.file == file).collect()
        };
        // Closing the last one that writes puts the journal away, by its name: so before there could be another.
        drop(closing);
        let directory = self.directory(app);
        files::remove_file_and_traces(&directory, file.name()).map_err(error::store)
    }

    /// Gives a connection back.
    pub(super) fn give_back(&self, lease: Lease) {
        if !lease.store.is_fit() {
            return;
        }
        let mut idle = self.idle();
        idle.push(lease);
        let surplus = idle.len().saturating_sub(self.config.max_idle_connections);
        let closing: Vec<Lease> = idle.drain(..surplus).collect();
        drop(idle);
        // Closing may write a checkpoint: not under the lock.
        drop(closing);
    }

    fn take_idle(&self, app: &AppRef, file: StoreFile, access: Access) -> Option<Lease> {
        let mut idle = self.idle();
        let wanted = |lease: &Lease| lease.file == file && lease.access == access && lease.app == *app;
        let position = idle.iter().rposition(wanted)?;
        Some(idle.remove(position))
    }

    fn directory(&self, app: &AppRef) -> PathBuf {
        self.root.join("instances").join(app.instance.as_str()).join("apps").join(app.app.as_str())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Lease>> {
        // The list is whole at any moment, so a panic elsewhere leaves it good.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn idle_connections(&self) -> usize {
        self.idle().len()
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        // The last connection to a file puts the journal back into it and removes it, unless it is one that only
        // reads: so those go first, and the others with the list.
        let idle = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|lease| lease.access == Access::Write);
    }
}

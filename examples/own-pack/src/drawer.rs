//! A small database: one JSON file with named sections, replaced as a whole, shared by any number of processes.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::blocking::blocking;

/// One file in a folder; cheap to clone.
///
/// A change is written to a second file that reaches the disk before it takes the place of the first: whoever reads sees
/// the old contents or the new, and what returned success survives `kill -9` and a power cut. Meant for what fits into
/// memory many times over.
#[derive(Clone, Debug)]
pub struct Drawer {
    folder: Arc<PathBuf>,
}

impl Drawer {
    /// The drawer in this folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, or what lies in it is not a drawer.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let drawer = Self { folder: Arc::new(folder.into()) };
        fs::create_dir_all(&*drawer.folder)?;
        drawer.load()?;
        Ok(drawer)
    }

    /// What is in a section; the default, if nothing was put there yet.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub async fn read<T>(&self, section: &'static str) -> io::Result<T>
    where
        T: DeserializeOwned + Default + Send + 'static,
    {
        let drawer = self.clone();
        blocking(move || take_out(&mut drawer.load()?, section)).await
    }

    /// Changes what is in a section, one change at a time. It goes on to its end even if nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written; then nothing has changed.
    pub async fn change<T, R>(
        &self,
        section: &'static str,
        change: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> io::Result<R>
    where
        T: DeserializeOwned + Serialize + Default + Send + 'static,
        R: Send + 'static,
    {
        let drawer = self.clone();
        blocking(move || {
            // Held until it is dropped. Not the file itself, which is another one after each change.
            let lock = File::create(drawer.folder.join("lock"))?;
            lock.lock()?;
            let mut sections = drawer.load()?;
            let mut contents = take_out(&mut sections, section)?;
            let result = change(&mut contents);
            sections.insert(section.to_owned(), serde_json::to_value(contents)?);
            drawer.save(&sections)?;
            Ok(result)
        })
        .await
    }

    fn load(&self) -> io::Result<Map<String, Value>> {
        match fs::read(self.folder.join("drawer.json")) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Map::new()),
            Err(error) => Err(error),
        }
    }

    fn save(&self, sections: &Map<String, Value>) -> io::Result<()> {
        let fresh = self.folder.join("drawer.json.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(sections)?)?;
        file.sync_all()?;
        fs::rename(fresh, self.folder.join("drawer.json"))?;
        // The name is on disk once the folder is.
        File::open(&*self.folder)?.sync_all()
    }
}

fn take_out<T: DeserializeOwned + Default>(
    sections: &mut Map<String, Value>,
    section: &str,
) -> io::Result<T> {
    match sections.remove(section) {
        Some(contents) => Ok(serde_json::from_value(contents)?),
        None => Ok(T::default()),
    }
}

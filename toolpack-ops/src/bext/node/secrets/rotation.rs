//! A new key in place of the old: steps of which each leaves every secret readable, so that it may be killed between them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::key::Key;
use super::keys::{SecretKey, VARIABLE};
use super::{SecretStore, error, key_file};
use crate::bext::node::Node;
use crate::bext::node::lock::NodeLock;
use crate::bext::node::store::blocking;
use crate::error::{Error, ErrorKind};

impl Node {
    /// Makes a new key for the secrets of a data directory, encrypts all of them under it, and drops the old one. No node may
    /// run on the directory.
    ///
    /// Says which secrets no key opens, as `the secret NAME of the app APP on INSTANCE`: they were lost before, and have to
    /// be set anew. Killed in the middle, all others stay readable, and the next start or rotation goes on.
    ///
    /// # Errors
    ///
    /// `Unavailable` while a node runs (`node_running`), or if the directory, its key (`secret_key_unavailable`) or its
    /// secrets (`secrets_unavailable`) cannot be used; `Conflict` if the key is in the environment
    /// (`secret_key_in_environment`), where it is changed by hand; `PermissionDenied` for a key that others can read
    /// (`secret_key_exposed`); `InvalidInput` for a file of keys that was changed (`secret_key_invalid`).
    pub async fn rotate_secret_key(root: impl Into<PathBuf>) -> Result<Vec<String>, Error> {
        let root = root.into();
        let rotated = blocking(move || {
            let _lock = NodeLock::take(&root)?;
            Ok(SecretKey::rotate(&root)?)
        });
        rotated.await.map_err(|error| error.at("rotate_secret_key", ""))
    }
}

impl SecretKey {
    /// Makes a new key, encrypts all secrets of the data directory under it, and drops the old ones.
    /// Says which secrets no key opened, as `the secret NAME of the app APP on INSTANCE`: they have to be set anew.
    ///
    /// No node may run meanwhile: it would go on with the old key. Killed in the middle, all secrets stay readable, and
    /// the next start encrypts what is left, and the next rotation drops what is not used any more.
    ///
    /// Errors: `secret_key_in_environment` if `BEXT_SECRET_KEY` has the key; and as [`of`](Self::of).
    pub(super) fn rotate(root: &Path) -> Result<Vec<String>, Error> {
        Self::rotate_of_variable(root, std::env::var_os(VARIABLE))
    }

    /// As [`rotate`](Self::rotate), with what the variable has.
    pub(super) fn rotate_of_variable(root: &Path, variable: Option<OsString>) -> Result<Vec<String>, Error> {
        if variable.is_some_and(|text| !text.is_empty()) {
            let message = format!(
                "{VARIABLE} has the key, so it is changed there: put a new one and a comma before it, start the node \
                 once, and take the old one out"
            );
            return Err(Error::new(ErrorKind::Conflict, "secret_key_in_environment", message));
        }
        let keys = put_first(root)?;
        encrypt_anew(root, &keys)?;
        drop_unused(root, &keys)
    }
}

/// Puts a new key before those of the file.
pub(super) fn put_first(root: &Path) -> Result<SecretKey, Error> {
    let file = key_file::path(root);
    let mut keys = key_file::read_or_make(&file)?;
    if keys.len() > 1 {
        // A rotation was killed. It is brought to its end first, so that their number does not grow.
        let earlier = SecretKey::of_keys(keys);
        encrypt_anew(root, &earlier)?;
        drop_unused(root, &earlier)?;
        keys = key_file::read_or_make(&file)?;
    }
    keys.insert(0, Key::random()?);
    key_file::write(&file, &keys.iter().collect::<Vec<_>>())?;
    Ok(SecretKey::of_keys(keys))
}

/// Encrypts all secrets under the current key. To open a store is enough for that.
pub(super) fn encrypt_anew(root: &Path, keys: &SecretKey) -> Result<(), Error> {
    for instance in instances(root)? {
        SecretStore::open(&instance, keys.clone())?;
    }
    Ok(())
}

/// Takes those keys out of the file that no secret is encrypted under. The current one stays.
pub(super) fn drop_unused(root: &Path, keys: &SecretKey) -> Result<Vec<String>, Error> {
    let (mut used, mut unopened) = (vec![keys.current().id.clone()], Vec::new());
    for instance in instances(root)? {
        for (secret, id) in SecretStore::open(&instance, keys.clone())?.under_other_keys()? {
            used.push(id);
            unopened.push(secret);
        }
    }
    let kept: Vec<&Key> = keys.keys().iter().filter(|key| used.contains(&key.id)).collect();
    let file = key_file::path(root);
    key_file::write(&file, &kept)?;
    Ok(unopened)
}

/// The directories of all instances that have secrets, also of those that are not listed any more.
fn instances(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(root.join("instances")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(error::store)?,
    };
    for entry in entries {
        let path = entry.map_err(error::store)?.path();
        if SecretStore::is_in(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

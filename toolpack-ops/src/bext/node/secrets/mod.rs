//! Secrets at rest: encrypted with XChaCha20-Poly1305 under a key that only its owner can read.

use std::path::Path;

use crate::bext::engine::{AppName, ListSecrets, SecretName, SecretPage, SecretValue, Timestamp};
use crate::error::Error;

/// The key that secrets are encrypted with.
#[derive(Clone)]
pub(crate) struct SecretKey {}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl SecretKey {
    /// The key of a data directory: from the environment, or from `secret.key`, which is made on first start.
    pub(crate) fn of(_root: &Path) -> Result<Self, Error> {
        unimplemented!()
    }
}

/// The secrets of one instance. Its methods block.
#[derive(Debug)]
pub(crate) struct SecretStore {}

impl SecretStore {
    /// The store in `secrets.sqlite` of the directory of an instance.
    pub(crate) fn open(_instance: &Path, _key: SecretKey) -> Result<Self, Error> {
        unimplemented!()
    }

    /// What an app is given: those of the instance, and its own before them.
    pub(crate) fn for_app(&self, _app: &AppName) -> Result<Vec<(SecretName, SecretValue)>, Error> {
        unimplemented!()
    }

    pub(crate) fn list(&self, _app: Option<&AppName>, _options: &ListSecrets) -> Result<SecretPage, Error> {
        unimplemented!()
    }

    pub(crate) fn set(
        &self,
        _app: Option<&AppName>,
        _name: &SecretName,
        _value: &SecretValue,
        _now: Timestamp,
    ) -> Result<(), Error> {
        unimplemented!()
    }

    pub(crate) fn delete(&self, _app: Option<&AppName>, _name: &SecretName) -> Result<bool, Error> {
        unimplemented!()
    }

    /// Deletes all of an app.
    pub(crate) fn forget(&self, _app: &AppName) -> Result<(), Error> {
        unimplemented!()
    }
}

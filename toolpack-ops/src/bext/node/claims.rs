//! Which apps are being changed: one change at a time for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bext::engine::AppName;
use crate::error::{Error, ErrorKind};

/// The apps of an instance that are being changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    taken: Arc<Mutex<HashMap<AppName, Doing>>>,
}

/// What is done with an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Adding,
    Releasing,
    Removing,
}

impl Claims {
    /// Keeps others from changing the app until the claim is dropped.
    pub(crate) fn take(&self, app: &AppName, doing: Doing) -> Result<Claim, Error> {
        let mut taken = self.taken();
        if let Some(other) = taken.get(app) {
            let other = match other {
                Doing::Adding => "added",
                Doing::Releasing => "deployed, promoted or rolled back",
                Doing::Removing => "removed",
            };
            let message = format!("the app \"{app}\" is being {other}; try again when that has ended");
            return Err(Error::new(ErrorKind::Unavailable, "app_busy", message));
        }
        taken.insert(app.clone(), doing);
        Ok(Claim { claims: self.clone(), app: app.clone() })
    }

    /// What is done with an app, if anything is.
    pub(crate) fn doing(&self, app: &AppName) -> Option<Doing> {
        self.taken().get(app).copied()
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<AppName, Doing>> {
        // The map is whole at any moment, so a panic elsewhere leaves it good.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to change an app.
#[derive(Debug)]
pub(crate) struct Claim {
    claims: Claims,
    app: AppName,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.taken().remove(&self.app);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn an_app_is_changed_by_one_at_a_time() {
        let claims = Claims::default();
        let shop: AppName = "shop".parse().unwrap();
        let claim = claims.take(&shop, Doing::Releasing).unwrap();
        let error = claims.take(&shop, Doing::Removing).unwrap_err();
        assert_eq!((error.code(), error.retry()), ("app_busy", crate::error::Retry::Later));
        assert!(error.message().contains("is being deployed"), "{error}");
        claims.take(&"blog".parse().unwrap(), Doing::Adding).unwrap();
        assert_eq!(claims.doing(&shop), Some(Doing::Releasing));
        drop(claim);
        claims.take(&shop, Doing::Removing).unwrap();
    }
}

//! What an instance has registered and what of it is live: `state.sqlite`, each change one transaction.
//!
//! All of it goes through one connection, on blocking threads and one after the other, so what is done in memory right
//! after a commit ([`Store::write_then`]) happens in the order of the commits.

mod apps;
mod fault;
mod records;
mod releases;
mod schema;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(crate) use self::apps::{AppRow, AppsTable, DomainsTable};
pub(crate) use self::fault::Fault;
pub(crate) use self::records::RecordsTable;
pub(crate) use self::releases::{ReleaseRow, ReleasesTable, RouteRow, RoutesTable};
use crate::error::{Error, ErrorKind};

/// The store of an instance. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    connection: Arc<Mutex<Connection>>,
}

impl Store {
    /// Opens the store in this file, and makes it on first start. The directory has to be there.
    pub(crate) async fn open(path: PathBuf) -> Result<Self, Error> {
        blocking(move || {
            let connection = schema::open(&path)?;
            Ok(Self { connection: Arc::new(Mutex::new(connection)) })
        })
        .await
    }

    /// Looks something up. Another process that writes does not hold it up.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        self.transact(TransactionBehavior::Deferred, move |transaction| work(transaction), |found| found)
            .await
    }

    /// Changes something, in a transaction that is kept if the work succeeds. It is complete once it has begun, whether
    /// or not anybody waits for it.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        self.write_then(work, |done| done).await
    }

    /// As [`write`](Self::write); what is to be done in memory afterwards is done before any other change begins.
    pub(crate) async fn write_then<T: Send + 'static, U: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
        then: impl FnOnce(T) -> U + Send + 'static,
    ) -> Result<U, Error> {
        self.transact(TransactionBehavior::Immediate, work, then).await
    }

    async fn transact<T: Send + 'static, U: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
        then: impl FnOnce(T) -> U + Send + 'static,
    ) -> Result<U, Error> {
        let connection = self.connection.clone();
        blocking(move || {
            // A panic in a transaction has rolled it back.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(behavior)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(then(done))
        })
        .await
    }
}

/// Does blocking work of the node.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Error::from),
        Err(panic) => {
            Err(Error::new(ErrorKind::Unexpected, "internal", "the engine failed").with_source(panic))
        }
    }
}

/// The tables alone, for tests.
#[cfg(test)]
pub(crate) fn in_memory() -> Connection {
    schema::in_memory()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

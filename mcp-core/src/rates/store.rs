//! Where buckets are kept: in this process, unless something that several share is put in its place.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use super::buckets::Bucket;
use crate::caller::Caller;

/// What a request takes from one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Charge<'a> {
    /// Of which sort the bucket is. A caller that goes by its address has one of either sort.
    pub of: RateOf,
    /// Whose bucket it is.
    pub caller: Caller<'a>,
    /// How large it is, and how fast it fills again.
    pub bucket: Bucket,
    /// How much is taken; at least 1, and no more than it holds.
    pub cost: u32,
    /// What the caller is known by in memory, where that was found out already.
    pub(super) key: Option<u64>,
}

/// Which sort of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateOf {
    /// [`Rates::principal`](super::Rates::principal).
    Principal,
    /// [`Rates::address`](super::Rates::address).
    Address,
    /// As large as [`Rates::address`](super::Rates::address), of an address too: what credentials from there take that are
    /// no good. Nothing else takes from it, so that whoever shows such credentials is in the way of nobody who calls.
    Failure,
}

/// A bucket does not hold enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverRate {
    /// Which of them.
    pub of: RateOf,
    /// After what time it will, if nothing else is taken meanwhile.
    pub retry_after: Duration,
}

/// Whether something was taken, as it is known now or will be.
pub enum Charged {
    /// It is known.
    Now(Result<(), OverRate>),
    /// It has to be asked for elsewhere. The request waits, before it takes a place among those that run.
    Later(Pin<Box<dyn Future<Output = Result<(), OverRate>> + Send>>),
}

/// Where buckets are kept. All processes that share a store share the buckets, where a bucket is known by what its
/// [`Charge`] says of sort and caller.
///
/// A store that cannot be reached decides by itself whether calls go on: `Ok` lets them through.
pub trait RateStore: fmt::Debug + Send + Sync + 'static {
    /// Takes from all of these buckets or, where one does not hold enough, from none.
    ///
    /// Where the request cannot wait (a session that is opened, credentials that were refused) an answer that comes
    /// [later](Charged::Later) is not waited for, and the request is let through.
    fn take(&self, charges: &[Charge<'_>]) -> Charged;

    /// Whether these buckets hold enough, as far as that is known without waiting: of one that is not known to be
    /// short, `Ok`. It is asked before the body of a request is read.
    ///
    /// # Errors
    ///
    /// One that does not.
    fn look(&self, charges: &[Charge<'_>]) -> Result<(), OverRate>;
}

impl fmt::Debug for Charged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(result) => f.debug_tuple("Now").field(result).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

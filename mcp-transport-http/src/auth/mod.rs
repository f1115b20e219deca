//! Who makes a request, by the credentials in its head: the trait that ways of finding that out have in common, and the
//! API keys that are one.

mod api_key;
mod api_keys;
mod credentials;
mod gate;
mod key_error;
mod ring;
mod store;

#[cfg(feature = "sqlite")]
mod generation;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::{fmt, future::Future, pin::Pin};

use http::{HeaderName, request::Parts};
use mcp_core::Principal;

pub(crate) use self::gate::{admit, end};
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteKeys;
pub use self::{
    api_key::{ApiKey, Granted, KeyHash, KeyKind, KeyRecord, NewKey},
    api_keys::ApiKeys,
    key_error::KeyError,
    store::{KeyStore, MemoryKeys},
};

/// A way to find out who makes a request, by the credentials that it shows.
///
/// Given to [`Http::authenticate`](crate::Http::authenticate); [`ApiKeys`] is one. It is asked before the body is read.
/// Nothing that it says of a request may repeat what the request shows: it is sent to whoever asks, and logged.
pub trait Authenticate: fmt::Debug + Send + Sync + 'static {
    /// Looks at the head of a request; to be quick, since every request waits for it, on an async thread. What takes
    /// longer is done in [`Found::Later`].
    ///
    /// A principal whose credentials end, such as a token that expires, says so with
    /// [`with_expiry`](Principal::with_expiry) and [`with_revocation`](Principal::with_revocation): its streams and its
    /// sessions end by that. One that is not [valid](Principal::is_valid) is treated as [`Found::Unknown`].
    fn authenticate(&self, head: &Parts) -> Found;

    /// What `WWW-Authenticate` tells a client that shows no credentials: a scheme with its parameters (RFC 9110, section
    /// 11.6.1), such as `Bearer realm="mcp"`. Where they are refused, `error` and `error_description` are added.
    fn challenge(&self) -> &str;

    /// The headers, besides `Authorization`, that credentials may stand in: web pages of an origin that is
    /// [allowed](crate::Http::allow_origin) may send them.
    fn headers(&self) -> &[HeaderName];
}

/// What a request's credentials say of who makes it.
pub enum Found {
    /// It is made by this one.
    Principal(Principal),
    /// It shows no credentials of this kind. The next way to find out is asked; after the last the answer is 401.
    Nothing,
    /// It shows some, and they are not known, or no good any more: 401 with `error="invalid_token"`, unless another way
    /// knows them. Which of these it was is not for the client to know.
    Unknown,
    /// What it shows can be no credentials: 400 with `error="invalid_request"`, with what is wrong, in words that need no
    /// escaping in a quoted string and do not repeat what was shown.
    Malformed(&'static str),
    /// It cannot be found out now: 503. Why not is for the log of whoever says this.
    Unavailable,
    /// It takes a while. The request waits, and whatever this becomes counts.
    Later(Pin<Box<dyn Future<Output = Found> + Send>>),
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(principal) => f.debug_tuple("Principal").field(principal).finish(),
            Self::Nothing => f.write_str("Nothing"),
            Self::Unknown => f.write_str("Unknown"),
            Self::Malformed(why) => f.debug_tuple("Malformed").field(why).finish(),
            Self::Unavailable => f.write_str("Unavailable"),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

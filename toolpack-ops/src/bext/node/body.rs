//! The body of a response, wherever it comes from.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// Bytes that may fail on their way.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body broke off.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

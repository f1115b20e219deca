//! Tools that operate applications, over an embedded engine.
//!
//! A pack is a set of tools over small engine traits. The traits say what an engine promises; the embedded engine
//! keeps those promises in one process on the local disk, with nothing to install.
//!
//! | pack | feature | what it operates |
//! |---|---|---|
//! | `bext` | `bext` | instances, and each app's SQL database and key-value data |
//!
//! Feature `suite` adds the promises that every engine keeps, as code to run against an engine of one's own.
//!
//! Nothing is built without a feature, and a feature only adds.

#[cfg(feature = "bext")]
pub mod bext;
#[cfg(feature = "bext")]
mod error;

#[cfg(feature = "bext")]
pub use error::{Error, ErrorKind, Retry};

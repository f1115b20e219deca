//! The promises that every engine keeps.

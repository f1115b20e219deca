//! Room for the tools of a data platform (tables, row-level rules, storage, functions) over engine traits.
//!
//! There are none here yet: this crate only holds the name and the place in the workspace. What works today is in
//! `toolpack-ops`.

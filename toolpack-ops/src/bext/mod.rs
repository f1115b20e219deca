//! The pack for bext: instances, and the data of their apps.

pub mod engine;

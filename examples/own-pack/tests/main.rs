//! The reading list as its users see it: by name, with JSON, in memory, over pipes and over HTTP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod access;
mod consent;
mod guide;
mod long_work;
mod mixing;
mod pages;
mod promises;
mod questions;
mod reading_time;
mod shelf;
mod stdio;
mod support;
mod web;

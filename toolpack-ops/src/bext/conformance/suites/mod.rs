//! The suites, in the order in which they run.

mod canary;
mod data;
mod headers;
mod processes;
mod releases;
mod requests;
mod routing;
mod secrets;
mod static_files;
mod streaming;
mod timeouts;
mod websocket;

use super::trial::Suite;

/// All of them.
pub(super) const SUITES: &[Suite] = &[
    Suite { name: "routing", asks_process: false, checks: routing::CHECKS },
    Suite { name: "static_files", asks_process: false, checks: static_files::CHECKS },
    Suite { name: "requests", asks_process: true, checks: requests::CHECKS },
    Suite { name: "streaming", asks_process: true, checks: streaming::CHECKS },
    Suite { name: "websocket", asks_process: true, checks: websocket::CHECKS },
    Suite { name: "timeouts", asks_process: true, checks: timeouts::CHECKS },
    Suite { name: "headers", asks_process: true, checks: headers::CHECKS },
    Suite { name: "releases", asks_process: true, checks: releases::CHECKS },
    Suite { name: "canary", asks_process: true, checks: canary::CHECKS },
    Suite { name: "processes", asks_process: true, checks: processes::CHECKS },
    Suite { name: "secrets", asks_process: true, checks: secrets::CHECKS },
    Suite { name: "data", asks_process: false, checks: data::CHECKS },
];

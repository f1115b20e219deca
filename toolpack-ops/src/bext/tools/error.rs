//! What an engine's error becomes on its way to the caller.

use mcp_core::{RequestError, ToolError};

use crate::error::{Error, ErrorKind, Retry};

/// The error as the caller sees it; what is not the caller's doing leaves its cause in the log.
pub(super) fn tool_error(error: Error) -> ToolError {
    let mut told = ToolError::new(error.code(), error.message());
    if let Some(pointer) = argument_at_fault(error.code()) {
        told = told.at(pointer);
    }
    if error.retry() == Retry::Later {
        told = told.later();
    }
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Unsupported | ErrorKind::Unexpected => told.caused_by(error),
        _ => told,
    }
}

/// The error as the reader of a resource sees it.
pub(super) fn request_error(error: Error) -> RequestError {
    match error.kind() {
        ErrorKind::NotFound => RequestError::not_found(),
        _ => RequestError::failed(error.message()).caused_by(error),
    }
}

/// The argument that an engine's code is about, as a JSON pointer: none where it is the stored data, the engine, or
/// more than one argument.
fn argument_at_fault(code: &str) -> Option<&'static str> {
    Some(match code {
        "instance_not_found" | "no_instance" => "/instance_id",
        "app_not_found" | "app_required" => "/app",
        "domain_taken" | "domain_not_found" => "/domain",
        "version_not_found" | "version_not_kept" => "/version",
        "canary_running" | "nothing_live" => "/canary_percent",
        "secret_reserved" => "/name",
        "suite_not_found" => "/suite",
        "sql_error"
        | "sql_too_long"
        | "sql_blocked"
        | "multiple_statements"
        | "not_read_only"
        | "not_a_write"
        | "returning_unsupported"
        | "table_not_found"
        | "column_not_found"
        | "too_big"
        | "row_too_large" => "/sql",
        "params_mismatch" => "/params",
        "value_too_large" => "/value",
        "invalid_cursor" => "/cursor",
        _ => return None,
    })
}

/// Names the argument for codes that are about one which only this tool has, or has under another name.
pub(super) fn pointing(places: &'static [(&'static str, &'static str)]) -> impl Fn(ToolError) -> ToolError {
    move |error| match places.iter().find(|(code, _)| *code == error.code()) {
        Some((_, pointer)) => error.at(*pointer),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn only_what_is_not_the_callers_doing_is_logged() {
        let busy = Error::new(ErrorKind::Unavailable, "store_busy", "try again").with_source("/secret/path");
        let busy_error = tool_error(busy.at("db_query", "local/shop"));
        assert_eq!(busy_error.to_string(), "try again [store_busy]");
        assert_eq!(busy_error.retry(), mcp_core::Retry::Later);
        let cause = busy_error.source().map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("db_query local/shop: try again"));

        let wrong = tool_error(
            Error::new(ErrorKind::InvalidInput, "sql_error", "near \"x\"").with_source("SELECT x"),
        );
        assert_eq!((wrong.pointer(), wrong.retry()), (Some("/sql"), mcp_core::Retry::Never));
        assert!(wrong.source().is_none());
    }

    #[test]
    fn a_tool_names_its_own_arguments() {
        let point = pointing(&[("domain_taken", "/domains")]);
        let pointer = |code| {
            let error = point(tool_error(Error::new(ErrorKind::AlreadyExists, code, "taken")));
            error.pointer().map(str::to_owned)
        };
        assert_eq!(pointer("domain_taken").as_deref(), Some("/domains"));
        assert_eq!(pointer("version_not_found").as_deref(), Some("/version"));
        assert_eq!(pointer("deploy_failed"), None);
    }
}

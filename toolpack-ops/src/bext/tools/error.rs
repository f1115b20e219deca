//! What an engine's error becomes on its way to the caller.

use mcp_core::ToolError;

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

/// The argument that an engine's code is about, as a JSON pointer: none where it is the stored data, the engine, or
/// more than one argument.
fn argument_at_fault(code: &str) -> Option<&'static str> {
    Some(match code {
        "instance_not_found" => "/instance_id",
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
}

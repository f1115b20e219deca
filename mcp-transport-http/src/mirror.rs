//! The headers that say again what the body says, as the core wants them.

use std::borrow::Cow;

use http::HeaderMap;
use mcp_core::MirroredHeaders;

const PARAM_PREFIX: &str = "mcp-param-";

/// Picks them out.
pub(crate) fn read(headers: &HeaderMap) -> MirroredHeaders<'_> {
    let params = headers
        .keys()
        .filter_map(|name| Some((name, name.as_str().strip_prefix(PARAM_PREFIX)?)))
        .filter_map(|(name, param)| Some((param.to_owned(), value(headers, name.as_str())?.into_owned())))
        .collect();
    MirroredHeaders {
        protocol_version: value(headers, "mcp-protocol-version"),
        method: value(headers, "mcp-method"),
        name: value(headers, "mcp-name"),
        params,
    }
}

/// A header's value; several are joined, so that they match nothing.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let first = values.next()?;
    let rest: Vec<_> = values.collect();
    if rest.is_empty() {
        return Some(first.into());
    }
    Some(Cow::Owned([&[first], rest.as_slice()].concat().join(b", ".as_slice())))
}

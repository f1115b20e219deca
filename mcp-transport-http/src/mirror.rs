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
pub(crate) fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let first = values.next()?;
    let rest: Vec<_> = values.collect();
    if rest.is_empty() {
        return Some(first.into());
    }
    Some(Cow::Owned([&[first], rest.as_slice()].concat().join(b", ".as_slice())))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_value_is_there_as_it_came_and_several_match_nothing(
            name in proptest::sample::select(vec!["mcp-method", "mcp-name", "mcp-protocol-version", "mcp-param-x", "mcp-param-"]),
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..4),
        ) {
            let values: Vec<_> = values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()).collect();
            let headers: HeaderMap =
                values.iter().map(|value| (HeaderName::from_static(name), value.clone())).collect();
            let read = read(&headers);
            let found = match name {
                "mcp-method" => read.method.map(Cow::into_owned),
                "mcp-name" => read.name.map(Cow::into_owned),
                "mcp-protocol-version" => read.protocol_version.map(Cow::into_owned),
                _ => read.params.into_iter().next().map(|(_, value)| value),
            };
            match values.as_slice() {
                [] => prop_assert_eq!(found, None),
                [one] => prop_assert_eq!(found.as_deref(), Some(one.as_bytes())),
                several => {
                    let length: usize = several.iter().map(|value| value.len() + 2).sum();
                    prop_assert_eq!(found.map(|found| found.len() + 2), Some(length));
                }
            }
        }
    }
}

//! Points in time, and the clock they come from.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A point in time in whole milliseconds, written as RFC 3339 in UTC: `2026-01-01T00:00:00Z`.
///
/// Milliseconds are written only where there are any: `2026-01-01T00:00:00.25Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The time so many milliseconds after 1970 began in UTC; the nearest that can be written, beyond the year 9999.
    pub fn from_unix_millis(millis: i64) -> Self {
        let edge = if millis < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(edge))
    }

    /// Milliseconds since 1970 began in UTC.
    pub fn unix_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// This time and `by` more; the latest that can be written, beyond the year 9999.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.unix_millis().saturating_add(by))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Where an engine takes the time of day from; passed in, so that a test can move it.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A clock before 1970 reads as 1970: nothing stored here is older.
        Timestamp::from_unix_millis(
            since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc_3339_in_utc() {
        assert_eq!(Timestamp::from_unix_millis(1_767_225_600_000).to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_unix_millis(1_767_225_600_250).to_string(), "2026-01-01T00:00:00.25Z");
        assert_eq!(Timestamp::from_unix_millis(i64::MAX).to_string().get(..4), Some("9999"));
        let late = Timestamp::from_unix_millis(0).plus(Duration::MAX);
        assert_eq!(late, Timestamp::from_unix_millis(i64::MAX));
    }
}

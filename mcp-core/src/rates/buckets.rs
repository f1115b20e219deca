//! How many calls a caller may make: buckets, what calls take from them, and how many callers are remembered.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::build::Problem;

/// What takes 1 GiB.
const MAX_REMEMBERED: usize = 1 << 26;

/// A bucket of calls: so many may be made at once, and it fills again at a steady pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Bucket {
    /// How many calls it holds; 1 to 16,777,216.
    pub calls: u32,
    /// How many calls it gains in a minute, until it is full; at least 1.
    pub per_minute: u32,
}

impl Bucket {
    /// The most that one may hold: with it, the slowest takes 32 years to fill, and no sum of times overflows.
    pub const MAX_CALLS: u32 = 1 << 24;

    /// One that holds this many calls, and gains this many a minute.
    pub const fn new(calls: u32, per_minute: u32) -> Self {
        Self { calls, per_minute }
    }
}

/// How many calls one principal, and one address, may make in a time.
///
/// A call takes one from the bucket of its principal and one from that of its address, or from neither. The defaults are a
/// bucket of 1,200 calls for each principal, which gains 20 a second, and one of four times as much for each address: a
/// whole office may be behind one. A principal that is [anonymous](crate::PrincipalKind::Anonymous) goes by its address in
/// both; a [local](crate::PrincipalKind::Local) one has no rate. Addresses of IPv6 count by their first 64 bits.
///
/// What costs: every request that is sent through the layers (calls, lists, reads, and each round of questions anew),
/// opening a session, changing its log level or subscriptions, and every message that is refused before it gets that far.
/// `ping`, notifications and answers to questions are free, and so is a request that is refused for its rate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Rates {
    /// The bucket of each principal; `None`, in a file `false`, for no rate.
    #[serde(deserialize_with = "bucket_or_false")]
    pub principal: Option<Bucket>,
    /// The bucket of each address; `None`, in a file `false`, for no rate.
    #[serde(deserialize_with = "bucket_or_false")]
    pub address: Option<Bucket>,
    /// What a call of a tool takes, by the tool's name as it is listed; 1 for those that are not here, and none for 0. One
    /// that is hidden from its caller takes 1, as any name does that stands for nothing.
    pub costs: BTreeMap<String, u32>,
    /// How many principals are remembered, and how many addresses; 131,072 of each by default, at most 67,108,864, of 16
    /// bytes each. It is rounded down to what divides well, but not below 16.
    ///
    /// Whose bucket is full is forgotten: a caller is remembered for 50 ms after a call, longer only after a burst. Where
    /// there is no place for another one, it shares a bucket with others of whom the same is true.
    pub remembered: usize,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            principal: Some(Bucket::new(1_200, 1_200)),
            address: Some(Bucket::new(4_800, 4_800)),
            costs: BTreeMap::new(),
            remembered: 131_072,
        }
    }
}

impl Rates {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// No rates: whoever may call may do so as often as it likes.
    pub fn off() -> Self {
        Self { principal: None, address: None, ..Self::default() }
    }

    /// Gives each principal this bucket.
    #[must_use]
    pub fn per_principal(mut self, bucket: Bucket) -> Self {
        self.principal = Some(bucket);
        self
    }

    /// Gives each address this bucket.
    #[must_use]
    pub fn per_address(mut self, bucket: Bucket) -> Self {
        self.address = Some(bucket);
        self
    }

    /// Says what a call of a tool takes, in place of 1; 0 for nothing.
    #[must_use]
    pub fn cost(mut self, tool: impl Into<String>, calls: u32) -> Self {
        self.costs.insert(tool.into(), calls);
        self
    }

    /// Remembers so many principals, and so many addresses.
    #[must_use]
    pub fn remember(mut self, callers: usize) -> Self {
        self.remembered = callers;
        self
    }

    /// What cannot be.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.remembered > MAX_REMEMBERED {
            let what = format!("{} callers cannot be remembered, only {MAX_REMEMBERED}", self.remembered);
            problems.push(Problem::new("rates", what));
        }
        for (whose, bucket) in [("principal", self.principal), ("address", self.address)] {
            let Some(bucket) = bucket else { continue };
            let mut problem = |what: String| problems.push(Problem::new("rates", what));
            if bucket.calls == 0 || bucket.calls > Bucket::MAX_CALLS {
                let most = Bucket::MAX_CALLS;
                problem(format!("the bucket of each {whose} holds {} calls, not 1 to {most}", bucket.calls));
            } else if bucket.per_minute == 0 {
                problem(format!(
                    "the bucket of each {whose} never fills again; it must gain at least 1 a minute"
                ));
            }
            for (tool, cost) in self.costs.iter().filter(|(_, cost)| **cost > bucket.calls) {
                let holds = bucket.calls;
                problem(format!(
                    "a call of `{tool}` takes {cost}, more than the {holds} that the bucket of each {whose} ever holds"
                ));
            }
        }
        problems
    }
}

/// Reads a bucket, or `false` for none: not every format can say that there is none.
fn bucket_or_false<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bucket>, D::Error> {
    struct BucketOrFalse;

    impl<'de> de::Visitor<'de> for BucketOrFalse {
        type Value = Option<Bucket>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a bucket of `calls` and `per_minute`, or false")
        }

        fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
            if value { Err(E::invalid_value(de::Unexpected::Bool(true), &self)) } else { Ok(None) }
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Bucket::deserialize(de::value::MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_any(BucketOrFalse)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Result<Rates, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_says_what_differs_from_the_defaults_and_nothing_else() {
        assert_eq!(read(json!({})).unwrap(), Rates::default());
        let rates = read(json!({"principal": {"calls": 5, "per_minute": 60}, "costs": {"db_query": 5}}));
        let same = Rates::new().per_principal(Bucket::new(5, 60)).cost("db_query", 5);
        assert_eq!(rates.unwrap(), same);
        assert_eq!(read(json!({"principal": false, "address": null})).unwrap(), Rates::off());
        assert_eq!(read(serde_json::to_value(&same).unwrap()).unwrap(), same);
        assert_eq!(read(serde_json::to_value(Rates::off()).unwrap()).unwrap(), Rates::off());
        for (wrong, says) in [
            (json!({"principals": false}), "unknown field `principals`"),
            (json!({"principal": true}), "expected a bucket of `calls` and `per_minute`, or false"),
            (json!({"principal": {"calls": 5}}), "missing field `per_minute`"),
            (
                json!({"principal": {"calls": 5, "per_second": 1, "per_minute": 60}}),
                "unknown field `per_second`",
            ),
            (json!({"principal": {"calls": -5, "per_minute": 60}}), "invalid value"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn what_would_let_nobody_in_does_not_start() {
        let problems =
            |rates: Rates| rates.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert_eq!(problems(Rates::default()), "");
        assert_eq!(problems(Rates::off().cost("slow", 1 << 30)), "");
        assert!(problems(Rates::new().remember(usize::MAX)).contains("only 67108864"));
        assert!(problems(Rates::off().per_address(Bucket::new(0, 1))).contains("address holds 0 calls"));
        assert!(problems(Rates::off().per_address(Bucket::new(u32::MAX, 1))).contains("holds 4294967295"));
        assert!(problems(Rates::off().per_principal(Bucket::new(1, 0))).contains("principal never fills"));
        assert!(problems(Rates::new().cost("slow", 1_201)).contains("`slow` takes 1201, more than the 1200"));
    }
}

//! Releases of apps: deployed, tried as canaries, promoted, rolled back; on one instance or on many.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::paging::page_setters;
use super::text::text_type;
use super::{AppName, Cursor, InstanceId, PageSize, Stages, Timestamp};
use crate::error::Error;

/// The releases of the apps of an engine.
///
/// Without an app, the instance's only one is meant: `InvalidInput` if it has several (`app_required`), `NotFound` if it
/// has none (`app_not_found`).
///
/// Dropping the future of a release cancels it: before its traffic has switched nothing of it is left, and what was live
/// never stopped answering; after that it is complete.
#[async_trait]
pub trait Deploys: fmt::Debug + Send + Sync + 'static {
    /// Builds and switches an app to a version, or starts a canary of it.
    ///
    /// Requests that are under way are answered by the version they began with. A failure before the switch leaves what
    /// was live as it was, and the history has a record of it.
    ///
    /// # Errors
    ///
    /// `NotFound` for an instance, app or version (`version_not_found`) that is not there; `Unavailable` while the app is
    /// being released otherwise (`app_busy`); `Conflict` if a canary runs already (`canary_running`), or there is nothing
    /// live beside which one could run (`nothing_live`), or what is live has the canary's version (`already_live`); `InvalidInput` where the source or its manifest is not good;
    /// `Conflict` if the new version does not start or stays unhealthy (`deploy_failed`), saying what it printed last.
    async fn deploy(&self, deploy: Deploy, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error>;

    /// Gives a running canary all requests.
    ///
    /// # Errors
    ///
    /// `Conflict` without a canary (`no_canary`); and as [`deploy`](Self::deploy).
    async fn promote_canary(&self, release: Release, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error>;

    /// Ends a running canary, and goes back to an earlier version, without a build.
    ///
    /// With a canary and no version, ending the canary is all that is done: what was live stays. Without one, a second
    /// rollback returns to the version that the first has left.
    ///
    /// # Errors
    ///
    /// `Conflict` without an earlier version (`no_previous_version`); `NotFound` for a version whose artifact is not kept
    /// (`version_not_kept`), naming those that are; `Conflict` for the version that is live (`already_live`) or is the
    /// canary (`canary_running`); and as [`deploy`](Self::deploy).
    async fn rollback(&self, rollback: Rollback, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error>;

    /// Deploys to several instances at the same time, each by itself: one that fails undoes no other.
    ///
    /// # Errors
    ///
    /// `NotFound` for an instance that is not there, before any deploy begins. What goes wrong on one instance is in its
    /// result.
    async fn fleet_deploy(&self, fleet: FleetDeploy, stages: Arc<dyn Stages>) -> Result<FleetResult, Error>;

    /// One page of the records, newest first. Idempotent.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance or app; `InvalidInput` for a cursor that is not one of this list.
    async fn history(&self, options: ListDeploys) -> Result<DeployPage, Error>;
}

/// Which app of which instance a release is of, and who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The instance.
    pub instance: InstanceId,
    /// The app; the instance's only one, when absent.
    pub app: Option<AppName>,
    /// Who asked for it, as records say it.
    pub by: String,
}

/// What to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// Where.
    pub release: Release,
    /// The version; the newest, when absent.
    pub version: Option<Version>,
    /// Which part of the requests it gets as a canary; all of them, when absent.
    pub canary: Option<Percent>,
}

/// What to go back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// Where.
    pub release: Release,
    /// The version; the one before, when absent.
    pub version: Option<Version>,
}

/// What to deploy to several instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetDeploy {
    /// Where: one at least, and none twice.
    pub instances: Vec<InstanceId>,
    /// The app; each instance's only one, when absent.
    pub app: Option<AppName>,
    /// The version; the newest, when absent. It is looked up once for each instance.
    pub version: Option<Version>,
    /// Who asked for it.
    pub by: String,
}

/// What became of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeployRecord {
    /// The id of the record, unique.
    pub id: String,
    /// The instance that it was on.
    pub instance_id: InstanceId,
    /// The name of the app that it was of.
    pub app: AppName,
    /// `deploy` (also of a canary), `promote` (of a canary) or `rollback`.
    pub action: ReleaseAction,
    /// The version that was to become live, or became it.
    pub version: Version,
    /// The version that was live before; absent if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_version: Option<Version>,
    /// `success`; `failed`: what was live before stayed; `rolled_back`: a return to an earlier version.
    pub status: DeployStatus,
    /// `full`, or `canary` for one that was tried on part of the requests.
    pub strategy: Strategy,
    /// How long it took, in milliseconds, without the draining of what was live before.
    pub duration_ms: u64,
    /// When it began, RFC 3339 in UTC.
    pub started_at: Timestamp,
    /// When it was decided, RFC 3339 in UTC.
    pub finished_at: Timestamp,
    /// Who asked for it: the name of the caller, `local` for a process of the same user.
    pub deployed_by: String,
    /// Why it failed; absent if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum DeployStatus {
    /// The version is live, or its canary runs.
    Success,
    /// What was live before stayed.
    Failed,
    /// An earlier version is live again, or a canary has ended.
    RolledBack,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ReleaseAction {
    /// A version was put live, or tried as a canary.
    Deploy,
    /// A canary was given all requests.
    Promote,
    /// A canary was ended, or an earlier version returned to.
    Rollback,
}

/// Which requests a release gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Strategy {
    /// All of them.
    Full,
    /// Part of them.
    Canary,
}

/// What became of a deploy to several instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetResult {
    /// One for each instance, in the order that was asked for.
    pub results: Vec<(InstanceId, Result<DeployRecord, String>)>,
}

/// Which page of the records.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListDeploys {
    /// Only those of this instance.
    pub instance: Option<InstanceId>,
    /// Only those of apps of this name.
    pub app: Option<AppName>,
    /// How many entries at most, 1 to 200.
    pub limit: PageSize<200>,
    /// Where to go on; from the newest, if absent.
    pub cursor: Option<Cursor>,
}

impl ListDeploys {
    /// Only those of this instance.
    #[must_use]
    pub fn with_instance(mut self, instance: Option<InstanceId>) -> Self {
        self.instance = instance;
        self
    }

    /// Only those of apps of this name.
    #[must_use]
    pub fn with_app(mut self, app: Option<AppName>) -> Self {
        self.app = app;
        self
    }

    page_setters!(200);
}

/// One page of records.
#[derive(Clone, Debug)]
pub struct DeployPage {
    /// The records, newest first.
    pub deploys: Vec<DeployRecord>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<Cursor>,
}

const MAX_VERSION_CHARS: usize = 128;

// Letters and digits, with one mark between them.
fn is_version(text: &str) -> bool {
    text.len() <= MAX_VERSION_CHARS
        && text
            .split(['.', '_', '+', '/', '-'])
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

text_type! {
    /// A version, such as `1.2.4`, `v1.2.4` or a commit of git: at most 128 letters and digits, with single `. _ + / -`
    /// between them.
    Version,
    accepts: is_version,
    else: "a version has at most 128 letters and digits, with single . _ + / - between them, such as 1.2.4",
    schema: { "type": "string", "pattern": "^[A-Za-z0-9]+([._+/-][A-Za-z0-9]+)*$", "maxLength": MAX_VERSION_CHARS }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A part of the requests, 1 to 99 percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Percent(u8);

impl Percent {
    /// As a number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u64> for Percent {
    type Error = Error;

    fn try_from(percent: u64) -> Result<Self, Error> {
        match u8::try_from(percent) {
            Ok(percent @ 1..=99) => Ok(Self(percent)),
            _ => Err(super::invalid_argument(format!("a canary gets 1 to 99 percent, not {percent}"))),
        }
    }
}

impl From<Percent> for u64 {
    fn from(percent: Percent) -> Self {
        percent.0.into()
    }
}

impl JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": 99 })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    /// What a type accepts, its schema accepts, and nothing else.
    fn agree<T: JsonSchema + serde::de::DeserializeOwned>(value: serde_json::Value) -> bool {
        let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
        let accepted = serde_json::from_value::<T>(value.clone()).is_ok();
        assert_eq!(jsonschema::is_valid(&schema, &value), accepted, "{value}");
        accepted
    }

    #[test]
    fn a_version_is_of_parts_with_one_mark_between_them() {
        for text in [
            "1",
            "1.2.4",
            "v1.2.4",
            "1.2.4-rc.1",
            "1.2.4+build.5",
            "release/2026-01",
            "0a1b2c3d4e5f",
            "content-0a1b2c",
            "A_B",
            &"a".repeat(128),
        ] {
            assert!(agree::<Version>(text.into()), "{text}");
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
        for text in [
            "",
            ".",
            "..",
            "1..2",
            "../1",
            "1/../2",
            "/1",
            "1/",
            "-1",
            "--upload-pack=x",
            "1.",
            "1-+2",
            "1 2",
            "1\n",
            "v1@{0}",
            "HEAD^",
            "a:b",
            "a~1",
            "*",
            "\u{e4}",
            "\u{661}",
            &"a".repeat(129),
        ] {
            assert!(!agree::<Version>(text.into()), "{text}");
            assert_eq!(text.parse::<Version>().unwrap_err().code(), "invalid_argument", "{text}");
        }
        assert!(!agree::<Version>(124.into()));
    }

    #[test]
    fn a_canary_gets_a_part_and_never_none_or_all() {
        for percent in [1u64, 50, 99] {
            assert!(agree::<Percent>(percent.into()));
            assert_eq!(u64::from(Percent::try_from(percent).unwrap().get()), percent);
        }
        for percent in [0u64, 100, 256, 257, u64::MAX] {
            assert!(!agree::<Percent>(percent.into()), "{percent}");
        }
        let error = Percent::try_from(100).unwrap_err();
        assert_eq!(error.message(), "a canary gets 1 to 99 percent, not 100");
        for value in
            [serde_json::json!(-1), serde_json::json!(1.5), serde_json::json!("50"), serde_json::json!(null)]
        {
            assert!(!agree::<Percent>(value));
        }
    }
}

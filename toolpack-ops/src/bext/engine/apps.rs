//! The apps of an instance, and the domains that lead to them.

use std::fmt;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::paging::page_setters;
use super::text::text_type;
use super::{AppName, AppRef, Cursor, InstanceId, PageSize, Timestamp, Version};
use crate::error::Error;

/// The apps of the instances of an engine.
#[async_trait]
pub trait Apps: fmt::Debug + Send + Sync + 'static {
    /// One page of the apps of an instance, ordered by name. Idempotent.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance; `InvalidInput` for a cursor that is not one of this list (`invalid_cursor`).
    async fn list_apps(&self, instance: &InstanceId, options: ListApps) -> Result<AppPage, Error>;

    /// Registers an app. Nothing of it runs before it is deployed.
    ///
    /// The source is looked at: it must be there and be understood, and without a runtime it says which one is meant.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if there is an app of that name (`app_exists`), or a domain leads to another one already
    /// (`domain_taken`); `InvalidInput` if the source is none (`source_not_found`, `source_invalid`), its manifest cannot
    /// be read (`manifest_invalid`) or does not fit the runtime (`runtime_mismatch`); `Unsupported` for a source that
    /// this engine cannot read (`source_unsupported`).
    async fn add_app(&self, instance: &InstanceId, new: NewApp) -> Result<App, Error>;

    /// Removes an app: what runs of it is stopped, and its domains, releases, artifacts, logs and secrets go with it. Its
    /// history, its database and its keys stay or go, as [`Removal`] says.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such app (`app_not_found`), naming near ones; `Unavailable` while it is being deployed
    /// (`app_busy`).
    async fn remove_app(&self, app: &AppRef, what: Removal) -> Result<(), Error>;

    /// One page of the domains of an instance, or of one app of it, ordered by domain. Idempotent.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance or app (`app_not_found`); `InvalidInput` for a cursor that is not one of this
    /// list.
    async fn list_domains(&self, instance: &InstanceId, options: ListDomains) -> Result<DomainPage, Error>;

    /// Leads a domain to an app, at once if it is deployed. Idempotent.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such app (`app_not_found`); `AlreadyExists` if the domain leads to another app of the
    /// instance (`domain_taken`); `InvalidInput` for a name below `localhost`, which leads to the app of that name
    /// (`domain_reserved`).
    async fn add_domain(&self, app: &AppRef, domain: &DomainName) -> Result<(), Error>;

    /// Takes a domain from whichever app it leads to, or from this one.
    ///
    /// # Errors
    ///
    /// `NotFound` if it leads to no app of the instance, or not to this one (`domain_not_found`), naming near ones.
    async fn remove_domain(
        &self,
        instance: &InstanceId,
        app: Option<&AppName>,
        domain: &DomainName,
    ) -> Result<(), Error>;
}

/// What of an app a removal takes, besides what runs of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removal {
    /// Its history, its database and its keys stay.
    #[default]
    KeepData,
    /// Nothing of it is left: its history, its database and its keys go, too.
    Everything,
}

/// An app as an instance has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct App {
    /// Its name, which other tools take as `app`. It is served at `http://NAME.localhost:PORT` of the instance's gateway.
    pub name: AppName,
    /// The domains that lead to it besides, ordered; empty if there are none.
    pub domains: Vec<DomainName>,
    /// Where its releases come from, without credentials.
    pub source: String,
    /// Whether its files are served as they are, or a command of its own answers.
    pub runtime: Runtime,
    /// The version that is live; absent before the first deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<Version>,
    /// The version that a rollback goes back to; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_version: Option<Version>,
    /// The canary that takes part of the requests; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// `stopped` (never deployed), `deploying`, `running`, or `failed` (what is live does not run; see `error`).
    pub status: AppStatus,
    /// What is wrong with it; absent if nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was added, RFC 3339 in UTC.
    pub created_at: Timestamp,
    /// When it was last changed or deployed, RFC 3339 in UTC.
    pub updated_at: Timestamp,
}

/// A version on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Canary {
    /// The version that is on trial.
    pub version: Version,
    /// Which part of new visitors it gets, in percent, 1 to 99.
    pub percent: super::Percent,
}

/// How an app answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Runtime {
    /// Its files are served as they are.
    Static,
    /// A command of its own answers, at the port it is told.
    Process,
}

/// How an app is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AppStatus {
    /// It was never deployed.
    Stopped,
    /// A release of it is on its way.
    Deploying,
    /// It answers.
    Running,
    /// What is live does not run.
    Failed,
}

/// An app to register.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewApp {
    /// Its name, unique on the instance.
    pub name: AppName,
    /// Where its releases come from.
    pub source: AppSource,
    /// The domains that lead to it.
    pub domains: Vec<DomainName>,
    /// How it answers; what its source says, when absent.
    pub runtime: Option<Runtime>,
}

impl NewApp {
    /// An app without domains, of whichever runtime its source says.
    pub fn new(name: AppName, source: AppSource) -> Self {
        Self { name, source, domains: Vec::new(), runtime: None }
    }

    /// With these domains.
    #[must_use]
    pub fn with_domains(mut self, domains: Vec<DomainName>) -> Self {
        self.domains = domains;
        self
    }

    /// Of this runtime.
    #[must_use]
    pub fn with_runtime(mut self, runtime: Option<Runtime>) -> Self {
        self.runtime = runtime;
        self
    }
}

/// Which page of the apps.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListApps {
    /// How many entries at most.
    pub limit: PageSize<200>,
    /// Where to go on; from the first, if absent.
    pub cursor: Option<Cursor>,
}

impl ListApps {
    page_setters!(200);
}

/// One page of apps.
#[derive(Clone, Debug)]
pub struct AppPage {
    /// The apps, ordered by name.
    pub apps: Vec<App>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<Cursor>,
}

/// Which page of the domains.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListDomains {
    /// Only those of this app.
    pub app: Option<AppName>,
    /// How many entries at most.
    pub limit: PageSize<200>,
    /// Where to go on; from the first, if absent.
    pub cursor: Option<Cursor>,
}

impl ListDomains {
    /// Only those of this app.
    #[must_use]
    pub fn with_app(mut self, app: Option<AppName>) -> Self {
        self.app = app;
        self
    }

    page_setters!(200);
}

/// One page of domains.
#[derive(Clone, Debug)]
pub struct DomainPage {
    /// The domains, ordered.
    pub domains: Vec<Domain>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<Cursor>,
}

/// A domain and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Domain {
    /// The domain, in lower case, with `xn--` labels for what is not ASCII.
    pub domain: DomainName,
    /// The app it leads to.
    pub app: AppName,
    /// Whether it stands for every name of one label before it, as `*.example.com` does.
    pub is_wildcard: bool,
}

const MAX_SOURCE_CHARS: usize = 4096;

fn is_source(text: &str) -> bool {
    (1..=MAX_SOURCE_CHARS).contains(&text.chars().count())
        && !text.chars().any(char::is_control)
        && !text.split(['/', '\\']).any(|part| part == "..")
}

text_type! {
    /// Where the releases of an app come from: a path of a directory, of a `.tar.gz` or of a git repository, or the address
    /// of a git repository. No part of a path may be `..`.
    AppSource,
    accepts: is_source,
    else: "a source is a path or an address of 1 to 4096 characters, none of them a control character, and no part of it is \"..\"",
    schema: { "type": "string", "minLength": 1, "maxLength": MAX_SOURCE_CHARS }
}

/// The host name of a domain, perhaps with `*.` before it: as it is asked for, in lower case and in ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(String);

impl DomainName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that `*.` stands before; none if it is no wildcard.
    pub fn wildcard_of(&self) -> Option<&str> {
        self.0.strip_prefix("*.")
    }
}

impl TryFrom<String> for DomainName {
    type Error = Error;

    /// Takes a name as people write it: in any case, and in any script (IDNA, UTS 46).
    fn try_from(text: String) -> Result<Self, Error> {
        let (wildcard, host) = match text.strip_prefix("*.") {
            Some(host) => ("*.", host),
            None => ("", text.as_str()),
        };
        // What is far too long is not looked at: the time that IDNA takes grows faster than the text.
        let ascii = (text.len() <= MAX_DOMAIN_INPUT_BYTES)
            .then(|| idna::domain_to_ascii_strict(host).ok().filter(|ascii| is_host(ascii)))
            .flatten();
        match ascii {
            Some(ascii) if wildcard.len() + ascii.len() <= MAX_DOMAIN_CHARS => {
                Ok(Self(format!("{wildcard}{ascii}")))
            }
            _ => Err(super::invalid_argument(
                "a domain has labels of 1 to 63 letters, digits and inner hyphens with dots between them, at least two, \
                 253 characters in all, and perhaps *. before it; no scheme, port, path or final dot",
            )),
        }
    }
}

impl std::str::FromStr for DomainName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::try_from(text.to_owned())
    }
}

const MAX_DOMAIN_CHARS: usize = 253;

/// Each character that is allowed takes at most four bytes.
const MAX_DOMAIN_INPUT_BYTES: usize = MAX_DOMAIN_CHARS * 4;

/// RFC 1123, section 2.1, with a dot at least; and nothing that browsers take for an address: its last label is a number,
/// perhaps a hexadecimal one.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = match last.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    };
    host.contains('.') && host.split('.').all(is_label) && !is_number
}

impl JsonSchema for DomainName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DomainName".into()
    }

    // No pattern that a person could read says the rule, and names of other scripts are as long as what they become: a
    // refusal in the words of the type says how to correct it.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 3, "maxLength": MAX_DOMAIN_CHARS })
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<DomainName> for String {
    fn from(domain: DomainName) -> Self {
        domain.0
    }
}

#[cfg(test)]
#[path = "apps_tests.rs"]
mod tests;

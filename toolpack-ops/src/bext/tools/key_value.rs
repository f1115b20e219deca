//! `kv_get`, `kv_set`, `kv_delete` and `kv_list`: text under keys, for each app its own.

use mcp_core::{About, Annotations, Call, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::progress::with_progress;
use crate::bext::engine::{
    AppName, AppRef, Cursor, Deleted, Engines, InstanceId, Key, KeyPrefix, KeyValueText, ListKeys, PageSize,
    SetKey, Timestamp, Ttl,
};
use crate::bext::scopes;

/// Reads the value of one key of an app.
///
/// A key that is absent or whose time has come is `found: false`, no error; so is every key of an app that has stored
/// nothing.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct KvGet {
    /// Instance to read from, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App whose keys are meant, such as `shop`; `default`, the instance's own, when absent.
    #[serde(default)]
    pub app: AppName,
    /// The key, 1 to 512 characters, exactly as it was written, such as `session:42`.
    pub key: Key,
}

/// What is under a key.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KvValue {
    /// The key that was asked for.
    pub key: Key,
    /// Whether there is a value under the key.
    pub found: bool,
    /// The value; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When the key vanishes, RFC 3339 in UTC; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Tool<Engines> for KvGet {
    const NAME: &'static str = "kv_get";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = KvValue;

    fn about(about: About) -> About {
        about.title("Read a key")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<KvValue, ToolError> {
        let app = AppRef::new(self.instance_id, self.app);
        let entry = with_progress(call, engines.key_value.get(&app, &self.key)).await?;
        let found = entry.is_some();
        let (value, expires_at) = entry.map_or((None, None), |entry| (Some(entry.value), entry.expires_at));
        Ok(KvValue { key: self.key, found, value, expires_at })
    }
}

/// Writes one key of an app, whether it exists or not, with an optional lifetime.
///
/// The earlier value and its expiry are replaced: without `ttl` the key stays for good, even if it had a lifetime
/// before. After success the value is on disk.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct KvSet {
    /// Instance to write to, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App whose keys are meant, such as `shop`; `default`, the instance's own, when absent.
    #[serde(default)]
    pub app: AppName,
    /// The key, 1 to 512 characters, any of them, such as `session:42`.
    pub key: Key,
    /// The value: any text, at most 1 MiB of UTF-8 by default, also empty. Write JSON as text, such as
    /// `{"user":"Ada"}`.
    pub value: KeyValueText,
    /// Lifetime in whole seconds from now, at least 1, such as 3600 for an hour; for good when absent.
    pub ttl: Option<Ttl>,
}

/// A key was written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KvWritten {
    /// The key that was written.
    pub key: Key,
    /// Always true: what cannot be written is an error.
    pub set: bool,
    /// When the key vanishes, RFC 3339 in UTC; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Tool<Engines> for KvSet {
    const NAME: &'static str = "kv_set";
    const ANNOTATIONS: Annotations = Annotations::write().idempotent();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = KvWritten;

    fn about(about: About) -> About {
        about.title("Write a key")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<KvWritten, ToolError> {
        let app = AppRef::new(self.instance_id, self.app);
        let options = SetKey::new(self.value).with_ttl(self.ttl);
        let written = with_progress(call, engines.key_value.set(&app, &self.key, options)).await?;
        Ok(KvWritten { key: self.key, set: true, expires_at: written.expires_at })
    }
}

/// Deletes one key of an app, for good.
///
/// A key that is absent or whose time has come is `deleted: false`, no error.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct KvDelete {
    /// Instance to delete from, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App whose keys are meant, such as `shop`; `default`, the instance's own, when absent.
    #[serde(default)]
    pub app: AppName,
    /// The key, 1 to 512 characters, exactly as it was written, such as `session:42`.
    pub key: Key,
}

impl Tool<Engines> for KvDelete {
    const NAME: &'static str = "kv_delete";
    const ANNOTATIONS: Annotations = Annotations::destructive().idempotent();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = Deleted;

    fn about(about: About) -> About {
        about.title("Delete a key")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<Deleted, ToolError> {
        let app = AppRef::new(self.instance_id, self.app);
        with_progress(call, engines.key_value.delete(&app, &self.key)).await
    }
}

/// Lists the keys of an app, without their values, in the order of their UTF-8 bytes.
///
/// Keys whose time has come are left out. While there is a `next_cursor` there are more: call again with it as
/// `cursor` and the same `prefix`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct KvList {
    /// Instance to read from, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App whose keys are meant, such as `shop`; `default`, the instance's own, when absent.
    #[serde(default)]
    pub app: AppName,
    /// What the keys start with, at most 512 characters, such as `session:`; every key by default.
    #[serde(default)]
    pub prefix: KeyPrefix,
    /// How many keys this page has at most: 1 to 1000, 100 by default.
    #[serde(default)]
    pub limit: PageSize<1000>,
    /// `next_cursor` of the page before, unchanged; the first page when absent.
    pub cursor: Option<Cursor>,
}

/// One page of keys.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeyList {
    /// The keys, in the order of their UTF-8 bytes; empty if there are none.
    pub keys: Vec<Key>,
    /// How many keys are on this page.
    pub count: usize,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

impl Tool<Engines> for KvList {
    const NAME: &'static str = "kv_list";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = KeyList;

    fn about(about: About) -> About {
        about.title("List keys")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<KeyList, ToolError> {
        let app = AppRef::new(self.instance_id, self.app);
        let options =
            ListKeys::default().with_prefix(self.prefix).with_limit(self.limit).with_cursor(self.cursor);
        let page = with_progress(call, engines.key_value.list(&app, options)).await?;
        let count = page.keys.len();
        Ok(KeyList { keys: page.keys, count, next_cursor: page.next_cursor })
    }
}

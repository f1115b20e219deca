//! stub
use crate::{
    input::Input,
    protocol::{JsonObject, revision::Revision},
};
use serde_json::Value;
#[derive(Debug)]
pub(crate) struct FormSchema {}
impl FormSchema {
    pub(crate) fn of<F: Input>() -> Result<Self, String> {
        Ok(Self {})
    }
    pub(crate) fn from_value(_: Value) -> Result<Self, String> {
        Ok(Self {})
    }
    pub(crate) fn listed(&self, _: Revision) -> Value {
        serde_json::json!({})
    }
    pub(crate) fn read<F: serde::de::DeserializeOwned>(&self, c: JsonObject) -> Result<F, String> {
        serde_json::from_value(Value::Object(c)).map_err(|e| e.to_string())
    }
}

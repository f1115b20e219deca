//! One tool with several actions, each with arguments of its own: typed inside, flat outside.
//!
//! bkend changes the fields of a table with `backend_field_manage`, whose `action` is `add`, `update` or `remove`. Here
//! that is an enum, so that the code can neither forget an action nor reach for another's arguments. A client is shown
//! one flat object, since assistants take no `oneOf` at the top; the descriptions say what is for which action.

use std::{collections::BTreeMap, sync::Mutex};

use mcp_core::{
    Access, Annotations, Call, Revision, Server, Tool, ToolError, protocol::JsonObject, testing::Client,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Adds, changes or removes one field of a table. Every call makes a new version of the table's schema.
#[derive(Deserialize, JsonSchema)]
struct ManageField {
    /// Table to change, such as `posts`.
    table: String,
    /// Field that it is about, such as `title`.
    name: String,
    #[serde(flatten)]
    action: Action,
}

// What every action takes stands in the struct above; what only some take, in their variants.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
enum Action {
    /// Adds the field.
    Add {
        /// What the field holds.
        kind: FieldKind,
    },
    /// Changes what the field is called or holds.
    Update {
        /// What the field holds from now on, which its values have to fit; as before when absent.
        kind: Option<FieldKind>,
        /// What the field is called from now on; as before when absent.
        rename_to: Option<String>,
    },
    /// Removes the field, and with it what every row holds there.
    Remove,
}

/// A kind of value.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FieldKind {
    Text,
    Number,
    Boolean,
}

/// The fields of a table after a change.
#[derive(Serialize, JsonSchema)]
struct TableSchema {
    /// The version that the change made; one more than before.
    version: u64,
    /// What each field holds, by name.
    fields: BTreeMap<String, FieldKind>,
}

impl Tool<Tables> for ManageField {
    const NAME: &'static str = "backend_field_manage";
    // One for all actions: who decides whether to ask knows the tool before its arguments. So it is the strongest, and
    // `remove` loses values for good.
    const ANNOTATIONS: Annotations = Annotations::destructive();
    const SCOPES: &'static [&'static str] = &["table:update"];
    type Output = TableSchema;

    fn access(&self) -> Access {
        Access::object("table", &self.table)
    }

    async fn call(self, tables: &Tables, _: &Call) -> Result<TableSchema, ToolError> {
        tables.change(&self.table, |table| match self.action {
            Action::Add { kind } => table.add(self.name, kind),
            Action::Update { kind, rename_to } => table.update(self.name, kind, rename_to),
            Action::Remove => table.remove(&self.name),
        })
    }
}

/// The tables by name, in memory.
#[derive(Default)]
struct Tables(Mutex<BTreeMap<String, Table>>);

#[derive(Clone, Default)]
struct Table {
    version: u64,
    fields: BTreeMap<String, FieldKind>,
    rows: Vec<JsonObject>,
}

impl Tables {
    /// Takes a change as a whole or, where it fails, not at all.
    fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Table) -> Result<(), ToolError>,
    ) -> Result<TableSchema, ToolError> {
        let mut tables = self.0.lock().unwrap();
        let Some(table) = tables.get_mut(name) else {
            return Err(ToolError::unknown("table_not_found", "table", name, tables.keys()).at("/table"));
        };
        let mut changed = table.clone();
        change(&mut changed)?;
        changed.version += 1;
        *table = changed;
        Ok(TableSchema { version: table.version, fields: table.fields.clone() })
    }
}

impl Table {
    fn add(&mut self, name: String, kind: FieldKind) -> Result<(), ToolError> {
        self.check_free(&name, "/name")?;
        self.fields.insert(name, kind);
        Ok(())
    }

    fn update(
        &mut self,
        name: String,
        kind: Option<FieldKind>,
        rename_to: Option<String>,
    ) -> Result<(), ToolError> {
        let old = self.field(&name)?;
        let kind = kind.unwrap_or(old);
        let unfit =
            self.rows.iter().filter_map(|row| row.get(&name)).filter(|value| !kind.fits(value)).count();
        if unfit > 0 {
            let why = format!("{unfit} of the rows hold something else in `{name}`");
            return Err(ToolError::new("field_type_mismatch", why).at("/kind"));
        }
        let Some(new_name) = rename_to else {
            self.fields.insert(name, kind);
            return Ok(());
        };
        self.check_free(&new_name, "/rename_to")?;
        for row in &mut self.rows {
            if let Some(value) = row.remove(&name) {
                row.insert(new_name.clone(), value);
            }
        }
        self.fields.remove(&name);
        self.fields.insert(new_name, kind);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), ToolError> {
        self.field(name)?;
        self.fields.remove(name);
        self.rows.iter_mut().for_each(|row| _ = row.remove(name));
        Ok(())
    }

    fn field(&self, name: &str) -> Result<FieldKind, ToolError> {
        let unknown = || ToolError::unknown("field_not_found", "field", name, self.fields.keys()).at("/name");
        self.fields.get(name).copied().ok_or_else(unknown)
    }

    fn check_free(&self, name: &str, pointer: &str) -> Result<(), ToolError> {
        match self.fields.contains_key(name) {
            true => {
                Err(ToolError::new("field_exists", format!("There is a field `{name}` already")).at(pointer))
            }
            false => Ok(()),
        }
    }
}

impl FieldKind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
        }
    }
}

/// A server with a table of two rows.
fn server() -> Server<Tables> {
    let row = |title: &str| JsonObject::from_iter([("title".to_owned(), json!(title))]);
    let posts = Table {
        version: 1,
        fields: BTreeMap::from([("title".to_owned(), FieldKind::Text)]),
        rows: vec![row("On tables"), row("On rows")],
    };
    let tables = Tables(Mutex::new(BTreeMap::from([("posts".to_owned(), posts)])));
    Server::new("bkend", "1.0.0").over(tables).tool::<ManageField>()
}

#[tokio::test]
async fn clients_see_one_flat_object_that_says_what_is_for_which_action() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let tool = client.list_tools().await.remove(0);
        let schema = json!({
            "type": "object",
            "properties": {
                "table": {"type": "string", "description": "Table to change, such as `posts`."},
                "name": {"type": "string", "description": "Field that it is about, such as `title`."},
                "action": {
                    "type": "string",
                    "enum": ["add", "update", "remove"],
                    "description": "- `add`: Adds the field.\n- `update`: Changes what the field is called or holds.\n\
                        - `remove`: Removes the field, and with it what every row holds there.",
                },
                "kind": {
                    "type": "string",
                    "enum": ["text", "number", "boolean"],
                    "description": "Only for `add`, `update`; required for `add`.\nFor `add`: What the field holds.\n\
                        For `update`: What the field holds from now on, which its values have to fit; as before when \
                        absent.",
                },
                "rename_to": {
                    "type": "string",
                    "description": "What the field is called from now on; as before when absent. Only for `update`.",
                },
            },
            "required": ["table", "name", "action"],
            "additionalProperties": false,
        });
        assert_eq!(tool["inputSchema"], schema);
        assert_eq!(tool["annotations"]["destructiveHint"], true);
    }
}

#[tokio::test]
async fn each_action_does_its_own_work() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let manage = async |further: Value| {
            let mut arguments = json!({"table": "posts", "name": "likes"});
            arguments.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
            client.call(ManageField::NAME, arguments).await.structured().clone()
        };
        let added = manage(json!({"action": "add", "kind": "number"})).await;
        assert_eq!(added, json!({"version": 2, "fields": {"likes": "number", "title": "text"}}));
        let updated = manage(json!({"action": "update", "rename_to": "hearts", "kind": null})).await;
        assert_eq!(updated, json!({"version": 3, "fields": {"hearts": "number", "title": "text"}}));
        let removed = manage(json!({"action": "remove", "name": "hearts"})).await;
        assert_eq!(removed, json!({"version": 4, "fields": {"title": "text"}}));
    }
}

#[tokio::test]
async fn a_call_that_mixes_actions_up_is_told_so() {
    let mixed_up = [
        (json!({"action": "add"}), "/kind", "is required when `action` is `add`, and missing"),
        (
            json!({"action": "remove", "kind": "text"}),
            "/kind",
            "is only for `add`, `update`, not when `action` is `remove`",
        ),
        (
            json!({"action": "update", "renameTo": "head"}),
            "/renameTo",
            "is not known; did you mean `rename_to`?",
        ),
        (json!({"action": "delete"}), "/action", r#"must be one of ["add","update","remove"]"#),
        (json!({}), "/action", "is required and missing"),
    ];
    let client = Client::new(server()).await;
    for (mut arguments, pointer, why) in mixed_up {
        arguments["table"] = json!("posts");
        arguments["name"] = json!("title");
        let reply = client.call(ManageField::NAME, arguments).await;
        assert_eq!(reply.error_pointer(), pointer);
        let text = format!("Invalid arguments. {pointer}: {why}");
        assert!(reply.text().starts_with(&text), "{} is not {text}", reply.text());
    }
}

#[tokio::test]
async fn what_a_table_cannot_do_is_refused_and_changes_nothing() {
    let refused = [
        (json!({"table": "post", "name": "a", "action": "remove"}), "table_not_found", "/table"),
        (json!({"table": "posts", "name": "titel", "action": "remove"}), "field_not_found", "/name"),
        (
            json!({"table": "posts", "name": "title", "action": "add", "kind": "text"}),
            "field_exists",
            "/name",
        ),
        (
            json!({"table": "posts", "name": "title", "action": "update", "kind": "number"}),
            "field_type_mismatch",
            "/kind",
        ),
    ];
    let client = Client::new(server()).await;
    for (arguments, code, pointer) in refused {
        let reply = client.call(ManageField::NAME, arguments).await;
        assert_eq!((reply.error_code().as_str(), reply.error_pointer().as_str()), (code, pointer));
    }
    let arguments = json!({"table": "posts", "name": "draft", "action": "add", "kind": "boolean"});
    assert_eq!(client.call(ManageField::NAME, arguments).await.structured()["version"], 2);
}

//! Tools that exist only at run time, read from a table, and come and go while clients are connected.
//!
//! Fluxbase keeps tools of its users' own in a table. Here a row is a formula over a few shared accounts, with the JSON
//! schema of its arguments; each becomes a [`DynTool`] that is listed with this schema and held to it. Two typed tools
//! add rows and take them away, and every connected client hears that the list has changed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use mcp_core::{
    Annotations, Call, DynTool, Revision, Server, Text, Tool, ToolError, protocol::JsonObject,
    testing::Client,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Adds a tool of your own, which computes something from its arguments. It can be called at once.
#[derive(Clone, Deserialize, JsonSchema)]
struct CreateTool {
    /// Name of the tool: 1 to 64 of the characters A-Z a-z 0-9 _ - . and not that of another.
    name: String,
    /// What it computes, for whoever is to choose it.
    description: String,
    /// JSON Schema of its arguments, which are numbers, such as
    /// `{"type": "object", "properties": {"net": {"type": "number"}}, "required": ["net"]}`.
    input_schema: JsonObject,
    /// Formula of numbers, arguments, accounts, `+ - * /` and parentheses, such as `net * (1 + 0.19)`. One such as
    /// `budget = budget - net` also puts the result into an account.
    #[schemars(length(max = 500))]
    formula: String,
    /// Whether it leaves all accounts as they are.
    read_only: bool,
}

/// Takes a tool away that was added with `create_tool`.
#[derive(Deserialize, JsonSchema)]
struct DropTool {
    /// Name of the tool.
    name: String,
}

impl Tool<Custom> for CreateTool {
    const NAME: &'static str = "create_tool";
    const ANNOTATIONS: Annotations = Annotations::write();
    type Output = Text;

    async fn call(self, custom: &Custom, call: &Call) -> Result<Text, ToolError> {
        let tool = custom.tool(&self)?;
        // The registry knows best which names and schemas can be served, and says what is wrong with others. The row is
        // kept only if the tool is, and no other edit comes in between.
        call.server().edit(|edit| {
            edit.add(tool)?;
            custom.rows.lock().unwrap().insert(self.name.clone(), self.clone());
            Ok(())
        })?;
        Ok(Text::new(format!("`{}` can be called now.", self.name)))
    }
}

impl Tool<Custom> for DropTool {
    const NAME: &'static str = "drop_tool";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    type Output = Text;

    async fn call(self, custom: &Custom, call: &Call) -> Result<Text, ToolError> {
        let was_there = call.server().edit(|edit| {
            let row = custom.rows.lock().unwrap().remove(&self.name);
            Ok(row.is_some() && edit.remove_tool(&self.name))
        })?;
        if !was_there {
            let rows = custom.rows.lock().unwrap();
            let unknown = ToolError::unknown("tool_not_found", "custom tool", &self.name, rows.keys());
            return Err(unknown.at("/name"));
        }
        Ok(Text::new(format!("`{}` is gone.", self.name)))
    }
}

/// The rows of the table, and what their formulas work on.
#[derive(Default)]
struct Custom {
    rows: Mutex<BTreeMap<String, CreateTool>>,
    accounts: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl Custom {
    /// The tool of a row, if its formula can be computed.
    fn tool(&self, row: &CreateTool) -> Result<DynTool, ToolError> {
        let formula = Formula::parse(&row.formula)?;
        if row.read_only && formula.account.is_some() {
            let why = "The formula changes an account, so the tool is not read-only";
            return Err(ToolError::new("not_read_only", why).at("/read_only"));
        }
        let annotations = if row.read_only { Annotations::read_only() } else { Annotations::write() };
        let (formula, accounts) = (Arc::new(formula), Arc::clone(&self.accounts));
        let tool = DynTool::new(row.name.clone(), annotations, move |arguments, _| {
            let (formula, accounts) = (Arc::clone(&formula), Arc::clone(&accounts));
            async move {
                let result = formula.compute(&arguments, &mut accounts.lock().unwrap())?;
                Ok(json!({ "result": result }))
            }
        });
        let description = row.description.clone();
        Ok(tool
            .about(|about| about.description(description))
            .input_schema(Value::Object(row.input_schema.clone())))
    }
}

/// A formula, perhaps with an account for its result.
struct Formula {
    account: Option<String>,
    term: Term,
}

enum Term {
    Number(f64),
    Name(String),
    Both(Box<Term>, char, Box<Term>),
}

impl Formula {
    fn parse(text: &str) -> Result<Self, ToolError> {
        let (account, mut rest) = match text.split_once('=') {
            Some((account, rest)) => (Some(account.trim().to_owned()), rest),
            None => (None, text),
        };
        let term = Term::parse(&mut rest).filter(|_| rest.trim().is_empty());
        let why = || match rest.trim() {
            "" => "The formula ends too early".to_owned(),
            rest => format!("The formula cannot be read from `{rest}` on"),
        };
        let term = term.ok_or_else(|| ToolError::new("invalid_formula", why()).at("/formula"))?;
        Ok(Self { account, term })
    }

    fn compute(
        &self,
        arguments: &JsonObject,
        accounts: &mut BTreeMap<String, f64>,
    ) -> Result<f64, ToolError> {
        let result = self.term.compute(&|name| {
            let argument = arguments.get(name).and_then(Value::as_f64);
            argument.or_else(|| accounts.get(name).copied())
        })?;
        if !result.is_finite() {
            return Err(ToolError::new("no_result", "These arguments have the formula divide by zero"));
        }
        if let Some(account) = &self.account {
            accounts.insert(account.clone(), result);
        }
        Ok(result)
    }
}

impl Term {
    fn parse(text: &mut &str) -> Option<Self> {
        Self::chain(text, &['+', '-'], |text| Self::chain(text, &['*', '/'], Self::parse_one))
    }

    /// Terms of one precedence, computed from the left.
    fn chain(text: &mut &str, operators: &[char], one: fn(&mut &str) -> Option<Self>) -> Option<Self> {
        let mut term = one(text)?;
        while let Some(operator) = text.trim_start().chars().next().filter(|c| operators.contains(c)) {
            *text = &text.trim_start()[1..];
            term = Self::Both(Box::new(term), operator, Box::new(one(text)?));
        }
        Some(term)
    }

    fn parse_one(text: &mut &str) -> Option<Self> {
        if let Some(inner) = text.trim_start().strip_prefix('(') {
            *text = inner;
            let term = Self::parse(text)?;
            *text = text.trim_start().strip_prefix(')')?;
            return Some(term);
        }
        let word = text.trim_start();
        let end = word.find(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c)).unwrap_or(word.len());
        let (word, rest) = word.split_at(end);
        if word.is_empty() {
            return None;
        }
        *text = rest;
        Some(word.parse().map_or_else(|_| Self::Name(word.to_owned()), Self::Number))
    }

    fn compute(&self, value_of: &impl Fn(&str) -> Option<f64>) -> Result<f64, ToolError> {
        Ok(match self {
            Self::Number(number) => *number,
            Self::Name(name) => value_of(name).ok_or_else(|| {
                ToolError::new(
                    "unknown_value",
                    format!("`{name}` is neither an argument that was given nor an account"),
                )
            })?,
            Self::Both(left, operator, right) => {
                let (left, right) = (left.compute(value_of)?, right.compute(value_of)?);
                match operator {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                }
            }
        })
    }
}

/// A row as a client writes it.
fn row(name: &str, formula: &str, read_only: bool) -> Value {
    json!({
        "name": name,
        "description": format!("Computes {formula}."),
        "input_schema": {
            "type": "object",
            "properties": {"net": {"type": "number", "minimum": 0}},
            "required": ["net"],
            "additionalProperties": false,
        },
        "formula": formula,
        "read_only": read_only,
    })
}

/// A server whose table has one row already.
fn server() -> Server<Custom> {
    let custom = Custom::default();
    custom.accounts.lock().unwrap().insert("budget".to_owned(), 100.0);
    let gross: CreateTool = serde_json::from_value(row("gross", "net * (1 + 0.5) - 1", true)).unwrap();
    let tool = custom.tool(&gross).unwrap_or_else(|error| panic!("{error}"));
    custom.rows.lock().unwrap().insert(gross.name.clone(), gross);
    Server::new("fluxbase", "1.0.0").add(tool).over(custom).tool::<CreateTool>().tool::<DropTool>()
}

#[tokio::test]
async fn a_row_is_a_tool_with_its_own_schema() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let listed = client.list_tools().await;
        let gross = listed.iter().find(|tool| tool["name"] == "gross").unwrap();
        assert_eq!(gross["inputSchema"], row("", "", true)["input_schema"]);
        assert_eq!(gross["description"], "Computes net * (1 + 0.5) - 1.");
        assert_eq!(gross["annotations"]["readOnlyHint"], true);

        assert_eq!(client.call("gross", json!({"net": 8})).await.structured(), &json!({"result": 11.0}));
        let reply = client.call("gross", json!({"net": -8})).await;
        assert_eq!(reply.text(), "Invalid arguments. /net: must be at least 0. [invalid_arguments]");
        let reply = client.call("gross", json!({"nett": 8})).await;
        assert!(reply.text().contains("/nett: is not known; did you mean `net`?"), "{}", reply.text());
    }
}

#[tokio::test]
async fn every_connected_client_hears_of_a_tool_that_comes_or_goes() {
    let endpoint = server().build().unwrap();
    let author = Client::new(&endpoint).await;
    // Of the newest revision one that listens, of the one before a session, which is told anyway.
    let mut listening =
        author.start("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    assert_eq!(listening.notification().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    let session = Client::with_revision(&endpoint, Revision::V2025_11_25).await;

    let create = author.call("create_tool", row("spend", "budget = budget - net", false)).await;
    assert_eq!(create.text(), "`spend` can be called now.");
    let changed = "notifications/tools/list_changed";
    assert_eq!(listening.notification().await.unwrap()["method"], changed);
    assert_eq!(session.notification().await["method"], changed);
    for left in [70.0, 40.0] {
        assert_eq!(session.call("spend", json!({"net": 30})).await.structured(), &json!({"result": left}));
    }

    assert_eq!(session.call("drop_tool", json!({"name": "spend"})).await.text(), "`spend` is gone.");
    assert_eq!(listening.notification().await.unwrap()["method"], changed);
    assert_eq!(session.notification().await["method"], changed);
    let unknown = author.request("tools/call", json!({"name": "spend", "arguments": {"net": 1}})).await;
    assert_eq!(unknown.error()["code"], -32602);
}

#[tokio::test]
async fn rows_change_from_outside_in_one_edit_or_not_at_all() {
    let endpoint = server().build().unwrap();
    let client = Client::with_revision(&endpoint, Revision::V2025_11_25).await;
    let tool = |name: &str| DynTool::new(name, Annotations::read_only(), |_, _| async { Ok(Text::new("")) });
    let failed = endpoint.edit(|edit| {
        edit.remove_tool("gross");
        edit.add(tool("create_tool"))
    });
    assert!(failed.unwrap_err().to_string().contains("there are two of this name"));
    assert_eq!(client.list_tools().await.len(), 3);

    let replaced = endpoint.edit(|edit| {
        edit.remove_tool("gross");
        edit.add(tool("net"))?;
        edit.add(tool("tax"))
    });
    replaced.unwrap();
    assert_eq!(client.notification().await["method"], "notifications/tools/list_changed");
    let names: Vec<_> = client.list_tools().await.iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["create_tool", "drop_tool", "net", "tax"]);
}

#[tokio::test]
async fn a_row_that_cannot_be_served_is_refused_with_the_reason() {
    let client = Client::new(server()).await;
    let schema = |schema: Value| {
        let mut row = row("new", "1", true);
        row["input_schema"] = schema;
        row
    };
    for (row, code, why) in [
        (row("a b", "1", true), "not_registered", "tool `a b`: a name is 1 to 64 of the characters"),
        (row("gross", "1", true), "not_registered", "tool `gross`: there are two of this name"),
        (row("drop_tool", "1", true), "not_registered", "tool `drop_tool`: there are two of this name"),
        (schema(json!({"type": "array"})), "not_registered", r#"must have `"type": "object"` at the top"#),
        (schema(json!([])), "invalid_arguments", "/input_schema: must be of type object"),
        (
            schema(json!({"type": "object", "properties": {"net": {"$ref": "https://a.example/net.json"}}})),
            "not_registered",
            "its schema cannot be used",
        ),
        (row("new", "net * (1 +", true), "invalid_formula", "The formula ends too early"),
        (row("new", "budget = 0", true), "not_read_only", "The formula changes an account"),
    ] {
        let reply = client.call("create_tool", row).await;
        assert_eq!(reply.error_code(), code);
        assert!(reply.text().contains(why), "{}", reply.text());
    }
    let reply = client.call("drop_tool", json!({"name": "create_tool"})).await;
    assert_eq!(reply.text(), "There is no custom tool `create_tool`; known are `gross` [tool_not_found]");
}

//! Filters that are free-form, and answers from which a wrong one can be corrected.
//!
//! Fluxbase reads tables with `query_table`, where `filter` maps columns to texts such as `gte.21`. Which columns there
//! are, and what they hold, only the engine knows; so the schema can say no more than "text", and the rest is said in
//! errors. Each has a stable code, names the place, and says what would have been right: a model gets it right the
//! second time, without a look at the documentation.

use std::{cmp::Ordering, collections::BTreeMap};

use mcp_core::{Annotations, Call, Revision, Server, Tool, ToolError, protocol::JsonObject, testing::Client};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Reads rows of one table.
#[derive(Deserialize, JsonSchema)]
struct QueryTable {
    /// Table to read, such as `users`.
    table: String,
    /// Columns to return, separated by commas, such as `id,name`; all when absent.
    select: Option<String>,
    /// What rows have to fulfil, by column, such as `{"is_active": "eq.true", "age": "gte.21"}`: an operator, a dot,
    /// and a value. A row is returned if it fulfils all of it. The operators:
    /// - `eq`, `neq`: equal, not equal
    /// - `gt`, `gte`, `lt`, `lte`: greater, greater or equal, less, less or equal
    /// - `like`: text with `%` for anything, such as `like.%@example.com`
    /// - `in`: one of several, such as `in.(1,2,3)`
    /// - `is`: `is.null`, `is.true` or `is.false`
    #[serde(default)]
    filter: BTreeMap<String, String>,
    /// Order of the rows, such as `created_at.desc` or `name.asc`; by `id` when absent.
    order: Option<String>,
    /// The most rows to return.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 1000))]
    limit: usize,
}

fn default_limit() -> usize {
    100
}

/// Rows of a table.
#[derive(Serialize, JsonSchema)]
struct Rows {
    /// The rows, each an object with the selected columns; `null` where a row has no value.
    rows: Vec<JsonObject>,
    /// Whether more rows fulfil the filter than were returned.
    is_cut: bool,
}

impl Tool<Database> for QueryTable {
    const NAME: &'static str = "query_table";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &["read:tables"];
    type Output = Rows;

    async fn call(self, database: &Database, _: &Call) -> Result<Rows, ToolError> {
        let table = database.table(&self.table)?;
        let selected = table.select(self.select.as_deref())?;
        let conditions = self.filter.iter().map(|(column, text)| table.condition(column, text));
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        let (by, is_descending) = table.order(self.order.as_deref())?;

        let is_wanted =
            |row: &&Row| conditions.iter().all(|(column, condition)| condition.is_met_by(&row[*column]));
        let mut rows: Vec<&Row> = table.rows.iter().filter(is_wanted).collect();
        rows.sort_by(|a, b| if is_descending { b[by].cmp(&a[by]) } else { a[by].cmp(&b[by]) });
        let is_cut = rows.len() > self.limit;
        let object = |row: &Row| {
            let members =
                selected.iter().map(|column| (table.columns[*column].0.to_owned(), json!(row[*column])));
            members.collect()
        };
        Ok(Rows { rows: rows.into_iter().take(self.limit).map(object).collect(), is_cut })
    }
}

/// A value of a table; those of one column are of one kind, or null.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
enum Cell {
    Null,
    Integer(i64),
    Boolean(bool),
    Text(String),
}

type Row = Vec<Cell>;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Boolean,
    Text,
}

impl Kind {
    /// Reads a value of this kind.
    fn read(self, text: &str) -> Option<Cell> {
        match self {
            Self::Integer => text.parse().ok().map(Cell::Integer),
            Self::Boolean => text.parse().ok().map(Cell::Boolean),
            Self::Text => Some(Cell::Text(text.to_owned())),
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Integer => "an integer",
            Self::Boolean => "`true` or `false`",
            Self::Text => "text",
        }
    }
}

/// What a value has to fulfil.
enum Condition {
    Compared { orderings: &'static [Ordering], with: Cell },
    Like(String),
    In(Vec<Cell>),
    Is(Cell),
}

const OPERATORS: [&str; 9] = ["eq", "neq", "gt", "gte", "lt", "lte", "like", "in", "is"];

impl Condition {
    /// Reads a condition on a column of this name and kind.
    fn parse(text: &str, column: &str, kind: Kind) -> Result<Self, ToolError> {
        let invalid = |why: String| ToolError::new("invalid_filter", why);
        let holds = format!("`{column}` holds {}", kind.in_words());
        let Some((operator, value)) = text.split_once('.') else {
            let why = "A condition is an operator, a dot and a value, such as `eq.1`; operators are ";
            return Err(invalid(why.to_owned() + &OPERATORS.join(", ")));
        };
        let read =
            |value: &str| kind.read(value).ok_or_else(|| invalid(format!("{holds}, and `{value}` is none")));
        let compared = |orderings| Ok(Self::Compared { orderings, with: read(value)? });
        match operator {
            "eq" => compared(&[Ordering::Equal]),
            "neq" => compared(&[Ordering::Less, Ordering::Greater]),
            "gt" => compared(&[Ordering::Greater]),
            "gte" => compared(&[Ordering::Greater, Ordering::Equal]),
            "lt" => compared(&[Ordering::Less]),
            "lte" => compared(&[Ordering::Less, Ordering::Equal]),
            "like" if kind == Kind::Text => Ok(Self::Like(value.to_owned())),
            "like" => Err(invalid(format!("{holds}, and `like` is for text; take `eq` or `in`"))),
            "in" => {
                let list = value.strip_prefix('(').and_then(|list| list.strip_suffix(')')).unwrap_or(value);
                list.split(',').map(read).collect::<Result<_, _>>().map(Self::In)
            }
            "is" if value == "null" => Ok(Self::Is(Cell::Null)),
            "is" if kind == Kind::Boolean => Ok(Self::Is(read(value)?)),
            "is" => Err(invalid(format!("{holds}, so `is` takes `null` alone"))),
            operator => Err(ToolError::unknown("invalid_filter", "operator", operator, OPERATORS)),
        }
    }

    /// As in SQL, nothing but `is` is fulfilled by what is not there.
    fn is_met_by(&self, cell: &Cell) -> bool {
        match (self, cell) {
            (Self::Is(wanted), cell) => cell == wanted,
            (_, Cell::Null) => false,
            (Self::Compared { orderings, with }, cell) => orderings.contains(&cell.cmp(with)),
            (Self::In(cells), cell) => cells.contains(cell),
            (Self::Like(pattern), Cell::Text(text)) => is_like(text, pattern),
            (Self::Like(_), _) => false,
        }
    }
}

/// Whether a text is of a pattern, in which `%` stands for anything: in time that does not grow with a power of it.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('%');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let Some(tail) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(tail)
}

/// The tables by name.
struct Database(BTreeMap<&'static str, Table>);

struct Table {
    columns: Vec<(&'static str, Kind)>,
    rows: Vec<Row>,
}

impl Database {
    fn table(&self, name: &str) -> Result<&Table, ToolError> {
        let unknown = || ToolError::unknown("table_not_found", "table", name, self.0.keys().copied());
        self.0.get(name).ok_or_else(|| unknown().at("/table"))
    }
}

impl Table {
    fn column(&self, name: &str) -> Result<usize, ToolError> {
        let names = self.columns.iter().map(|(name, _)| *name);
        let unknown = || ToolError::unknown("column_not_found", "column", name, names.clone());
        names.clone().position(|known| known == name).ok_or_else(unknown)
    }

    fn select(&self, list: Option<&str>) -> Result<Vec<usize>, ToolError> {
        match list {
            None | Some("*") => Ok((0..self.columns.len()).collect()),
            Some(list) => {
                let columns = list.split(',').map(|name| self.column(name.trim()));
                columns.collect::<Result<_, _>>().map_err(|error| error.at("/select"))
            }
        }
    }

    fn condition(&self, name: &str, text: &str) -> Result<(usize, Condition), ToolError> {
        let read = || {
            let column = self.column(name)?;
            Ok((column, Condition::parse(text, name, self.columns[column].1)?))
        };
        read().map_err(|error: ToolError| error.at_path(["filter", name]))
    }

    fn order(&self, order: Option<&str>) -> Result<(usize, bool), ToolError> {
        let (name, direction) =
            order.map_or(("id", "asc"), |order| order.split_once('.').unwrap_or((order, "asc")));
        let is_descending = match direction {
            "asc" => false,
            "desc" => true,
            other => {
                return Err(
                    ToolError::unknown("invalid_order", "direction", other, ["asc", "desc"]).at("/order")
                );
            }
        };
        Ok((self.column(name).map_err(|error| error.at("/order"))?, is_descending))
    }
}

/// A server with a table of four users.
fn server() -> Server<Database> {
    let columns = vec![
        ("id", Kind::Integer),
        ("email", Kind::Text),
        ("age", Kind::Integer),
        ("is_active", Kind::Boolean),
        // A time in UTC as RFC 3339 writes it sorts as text does.
        ("created_at", Kind::Text),
    ];
    let user = |id, email: &str, age: Option<i64>, is_active, created_at: &str| {
        let text = |text: &str| Cell::Text(text.to_owned());
        let age = age.map_or(Cell::Null, Cell::Integer);
        vec![Cell::Integer(id), text(email), age, Cell::Boolean(is_active), text(created_at)]
    };
    let rows = vec![
        user(1, "ada@example.com", Some(36), true, "2026-01-05T08:00:00Z"),
        user(2, "bob@example.org", Some(17), true, "2026-03-01T12:30:00Z"),
        user(3, "eve@example.com", None, false, "2026-02-11T23:59:59Z"),
        user(4, "kim@example.com", Some(21), true, "2026-01-31T00:00:00Z"),
    ];
    let database = Database(BTreeMap::from([("users", Table { columns, rows })]));
    Server::new("fluxbase", "1.0.0").over(database).tool::<QueryTable>()
}

/// The ids of the rows that fulfil a filter.
async fn ids(client: &Client, filter: Value, order: &str) -> Vec<i64> {
    let arguments = json!({"table": "users", "select": "id", "filter": filter, "order": order});
    let reply = client.call(QueryTable::NAME, arguments).await;
    let rows = reply.structured()["rows"].as_array().unwrap().clone();
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn every_operator_finds_its_rows() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        for (filter, found) in [
            (json!({}), &[1, 2, 3, 4][..]),
            (json!({"is_active": "eq.true"}), &[1, 2, 4]),
            (json!({"age": "neq.21"}), &[1, 2]),
            (json!({"age": "gt.21"}), &[1]),
            (json!({"age": "gte.21", "email": "like.%@example.com"}), &[1, 4]),
            (json!({"age": "lt.21"}), &[2]),
            (json!({"age": "lte.21"}), &[2, 4]),
            (json!({"id": "in.(1,3,7)"}), &[1, 3]),
            (json!({"age": "is.null"}), &[3]),
            (json!({"is_active": "is.false"}), &[3]),
            (json!({"email": "like.%a%ex%"}), &[1]),
            (json!({"created_at": "gte.2026-02-01T00:00:00Z"}), &[2, 3]),
        ] {
            assert_eq!(ids(&client, filter.clone(), "id").await, found, "{filter}");
        }
        assert_eq!(ids(&client, json!({}), "created_at.desc").await, [2, 3, 4, 1]);
    }
}

#[tokio::test]
async fn rows_hold_the_selected_columns_and_are_bounded_in_number() {
    let client = Client::new(server()).await;
    let arguments = json!({"table": "users", "select": "email, age", "order": "age", "limit": 2});
    let rows = json!([{"age": null, "email": "eve@example.com"}, {"age": 17, "email": "bob@example.org"}]);
    let reply = client.call(QueryTable::NAME, arguments).await;
    assert_eq!(reply.structured(), &json!({"rows": rows, "is_cut": true}));
}

#[tokio::test]
async fn every_mistake_is_answered_with_what_would_be_right() {
    let client = Client::new(server()).await;
    let refused = async |further: Value, code: &str, pointer: &str, message: &str| {
        let mut arguments = json!({"table": "users"});
        arguments.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        let reply = client.call(QueryTable::NAME, arguments).await;
        assert_eq!((reply.error_code().as_str(), reply.error_pointer().as_str()), (code, pointer));
        assert!(reply.text().contains(message), "{}", reply.text());
    };
    let message = "There is no table `user`; did you mean `users`?";
    refused(json!({"table": "user"}), "table_not_found", "/table", message).await;
    let message = "There is no column `mail`; did you mean `email`?";
    refused(json!({"select": "id,mail"}), "column_not_found", "/select", message).await;
    refused(json!({"order": "mail.desc"}), "column_not_found", "/order", message).await;
    let message = "There is no direction `down`; known are `asc`, `desc`";
    refused(json!({"order": "id.down"}), "invalid_order", "/order", message).await;

    let filter = async |column: &str, condition: &str, code: &str, message: &str| {
        let pointer = format!("/filter/{}", column.replace('/', "~1"));
        refused(json!({"filter": {column: condition}}), code, &pointer, message).await;
    };
    let message = "There is no column `km/h`; known are `id`, `email`, `age`, `is_active`, `created_at`";
    filter("km/h", "eq.1", "column_not_found", message).await;
    filter("age", "get.21", "invalid_filter", "There is no operator `get`; did you mean `gt`?").await;
    filter("age", "21", "invalid_filter", "operators are eq, neq, gt, gte, lt, lte, like, in, is").await;
    filter("age", "gte.many", "invalid_filter", "`age` holds an integer, and `many` is none").await;
    filter("age", "is.true", "invalid_filter", "`age` holds an integer, so `is` takes `null` alone").await;
    filter("is_active", "like.t%", "invalid_filter", "`like` is for text; take `eq` or `in`").await;

    // What the schema can say, the core says in the same form.
    let message = "/filter/age: must be of type string";
    refused(json!({"filter": {"age": 21}}), "invalid_arguments", "/filter/age", message).await;
    refused(json!({"limit": 0}), "invalid_arguments", "/limit", "/limit: must be at least 1").await;
}

//! What is measured: three tools, a resource, and any number of tools that only make the list long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{
    Annotations, Call, Contents, Limits, RequestError, Resource, Server, Text, Tool, ToolError, tool_fn,
};

/// The server, with this many dummy tools beside the real ones.
pub(crate) fn server(dummies: u16) -> Server {
    let server = Server::new("bench-server", env!("CARGO_PKG_VERSION"))
        .tool::<Echo>()
        .tool::<Add>()
        .tool::<ListRows>()
        .resource::<Blob>()
        // Whoever measures it has it to themselves.
        .limits(Limits::for_one_caller)
        // All tools on one page, whatever their number.
        .limits(|limits| limits.page_size = limits.page_size.max(usize::from(dummies) + 3));
    with_dummies(server, dummies)
}

/// A server with this many dummy tools beside it.
pub(crate) fn with_dummies(server: Server, dummies: u16) -> Server {
    (1..=dummies).fold(server, |server, number| {
        let name = format!("dummy_{number}");
        server.add(tool_fn(name, Annotations::read_only(), async |_: Dummy, _| Ok(Text::new("done"))))
    })
}

/// Answers with the message.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Echo {
    /// What to answer with.
    message: String,
}

impl Tool for Echo {
    const NAME: &'static str = "echo";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), _: &Call) -> Result<Text, ToolError> {
        Ok(Text(self.message))
    }
}

/// Adds two whole numbers.
#[derive(Deserialize, JsonSchema)]
struct Add {
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    /// `a + b`.
    sum: i64,
}

impl Tool for Add {
    const NAME: &'static str = "add";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Sum;

    async fn call(self, (): &(), _: &Call) -> Result<Sum, ToolError> {
        let sum = self.a.checked_add(self.b);
        sum.map(|sum| Sum { sum }).ok_or_else(|| ToolError::new("overflow", "the sum is beyond 64 bits"))
    }
}

/// Lists made-up users.
#[derive(Deserialize, JsonSchema)]
struct ListRows {
    /// How many; at most 50000, which is about as much as one answer may hold.
    #[schemars(range(max = 50_000))]
    count: u32,
}

/// Made-up users.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Rows {
    /// The users, by id.
    rows: Vec<Row>,
}

#[derive(Serialize, JsonSchema)]
struct Row {
    /// 1, 2, 3, …
    id: u32,
    /// `User 1`, …
    name: String,
    /// `user1@example.com`, …
    email: String,
    /// RFC 3339, in UTC.
    created_at: &'static str,
    /// Half the id.
    score: f64,
}

impl Tool for ListRows {
    const NAME: &'static str = "list_rows";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Rows;

    async fn call(self, (): &(), _: &Call) -> Result<Rows, ToolError> {
        Ok(rows(self.count))
    }
}

/// The first made-up users.
pub(crate) fn rows(count: u32) -> Rows {
    let row = |id| Row {
        id,
        name: format!("User {id}"),
        email: format!("user{id}@example.com"),
        created_at: "2026-01-01T00:00:00Z",
        score: f64::from(id) / 2.0,
    };
    Rows { rows: (1..=count).map(row).collect() }
}

/// As much text as is asked for.
#[derive(Deserialize, JsonSchema)]
struct Blob {
    /// How much, in KiB; at most 16384.
    #[schemars(range(max = 16_384))]
    kb: usize,
}

impl Resource for Blob {
    const URI: &'static str = "bench://blob/{kb}";
    const NAME: &'static str = "blob";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text("x".repeat(self.kb * 1024)).mime_type("text/plain"))
    }
}

/// Does nothing with many parameters.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct Dummy {
    /// Whom it concerns.
    name: String,
    /// How many of them.
    count: i64,
    /// How much of each, from 0 to 1.
    share: f64,
    /// Whether to go ahead without asking.
    force: bool,
    /// Words to find it by.
    tags: Vec<String>,
    /// How to go about it.
    mode: Mode,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Fast,
    Careful,
    Thorough,
}

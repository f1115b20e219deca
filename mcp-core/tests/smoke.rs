//! The shortest way through everything.

use mcp_core::{Annotations, Call, Reply, Revision, Server, Tool, ToolError, testing::Client};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Adds two numbers.
#[derive(Deserialize, JsonSchema)]
struct Add {
    /// The first number.
    a: i64,
    /// The second number; 1 when absent.
    b: Option<i64>,
}

/// A sum.
#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: i64,
}

impl Tool for Add {
    const NAME: &'static str = "add";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Reply<Sum>;

    async fn call(self, _: &(), call: &Call) -> Result<Reply<Sum>, ToolError> {
        call.progress(1.0, Some(2.0), "half way");
        tokio::task::yield_now().await;
        let sum = self.a + self.b.unwrap_or(1);
        Ok(Reply::new(format!("It is {sum}."), Sum { sum }))
    }
}

#[tokio::test]
async fn a_tool_is_listed_called_and_corrects_its_caller() {
    for revision in Revision::ALL {
        let client = Client::with_revision(Server::new("t", "1").tool::<Add>(), revision).await;
        let tools = client.list_tools().await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(tools); }
        let reply = client.call("add", json!({"a": 2.0, "b": null})).await;
        assert_eq!(reply.structured(), &json!({"sum": 3}));
        assert_eq!(reply.text(), "It is 3.\n{\"sum\":3}");
        assert_eq!(reply.reply().notifications().len(), 1, "{reply:?}");
        let wrong = client.call("add", json!({"a": "x", "bb": 1})).await;
        assert_eq!(wrong.error_code(), "invalid_arguments");
        insta::allow_duplicates! { insta::assert_snapshot!(wrong.text()); }
    }
}

//! `--demo`: a dialogue of real calls to a server of our own, printed for a person to read.

use std::{error::Error, io::Write};

use serde_json::{Value, json};

use crate::{client::Client, scratch::Scratch};

/// Plays the dialogue. An answer that differs from what is expected is an error.
pub(crate) fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let scratch = Scratch::new("bext-companion-demo")?;
    writeln!(out, "A server starts with `--mcp --data {}`.", scratch.path().display())?;
    let mut dialogue = Dialogue { client: Client::start(scratch.path())?, out, calls: 0 };
    dialogue.play()?;
    let Dialogue { client, out, calls } = dialogue;
    client.end()?;
    scratch.remove()?;
    writeln!(out, "\nAll {calls} calls worked. The server has ended, and the scratch directory is gone.")?;
    Ok(())
}

struct Dialogue<'a, W> {
    client: Client,
    out: &'a mut W,
    calls: usize,
}

impl<W: Write> Dialogue<'_, W> {
    fn play(&mut self) -> Result<(), Box<dyn Error>> {
        self.heading("Which instances are there?")?;
        let instance = json!({
            "id": "local", "name": "local", "url": "", "status": "healthy", "last_checked_at": null,
            "version": null,
        });
        self.answers("list_instances", json!({}), json!({ "instances": [instance], "count": 1 }))?;

        self.heading("A table for the app `shop`, and two rows with bound values")?;
        let sql = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER)";
        let want = json!({ "changes": 0, "last_insert_id": 0 });
        self.answers("db_execute", on_shop(json!({ "sql": sql })), want)?;
        let insert = "INSERT INTO users (name, age) VALUES (?1, ?2)";
        for (row, params) in [(1, json!(["Ada", 36])), (2, json!(["Robert'); DROP TABLE users;--", 12]))] {
            let want = json!({ "changes": 1, "last_insert_id": row });
            self.answers("db_execute", on_shop(json!({ "sql": insert, "params": params })), want)?;
        }

        self.heading("What is in it?")?;
        let query =
            json!({ "sql": "SELECT name, age FROM users WHERE age >= ?1 ORDER BY age", "params": [10] });
        let want = json!({
            "columns": ["name", "age"],
            "rows": [["Robert'); DROP TABLE users;--", 12], ["Ada", 36]],
            "row_count": 2,
            "truncated": false,
        });
        self.answers("db_query", on_shop(query), want)?;

        self.heading("What is wrong is refused, and said so that a model can correct it")?;
        for (tool, sql, code) in [
            ("db_execute", "DROP TABLE users", "sql_blocked"),
            ("db_query", "SELECT 1; DELETE FROM users", "multiple_statements"),
            ("db_query", "DELETE FROM users", "not_read_only"),
            ("db_query", "SELECT * FROM user", "table_not_found"),
        ] {
            self.refuses(tool, on_shop(json!({ "sql": sql })), code)?;
        }
        self.refuses("db_query", on_shop(json!({ "sqll": "SELECT 1" })), "invalid_arguments")?;
        let elsewhere = json!({ "instance_id": "elsewhere", "key": "greeting" });
        self.refuses("kv_get", elsewhere, "instance_not_found")?;

        self.heading("The rows are all still there")?;
        let count = on_shop(json!({ "sql": "SELECT count(*) AS users FROM users" }));
        let want = json!({ "columns": ["users"], "rows": [[2]], "row_count": 1, "truncated": false });
        self.answers("db_query", count, want)?;

        self.heading("Keys: one that stays, one that lives for an hour")?;
        let set = on_shop(json!({ "key": "greeting", "value": "hello" }));
        self.answers("kv_set", set, json!({ "key": "greeting", "set": true }))?;
        let set = on_shop(json!({ "key": "session:42", "value": "{\"user\":\"Ada\"}", "ttl": 3600 }));
        self.answers("kv_set", set, json!({ "key": "session:42", "set": true, "expires_at": null }))?;
        let get = on_shop(json!({ "key": "session:42" }));
        let value = json!({
            "key": "session:42", "found": true, "value": "{\"user\":\"Ada\"}", "expires_at": null,
        });
        self.answers("kv_get", get.clone(), value)?;
        let want = json!({ "keys": ["session:42"], "count": 1 });
        self.answers("kv_list", on_shop(json!({ "prefix": "session:" })), want)?;
        self.answers("kv_delete", get.clone(), json!({ "deleted": true }))?;
        self.answers("kv_delete", get.clone(), json!({ "deleted": false }))?;
        self.answers("kv_get", get, json!({ "key": "session:42", "found": false }))?;
        let want = json!({ "keys": ["greeting"], "count": 1 });
        self.answers("kv_list", on_shop(json!({})), want)
    }

    fn heading(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        Ok(writeln!(self.out, "\n{text}")?)
    }

    /// A call that has to be answered with this; null stands for anything.
    fn answers(&mut self, tool: &str, arguments: Value, want: Value) -> Result<(), Box<dyn Error>> {
        let answer = self.call(tool, &arguments)?;
        if answer.is_error || !fits(&answer.data, &want) {
            return Err(format!("{tool} answered something else than {want}").into());
        }
        Ok(())
    }

    /// A call that has to be refused with this code.
    fn refuses(&mut self, tool: &str, arguments: Value, code: &str) -> Result<(), Box<dyn Error>> {
        let answer = self.call(tool, &arguments)?;
        if !answer.is_error || answer.code != code {
            return Err(format!("{tool} should have been refused with {code}").into());
        }
        Ok(())
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Result<crate::client::Answer, Box<dyn Error>> {
        writeln!(self.out, "  -> {tool} {arguments}")?;
        let answer = self.client.call(tool, arguments)?;
        let mark = if answer.is_error { "refused: " } else { "" };
        writeln!(self.out, "  <- {mark}{}", answer.text)?;
        self.calls += 1;
        Ok(answer)
    }
}

/// The arguments, on the app `shop` of the instance `local`.
fn on_shop(mut arguments: Value) -> Value {
    arguments["instance_id"] = json!("local");
    arguments["app"] = json!("shop");
    arguments
}

/// Whether a value is as wanted: the same members, and null stands for any value.
fn fits(value: &Value, want: &Value) -> bool {
    match (value, want) {
        (_, Value::Null) => true,
        (Value::Object(value), Value::Object(want)) => {
            value.len() == want.len()
                && want.iter().all(|(name, want)| value.get(name).is_some_and(|value| fits(value, want)))
        }
        (Value::Array(value), Value::Array(want)) => {
            value.len() == want.len() && value.iter().zip(want).all(|(value, want)| fits(value, want))
        }
        (value, want) => value == want,
    }
}

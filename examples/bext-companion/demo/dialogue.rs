//! A dialogue of a person and an assistant, whose calls are made and printed.

use std::{error::Error, io::Write};

use serde_json::Value;

use crate::client::{Answer, Client};

/// How much of a call or an answer is printed.
const SHOWN: usize = 300;

/// A dialogue under way.
pub(super) struct Dialogue<'a, W> {
    client: Client,
    out: &'a mut W,
}

impl<'a, W: Write> Dialogue<'a, W> {
    pub(super) fn new(client: Client, out: &'a mut W) -> Self {
        Self { client, out }
    }

    /// What the person says.
    pub(super) fn person(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        Ok(writeln!(self.out, "\nPerson:    {text}")?)
    }

    /// What the assistant says.
    pub(super) fn assistant(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        Ok(writeln!(self.out, "Assistant: {text}")?)
    }

    /// What happens beside the dialogue.
    pub(super) fn aside(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        Ok(writeln!(self.out, "\n({text})")?)
    }

    /// A call that has to be answered; gives the answer's data.
    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Box<dyn Error>> {
        let answer = self.made(tool, &arguments)?;
        if answer.is_error {
            return Err(format!("{tool} was refused: {}", answer.text).into());
        }
        Ok(answer.data)
    }

    /// A call that has to be refused with this code.
    pub(super) fn refused(&mut self, tool: &str, arguments: Value, code: &str) -> Result<(), Box<dyn Error>> {
        let answer = self.made(tool, &arguments)?;
        if !answer.is_error || answer.code != code {
            return Err(format!("{tool} should have been refused with {code}").into());
        }
        Ok(())
    }

    fn made(&mut self, tool: &str, arguments: &Value) -> Result<Answer, Box<dyn Error>> {
        writeln!(self.out, "  -> {tool} {}", shortened(&arguments.to_string()))?;
        let answer = self.client.call(tool, arguments)?;
        let mark = if answer.is_error { "refused: " } else { "" };
        writeln!(self.out, "  <- {mark}{}", shortened(&answer.text))?;
        // A person reads along.
        self.out.flush()?;
        Ok(answer)
    }

    /// Ends the assistant's connection.
    pub(super) fn end(self) -> Result<(), Box<dyn Error>> {
        self.client.end()
    }
}

/// The beginning of a text, on one line.
fn shortened(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

//! What no client should send over HTTP: each is refused as it has to be, or costs the server nothing.

use std::time::Duration;

use serde_json::json;

use super::calls::{self, Call};
use super::ledger::Event;
use super::random::Action;
use super::web::Web;
use super::wire::{Reply, post, post_modern};
use crate::Problem;

/// The largest message that the server reads by default.
pub(super) const MAX_MESSAGE_BYTES: usize = 2 << 20;

impl Web<'_> {
    const ROUGH_ACTIONS: [(u64, Action<Self>); 9] = [
        (2, Self::declares_too_much),
        (1, Self::sends_too_much),
        (8, Self::sends_malformed),
        (8, Self::sends_wrong_headers),
        (6, Self::asks_elsewhere),
        (2, Self::speaks_no_http),
        (4, Self::breaks_off),
        (3, Self::is_slow),
        (4, Self::hangs_up_unread),
    ];

    pub(super) fn is_rough(&mut self) -> Result<(), Problem> {
        self.random.weighted(&Self::ROUGH_ACTIONS)(self)
    }

    fn refused(&self, reply: &Reply, status: u16, code: i64, event: Event) -> Result<(), Problem> {
        let found = reply.messages.first().map(|message| &message["error"]["code"]);
        if reply.head.status != status || found.and_then(serde_json::Value::as_i64) != Some(code) {
            return Err(format!("should be refused with {status} and {code}: {reply:?}"));
        }
        self.ledger().count(event);
        Ok(())
    }

    fn declares_too_much(&mut self) -> Result<(), Problem> {
        let mut wire = self.connect()?;
        let head = String::from_utf8_lossy(&post(b"", &[])).replace(
            "Content-Length: 0",
            &format!("Content-Length: {}", MAX_MESSAGE_BYTES as u64 + 1 + self.random.below(1 << 40)),
        );
        wire.send(head.as_bytes())?;
        let reply = wire.reply()?;
        self.refused(&reply, 413, 413, Event::TooLarge)
    }

    fn sends_too_much(&mut self) -> Result<(), Problem> {
        let mut wire = self.connect()?;
        let head = String::from_utf8_lossy(&post(b"", &[]))
            .replace("Content-Length: 0", "Transfer-Encoding: chunked");
        wire.send(head.as_bytes())?;
        // No byte more than has to be read: the refusal would be lost where some are left unread.
        let mut left = MAX_MESSAGE_BYTES + 1;
        while left > 0 {
            let length = left.min(64 << 10);
            wire.send(format!("{length:x}\r\n{}\r\n", " ".repeat(length)).as_bytes())?;
            left -= length;
        }
        let reply = wire.reply()?;
        self.refused(&reply, 413, 413, Event::TooLarge)
    }

    fn sends_malformed(&mut self) -> Result<(), Problem> {
        let (text, code) = calls::malformed(&mut self.random);
        let request = post(text.as_bytes(), &[("MCP-Protocol-Version", calls::MODERN)]);
        let reply = self.exchange(&request)?;
        self.refused(&reply, 400, code, Event::Malformed)
    }

    fn sends_wrong_headers(&mut self) -> Result<(), Problem> {
        let id = self.id();
        let message = Call::echo(&mut self.random).modern(&id);
        let right = String::from_utf8_lossy(&post_modern(&message, &[])).into_owned();
        let (from, to, status, code) = self.random.pick(&[
            ("Mcp-Method: prompts/get", "Mcp-Method: tools/call", 400, -32020),
            ("Mcp-Method: prompts/get", "X-None: ", 400, -32020),
            ("Mcp-Name: test_prompt", "Mcp-Name: tset_prompt", 400, -32020),
            ("MCP-Protocol-Version: 2026", "MCP-Protocol-Version: 2027", 400, -32020),
            ("MCP-Protocol-Version", "X-None", 400, -32020),
            ("Content-Type: application/json", "Content-Type: text/plain", 415, 415),
            ("Accept: application/json, text/event-stream", "Accept: image/png", 406, 406),
            ("Host: localhost", "Host: example.com", 403, 403),
            ("Host: localhost", "Host: localhost\r\nOrigin: https://example.com", 403, 403),
        ]);
        // Over a connection of its own: the server need not read the rest of what it refuses, and may close then.
        let mut wire = self.connect()?;
        wire.send(right.replacen(from, to, 1).as_bytes())?;
        let reply = wire.reply()?;
        self.refused(&reply, status, code, Event::WrongHeaders)
    }

    fn asks_elsewhere(&mut self) -> Result<(), Problem> {
        let (line, status) = self.random.pick(&[
            ("GET /", 404),
            ("POST /mcp/", 404),
            ("GET /nothing", 404),
            ("GET /mcp", 400),
            ("DELETE /mcp", 400),
            ("PUT /mcp", 405),
            ("GET /health", 200),
            ("HEAD /mcp", 400),
        ]);
        let mut wire = self.connect()?;
        wire.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
        // Without its body, which an answer to HEAD does not have.
        let head = wire.head()?;
        if head.status != status {
            return Err(format!("{line} should be answered with {status}: {head:?}"));
        }
        self.ledger().count(Event::WrongPlace);
        Ok(())
    }

    fn speaks_no_http(&mut self) -> Result<(), Problem> {
        let mut wire = self.connect()?;
        wire.send(
            self.random.pick(&["\x16\x03\x01\x02 hello\r\n\r\n", "MCP?\r\n\r\n", "{}\r\n\r\n"]).as_bytes(),
        )?;
        let reply = wire.head()?;
        if reply.status != 400 {
            return Err(format!("should be answered with 400: {reply:?}"));
        }
        wire.closed()?;
        self.ledger().count(Event::NotHttp);
        Ok(())
    }

    /// Sends a part of a request, and closes: at once, or after a while.
    fn breaks_off(&mut self) -> Result<(), Problem> {
        let id = self.id();
        let request = post_modern(&Call::echo(&mut self.random).modern(&id), &[]);
        let length = self.random.below(request.len() as u64) as usize;
        let mut wire = self.connect()?;
        wire.send(&request[..length])?;
        if self.random.chance(30) {
            std::thread::sleep(Duration::from_millis(self.random.below(300)));
        }
        self.ledger().count(Event::BrokenOff);
        Ok(())
    }

    /// Sends a request in pieces, with pauses between.
    fn is_slow(&mut self) -> Result<(), Problem> {
        let (id, call) = (self.id(), Call::echo(&mut self.random));
        let request = post_modern(&call.modern(&id), &[]);
        let mut wire = self.connect()?;
        for piece in request.chunks(request.len().div_ceil(4)) {
            wire.send(piece)?;
            std::thread::sleep(Duration::from_millis(self.random.below(60)));
        }
        self.ledger().count(Event::Called);
        self.ledger().count(Event::SlowBody);
        let reply = wire.reply()?;
        self.answered(&reply, &id, None, &call).map(drop)
    }

    /// Sends a call, or a subscription, and goes away without having read a byte.
    fn hangs_up_unread(&mut self) -> Result<(), Problem> {
        let (id, token) = (self.id(), json!("unread"));
        let call = match self.random.below(4) {
            0 => Call::slow(590_000).with_progress(&token),
            1 => Call::slow(590_000),
            2 => calls::listen(),
            _ => Call::large(&mut self.random),
        };
        let mut wire = self.connect()?;
        wire.send(&post_modern(&call.modern(&id), &[]))?;
        self.ledger().count(Event::Called);
        self.ledger().count(Event::Disconnected);
        Ok(())
    }
}

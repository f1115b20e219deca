//! A server over HTTP in this process that knows its callers by their keys, and a caller at its door.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::request::Parts;
use mcp_core::{Endpoint, IntoEndpoint, Principal, Revision};
use mcp_transport_http::{ApiKeys, Authenticate, Found, Http, KeyStore as _, MemoryKeys, NewKey};
use serde_json::Value;

use super::{
    initialize, initialized, request,
    walk::{Told, Way},
};
use crate::support::http::{Request, Stream};

/// Keys, and where they are kept.
pub(crate) struct Keys {
    pub(crate) keys: ApiKeys,
    store: Arc<MemoryKeys>,
}

impl Keys {
    pub(crate) fn none() -> Self {
        let store = Arc::new(MemoryKeys::new());
        Self { keys: ApiKeys::new(Arc::clone(&store)), store }
    }

    /// Makes a key.
    pub(crate) async fn make(&self, key: NewKey) -> Credentials {
        let (record, key) = self.keys.create(key).await.unwrap();
        Credentials { subject: record.id, header: Some(bearer(key.expose())) }
    }

    /// Makes one that has expired since.
    pub(crate) async fn make_expired(&self, key: NewKey) -> Credentials {
        let (mut record, key) = ApiKeys::new(MemoryKeys::new()).create(key).await.unwrap();
        record.expires = Some(SystemTime::now() - Duration::from_secs(1));
        self.store.insert(&record).unwrap();
        Credentials { subject: record.id, header: Some(bearer(key.expose())) }
    }

    pub(crate) async fn revoke(&self, credentials: &Credentials) {
        assert!(self.keys.revoke(&credentials.subject).await.unwrap());
    }
}

fn bearer(key: &str) -> (&'static str, String) {
    ("Authorization", format!("Bearer {key}"))
}

/// What a caller shows of itself.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// Whom the server takes it for.
    pub(crate) subject: String,
    header: Option<(&'static str, String)>,
}

impl Credentials {
    /// Nothing.
    pub(crate) fn none() -> Self {
        Self { subject: String::new(), header: None }
    }

    /// What [`Inside`] believes.
    pub(crate) fn local() -> Self {
        Self { subject: String::new(), header: Some((Inside::HEADER, "yes".to_owned())) }
    }

    /// A key that nobody made.
    pub(crate) fn unknown() -> Self {
        Self { subject: String::new(), header: Some(bearer("key_0abc12.secret")) }
    }

    /// The id of this key, with the secret of another.
    pub(crate) fn forged(&self, other: &Self) -> Self {
        let (Some((_, id)), Some((_, secret))) = (&self.header, &other.header) else { panic!("two keys") };
        let (id, secret) = (id.split_once('.').unwrap().0, secret.split_once('.').unwrap().1);
        Self { subject: String::new(), header: Some(("Authorization", format!("{id}.{secret}"))) }
    }
}

/// Takes whoever says so for a local caller, of whom no key can be made.
#[derive(Debug)]
pub(crate) struct Inside;

impl Inside {
    const HEADER: &str = "x-inside";
}

impl Authenticate for Inside {
    fn authenticate(&self, head: &Parts) -> Found {
        let is_inside = head.headers.contains_key(Self::HEADER);
        if is_inside { Found::Principal(Principal::local()) } else { Found::Nothing }
    }

    fn challenge(&self) -> &str {
        "Inside"
    }

    fn headers(&self) -> &[http::HeaderName] {
        &[]
    }
}

/// A server over HTTP, for as long as the runtime of its test.
pub(crate) struct Door {
    pub(crate) address: String,
    pub(crate) endpoint: Endpoint,
}

impl Door {
    /// Serves whoever has a key, and whom the options let in besides.
    pub(crate) async fn open(options: Http, keys: &Keys, server: impl IntoEndpoint) -> Self {
        let endpoint = server.into_endpoint().unwrap();
        let server = options.keys(keys.keys.clone()).bind(&endpoint, "127.0.0.1:0").await.unwrap();
        let address = server.local_addr().to_string();
        tokio::spawn(server.run_until(std::future::pending()));
        Self { address, endpoint }
    }

    /// A caller with a session, where the revision has any; or what it is told who gets none.
    pub(crate) fn try_enter(&self, credentials: &Credentials, revision: Revision) -> Result<Visitor, Raw> {
        let (address, credentials) = (self.address.clone(), credentials.clone());
        let mut visitor = Visitor { address, credentials, revision, session: None, last_id: 0, stream: None };
        if !revision.is_modern() {
            let opened = visitor.post(&initialize(revision));
            if opened.status() != 200 {
                return Err(opened);
            }
            visitor.session = Some(opened.header("mcp-session-id").expect("a session").to_owned());
            assert_eq!(visitor.post(&initialized()).status(), 202);
        }
        Ok(visitor)
    }

    /// The same for whoever is let in.
    pub(crate) fn enter(&self, credentials: &Credentials, revision: Revision) -> Visitor {
        self.try_enter(credentials, revision).unwrap_or_else(|refused| panic!("{refused:?}"))
    }
}

/// A response as it came, but for its date.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    head: String,
    body: String,
}

impl Raw {
    fn read(mut stream: Stream) -> Self {
        let whole = stream.rest();
        let (head, body) = whole.split_once("\r\n\r\n").expect("a head");
        let is_date = |line: &&str| line.to_ascii_lowercase().starts_with("date:");
        let dates = head.lines().filter(is_date).count();
        assert_eq!(dates, 1, "{head}");
        let head = head.lines().filter(|line| !is_date(line)).map(|line| format!("{line}\n")).collect();
        Self { head, body: body.to_owned() }
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same with another name in place of this one, which is as long.
    pub(crate) fn renamed(&self, name: &str, other: &str) -> Self {
        assert_eq!(name.len(), other.len());
        Self { head: self.head.replace(name, other), body: self.body.replace(name, other) }
    }

    /// Fails where the status and the challenge do not say the same as the message.
    fn check(&self, shows_credentials: bool) {
        const NOTHING: &str = r#"Bearer realm="mcp""#;
        const NOT_KNOWN: &str = concat!(
            r#"Bearer realm="mcp", error="invalid_token", "#,
            r#"error_description="These credentials are not known, or no good any more""#
        );
        const LACKING: &str = r#"Bearer error="insufficient_scope", scope="read""#;
        let said = match self.json()["error"]["code"].as_i64() {
            Some(401) if shows_credentials => (401, Some(NOT_KNOWN)),
            Some(401) => (401, Some(NOTHING)),
            Some(403) => (403, Some(LACKING)),
            // What is not there, and what is hidden, is an answer of the method's own.
            Some(-32602 | -32002) | None => (200, None),
            Some(code) => panic!("{code}: {self:?}"),
        };
        assert_eq!((self.status(), self.header("www-authenticate")), said, "{self:?}");
    }
}

/// A caller over HTTP, that makes a connection of its own for every request.
pub(crate) struct Visitor {
    address: String,
    credentials: Credentials,
    revision: Revision,
    pub(crate) session: Option<String>,
    last_id: u64,
    stream: Option<Stream>,
}

impl Visitor {
    /// The same caller with another session, without having asked for it.
    pub(crate) fn with_session(&self, session: Option<String>) -> Self {
        let (address, credentials) = (self.address.clone(), self.credentials.clone());
        Self { address, credentials, revision: self.revision, session, last_id: 0, stream: None }
    }

    /// Whoever shows this, with the same session.
    pub(crate) fn impersonated_by(&self, credentials: &Credentials) -> Self {
        Self { credentials: credentials.clone(), ..self.with_session(self.session.clone()) }
    }

    /// Sends a request with a new id.
    pub(crate) fn send(&mut self, method: &str, params: Value) -> Raw {
        Raw::read(self.start(method, params))
    }

    /// The same, and leaves the response to be read.
    pub(crate) fn start(&mut self, method: &str, params: Value) -> Stream {
        self.last_id += 1;
        let message = request(self.revision, self.last_id, method, params);
        self.with_credentials(Request::post(&self.address, &message)).open()
    }

    /// Sends a message as it is.
    pub(crate) fn post(&self, message: &Value) -> Raw {
        Raw::read(self.with_credentials(Request::post(&self.address, message)).open())
    }

    /// Listens to what the session is told besides its answers.
    pub(crate) fn open_ears(&mut self) {
        let mut stream = self.about_session("GET").open();
        assert_eq!(stream.head().0, 200);
        self.stream = Some(stream);
    }

    /// Asks for the session itself: its stream, or its end.
    pub(crate) fn ask_for_session(&self, method: &str) -> Raw {
        Raw::read(self.about_session(method).open())
    }

    fn about_session(&self, method: &str) -> Request {
        self.with_credentials(Request::new(&self.address, method, "/mcp"))
    }

    fn with_credentials(&self, mut request: Request) -> Request {
        if let Some((name, value)) = &self.credentials.header {
            request = request.header(name, value);
        }
        if let Some(session) = &self.session {
            request = request.header("Mcp-Session-Id", session);
            request = request.header("MCP-Protocol-Version", self.revision.as_str());
        }
        request
    }
}

/// The next message of a stream of events.
pub(crate) fn event(stream: &mut Stream) -> Value {
    serde_json::from_str(&stream.line_with("data: ")).unwrap()
}

impl Way for Visitor {
    async fn request(&mut self, method: &str, params: Value) -> Told {
        let raw = self.send(method, params);
        raw.check(self.credentials.header.is_some());
        Told { message: raw.json(), beside: raw.head }
    }

    async fn listen(&mut self, params: Value) -> Told {
        let mut stream = self.start("subscriptions/listen", params);
        let (status, headers) = stream.head();
        if status != 200 {
            let challenged = headers.iter().any(|(name, _)| name == "www-authenticate");
            assert_eq!((status, challenged), (401, true), "{headers:?}");
            let message = serde_json::from_str(&stream.rest()).unwrap();
            return Told { message, beside: String::new() };
        }
        let message = event(&mut stream);
        self.stream = Some(stream);
        Told { message, beside: String::new() }
    }

    async fn told(&mut self) -> Value {
        event(self.stream.as_mut().expect("a subscription"))
    }

    async fn hang_up(&mut self) {
        self.stream = None;
    }
}

//! The first line on the socket, each way: what a front wants, and what the node says to that.

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::About;
use crate::args::{AuditArg, Flags, HttpArgs};

/// What both ends speak.
const PROTOCOL: u32 = 1;

/// How long an opening line may be, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// What somebody who connects wants.
///
/// A field that this node does not know is refused: it may be one that keeps a client from something.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opening {
    bext: u32,
    pub(crate) want: Want,
    #[serde(default)]
    confirm: bool,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    audit: AuditArg,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<HttpArgs>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Want {
    /// MCP in lines, from the answer on.
    Mcp,
    /// That the node listens for HTTP as long as this connection is open.
    Http,
    /// How it is.
    Status,
    /// Its end.
    Stop,
}

impl Opening {
    pub(crate) fn new(want: Want, flags: Flags) -> Self {
        let Flags { confirm, read_only, audit } = flags;
        Self { bext: PROTOCOL, want, confirm, read_only, audit, http: None }
    }

    #[must_use]
    pub(crate) fn with_http(mut self, http: HttpArgs) -> Self {
        self.http = Some(http);
        self
    }

    pub(crate) fn flags(&self) -> Flags {
        Flags { confirm: self.confirm, read_only: self.read_only, audit: self.audit }
    }

    /// The line itself, with its end.
    pub(crate) fn line(&self) -> serde_json::Result<Vec<u8>> {
        line(self)
    }

    /// Reads one that has just been sent; what is wrong with it is said in the error.
    pub(super) async fn read(stream: &mut UnixStream) -> Result<Self, String> {
        let mut bytes = Vec::with_capacity(1024);
        loop {
            let seen = bytes.len();
            let length = stream.read_buf(&mut bytes).await.map_err(|error| error.to_string())?;
            if length == 0 {
                return Err("the connection ended before its first line did".to_owned());
            }
            match bytes[seen..].iter().position(|byte| *byte == b'\n').map(|at| seen + at) {
                Some(end) if end + 1 == bytes.len() => return Self::parse(&bytes[..end]),
                Some(_) => return Err("nothing may follow the first line before it is answered".to_owned()),
                None if bytes.len() > MAX_BYTES => {
                    return Err(format!("the first line has more than {MAX_BYTES} bytes"));
                }
                None => {}
            }
        }
    }

    fn parse(line: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Spoken {
            bext: u32,
        }
        const EXAMPLE: &str = r#"{"bext":1,"want":"mcp"}"#;
        let wrong = |error| format!("the first line has to be such as {EXAMPLE}: {error}");
        let Spoken { bext } = serde_json::from_slice(line).map_err(wrong)?;
        if bext != PROTOCOL {
            return Err(format!("this node speaks version {PROTOCOL} of the protocol, and not {bext}"));
        }
        let opening: Self = serde_json::from_slice(line).map_err(wrong)?;
        match (opening.want, &opening.http) {
            (Want::Http, None) => Err("http has to say where to listen".to_owned()),
            (Want::Http, Some(_)) | (_, None) => Ok(opening),
            (_, Some(_)) => Err("only whoever wants http says where to listen".to_owned()),
        }
    }
}

/// What the node says to that.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(flatten)]
    pub(crate) about: Option<About>,
    /// What the front tells the person who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) said: Option<String>,
    /// Where HTTP is served with keys, of which the front says by itself what there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keys_for: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
}

/// How a node is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Ordered by id.
    pub(crate) instances: Vec<InstanceLine>,
    /// Why they are not known; absent if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
    /// How many fronts are connected.
    pub(crate) clients: usize,
}

/// An instance of a node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InstanceLine {
    pub(crate) id: String,
    /// Where its gateway answers; null if it has none.
    pub(crate) url: Option<String>,
    pub(crate) status: String,
    /// How many apps it has; null if the engine has none.
    pub(crate) apps: Option<usize>,
}

impl Answer {
    pub(super) fn yes(about: &About) -> Self {
        Self { ok: true, about: Some(about.clone()), ..Self::default() }
    }

    pub(super) fn no(about: &About, error: String) -> Self {
        Self { error: Some(error), about: Some(about.clone()), ..Self::default() }
    }

    pub(super) async fn send(&self, stream: &mut UnixStream) -> std::io::Result<()> {
        stream.write_all(&line(self)?).await
    }
}

/// What a node that was started says on its standard output, once.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Started {
    /// It can be connected to.
    Ready(About),
    /// Another one runs.
    RunsAlready,
    /// It ends, and this is why.
    Failed(String),
}

impl Started {
    pub(super) fn line(&self) -> serde_json::Result<Vec<u8>> {
        line(self)
    }
}

fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

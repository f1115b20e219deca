//! Over what a request came.

/// Over what a request came, for telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportKind {
    /// Standard input and output, or another pipe.
    Pipe,
    /// A Unix socket.
    Unix,
    /// TCP, bare or with HTTP or TLS over it.
    Tcp,
    /// A client in the same process.
    InMemory,
}

impl TransportKind {
    /// The kind in one word, as spans and records have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::InMemory => "inproc",
        }
    }
}

//! Work that blocks, such as that of the file system, off the threads that serve.

use std::io;

/// Runs it where it holds nobody up. It goes on to its end even if nobody waits for it any more.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> io::Result<R> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

//! A body made of pieces of a file: each is read when the client is ready for it, so that memory does not grow with the file.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::PIECE;
use super::range::Span;
use crate::bext::node::body::BodyError;

/// A stretch of the body.
#[derive(Debug)]
pub(super) enum Stretch {
    /// What stands between the parts of several ranges.
    Text(Bytes),
    File(Span),
}

impl Stretch {
    fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(span) => span.len(),
        }
    }
}

/// The body.
#[derive(Debug)]
pub(super) struct Pieces {
    file: Arc<File>,
    stretches: VecDeque<Stretch>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// What is still to be sent.
    left: u64,
}

impl Pieces {
    pub(super) fn new(file: Arc<File>, stretches: impl IntoIterator<Item = Stretch>) -> Self {
        let stretches: VecDeque<Stretch> =
            stretches.into_iter().filter(|stretch| stretch.len() > 0).collect();
        let left = stretches.iter().map(Stretch::len).sum();
        Self { file, stretches, reading: None, left }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let reading = match (&mut self.reading, self.stretches.front_mut()) {
            (Some(reading), _) => reading,
            (None, Some(Stretch::File(span))) => {
                let piece = Span { start: span.start, end: span.end.min(span.start + PIECE as u64) };
                span.start = piece.end;
                if span.len() == 0 {
                    self.stretches.pop_front();
                }
                let file = self.file.clone();
                self.reading.insert(tokio::task::spawn_blocking(move || read(&file, piece)))
            }
            (None, Some(Stretch::Text(text))) => {
                let text = std::mem::take(text);
                self.stretches.pop_front();
                return Poll::Ready(Some(Ok(text)));
            }
            (None, None) => return Poll::Ready(None),
        };
        let piece =
            ready!(Pin::new(reading).poll(context)).unwrap_or_else(|error| Err(io::Error::other(error)));
        self.reading = None;
        if piece.is_err() {
            self.stretches.clear();
        }
        Poll::Ready(Some(piece))
    }
}

/// Reads a span of at most one piece.
pub(super) fn read(file: &File, span: Span) -> io::Result<Bytes> {
    let mut piece = vec![0; span.len() as usize];
    file.read_exact_at(&mut piece, span.start)?;
    Ok(piece.into())
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let piece = ready!(self.poll_piece(context));
        if let Some(Ok(piece)) = &piece {
            self.left -= piece.len() as u64;
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(BodyError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use http_body_util::BodyExt;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, Arc<File>) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), content).unwrap();
        let file = Arc::new(File::open(directory.path().join("a")).unwrap());
        (directory, file)
    }

    #[tokio::test]
    async fn sends_a_piece_at_a_time() {
        let content: Vec<u8> = (0..2 * PIECE + 10).map(|number| number as u8).collect();
        let (_directory, file) = file(&content);
        let span = Span { start: 1, end: content.len() as u64 };
        let text = |text: &'static str| Stretch::Text(Bytes::from_static(text.as_bytes()));
        let mut body = Pieces::new(file, [text("<"), Stretch::File(span), text(""), text(">")]);
        assert_eq!(body.size_hint().exact(), Some(span.len() + 2));
        let (mut lengths, mut sent) = (vec![], vec![]);
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            lengths.push(piece.len());
            sent.extend_from_slice(&piece);
        }
        assert_eq!(lengths, [1, PIECE, PIECE, 9, 1]);
        assert_eq!(sent, [b"<", &content[1..], b">"].concat());
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn breaks_off_if_the_file_does() {
        let (_directory, file) = file(b"0123");
        let mut body = Pieces::new(file, [Stretch::File(Span { start: 0, end: 8 })]);
        assert!(body.frame().await.unwrap().is_err());
        assert!(body.frame().await.is_none());
    }
}

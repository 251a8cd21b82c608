//! The bodies of the fixture's answers: nothing, a few bytes, or a dummy made while it is sent.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::dummy::Content;

/// How much of a dummy is made at once, in bytes.
const CHUNK: usize = 64 << 10;

/// The body of an answer. Cloning is cheap: a body that is ready is sent many times.
#[derive(Clone, Debug)]
pub(crate) struct Body(Source);

#[derive(Clone, Debug)]
enum Source {
    Bytes(Bytes),
    Dummy { content: Arc<Content>, sent: u64 },
}

impl Body {
    pub(crate) const fn empty() -> Self {
        Self(Source::Bytes(Bytes::new()))
    }

    pub(crate) fn dummy(content: Arc<Content>) -> Self {
        Self(Source::Dummy { content, sent: 0 })
    }
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Self {
        Self(Source::Bytes(bytes.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = match &mut self.get_mut().0 {
            Source::Bytes(bytes) => std::mem::take(bytes),
            Source::Dummy { content, sent } => {
                let chunk = content.read(*sent, CHUNK);
                *sent += chunk.len() as u64;
                chunk
            }
        };
        Poll::Ready((!chunk.is_empty()).then(|| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl Body {
    pub(crate) fn bytes(&self) -> Bytes {
        match &self.0 {
            Source::Bytes(bytes) => bytes.clone(),
            Source::Dummy { .. } => Bytes::new(),
        }
    }

    pub(crate) fn left(&self) -> u64 {
        match &self.0 {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::Dummy { content, sent } => content.size() - sent,
        }
    }
}

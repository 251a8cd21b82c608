//! Response bodies of the fixture: empty, a few bytes, or a dummy that is generated while it is sent.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::dummy::Content;

/// The size of the chunks in which a dummy is generated, in bytes.
const CHUNK: usize = 64 << 10;

/// The body of a response. Cloning is cheap: the same body is sent many times.
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
        if chunk.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining())
    }
}

impl Body {
    /// Returns the bytes, or none if the body is a dummy, which is generated while it is sent.
    pub(crate) fn bytes(&self) -> Bytes {
        match &self.0 {
            Source::Bytes(bytes) => bytes.clone(),
            Source::Dummy { .. } => Bytes::new(),
        }
    }

    /// Returns how many bytes have not been sent yet.
    pub(crate) fn remaining(&self) -> u64 {
        match &self.0 {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::Dummy { content, sent } => content.size() - sent,
        }
    }
}

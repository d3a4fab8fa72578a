//! What comes from a listener, whichever way it is framed.

use crate::wire::websocket::Messages;
use crate::wire::{Deframer, Frame, Limits, MAX_CLIENT_FRAME, Violation};

pub(super) use crate::wire::websocket::Heard;

/// Bytes from a listener → typed frames.
#[derive(Debug)]
pub(super) enum Inbox {
    /// Frames one behind the other.
    Stream(Deframer),
    /// A frame in each message.
    WebSocket(Messages),
}

impl Inbox {
    pub(super) fn stream() -> Self {
        Self::Stream(Deframer::new(Limits { plain: 0, typed: MAX_CLIENT_FRAME }))
    }

    pub(super) fn websocket() -> Self {
        Self::WebSocket(Messages::default())
    }

    pub(super) fn is_websocket(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Stream(deframer) => deframer.push(bytes),
            Self::WebSocket(messages) => messages.push(bytes),
        }
    }

    pub(super) fn next_heard(&mut self) -> Result<Option<Heard<'_>>, Violation> {
        match self {
            Self::WebSocket(messages) => Ok(messages.next_heard()?),
            Self::Stream(deframer) => Ok(match deframer.next_frame()? {
                Some(Frame::Typed { kind, body }) => Some(Heard::Frame { kind, body }),
                // Plain frames are refused by their length.
                Some(Frame::Plain(_)) | None => None,
            }),
        }
    }
}

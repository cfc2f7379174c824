//! A sending half that never looks whole unless it is.

use std::ops::{Deref, DerefMut};

use quinn::{SendStream, VarInt};

/// Resets the stream when it is dropped before [`Unfinished::finish`]: quinn alone would finish it, and what was cut short
/// would look whole to the peer.
pub(crate) struct Unfinished {
    stream: SendStream,
    code: u32,
    over: bool,
}

impl Unfinished {
    /// `code` is what the peer gets of a stream that is dropped.
    pub(crate) fn new(stream: SendStream, code: u32) -> Self {
        Self { stream, code, over: false }
    }

    /// That is all. The stream stays readable for [`SendStream::stopped`].
    pub(crate) fn finish(&mut self) {
        self.over = true;
        // Fails only on a stream that is over.
        let _ = self.stream.finish();
    }

    /// Gives up with a code.
    pub(crate) fn reset(&mut self, code: u32) {
        self.over = true;
        let _ = self.stream.reset(VarInt::from_u32(code));
    }
}

impl Deref for Unfinished {
    type Target = SendStream;

    fn deref(&self) -> &SendStream {
        &self.stream
    }
}

impl DerefMut for Unfinished {
    fn deref_mut(&mut self) -> &mut SendStream {
        &mut self.stream
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.over {
            self.reset(self.code);
        }
    }
}

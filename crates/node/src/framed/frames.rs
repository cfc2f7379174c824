//! The receiving half of a stream, read in frames. Faces `ts/rpc/inbound.ts`.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use gaiwan_endpoint::{
    Failure,
    framed::{Batch, End, FrameReader},
};
use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;
use quinn::ReadError;

use crate::{
    bridge::{NativeBridge, writable},
    connection::Held,
    core::{Core, Job},
    error::to_js,
    queue::Event,
};

/// Nothing yet; one OK follows.
const LATER: i32 = -1;
const FIN: i32 = 0;
const TRUNCATED: i32 = -2;
const MALFORMED: i32 = -3;
const TOO_LONG: i32 = -4;
/// An abort mark with code n is this less n.
const MARK: i32 = -16;

/// Shared by the handle, the runtime and the waker that QUIC holds.
pub struct Frames {
    /// `None` once closed.
    reader: Mutex<Option<FrameReader>>,
    /// The call that waits, 0 for none.
    call: AtomicU32,
    core: Arc<Core>,
    /// Keeps the connection open while the stream lives.
    _held: Arc<Held>,
}

impl Frames {
    pub(super) fn new(core: &Arc<Core>, held: &Arc<Held>, reader: FrameReader) -> Arc<Self> {
        Arc::new(Self {
            reader: Mutex::new(Some(reader)),
            call: AtomicU32::new(0),
            core: core.clone(),
            _held: held.clone(),
        })
    }

    fn reader(&self) -> MutexGuard<'_, Option<FrameReader>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the half up: stopped with code 0 unless it has ended.
    pub(super) fn close(&self) {
        let reader = self.reader().take();
        drop(reader);
    }

    /// On the runtime: whether who waits was told. JavaScript is woken for whole frames only.
    pub fn poll(self: &Arc<Self>) -> bool {
        let waker = Waker::from(self.clone());
        let mut reader = self.reader();
        let Some(reader) = reader.as_mut() else { return false };
        if reader.poll_frames(&mut Context::from_waker(&waker)).is_pending() {
            return false;
        }
        let call = self.call.swap(0, Ordering::AcqRel);
        if call != 0 {
            self.core.push(Event::done(call));
        }
        call != 0
    }

    /// See `read_frames`.
    fn read(self: &Arc<Self>, target: &mut [u8], call: u32) -> Result<i32, Failure> {
        let waker = Waker::from(self.clone());
        let mut reader = self.reader();
        let reader = reader.as_mut().ok_or_else(Failure::stream_closed)?;
        // Before the poll: the wake may come while it runs.
        self.call.store(call, Ordering::Release);
        let polled = reader.poll_frames(&mut Context::from_waker(&waker));
        let Poll::Ready(batch) = polled else { return Ok(LATER) };
        self.call.store(0, Ordering::Release);
        Ok(match batch.map_err(|error: ReadError| Failure::read(&error))? {
            Batch::Frames(bytes) => {
                if let Some(target) = target.get_mut(..bytes) {
                    target.copy_from_slice(reader.peek(bytes));
                    reader.advance(bytes);
                }
                i32::try_from(bytes).unwrap_or(i32::MAX)
            }
            Batch::End(End::Fin) => FIN,
            Batch::End(End::Mark(code)) => MARK - i32::from(code),
            Batch::End(End::Malformed) => MALFORMED,
            Batch::End(End::TooLong | End::Busy) => TOO_LONG,
            Batch::End(End::Truncated) => TRUNCATED,
        })
    }
}

impl Wake for Frames {
    fn wake(self: Arc<Self>) {
        if self.call.load(Ordering::Acquire) != 0 {
            let core = self.core.clone();
            core.send(Job::Frames(self));
        }
    }
}

#[napi]
impl NativeBridge {
    /// Whole frames at hand, prefixes included, up to 64 KiB or one that is larger, into `target`: how many bytes. More
    /// than `target` has: nothing was taken, come again with so much. 0: the end. -1: nothing yet, one OK on `call`. -2: it
    /// ended inside a frame. -3: a prefix is no length. -4: a frame is above the limit, the peer was stopped with code
    /// 1. -16 - n: it ended with an abort mark of code n. Throws what a read throws.
    #[napi(catch_unwind)]
    pub fn read_frames(
        &self,
        frames: u32,
        mut target: Uint8ArraySlice<'_>,
        call: u32,
    ) -> napi::Result<i32> {
        self.frames_of(frames)?.read(writable(&mut target), call).map_err(to_js)
    }
}

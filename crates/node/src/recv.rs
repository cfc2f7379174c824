//! The receiving half of a stream, polled by the JavaScript thread straight into its buffer.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::{Bytes, BytesMut};
use gaiwan_endpoint::Failure;
use quinn::VarInt;

use crate::{
    connection::Held,
    core::{Core, Job},
    queue::Event,
};

/// Chunks taken from QUIC under one lock of the connection; each is a packet's worth.
const CHUNKS: usize = 32;

/// Shared by the handle and by calls under way. Dropping quinn's half stops the stream with code 0 unless it has ended.
pub struct RecvHalf {
    stream: Mutex<quinn::RecvStream>,
    readable: Arc<Readable>,
    /// Kept apart so that asking takes no lock.
    id: u64,
    is_early: bool,
    /// Keeps the connection open while the stream lives.
    connection: Arc<Held>,
}

impl RecvHalf {
    /// Takes a stream over.
    pub fn new(core: &Arc<Core>, connection: &Arc<Held>, stream: quinn::RecvStream) -> Arc<Self> {
        Arc::new(Self {
            id: VarInt::from(stream.id()).into_inner(),
            is_early: stream.is_0rtt(),
            readable: Arc::new(Readable { core: core.clone(), call: AtomicU32::new(0) }),
            stream: Mutex::new(stream),
            connection: connection.clone(),
        })
    }

    /// What the stream belongs to.
    pub fn connection(&self) -> &Arc<Held> {
        &self.connection
    }

    fn stream(&self) -> MutexGuard<'_, quinn::RecvStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is there: bytes, zero at the end, or `None` and then one `OK` on `call` when it is worth another try.
    pub fn read_into(&self, target: &mut [u8], call: u32) -> Result<Option<usize>, Failure> {
        let mut stream = self.stream();
        // Before the poll: the wake may come while it runs.
        self.readable.call.store(call, Ordering::Release);
        let waker = Waker::from(self.readable.clone());
        let read = match stream.poll_read(&mut Context::from_waker(&waker), target) {
            Poll::Pending => return Ok(None),
            Poll::Ready(read) => read,
        };
        self.readable.call.store(0, Ordering::Release);
        read.map(Some).map_err(|error| Failure::read(&error))
    }

    /// All bytes to the end; over `max` the stream is stopped with code 0.
    pub async fn read_to_end(self: Arc<Self>, max: usize) -> Result<Bytes, Failure> {
        let mut whole = Whole::new(max);
        loop {
            let mut batch: [Bytes; CHUNKS] = Default::default();
            let read = std::future::poll_fn(|cx| {
                let mut stream = self.stream();
                std::pin::pin!(stream.read_chunks(&mut batch)).poll(cx)
            });
            match read.await {
                Ok(Some(count)) => {
                    if !whole.push(&mut batch[..count]) {
                        let _ = self.stream().stop(VarInt::from_u32(0));
                        return Err(Failure::too_long(max as u64));
                    }
                }
                Ok(None) => return Ok(whole.finish()),
                Err(error) => return Err(Failure::read(&error)),
            }
        }
    }

    /// Tells the peer to send no more.
    pub fn stop(&self, code: u64) {
        // Fails only on a stream that is over.
        let _ = self.stream().stop(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
    }

    /// The code if the peer resets, null if the stream ends well or was stopped.
    pub async fn received_reset(self: Arc<Self>) -> Result<Option<u64>, Failure> {
        let reset = std::future::poll_fn(|cx| {
            let mut stream = self.stream();
            std::pin::pin!(stream.received_reset()).poll(cx)
        });
        match reset.await {
            Ok(code) => Ok(code.map(VarInt::into_inner)),
            Err(quinn::ResetError::ConnectionLost(error)) => Err(Failure::connection(&error)),
            Err(quinn::ResetError::ZeroRttRejected) => {
                Err(Failure::read(&quinn::ReadError::ZeroRttRejected))
            }
        }
    }

    /// Whether it came before the handshake was done.
    pub fn is_early(&self) -> bool {
        self.is_early
    }

    /// The QUIC stream id.
    pub fn id(&self) -> u64 {
        self.id
    }
}

/// Joins chunks; one chunk alone is not copied.
pub struct Whole {
    first: Bytes,
    rest: BytesMut,
    max: usize,
}

impl Whole {
    /// For at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { first: Bytes::new(), rest: BytesMut::new(), max }
    }

    /// Whether it still fits.
    pub fn push(&mut self, chunks: &mut [Bytes]) -> bool {
        for chunk in chunks {
            if self.first.len() + self.rest.len() + chunk.len() > self.max {
                return false;
            }
            if self.first.is_empty() && self.rest.is_empty() {
                self.first = std::mem::take(chunk);
            } else {
                if !self.first.is_empty() {
                    self.rest.extend_from_slice(&std::mem::take(&mut self.first));
                }
                self.rest.extend_from_slice(chunk);
            }
        }
        true
    }

    /// All of it.
    pub fn finish(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

/// Tells JavaScript that a stream is worth reading, once for each call.
struct Readable {
    core: Arc<Core>,
    /// The call that waits, 0 for none.
    call: AtomicU32,
}

impl Wake for Readable {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let call = self.call.swap(0, Ordering::AcqRel);
        if call != 0 {
            // Not at once: QUIC is in the middle of a batch of packets, and JavaScript would wait for its lock.
            self.core.send(Job::Tell(Event::done(call)));
        }
    }
}

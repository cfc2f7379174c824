//! The sending half of a stream: a queue that JavaScript fills and the runtime thread empties into QUIC.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use gaiwan_endpoint::Failure;
use quinn::{VarInt, WriteError};

use crate::{
    connection::Held,
    core::{Core, Job},
    queue::Event,
};

/// Above this `push` asks the writer to wait; measured best between 256 KiB and 1 MiB.
const MARK: usize = 512 * 1024;
/// Chunks handed to QUIC under one lock of the connection.
const CHUNKS: usize = 16;
/// Chunks below this are joined with those behind them, up to so many bytes.
const SMALL: usize = 1024;
const JOINED: usize = 8 * 1024;

#[derive(Default)]
struct Fill {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    /// `finish` was asked for; it takes effect behind the queue.
    finish: bool,
    /// Nothing more is sent: finished for QUIC, reset, or failed.
    over: bool,
    /// Bytes that QUIC has taken.
    sent: u64,
    failure: Option<Failure>,
    /// The call that waits for half the mark.
    waiting: Option<u32>,
}

impl Fill {
    /// The next chunk, small ones joined: QUIC walks over all chunks in flight for every packet.
    fn next(&mut self) -> Option<Bytes> {
        let (mut count, mut bytes) = (0, 0);
        for chunk in self.chunks.iter().take_while(|chunk| chunk.len() < SMALL) {
            if bytes + chunk.len() > JOINED {
                break;
            }
            (count, bytes) = (count + 1, bytes + chunk.len());
        }
        if count < 2 {
            return self.chunks.pop_front();
        }
        let mut joined = BytesMut::with_capacity(bytes);
        self.chunks.drain(..count).for_each(|chunk| joined.extend_from_slice(&chunk));
        Some(joined.freeze())
    }
}

/// Shared by the handle, the runtime and the waker that QUIC holds.
pub struct SendHalf {
    fill: Mutex<Fill>,
    stream: Mutex<quinn::SendStream>,
    /// The peer's code, once it has stopped the stream and QUIC has let it go.
    stopped: Arc<OnceLock<u64>>,
    scheduled: AtomicBool,
    mark: usize,
    /// Kept apart so that asking takes no lock.
    id: u64,
    /// Keeps the connection open while the stream lives.
    connection: Arc<Held>,
    core: Arc<Core>,
}

impl SendHalf {
    /// Takes a stream over.
    pub fn new(core: &Arc<Core>, connection: &Arc<Held>, stream: quinn::SendStream) -> Arc<Self> {
        Self::with_mark(core, connection, stream, MARK)
    }

    /// As `new`; above `mark` bytes in the queue a writer waits.
    pub fn with_mark(
        core: &Arc<Core>,
        connection: &Arc<Held>,
        stream: quinn::SendStream,
        mark: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            mark,
            fill: Mutex::default(),
            id: VarInt::from(stream.id()).into_inner(),
            stream: Mutex::new(stream),
            stopped: Arc::default(),
            scheduled: AtomicBool::new(false),
            connection: connection.clone(),
            core: core.clone(),
        })
    }

    /// What the stream belongs to.
    pub fn connection(&self) -> &Arc<Held> {
        &self.connection
    }

    fn fill(&self) -> MutexGuard<'_, Fill> {
        self.fill.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream(&self) -> MutexGuard<'_, quinn::SendStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues bytes; whether the queue is over its mark. The caller schedules the pump.
    pub fn append(&self, bytes: Bytes) -> Result<bool, Failure> {
        let mut fill = self.fill();
        if let Some(failure) = &fill.failure {
            return Err(failure.clone());
        }
        if fill.finish || fill.over {
            return Err(Failure::stream_closed());
        }
        fill.bytes += bytes.len();
        if !bytes.is_empty() {
            fill.chunks.push_back(bytes);
        }
        Ok(fill.bytes > self.mark)
    }

    /// Marks the end. A stream that the peer stopped finishes without an error.
    pub fn finish(&self) -> Result<(), Failure> {
        let mut fill = self.fill();
        match &fill.failure {
            Some(failure) if failure.code != gaiwan_base::ErrorCode::StreamStopped => {
                return Err(failure.clone());
            }
            Some(_) if !fill.finish => {
                fill.finish = true;
                return Ok(());
            }
            _ => {}
        }
        if fill.finish || fill.over {
            return Err(Failure::stream_closed());
        }
        fill.finish = true;
        Ok(())
    }

    /// Whether a pump must be sent to the runtime: true once until it ran.
    pub fn schedule(&self) -> bool {
        !self.scheduled.swap(true, Ordering::AcqRel)
    }

    /// Moves as much as QUIC takes; on the runtime thread.
    pub fn pump(self: &Arc<Self>) {
        self.scheduled.store(false, Ordering::Release);
        let waker = Waker::from(self.clone());
        let mut cx = Context::from_waker(&waker);
        let mut stream = self.stream();
        loop {
            let mut batch: [Bytes; CHUNKS] = Default::default();
            let count = {
                let mut fill = self.fill();
                if fill.over {
                    return;
                }
                let mut count = 0;
                while count < CHUNKS
                    && let Some(chunk) = fill.next()
                {
                    batch[count] = chunk;
                    count += 1;
                }
                if count == 0 {
                    if fill.finish {
                        fill.over = true;
                        // Fails only on a stream that is over anyway. quinn finishes a stream once, and says yes each time
                        // if the peer has stopped it.
                        if stream.finish().is_ok()
                            && stream.finish().is_ok()
                            && let Some(Ok(Some(code))) = stream.stopped().now_or_never()
                        {
                            self.let_go(&mut stream, code);
                        }
                    }
                    return;
                }
                count
            };
            let polled = pin!(stream.write_chunks(&mut batch[..count])).as_mut().poll_once(&mut cx);
            let mut fill = self.fill();
            match polled {
                Poll::Ready(Ok(written)) => {
                    fill.bytes = fill.bytes.saturating_sub(written.bytes);
                    fill.sent += written.bytes as u64;
                    give_back(&mut fill, &mut batch[written.chunks..count]);
                    if fill.bytes <= self.mark / 2
                        && let Some(call) = fill.waiting.take()
                    {
                        self.core.push(Event::done(call));
                    }
                }
                Poll::Ready(Err(error)) => {
                    if let WriteError::Stopped(code) = error {
                        self.let_go(&mut stream, code);
                    }
                    let failure = Failure::write(&error);
                    self.give_up(&mut fill, Some(failure));
                    return;
                }
                Poll::Pending => {
                    give_back(&mut fill, &mut batch[..count]);
                    return;
                }
            }
        }
    }

    /// Answers the peer's stop with a reset (RFC 9000, section 3.5): until then the stream counts as open on both sides,
    /// and JavaScript may hold it for long.
    fn let_go(&self, stream: &mut quinn::SendStream, code: VarInt) {
        let _ = self.stopped.set(code.into_inner());
        let _ = stream.reset(code);
    }

    /// Empties the queue for good and answers who waits.
    fn give_up(&self, fill: &mut Fill, failure: Option<Failure>) {
        fill.over = true;
        fill.chunks.clear();
        fill.bytes = 0;
        if let Some(call) = fill.waiting.take() {
            let failure = failure.clone().unwrap_or_else(Failure::stream_closed);
            self.core.push(Event::error(call, &failure));
        }
        if fill.failure.is_none() {
            fill.failure = failure;
        }
    }

    /// Answers `call` once the queue is at half its mark.
    pub fn wait_drained(&self, call: u32) {
        let mut fill = self.fill();
        if let Some(failure) = &fill.failure {
            self.core.push(Event::error(call, failure));
        } else if fill.over || fill.bytes <= self.mark / 2 {
            self.core.push(Event::done(call));
        } else if let Some(earlier) = fill.waiting.replace(call) {
            // One writer waits at a time; an earlier one was given up.
            self.core.push(Event::done(earlier));
        }
    }

    /// Gives the stream up: the peer may lose what it has not read. Harmless on a stream that is over.
    pub fn reset(&self, code: u64) {
        {
            let mut fill = self.fill();
            self.give_up(&mut fill, None);
            fill.failure.get_or_insert_with(Failure::stream_closed);
        }
        let _ = self.stream().reset(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
    }

    /// The handle is gone: resets unless `finish` was called.
    pub fn release(&self) {
        if !self.fill().finish {
            // Whoever still waits hears of the connection's end rather than of this.
            if let Some(failure) = self.connection.connection.failure() {
                self.give_up(&mut self.fill(), Some(failure));
            }
            self.reset(0);
        }
    }

    /// Null once all is acknowledged, else the code of the peer's stop.
    pub fn stopped(&self) -> impl Future<Output = Result<Option<u64>, Failure>> + Send + use<> {
        let (stopped, known) = (self.stream().stopped(), self.stopped.clone());
        async move {
            // QUIC knows no more of a stream that it has let go.
            match stopped.await {
                Ok(code) => Ok(known.get().copied().or(code.map(VarInt::into_inner))),
                Err(error) => known
                    .get()
                    .map(|code| Some(*code))
                    .ok_or_else(|| Failure::stopped_error(&error)),
            }
        }
    }

    /// Whether the stream was finished and the peer has all of it.
    pub fn acknowledged(&self) -> bool {
        // The queue goes first: `finish` reaches QUIC behind it.
        let over = {
            let fill = self.fill();
            fill.finish && fill.over && fill.failure.is_none()
        };
        over && matches!(self.stopped().now_or_never(), Some(Ok(None)))
    }

    /// Whether nothing is left to be handed to QUIC.
    pub fn is_over(&self) -> bool {
        self.fill().over
    }

    /// Bytes that QUIC has taken.
    pub fn sent(&self) -> u64 {
        self.fill().sent
    }

    /// Higher goes first.
    pub fn set_priority(&self, priority: i32) {
        // Fails only on a stream that is over.
        let _ = self.stream().set_priority(priority);
    }

    /// Zero on a stream that is over.
    pub fn priority(&self) -> i32 {
        self.stream().priority().unwrap_or(0)
    }

    /// The QUIC stream id.
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl Wake for SendHalf {
    fn wake(self: Arc<Self>) {
        if self.schedule() {
            let core = self.core.clone();
            core.send(Job::Pump(self));
        }
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        // quinn would finish a dropped stream, and half a message would look whole to the peer.
        let finished = {
            let fill = self.fill.get_mut().unwrap_or_else(PoisonError::into_inner);
            fill.finish && fill.chunks.is_empty()
        };
        if !finished {
            let stream = self.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = stream.reset(VarInt::from_u32(0));
        }
    }
}

/// Puts what was not written back in front.
fn give_back(fill: &mut Fill, rest: &mut [Bytes]) {
    for chunk in rest.iter_mut().rev().filter(|chunk| !chunk.is_empty()) {
        fill.chunks.push_front(std::mem::take(chunk));
    }
}

/// `Future::poll` under a name that says that there will be no second one.
trait PollOnce: Future {
    fn poll_once(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output>;
}

impl<F: Future> PollOnce for F {
    fn poll_once(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll(cx)
    }
}

//! The requests of a peer: the first frame of each of its bi streams, in the order of the streams.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use quinn::{ConnectionError, ReadError, RecvStream, SendStream};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    BUSY, TOO_LARGE, UNRECOGNISED,
    finish::finish_soon,
    prefix::mark,
    reader::{End, FrameReader},
};
use crate::Connection;

/// How long the mark of a refusal may take to be written.
const REFUSAL: Duration = Duration::from_secs(5);
/// What a connection is closed with whose peer sends too many bad requests.
const TOO_MANY_BAD: u64 = 2;

/// What an acceptor bears.
#[derive(Debug, Clone, Copy)]
pub struct AcceptorOptions {
    /// Bytes of the payload of a request, at most.
    pub max_bytes: usize,
    /// Bytes of all requests that are not whole yet.
    pub max_pending: usize,
    /// How long one request may hold up later ones.
    pub head_of_line: Duration,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// So many bad requests end the connection.
    pub max_bad: u32,
}

/// Bytes of unfinished requests.
pub(super) struct Pool {
    pub(super) bytes: AtomicUsize,
    pub(super) max: usize,
}

/// Counts the bad requests of a connection.
pub struct Strikes {
    connection: Connection,
    count: AtomicU32,
    max: u32,
}

impl Strikes {
    /// One more; the last that is borne closes the connection with code 2.
    pub fn add(&self) {
        if self.count.fetch_add(1, Relaxed) + 1 >= self.max {
            self.connection.close(TOO_MANY_BAD, b"too many bad requests");
        }
    }
}

/// A stream whose first frame is whole.
pub struct Request {
    /// Its payload.
    pub frame: Bytes,
    /// What follows it.
    pub reader: FrameReader,
    /// Where the answer goes. The owner ends it: dropped it would look finished.
    pub send: SendStream,
}

enum Slot {
    Waiting(Instant),
    Ready(Box<Request>),
    Gone,
}

/// Reads the first frames of many streams side by side and gives them in the order of the streams. One that takes
/// longer than `head_of_line` loses its place; nobody else waits longer for it.
pub struct Acceptor {
    connection: Connection,
    options: AcceptorOptions,
    pool: Arc<Pool>,
    strikes: Arc<Strikes>,
    /// Streams from number `first` on.
    slots: VecDeque<Slot>,
    first: u64,
    reading: JoinSet<(u64, Option<Box<Request>>)>,
}

impl Acceptor {
    /// Starts to accept with the first `next`.
    pub fn new(connection: Connection, options: AcceptorOptions) -> Self {
        let strikes = Strikes {
            connection: connection.clone(),
            count: AtomicU32::new(0),
            max: options.max_bad.max(1),
        };
        Self {
            connection,
            options,
            pool: Arc::new(Pool { bytes: AtomicUsize::new(0), max: options.max_pending }),
            strikes: Arc::new(strikes),
            slots: VecDeque::new(),
            first: 0,
            reading: JoinSet::new(),
        }
    }

    /// For requests that turn out to be bad later.
    pub fn strikes(&self) -> &Arc<Strikes> {
        &self.strikes
    }

    /// The next request. Bad ones are refused here: a mark on the answer half, a stop of the request half.
    pub async fn next(&mut self) -> Result<Request, ConnectionError> {
        loop {
            let patience = match self.front() {
                Front::Request(request) => return Ok(*request),
                Front::Waits(since) => Some(since + self.options.head_of_line),
                Front::Empty => None,
            };
            let quinn = self.connection.quinn().clone();
            tokio::select! {
                biased;
                Some(read) = self.reading.join_next() => {
                    // A panic is a stream that is gone; its slot loses its place by itself.
                    if let Ok((number, request)) = read
                        && let Some(late) = self.place(number, request)
                    {
                        return Ok(*late);
                    }
                }
                accepted = quinn.accept_bi() => {
                    let (send, recv) = accepted?;
                    if let Some(request) = self.start(send, recv) {
                        return Ok(*request);
                    }
                }
                () = async { sleep_until(patience.unwrap_or_else(Instant::now)).await }, if patience.is_some() => {}
            }
        }
    }

    /// Looks at the front of the line.
    fn front(&mut self) -> Front {
        loop {
            match self.slots.front() {
                None => return Front::Empty,
                Some(Slot::Waiting(since)) if since.elapsed() < self.options.head_of_line => {
                    return Front::Waits(*since);
                }
                Some(_) => {}
            }
            self.first += 1;
            if let Some(Slot::Ready(request)) = self.slots.pop_front() {
                return Front::Request(request);
            }
        }
    }

    /// Puts what was read in its place; gives it back if that place is lost.
    fn place(&mut self, number: u64, request: Option<Box<Request>>) -> Option<Box<Request>> {
        let Some(at) = number.checked_sub(self.first) else { return request };
        let slot = usize::try_from(at).ok().and_then(|at| self.slots.get_mut(at))?;
        *slot = request.map_or(Slot::Gone, Slot::Ready);
        None
    }

    /// Begins with a new stream; most are whole already, and if none waits before it, it is the next.
    fn start(&mut self, send: SendStream, recv: RecvStream) -> Option<Box<Request>> {
        let now = Instant::now();
        let number = self.first + self.slots.len() as u64;
        let reader = FrameReader::counted(recv, self.options.max_bytes, self.pool.clone());
        let strikes = self.strikes.clone();
        let mut opening = Opening { send: Some(send), reader: Some(reader), strikes };
        let slot = match opening.first().now_or_never() {
            Some(Some(request)) if self.slots.is_empty() => {
                self.first += 1;
                return Some(request);
            }
            Some(Some(request)) => Slot::Ready(request),
            Some(None) => Slot::Gone,
            None => {
                let end = now + self.options.request_timeout;
                self.reading.spawn(async move {
                    let read = timeout_at(end, opening.first()).await;
                    if read.is_err() {
                        opening.refuse(UNRECOGNISED);
                    }
                    (number, read.unwrap_or_default())
                });
                Slot::Waiting(now)
            }
        };
        self.slots.push_back(slot);
        None
    }
}

enum Front {
    Empty,
    Waits(Instant),
    Request(Box<Request>),
}

/// A stream whose first frame is not whole yet. Dropped it resets the answer half.
struct Opening {
    send: Option<SendStream>,
    reader: Option<FrameReader>,
    strikes: Arc<Strikes>,
}

impl Opening {
    /// `None`: it was refused, or the connection is lost.
    async fn first(&mut self) -> Option<Box<Request>> {
        match self.reader.as_mut()?.first().await {
            Ok(Ok(frame)) => {
                let (send, reader) = (self.send.take()?, self.reader.take()?);
                Some(Box::new(Request { frame, reader, send }))
            }
            Ok(Err(end)) => {
                self.refuse(match end {
                    End::TooLong => TOO_LARGE,
                    End::Busy => BUSY,
                    _ => UNRECOGNISED,
                });
                None
            }
            Err(ReadError::Reset(_)) => {
                self.refuse(UNRECOGNISED);
                None
            }
            Err(_) => None,
        }
    }

    fn refuse(&mut self, code: u8) {
        if let Some(reader) = &mut self.reader {
            reader.stop(code);
        }
        if let Some(send) = self.send.take() {
            finish_soon(send, Bytes::copy_from_slice(&[mark(code)]), REFUSAL);
        }
        // Over a limit of ours is not the peer's mistake.
        if code != BUSY {
            self.strikes.add();
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(send) = &mut self.send {
            let _ = send.reset(quinn::VarInt::from_u32(0));
        }
    }
}

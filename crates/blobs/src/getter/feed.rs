//! Bytes of a stream into a receiver.

use std::time::Duration;

use bytes::Bytes;
use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;
use quinn::{ReadError, RecvStream};
use tokio::{
    runtime::Handle,
    task::{JoinError, spawn_blocking},
    time::{Instant, timeout, timeout_at},
};

use crate::transfer::{Fed, Receive, Received};

/// Bytes and pieces of them read at a time, while those before are checked and stored. Pieces count too: each keeps the
/// packet that it came in.
const BATCH: usize = 512 * 1024;
const PIECES: usize = 1024;
const CHUNKS: usize = 64;
/// How long the end of a stream may be on its way after the last byte that was asked for.
const END: Duration = Duration::from_secs(1);

type Batch = Option<Vec<Bytes>>;

/// Reads `recv` to the end of what `receive` wants. The receiver comes back with its figures, unless a panic took it.
/// `stall` is the longest time without a checked byte (`TIMEOUT`); more than was asked for is a `PROTOCOL_VIOLATION`, after
/// all of it is stored. Dropping the future leaves the same behind as a failure: what was checked is stored, a moment later.
pub(crate) async fn feed(
    recv: &mut RecvStream,
    receive: Receive,
    stall: Option<Duration>,
    heard: &mut (dyn FnMut(Received) + Send),
) -> (Option<Receive>, Result<(), Failure>) {
    let mut receive = Stored(Some(receive));
    let mut moved = Instant::now();
    let mut incoming = Incoming { recv, over: None };
    let mut batch = match incoming.read(moved, stall).await {
        Ok(batch) => batch,
        Err(failure) => return (receive.take(), Err(failure)),
    };
    loop {
        let Some(bytes) = batch else { return finish(receive, heard).await };
        // The next bytes come in while these are checked and stored.
        let before = receive.read();
        let mut work = spawn_blocking(move || step(receive, &bytes));
        let (done, next) = {
            let next = incoming.read(moved, stall);
            tokio::pin!(next);
            let mut early = None;
            let done = loop {
                tokio::select! {
                    biased;
                    done = &mut work => break done,
                    next = &mut next, if early.is_none() => early = Some(next),
                }
            };
            let fed = done.as_ref().ok().and_then(|step| step.result.as_ref().ok()).copied();
            let next = match (fed, early) {
                (_, Some(early)) => early,
                (Some(Fed::More), None) => next.await,
                // It has all; that nothing else comes is soon known, or not waited for.
                (Some(Fed::Done), None) => timeout(END, next).await.unwrap_or(Ok(None)),
                (None, None) => Ok(None),
            };
            (done, next)
        };
        let Step { receive: back, out, result, is_more } = match done {
            Ok(done) => done,
            Err(error) => return (None, Err(lost(&error))),
        };
        receive = back;
        out.into_iter().for_each(&mut *heard);
        if receive.read() > before {
            moved = Instant::now();
        }
        match result {
            Ok(Fed::Done) => {
                let result =
                    if is_more || matches!(next, Ok(Some(_))) { Err(more()) } else { Ok(()) };
                return (receive.take(), result);
            }
            Err(failure) => return (receive.take(), Err(failure)),
            Ok(Fed::More) => {}
        }
        batch = match next {
            Ok(batch) => batch,
            Err(failure) => {
                let (receive, stored) = finish(receive, heard).await;
                // What the peer said first counts, unless our own store failed.
                return (receive, Err(stored.err().filter(is_own).unwrap_or(failure)));
            }
        };
    }
}

/// A receiver that stores what it has checked when nobody goes on with it.
struct Stored(Option<Receive>);

impl Stored {
    fn take(mut self) -> Option<Receive> {
        self.0.take()
    }

    /// Bytes of blobs so far.
    fn read(&self) -> u64 {
        self.0.as_ref().map_or(0, |receive| receive.stats.payload_bytes_read)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        let Some(mut receive) = self.0.take() else { return };
        let mut store = move || {
            if receive.has_work()
                && let Err(failure) = receive.finish(&mut Vec::new())
            {
                tracing::debug!(%failure, "the last bytes of a transfer are not stored");
            }
        };
        // It may wait for the disk, also to leave a blob that it has written to.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(store)),
            Err(_) => store(),
        }
    }
}

struct Step {
    receive: Stored,
    out: Vec<Received>,
    result: Result<Fed, Failure>,
    /// There were bytes after the last item.
    is_more: bool,
}

fn step(mut receive: Stored, bytes: &[Bytes]) -> Step {
    let (mut out, mut result, mut is_more) = (Vec::new(), Ok(Fed::More), false);
    if let Some(inner) = &mut receive.0 {
        for chunk in bytes {
            let mut rest = &chunk[..];
            if matches!(result, Ok(Fed::More)) {
                result = inner.feed(&mut rest, &mut out);
            }
            is_more |= !rest.is_empty();
            if result.is_err() {
                break;
            }
        }
    }
    Step { receive, out, result, is_more }
}

/// What a stream brings.
struct Incoming<'a> {
    recv: &'a mut RecvStream,
    /// How it ended. Kept, for quinn tells of a reset once, and then of an end.
    over: Option<Result<(), Failure>>,
}

impl Incoming<'_> {
    /// Everything that is there, at least some, at most about [`BATCH`]; `None` at the end. Nothing is lost when it is
    /// dropped while it waits.
    async fn read(&mut self, since: Instant, stall: Option<Duration>) -> Result<Batch, Failure> {
        let mut all = Vec::new();
        let mut bytes = 0;
        while self.over.is_none() && bytes < BATCH && all.len() < PIECES {
            let mut chunks: [Bytes; CHUNKS] = std::array::from_fn(|_| Bytes::new());
            let more = self.recv.read_chunks(&mut chunks);
            let count = if bytes > 0 {
                match futures_util::FutureExt::now_or_never(more) {
                    Some(result) => result,
                    None => break,
                }
            } else {
                match stall.and_then(|stall| since.checked_add(stall)) {
                    Some(end) => timeout_at(end, more).await.map_err(|_| stalled(stall))?,
                    None => more.await,
                }
            };
            match count {
                Ok(Some(count)) => {
                    bytes += chunks[..count].iter().map(Bytes::len).sum::<usize>();
                    all.extend(chunks.into_iter().take(count));
                }
                Ok(None) => self.over = Some(Ok(())),
                Err(error) => self.over = Some(Err(failure(&error))),
            }
        }
        match &self.over {
            _ if bytes > 0 => Ok(Some(all)),
            Some(Err(failure)) => Err(failure.clone()),
            _ => Ok(None),
        }
    }
}

/// The stream has ended and more was wanted.
async fn finish(
    receive: Stored,
    heard: &mut (dyn FnMut(Received) + Send),
) -> (Option<Receive>, Result<(), Failure>) {
    let done = spawn_blocking(move || {
        let mut receive = receive;
        let (mut out, mut end) = (Vec::new(), Ok(()));
        if let Some(inner) = &mut receive.0 {
            let fed = inner.feed(&mut &[][..], &mut out);
            end = match (&fed, inner.hash()) {
                (Ok(Fed::More), Some(hash)) if inner.at_boundary() => {
                    let text = format!("the provider has no more of the blob {}", hash.fmt_short());
                    Err(Failure::new(ErrorCode::BlobNotFound, text))
                }
                (Ok(Fed::More), Some(_)) => Err(cut()),
                _ => fed.map(drop),
            };
            let stored = inner.finish(&mut out);
            end = stored.and(end);
        }
        (receive, out, end)
    });
    match done.await {
        Ok((receive, out, end)) => {
            out.into_iter().for_each(heard);
            (receive.take(), end)
        }
        Err(error) => (None, Err(lost(&error))),
    }
}

/// Whether it is ours, and no peer's.
fn is_own(failure: &Failure) -> bool {
    use ErrorCode::{StoreBusy, StoreClosed, StoreFailed, StoreFull, StoreLocked};
    matches!(failure.code, StoreFull | StoreFailed | StoreClosed | StoreLocked | StoreBusy)
}

fn lost(error: &JoinError) -> Failure {
    Failure::new(ErrorCode::Internal, format!("a step of a transfer failed: {error}"))
}

pub(super) fn stalled(stall: Option<Duration>) -> Failure {
    let millis = stall.unwrap_or_default().as_millis();
    Failure::new(ErrorCode::Timeout, format!("nothing was verified for {millis} ms"))
}

pub(super) fn cut() -> Failure {
    Failure::new(ErrorCode::ProtocolViolation, "the response ended in the middle of an item")
}

pub(super) fn more() -> Failure {
    Failure::new(ErrorCode::ProtocolViolation, "the provider sent more than it was asked for")
}

/// What a provider's reset means (iroh-blobs 0.104.0, `src/protocol.rs`, `ERR_PERMISSION`, `ERR_LIMIT`, `ERR_INTERNAL`).
pub(super) fn failure(error: &ReadError) -> Failure {
    match error {
        ReadError::Reset(code) => refused(code.into_inner()),
        error => Failure::read(error),
    }
}

/// The same for a code alone, of a reset or of a stop.
pub(super) fn refused(code: u64) -> Failure {
    let (kind, text) = match code {
        1 => (ErrorCode::ProviderRefused, "the provider does not allow it"),
        2 => (ErrorCode::ProviderBusy, "the provider is over a limit of its own"),
        _ => (ErrorCode::ProviderFailed, "the provider could not go on"),
    };
    let mut failure = Failure::new(kind, text);
    failure.application_code = Some(code);
    failure
}

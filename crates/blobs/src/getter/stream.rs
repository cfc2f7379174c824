//! Verified bytes of one provider, past the store.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::{Connection, Failure};
use quinn::{RecvStream, VarInt};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    feed::{cut, failure, more, stalled},
    get::ask,
};
use crate::{
    bao::{Decoder, Item},
    proto::{ChunkRanges, GetRequest, Request, chunks_of_bytes, last_chunk},
    transfer::{TransferStats, mismatch},
};

/// Bytes of one piece that is handed on.
const PIECE: usize = 256 * 1024;
/// How long fewer bytes wait for more.
const LINGER: Duration = Duration::from_millis(5);
/// How long the end of a stream may be on its way after the last byte that was asked for.
const END: Duration = Duration::from_secs(1);

/// Bytes of a blob as a provider sends them, each checked. Dropping it ends the request.
pub struct BlobStream {
    recv: RecvStream,
    hash: Hash,
    decoder: Decoder,
    size: u64,
    /// Bytes that are wanted.
    start: u64,
    end: u64,
    rest: BytesMut,
    stall: Duration,
    /// How it ended; a failure comes again whenever it is asked.
    over: Option<Result<(), Failure>>,
    _connection: Connection,
}

impl BlobStream {
    /// Asks for bytes from `start` to before `end`. `stall` is the longest time without a verified byte (`TIMEOUT`); time
    /// between two calls does not count.
    pub async fn open(
        connection: &Connection,
        hash: Hash,
        start: u64,
        end: Option<u64>,
        stall: Duration,
    ) -> Result<Self, Failure> {
        let ranges = match end {
            Some(end) => chunks_of_bytes(start..end),
            None => chunks_of_bytes(start..),
        };
        Self::ask(connection, hash, ranges, (start, end), stall).await
    }

    async fn ask(
        connection: &Connection,
        hash: Hash,
        ranges: ChunkRanges,
        (start, end): (u64, Option<u64>),
        stall: Duration,
    ) -> Result<Self, Failure> {
        // Nothing asked is nothing sent, not even a size.
        let ranges = if ranges.is_empty() { last_chunk() } else { ranges };
        let request = Request::Get(GetRequest::blob_ranges(hash, ranges.clone()));
        let stats = &mut TransferStats::default();
        let mut recv = ask(connection, &request, Some(stall), stats).await?;
        let mut size = [0; 8];
        let read = timeout(stall, recv.read_exact(&mut size)).await;
        match read.map_err(|_| stalled(Some(stall)))? {
            Ok(()) => {}
            Err(quinn::ReadExactError::FinishedEarly(0)) => return Err(nothing(&hash)),
            Err(quinn::ReadExactError::FinishedEarly(_)) => return Err(cut()),
            Err(quinn::ReadExactError::ReadError(error)) => return Err(failure(&error)),
        }
        let size = u64::from_le_bytes(size);
        if (hash == Hash::EMPTY) != (size == 0) {
            return Err(mismatch(&hash, 0));
        }
        Ok(Self {
            recv,
            hash,
            decoder: Decoder::new(hash, size, ranges),
            size,
            start,
            end: end.unwrap_or(u64::MAX),
            rest: BytesMut::new(),
            stall,
            over: None,
            _connection: connection.clone(),
        })
    }

    /// What the provider says; proven once the last chunk has come.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Some bytes, in order; `None` at the end. Those that were verified before a failure come before it.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut out = Vec::new();
        let mut moved = Instant::now();
        while self.over.is_none() && out.len() < PIECE {
            match self.take(&mut out) {
                Err(failure) => self.over = Some(Err(failure)),
                Ok(true) => moved = Instant::now(),
                Ok(false) if self.decoder.wants().is_none() => self.over = Some(self.ends().await),
                Ok(false) => {
                    let fill = self.fill(moved);
                    let filled = if out.is_empty() {
                        fill.await
                    } else {
                        // What is here waits for more, but not long.
                        let Ok(filled) = timeout(LINGER, fill).await else { break };
                        filled
                    };
                    self.over = filled.err().map(Err);
                }
            }
        }
        match &self.over {
            _ if !out.is_empty() => Ok(Some(out.into())),
            Some(Err(failure)) => Err(failure.clone()),
            _ => Ok(None),
        }
    }

    /// Checks what has come; answers whether bytes of the blob were among it.
    fn take(&mut self, out: &mut Vec<u8>) -> Result<bool, Failure> {
        let (mut at, mut any) = (0, false);
        while let Some(wants) = self.decoder.wants()
            && let Some(item) = self.rest.get(at..at + wants)
            && out.len() < PIECE
        {
            at += wants;
            let item = self.decoder.take(item);
            if let Some(Item::Leaf { offset, data }) =
                item.map_err(|error| mismatch(&self.hash, error.offset))?
            {
                any = true;
                let within = |place: u64| {
                    let at = usize::try_from(place.saturating_sub(offset)).unwrap_or(usize::MAX);
                    at.min(data.len())
                };
                let (from, to) = (within(self.start), within(self.end));
                if from < to {
                    out.extend_from_slice(&data[from..to]);
                }
            }
        }
        self.rest.advance(at);
        Ok(any)
    }

    /// Reads more, which must bring a verified byte within the limit.
    async fn fill(&mut self, moved: Instant) -> Result<(), Failure> {
        let read = self.recv.read_chunk(PIECE, true);
        let chunk = match moved.checked_add(self.stall) {
            Some(end) => timeout_at(end, read).await.map_err(|_| stalled(Some(self.stall)))?,
            None => read.await,
        };
        match chunk.map_err(|error| failure(&error))? {
            Some(chunk) => self.rest.extend_from_slice(&chunk.bytes),
            None if self.rest.is_empty() => return Err(nothing(&self.hash)),
            None => return Err(cut()),
        }
        Ok(())
    }

    /// All has come: nothing else may.
    async fn ends(&mut self) -> Result<(), Failure> {
        if !self.rest.is_empty() {
            return Err(more());
        }
        match timeout(END, self.recv.read_chunk(1, true)).await {
            Ok(Ok(Some(_))) => Err(more()),
            // What it does instead of ending changes nothing.
            Ok(Ok(None) | Err(_)) | Err(_) => Ok(()),
        }
    }
}

impl Drop for BlobStream {
    fn drop(&mut self) {
        let _ = self.recv.stop(VarInt::from_u32(0));
    }
}

/// The size of a blob, proven by its last chunk.
pub async fn verified_size(
    connection: &Connection,
    hash: Hash,
    stall: Duration,
) -> Result<u64, Failure> {
    let mut stream =
        BlobStream::ask(connection, hash, last_chunk(), (u64::MAX, Some(u64::MAX)), stall).await?;
    while stream.next().await?.is_some() {}
    Ok(stream.size())
}

fn nothing(hash: &Hash) -> Failure {
    let text = format!("the provider has no more of the blob {}", hash.fmt_short());
    Failure::new(ErrorCode::BlobNotFound, text)
}

//! The sizes of many children at once.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::{Connection, Failure};
use quinn::RecvStream;
use tokio::time::{Instant, timeout_at};

use super::{
    feed::{cut, failure, stalled},
    get::ask,
};
use crate::{
    bao::Decoder,
    proto::{GetRequest, Request, SeqBuilder, last_chunk},
    transfer::{TransferStats, mismatch},
};

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// Asks in one request for the last chunk of each of `children`, which are indexes from 0 in rising order with their
/// hashes, known from the verified `root` (as iroh-blobs 0.104.0, `src/get/request.rs`, `get_hash_seq_and_sizes`). Their
/// sizes in bytes in the same order, each proven. What comes is past the store. `stall` is the longest time without a
/// verified size (`TIMEOUT`); `BLOB_NOT_FOUND` if the provider has not all of them.
pub async fn child_sizes(
    connection: &Connection,
    root: Hash,
    children: &[(u64, Hash)],
    stall: Duration,
) -> Result<Vec<u64>, Failure> {
    let select =
        |builder: SeqBuilder, (index, _): &(u64, Hash)| builder.at(index + 1, last_chunk());
    let ranges = children.iter().fold(SeqBuilder::default(), select).build();
    let request = Request::Get(GetRequest::new(root, ranges));
    let recv = ask(connection, &request, Some(stall), &mut TransferStats::default()).await?;
    let mut incoming = Incoming { recv, rest: BytesMut::new(), stall };
    let mut sizes = Vec::with_capacity(children.len());
    for (_, hash) in children {
        let since = Instant::now();
        let size = incoming.item(8, hash, since).await?;
        let size = u64::from_le_bytes(size[..].try_into().unwrap_or_default());
        if (*hash == Hash::EMPTY) != (size == 0) {
            return Err(mismatch(hash, 0));
        }
        let mut decoder = Decoder::new(*hash, size, last_chunk());
        while let Some(wants) = decoder.wants() {
            let item = incoming.item(wants, hash, since).await?;
            decoder.take(&item).map_err(|error| mismatch(hash, error.offset))?;
        }
        sizes.push(size);
    }
    // What else it sends is not read: dropping the stream stops it.
    Ok(sizes)
}

struct Incoming {
    recv: RecvStream,
    rest: BytesMut,
    stall: Duration,
}

impl Incoming {
    /// The next `length` bytes of what is sent of `hash`.
    async fn item(&mut self, length: usize, hash: &Hash, since: Instant) -> Result<Bytes, Failure> {
        while self.rest.len() < length {
            let read = self.recv.read_chunk(PIECE, true);
            let chunk = match since.checked_add(self.stall) {
                Some(end) => timeout_at(end, read).await.map_err(|_| stalled(Some(self.stall)))?,
                None => read.await,
            };
            match chunk.map_err(|error| failure(&error))? {
                Some(chunk) => self.rest.extend_from_slice(&chunk.bytes),
                None if self.rest.is_empty() => {
                    let text = format!("the provider has no more of the blob {}", hash.fmt_short());
                    return Err(Failure::new(ErrorCode::BlobNotFound, text));
                }
                None => return Err(cut()),
            }
        }
        Ok(self.rest.split_to(length).freeze())
    }
}

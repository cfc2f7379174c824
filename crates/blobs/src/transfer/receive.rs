//! What a getter stores of a response, or a provider of a push.

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;

use super::{
    children::{Selected, Walk},
    stats::TransferStats,
};
use crate::{
    bao::{Decoder, GROUP_BYTES, Item, pair_offset},
    store::{Batch, Pending, Store, Writer, Written},
};

/// Bytes collected before they go to the disk.
const BATCH_BYTES: usize = 1 << 20;
/// Blobs that wait for one flush, those that lie in files, and bytes of all.
const PENDING: usize = 4096;
const PENDING_FILES: usize = 256;
const PENDING_BYTES: u64 = 16 << 20;
/// What is larger lies in files, unless a store is set up otherwise.
const SMALL_BYTES: u64 = 16 * 1024;

/// What may be received.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Bytes of all blobs together, as their sizes are told.
    pub max_bytes: Option<u64>,
    /// Bytes of the blob at index 0, where it is a hash sequence.
    pub max_root_bytes: Option<u64>,
}

/// What happened while bytes came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The size of a blob, proven by its last chunk or told by a peer that has proven bytes under it.
    Size {
        /// Its place in the request.
        index: u64,
        /// Which.
        hash: Hash,
        /// Bytes.
        size: u64,
    },
    /// So many more bytes were checked.
    Bytes(u64),
    /// All that was asked of a blob is here.
    Done {
        /// Its place in the request.
        index: u64,
        /// Which.
        hash: Hash,
    },
}

/// Whether more is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fed {
    More,
    Done,
}

/// A response that is taken apart, checked, and stored.
pub(crate) struct Receive {
    store: Store,
    walk: Walk,
    limits: Limits,
    told_bytes: u64,
    state: State,
    /// What came and is not a whole item yet.
    rest: Vec<u8>,
    pending: Unsettled,
    pub(crate) stats: TransferStats,
}

enum State {
    /// The next blob is not looked up yet.
    Between,
    Size(Selected),
    Items(Box<Current>),
    Over,
}

struct Current {
    index: u64,
    hash: Hash,
    size: u64,
    told: bool,
    decoder: Decoder,
    /// `None`: the blob is complete already, and what comes is only checked.
    writer: Option<Writer>,
    batch: Batch,
    batched: usize,
}

impl Receive {
    pub(crate) fn new(store: Store, walk: Walk, limits: Limits) -> Self {
        Self {
            store,
            walk,
            limits,
            told_bytes: 0,
            state: State::Between,
            rest: Vec::new(),
            pending: Unsettled::default(),
            stats: TransferStats::default(),
        }
    }

    /// Whether nothing of the blob at hand has come: a peer that ends here has nothing more.
    pub(crate) fn at_boundary(&self) -> bool {
        self.rest.is_empty()
    }

    /// Which blob is at hand.
    pub(crate) fn hash(&self) -> Option<Hash> {
        match &self.state {
            State::Size(selected) => Some(selected.hash),
            State::Items(current) => Some(current.hash),
            State::Between | State::Over => None,
        }
    }

    /// Takes what came, from the front of `input`; what is left there after the last item was not asked for. After a
    /// failure everything checked before it is stored, and nothing more is taken.
    pub(crate) fn feed(
        &mut self,
        input: &mut &[u8],
        out: &mut Vec<Received>,
    ) -> Result<Fed, Failure> {
        let result = self.take(input, out);
        if result.is_err() {
            // Why it ended is known; this is about what came before.
            let _ = self.finish(out);
        }
        result
    }

    /// Whether bytes that were checked are not on the disk.
    pub(crate) fn has_work(&self) -> bool {
        let batched = matches!(&self.state, State::Items(current) if current.batched > 0);
        batched || !self.pending.all.is_empty()
    }

    /// Stores what was checked, also of a blob that is not whole; waits for the disk.
    pub(crate) fn finish(&mut self, out: &mut Vec<Received>) -> Result<(), Failure> {
        let stored = self.store_batch(out);
        // Whoever writes a blob brings its progress to the disk on leaving.
        self.state = State::Over;
        stored.and(self.pending.settle())
    }

    fn take(&mut self, input: &mut &[u8], out: &mut Vec<Received>) -> Result<Fed, Failure> {
        loop {
            match &mut self.state {
                State::Over => return Ok(Fed::Done),
                State::Between => {
                    self.state = match self.walk.next(&self.store)? {
                        Some(selected) => State::Size(selected),
                        None => {
                            self.pending.settle()?;
                            State::Over
                        }
                    };
                }
                State::Size(_) => {
                    let Some(bytes) = item(&mut self.rest, input, 8) else { return Ok(Fed::More) };
                    let size = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
                    self.rest.clear();
                    self.stats.other_bytes_read += 8;
                    self.begin(size)?;
                }
                State::Items(current) => {
                    let Some(wants) = current.decoder.wants() else {
                        self.end(out)?;
                        continue;
                    };
                    let Some(bytes) = item(&mut self.rest, input, wants) else {
                        return Ok(Fed::More);
                    };
                    let taken = current.take(bytes, &mut self.stats);
                    self.rest.clear();
                    taken?;
                    if current.batched >= BATCH_BYTES {
                        self.store_batch(out)?;
                    }
                }
            }
        }
    }

    /// A size was told. It is a claim: nothing is allocated for it.
    fn begin(&mut self, size: u64) -> Result<(), Failure> {
        let State::Size(Selected { index, hash }) = std::mem::replace(&mut self.state, State::Over)
        else {
            return Ok(());
        };
        self.told_bytes = self.told_bytes.saturating_add(size);
        let over = |limit: Option<u64>, bytes: u64| limit.is_some_and(|limit| bytes > limit);
        if over(self.limits.max_bytes, self.told_bytes)
            || (index == 0 && over(self.limits.max_root_bytes, size))
        {
            let text = format!(
                "the provider tells of {} bytes, over the limit",
                self.told_bytes.max(size)
            );
            return Err(Failure::new(ErrorCode::BlobTooLarge, text));
        }
        if (hash == Hash::EMPTY) != (size == 0) {
            return Err(mismatch(&hash, 0));
        }
        let known = self.store.bitfield(&hash)?;
        if known.validated_size().is_some_and(|known| known != size) {
            return Err(mismatch(&hash, 0));
        }
        let writer = self.store.writer(hash)?;
        self.state = State::Items(Box::new(Current {
            index,
            hash,
            size,
            told: false,
            decoder: Decoder::new(hash, size, self.walk.ranges(index, size)),
            writer,
            batch: Batch::default(),
            batched: 0,
        }));
        Ok(())
    }

    /// The items of a blob have all come.
    fn end(&mut self, out: &mut Vec<Received>) -> Result<(), Failure> {
        self.store_batch(out)?;
        if let State::Items(current) = std::mem::replace(&mut self.state, State::Between) {
            out.push(Received::Done { index: current.index, hash: current.hash });
        }
        if self.pending.is_much() {
            self.pending.settle()?;
        }
        Ok(())
    }

    fn store_batch(&mut self, out: &mut Vec<Received>) -> Result<(), Failure> {
        let State::Items(current) = &mut self.state else { return Ok(()) };
        if current.batched == 0 && current.batch.is_empty() {
            return Ok(());
        }
        let batch = current.batch.take();
        let bytes = std::mem::take(&mut current.batched) as u64;
        if let Some(writer) = &current.writer
            && !batch.is_empty()
        {
            let mut written = writer.write(current.size, &batch);
            if written.as_ref().is_err_and(|failure| failure.code == ErrorCode::StoreBusy) {
                // What this one has open itself may be enough.
                self.pending.settle()?;
                written = writer.write(current.size, &batch);
            }
            if let Written::Complete(pending) = written? {
                self.pending.push(pending, current.size);
                // A hash sequence is read next, and a blob that comes twice is looked up.
                if current.index == 0 {
                    self.pending.settle()?;
                }
            }
        }
        if !current.told {
            current.told = true;
            out.push(Received::Size {
                index: current.index,
                hash: current.hash,
                size: current.size,
            });
        }
        out.push(Received::Bytes(bytes));
        Ok(())
    }
}

/// Blobs that are complete once the catalog has answered.
#[derive(Default)]
struct Unsettled {
    all: Vec<Pending<()>>,
    files: usize,
    bytes: u64,
}

impl Unsettled {
    fn push(&mut self, pending: Pending<()>, size: u64) {
        self.all.push(pending);
        self.files += usize::from(size > SMALL_BYTES);
        self.bytes = self.bytes.saturating_add(size);
    }

    fn is_much(&self) -> bool {
        self.all.len() >= PENDING || self.files >= PENDING_FILES || self.bytes >= PENDING_BYTES
    }

    /// All are waited for; the first failure counts.
    fn settle(&mut self) -> Result<(), Failure> {
        (self.files, self.bytes) = (0, 0);
        self.all.drain(..).map(Pending::wait).fold(Ok(()), Result::and)
    }
}

impl Current {
    fn take(&mut self, bytes: &[u8], stats: &mut TransferStats) -> Result<(), Failure> {
        let item = self.decoder.take(bytes).map_err(|error| mismatch(&self.hash, error.offset))?;
        match item {
            Some(Item::Pair { node, pair }) => {
                stats.other_bytes_read += 64;
                // Pairs inside a group are not kept: whoever has the group can compute them.
                if let Some(offset) = pair_offset(self.decoder.tree(), node) {
                    self.batch.push_pair(offset, pair);
                }
            }
            Some(Item::Leaf { offset, data }) => {
                let length = data.len() as u64;
                stats.payload_bytes_read += length;
                self.batched += data.len();
                // A piece of a group can't be proven again once it is stored, so it is not kept.
                if offset % GROUP_BYTES == 0
                    && (length == GROUP_BYTES || offset + length == self.size)
                {
                    self.batch.push_data(offset, data);
                } else {
                    self.batch.confirm();
                }
            }
            None => {}
        }
        Ok(())
    }
}

/// The next `wants` bytes, from `rest` and `input` together; what is not enough is put into `rest`.
fn item<'a, 'i: 'a>(rest: &'a mut Vec<u8>, input: &mut &'i [u8], wants: usize) -> Option<&'a [u8]> {
    if rest.is_empty() && input.len() >= wants {
        let (item, after) = input.split_at(wants);
        *input = after;
        return Some(item);
    }
    let count = (wants - rest.len()).min(input.len());
    let (more, after) = input.split_at(count);
    rest.extend_from_slice(more);
    *input = after;
    (rest.len() == wants).then_some(&rest[..])
}

pub(crate) fn mismatch(hash: &Hash, offset: u64) -> Failure {
    let text =
        format!("the provider sent bytes of {} at {offset} that do not match", hash.fmt_short());
    Failure::new(ErrorCode::HashMismatch, text)
}

//! Verified streams, as a provider sends them: eight bytes of size, little-endian, then the items of bao-tree 0.17.0.

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;

use crate::{
    bao::{Decoder, Encoder, GROUP_BYTES, Item, pair_offset, truncate},
    proto::ChunkRanges,
    store::{Batch, Reader, Source, Store, Writer, Written},
};

/// Bytes that are collected before they are written, or given out at a time.
const PIECE: usize = 1 << 20;

/// Takes a stream in pieces of any length. Dropped unfinished it leaves what was verified.
pub struct BaoImport {
    hash: Hash,
    ranges: ChunkRanges,
    /// `None` if all is here already; then the stream is only checked.
    writer: Option<Writer>,
    decoder: Option<(u64, Decoder)>,
    /// Bytes that are no whole item yet.
    rest: Vec<u8>,
    batch: Batch,
    batched: usize,
    /// Nothing more is taken.
    failed: bool,
}

impl BaoImport {
    /// For a stream of `ranges` of a blob, the same that were asked for.
    pub fn new(store: &Store, hash: Hash, ranges: ChunkRanges) -> Result<Self, Failure> {
        let (decoder, rest, batch) = (None, Vec::new(), Batch::default());
        let writer = store.writer(hash)?;
        Ok(Self { hash, ranges, writer, decoder, rest, batch, batched: 0, failed: false })
    }

    /// Checks and stores the next bytes. `HASH_MISMATCH`, after which nothing more is taken; `PROTOCOL_VIOLATION` for
    /// bytes after the end; `BLOB_TOO_LARGE` for a claim above 2^53 - 1.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.failed {
            return Err(Failure::new(ErrorCode::HashMismatch, "the stream went wrong before"));
        }
        let pushed = self.take(bytes);
        self.failed = pushed.is_err();
        pushed
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.rest.extend_from_slice(bytes);
        if self.decoder.is_none() {
            let Some(head) = self.rest.first_chunk::<8>() else { return Ok(()) };
            let size = u64::from_le_bytes(*head);
            if size >= 1 << 53 {
                let text = format!("the stream claims a blob of {size} bytes");
                return Err(Failure::new(ErrorCode::BlobTooLarge, text));
            }
            self.rest.drain(..8);
            self.decoder = Some((size, Decoder::new(self.hash, size, self.ranges.clone())));
        }
        let items = self.items();
        // What came before the first bad item is good.
        let flushed = if items.is_err() || self.batched >= PIECE { self.flush() } else { Ok(()) };
        items.and(flushed)
    }

    fn items(&mut self) -> Result<(), Failure> {
        let Some((size, decoder)) = &mut self.decoder else { return Ok(()) };
        let mut at = 0;
        while let Some(length) = decoder.wants()
            && let Some(item) = self.rest.get(at..at + length)
        {
            let taken = decoder.take(item).map_err(|error| {
                let text = format!("bytes at {} do not match the hash", error.offset);
                Failure::new(ErrorCode::HashMismatch, text)
            })?;
            at += length;
            match taken {
                Some(Item::Pair { node, pair }) => {
                    if let Some(offset) = pair_offset(decoder.tree(), node) {
                        self.batch.push_pair(offset, pair);
                    }
                }
                // Proofs are kept for whole groups: a part of one could not be proven to anyone.
                Some(Item::Leaf { offset, data }) => {
                    let whole =
                        data.len() as u64 == GROUP_BYTES || offset + data.len() as u64 == *size;
                    if offset.is_multiple_of(GROUP_BYTES) && whole {
                        self.batch.push_data(offset, data);
                    } else {
                        self.batch.confirm();
                    }
                }
                None => {}
            }
            self.batched += length;
        }
        self.rest.drain(..at);
        if decoder.wants().is_none() && !self.rest.is_empty() {
            let text = "there are bytes after the end of the stream";
            return Err(Failure::new(ErrorCode::ProtocolViolation, text));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.batched = 0;
        let batch = self.batch.take();
        let (Some(writer), Some((size, _))) = (&self.writer, &self.decoder) else { return Ok(()) };
        if batch.is_empty() {
            return Ok(());
        }
        if let Written::Complete(pending) = writer.write(*size, &batch)? {
            pending.wait()?;
        }
        Ok(())
    }

    /// That was all; the size that the stream told. `BLOB_INCOMPLETE` if it ended before its end.
    pub fn finish(mut self) -> Result<u64, Failure> {
        self.flush()?;
        match &self.decoder {
            Some((size, decoder)) if !self.failed && decoder.wants().is_none() => Ok(*size),
            _ => {
                let text = "the stream ended before all that it should have";
                Err(Failure::new(ErrorCode::BlobIncomplete, text))
            }
        }
    }
}

/// Gives a stream in pieces.
pub struct BaoExport {
    head: Option<[u8; 8]>,
    reader: Reader,
    encoder: Encoder<Source, Source>,
}

impl BaoExport {
    /// Of `ranges` of a blob; `BLOB_INCOMPLETE` if one of them is not here.
    pub fn new(store: &Store, hash: &Hash, ranges: ChunkRanges) -> Result<Self, Failure> {
        let reader = store.reader(hash)?;
        let size = reader.size();
        let wanted = truncate(ranges.clone(), size);
        let nothing = reader.field().is_empty() && size == 0;
        if nothing || !(&wanted - reader.field().ranges()).is_empty() {
            let text = format!("only a part of the blob {} is here", hash.fmt_short());
            return Err(Failure::new(ErrorCode::BlobIncomplete, text));
        }
        let encoder = reader.encoder(ranges);
        Ok(Self { head: Some(size.to_le_bytes()), reader, encoder })
    }

    /// The next piece, `None` at the end. `BLOB_CORRUPT`.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut out = self.head.take().map(Vec::from).unwrap_or_default();
        let step = self.encoder.step(&mut out, PIECE, &mut |_, _| {});
        step.map_err(|error| self.reader.failure(&error))?;
        Ok((!out.is_empty()).then_some(out))
    }
}

#[cfg(test)]
mod tests {
    use bao_tree::ChunkNum;

    use super::*;
    use crate::store::StoreOptions;

    fn store() -> Store {
        Store::memory(StoreOptions::default()).unwrap()
    }

    fn pattern(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i % 251) as u8).collect()
    }

    fn exported(store: &Store, hash: &Hash, ranges: ChunkRanges) -> Vec<u8> {
        let mut export = BaoExport::new(store, hash, ranges).unwrap();
        let mut all = Vec::new();
        while let Some(piece) = export.piece().unwrap() {
            all.extend(piece);
        }
        all
    }

    #[test]
    fn a_stream_goes_from_store_to_store_cut_anywhere() {
        for size in [0, 1, 16_384, 16_385, 100_000] {
            let (from, to) = (store(), store());
            let hash = from.import_bytes(pattern(size).into()).unwrap().hash;
            let stream = exported(&from, &hash, ChunkRanges::all());
            for piece in [1_usize, 7, 1000, 1 << 20] {
                let to = if piece == 1 { &to } else { &store() };
                let mut import = BaoImport::new(to, hash, ChunkRanges::all()).unwrap();
                stream.chunks(piece).for_each(|piece| import.push(piece).unwrap());
                assert_eq!(import.finish().unwrap(), size as u64);
                assert_eq!(to.get(&hash, 1 << 20).unwrap(), pattern(size));
            }
            // What is here already is checked all the same.
            let mut again = BaoImport::new(&to, hash, ChunkRanges::all()).unwrap();
            again.push(&stream).unwrap();
            assert_eq!(again.push(&[0]).unwrap_err().code, ErrorCode::ProtocolViolation);
        }
    }

    #[test]
    fn only_whole_groups_are_marked() {
        let (from, to) = (store(), store());
        let hash = from.import_bytes(pattern(100_000).into()).unwrap().hash;
        let chunk = |n| ChunkRanges::from(ChunkNum(n)..ChunkNum(n + 1));
        let ranges =
            ChunkRanges::from(..ChunkNum(16)) | chunk(20) | ChunkRanges::from(ChunkNum(96)..);
        let mut import = BaoImport::new(&to, hash, ranges.clone()).unwrap();
        import.push(&exported(&from, &hash, ranges)).unwrap();
        assert_eq!(import.finish().unwrap(), 100_000);
        let field = to.bitfield(&hash).unwrap();
        let whole = ChunkRanges::from(..ChunkNum(16)) | ChunkRanges::from(ChunkNum(96)..);
        assert_eq!(field.ranges(), &whole);
        assert_eq!(field.validated_size(), Some(100_000));
        let failed = |ranges| BaoExport::new(&to, &hash, ranges).err().map(|failure| failure.code);
        assert_eq!(failed(chunk(20)), Some(ErrorCode::BlobIncomplete));
        assert_eq!(failed(whole), None);
    }

    #[test]
    fn g1_a_flipped_bit_ends_it_and_what_came_before_stays() {
        let (from, to) = (store(), store());
        let hash = from.import_bytes(pattern(100_000).into()).unwrap().hash;
        let mut stream = exported(&from, &hash, ChunkRanges::all());
        let at = stream.len() - 1;
        stream[at] ^= 1;
        let mut import = BaoImport::new(&to, hash, ChunkRanges::all()).unwrap();
        assert_eq!(import.push(&stream).unwrap_err().code, ErrorCode::HashMismatch);
        assert!(import.push(&[]).is_err() && import.finish().is_err());
        let field = to.bitfield(&hash).unwrap();
        assert_eq!(field.ranges(), &ChunkRanges::from(..ChunkNum(96)));
    }

    #[test]
    fn g2_a_wrong_or_absurd_size_is_refused() {
        let store = store();
        let hash = Hash::from_bytes([7; 32]);
        for (size, code) in [(0_u64, ErrorCode::HashMismatch), (u64::MAX, ErrorCode::BlobTooLarge)]
        {
            let mut import = BaoImport::new(&store, hash, ChunkRanges::all()).unwrap();
            assert_eq!(import.push(&size.to_le_bytes()).unwrap_err().code, code);
        }
        let mut short = BaoImport::new(&store, hash, ChunkRanges::all()).unwrap();
        short.push(&[1, 0, 0]).unwrap();
        assert_eq!(short.finish().unwrap_err().code, ErrorCode::BlobIncomplete);
    }
}

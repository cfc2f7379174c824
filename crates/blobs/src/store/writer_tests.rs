//! Blobs filled by honest and by lying peers, in any order.

use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bao_tree::ChunkNum;
use proptest::prelude::*;

use super::*;
use crate::{
    bao::{
        Decoder, Encoder, GROUP_BYTES, Item, Pairs, groups_of, hash_subtree, hash_tree,
        pair_offset, parent_hash,
    },
    store::{StoreOptions, Verdict},
};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("gaiwan-blobs-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        // Of another process of that number.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Store {
        Store::open(&self.0, StoreOptions { durable: false, ..StoreOptions::default() }).unwrap()
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.0.join("data")).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A blob with its outboard.
struct Blob {
    hash: Hash,
    data: Vec<u8>,
    outboard: Vec<u8>,
}

struct Memory(Mutex<Vec<u8>>);

impl Pairs for Memory {
    fn write(&self, offset: u64, pairs: &[u8]) -> std::io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        self.0.lock().unwrap()[start..start + pairs.len()].copy_from_slice(pairs);
        Ok(())
    }
}

impl Blob {
    fn new(size: usize) -> Self {
        let data: Vec<u8> = (0..size).map(|i| (i * 7 + i / 251) as u8).collect();
        let outboard = vec![0; usize::try_from(outboard_bytes(size as u64)).unwrap()];
        let pairs = Memory(Mutex::new(outboard));
        let hashed = hash_tree(&&data[..], size as u64, &pairs, &|_| Ok(())).unwrap();
        let outboard = pairs.0.into_inner().unwrap();
        Self { hash: Hash::from_bytes(hashed.hash), data, outboard }
    }

    fn size(&self) -> u64 {
        self.data.len() as u64
    }

    /// The response to a request for some groups, as a getter takes it apart.
    fn batch(&self, groups: std::ops::Range<u64>) -> Batch {
        let ranges = ChunkRanges::from(ChunkNum(groups.start * 16)..ChunkNum(groups.end * 16));
        let (data, outboard) = (&self.data[..], &self.outboard[..]);
        let mut response = Vec::new();
        Encoder::new(self.hash, self.size(), ranges.clone(), data, outboard)
            .step(&mut response, usize::MAX, &mut |_, _| {})
            .unwrap();
        taken(self.hash, self.size(), ranges, &response).0
    }
}

/// A response taken apart up to what is wrong with it, and whether something was.
fn taken(hash: Hash, size: u64, ranges: ChunkRanges, mut response: &[u8]) -> (Batch, bool) {
    let (mut decoder, mut batch) = (Decoder::new(hash, size, ranges), Batch::default());
    while let Some(length) = decoder.wants()
        && length <= response.len()
    {
        let (item, rest) = response.split_at(length);
        response = rest;
        match decoder.take(item) {
            Ok(Some(Item::Pair { node, pair })) => {
                if let Some(offset) = pair_offset(decoder.tree(), node) {
                    batch.push_pair(offset, pair);
                }
            }
            Ok(Some(Item::Leaf { offset, data })) => batch.push_data(offset, data),
            Ok(None) => {}
            Err(_) => return (batch, true),
        }
    }
    (batch, false)
}

/// As it is when it is on disk.
fn wait(written: Written) -> &'static str {
    match written {
        Written::More => "more",
        Written::Known => "known",
        Written::Complete(pending) => {
            pending.wait().unwrap();
            "complete"
        }
    }
}

fn is_right(store: &Store, blob: &Blob) {
    assert_eq!(store.get(&blob.hash, u64::MAX).unwrap(), blob.data);
    assert_eq!(store.verify(&blob.hash, false).unwrap().unwrap().verdict, Verdict::Ok);
    assert!(store.list(None, 10).unwrap()[0].complete);
    assert!(store.writer(blob.hash).unwrap().is_none(), "nothing is left to fill");
    assert!(store.partials().get(&blob.hash).is_none(), "it is forgotten");
}

/// What of a blob is claimed can be read.
fn claims_hold(store: &Store, blob: &Blob) {
    let Ok(reader) = store.reader(&blob.hash) else {
        assert!(store.bitfield(&blob.hash).unwrap().ranges().is_empty());
        return;
    };
    for group in 0..groups_of(blob.size().min(reader.size())) {
        let (start, end) = (group * GROUP_BYTES, ((group + 1) * GROUP_BYTES).min(blob.size()));
        if reader.field().ranges().contains(&ChunkNum(group * 16)) {
            let bytes = &blob.data[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
            assert_eq!(reader.read(start, end).unwrap(), bytes, "group {group}");
        } else {
            assert_eq!(reader.read(start, end).unwrap_err().code, ErrorCode::BlobIncomplete);
        }
    }
}

#[test]
fn a_small_blob_meets_no_file() {
    let folder = Folder::new();
    for store in [Store::memory(StoreOptions::default()).unwrap(), folder.open()] {
        for size in [1, 1024, 16_383, 16_384] {
            let blob = Blob::new(size);
            let writer = store.writer(blob.hash).unwrap().unwrap();
            assert_eq!(wait(writer.write(blob.size(), &blob.batch(0..1)).unwrap()), "complete");
            assert_eq!(wait(writer.write(blob.size(), &blob.batch(0..1)).unwrap()), "known");
            assert_eq!(store.get(&blob.hash, u64::MAX).unwrap(), blob.data);
            assert!(store.writer(blob.hash).unwrap().is_none());
        }
        assert!(store.writer(Hash::EMPTY).unwrap().is_none());
    }
    assert_eq!(folder.files(), 0);
}

#[test]
fn what_is_written_is_told_and_read_before_it_is_complete_and_after_reopening() {
    let folder = Folder::new();
    let blob = Blob::new(100_000);
    let store = folder.open();
    let mut watch = store.watch(blob.hash).unwrap();
    let writer = store.writer(blob.hash).unwrap().unwrap();
    assert_eq!(wait(writer.write(blob.size(), &blob.batch(2..4)).unwrap()), "more");
    assert_eq!(watch.now().total_bytes(), 32_768);
    claims_hold(&store, &blob);
    assert_eq!(store.held(), [HashAndFormat::raw(blob.hash)]);
    // Nobody waits for its end: dropping it is enough.
    drop(writer);
    assert!(store.partials().get(&blob.hash).is_none());
    assert!(store.held().is_empty());
    store.close();
    let store = folder.open();
    assert_eq!(store.bitfield(&blob.hash).unwrap().total_bytes(), 32_768);
    claims_hold(&store, &blob);
    let writer = store.writer(blob.hash).unwrap().unwrap();
    assert_eq!(wait(writer.write(blob.size(), &blob.batch(0..2)).unwrap()), "more");
    assert_eq!(wait(writer.write(blob.size(), &blob.batch(4..7)).unwrap()), "complete");
    drop(writer);
    is_right(&store, &blob);
}

#[test]
fn closing_brings_progress_to_the_disk_while_a_writer_lives() {
    let folder = Folder::new();
    let blob = Blob::new(100_000);
    let store = folder.open();
    let writer = store.writer(blob.hash).unwrap().unwrap();
    writer.write(blob.size(), &blob.batch(2..4)).unwrap();
    store.close();
    let failure = writer.write(blob.size(), &blob.batch(0..2)).err().unwrap();
    assert_eq!(failure.code, ErrorCode::StoreClosed);
    // The directory is free though the writer is there.
    let again = folder.open();
    assert_eq!(again.bitfield(&blob.hash).unwrap().total_bytes(), 32_768);
    claims_hold(&again, &blob);
}

#[test]
fn of_writers_that_go_at_once_the_last_brings_progress_to_the_disk() {
    let store = Store::memory(StoreOptions::default()).unwrap();
    let blob = Blob::new(1 << 20);
    for group in 0..60 {
        let writers: Vec<Writer> =
            (0..4).map(|_| store.writer(blob.hash).unwrap().unwrap()).collect();
        writers[0].write(blob.size(), &blob.batch(group..group + 1)).unwrap();
        std::thread::scope(|scope| {
            for writer in writers {
                let store = &store;
                scope.spawn(move || {
                    // A reader at the same time must not make anybody look busy.
                    let _ = store.reader(&writer.hash).unwrap();
                    drop(writer);
                });
            }
        });
        assert!(store.partials().get(&blob.hash).is_none());
        let row = store.catalog().get(&blob.hash).unwrap().unwrap();
        assert_eq!(row.bitfield().total_bytes(), (group + 1) * GROUP_BYTES);
    }
}

#[test]
fn progress_that_is_on_its_way_to_the_disk_is_waited_for() {
    let folder = Folder::new();
    let (store, blob) = (folder.open(), Blob::new(1 << 20));
    let before = Instant::now().checked_sub(2 * CHECKPOINT).unwrap();
    for group in 0..60 {
        let writer = store.writer(blob.hash).unwrap().unwrap();
        writer.write(blob.size(), &blob.batch(group..group + 1)).unwrap();
        // It is due, and goes beside this.
        writer.partial.lock().checkpoint = before;
        writer.write(blob.size(), &blob.batch(group..group + 1)).unwrap();
        drop(writer);
        let row = store.catalog().get(&blob.hash).unwrap().unwrap();
        assert_eq!(row.bitfield().total_bytes(), (group + 1) * GROUP_BYTES);
    }
    store.close();
    claims_hold(&folder.open(), &blob);
}

#[test]
fn an_import_completes_what_is_being_filled() {
    let folder = Folder::new();
    for store in [Store::memory(StoreOptions::default()).unwrap(), folder.open()] {
        for size in [100_000, 5 << 20] {
            let blob = Blob::new(size);
            let writer = store.writer(blob.hash).unwrap().unwrap();
            writer.write(blob.size(), &blob.batch(2..4)).unwrap();
            let used = store.used_bytes();
            let before = store.reader(&blob.hash).unwrap();
            store.import_bytes(blob.data.clone().into()).unwrap();
            assert_eq!(store.used_bytes(), used - 32_768 + blob.size(), "counted once");
            assert!(store.bitfield(&blob.hash).unwrap().is_complete());
            assert_eq!(store.get(&blob.hash, u64::MAX).unwrap(), blob.data);
            assert_eq!(wait(writer.write(blob.size(), &blob.batch(0..2)).unwrap()), "known");
            assert_eq!(before.read(32_768, 65_536).unwrap(), blob.data[32_768..65_536]);
            drop(writer);
            assert!(store.bitfield(&blob.hash).unwrap().is_complete());
        }
    }
    // Two of data, one of pairs that are too many for the catalog.
    assert_eq!(folder.files(), 3);
}

#[test]
fn a_leaf_far_away_takes_no_memory_in_between() {
    // A tree whose left side nobody has: the last 16 KiB of a terabyte.
    let size: u64 = 1 << 40;
    let last = vec![7; 16_384];
    let groups = size / GROUP_BYTES;
    let mut node = hash_subtree((groups - 1) * 16, &last, false);
    let mut pairs = Vec::new();
    for level in 0..groups.trailing_zeros() {
        let left = [level as u8; 32];
        pairs.push([left, node].concat());
        node = parent_hash(&left, &node, level + 1 == groups.trailing_zeros());
    }
    pairs.reverse();
    let hash = Hash::from_bytes(node);
    let response = [pairs.concat(), last.clone()].concat();
    let (batch, bad) = taken(hash, size, crate::proto::last_chunk(), &response);
    // The proof of the size is the last chunk only, and its group is asked for as a whole here.
    assert!(bad || batch.is_empty());
    let ranges = ChunkRanges::from(ChunkNum((groups - 1) * 16)..);
    let (batch, bad) = taken(hash, size, ranges, &response);
    assert!(!bad);
    let store = Store::memory(StoreOptions::default()).unwrap();
    let writer = store.writer(hash).unwrap().unwrap();
    assert_eq!(wait(writer.write(size, &batch).unwrap()), "more");
    assert_eq!(store.bitfield(&hash).unwrap().validated_size(), Some(size));
    assert_eq!(store.reader(&hash).unwrap().read(size - 16_384, size).unwrap(), last);
    assert_eq!(store.used_bytes(), 16_384);
}

#[test]
fn g10_a_pair_at_a_place_that_a_lie_gave_it_is_not_stored() {
    // Seven groups, of which the left four are here. The liar claims four: then the right node's pair, which is true,
    // belongs to the place of a pair on the left.
    let blob = Blob::new(7 * 16_384);
    let store = Store::memory(StoreOptions::default()).unwrap();
    let writer = store.writer(blob.hash).unwrap().unwrap();
    writer.write(blob.size(), &blob.batch(0..4)).unwrap();
    let claimed = 4 * GROUP_BYTES;
    let pair = |node: usize| &blob.outboard[node * 64..(node + 1) * 64];
    let response = [pair(0), pair(4), &[0; 16_384][..]].concat();
    let ranges = ChunkRanges::from(ChunkNum(32)..);
    let (batch, bad) = taken(blob.hash, claimed, ranges, &response);
    assert!(bad, "its leaf has no true hash");
    writer.write(claimed, &batch).unwrap();
    claims_hold(&store, &blob);
    assert_eq!(store.bitfield(&blob.hash).unwrap().size(), blob.size());
    assert_eq!(wait(writer.write(blob.size(), &blob.batch(4..7)).unwrap()), "complete");
    drop(writer);
    is_right(&store, &blob);
}

#[test]
fn g2_a_wrong_size_that_fits_the_left_side_gives_way_to_the_right_one() {
    // Under any size of 33 to 64 groups the left 32 have the same way down.
    let blob = Blob::new(63 * 16_384 - 5);
    let store = Store::memory(StoreOptions::default()).unwrap();
    let writer = store.writer(blob.hash).unwrap().unwrap();
    for claimed in [33 * GROUP_BYTES, 64 * GROUP_BYTES, 40 * GROUP_BYTES - 1] {
        writer.write(claimed, &blob.batch(3..9)).unwrap();
        writer.write(claimed, &blob.batch(20..32)).unwrap();
        let field = store.bitfield(&blob.hash).unwrap();
        assert!(field.validated_size().is_none() && !field.is_complete());
        claims_hold(&store, &blob);
    }
    writer.write(blob.size(), &blob.batch(62..63)).unwrap();
    assert_eq!(store.bitfield(&blob.hash).unwrap().validated_size(), Some(blob.size()));
    writer.write(33 * GROUP_BYTES, &blob.batch(0..32)).unwrap();
    assert_eq!(store.bitfield(&blob.hash).unwrap().validated_size(), Some(blob.size()));
    claims_hold(&store, &blob);
    assert_eq!(wait(writer.write(blob.size(), &blob.batch(32..62)).unwrap()), "complete");
    drop(writer);
    is_right(&store, &blob);
}

#[test]
fn p9_a_full_store_takes_no_batch_and_goes_on_when_there_is_room() {
    let blob = Blob::new(100_000);
    let options = StoreOptions { max_bytes: Some(120_000), ..StoreOptions::default() };
    let store = Store::memory(options).unwrap();
    let other = store.import_bytes(vec![1; 50_000].into()).unwrap();
    let writer = store.writer(blob.hash).unwrap().unwrap();
    writer.write(blob.size(), &blob.batch(0..3)).unwrap();
    let failure = writer.write(blob.size(), &blob.batch(3..7)).err().unwrap();
    assert_eq!(failure.code, ErrorCode::StoreFull);
    assert_eq!(store.used_bytes(), 50_000 + 3 * GROUP_BYTES);
    claims_hold(&store, &blob);
    let hash = other.hash;
    drop(other);
    store.delete(&[hash]).unwrap();
    assert_eq!(wait(writer.write(blob.size(), &blob.batch(3..7)).unwrap()), "complete");
    assert_eq!(store.used_bytes(), 100_000);
    drop(writer);
    is_right(&store, &blob);
    assert_eq!(store.gc(&[]).unwrap().bytes, 100_000);
    assert_eq!(store.used_bytes(), 0);
}

#[test]
fn a_blob_that_cannot_be_completed_is_not_claimed_and_can_be_completed_later() {
    let folder = Folder::new();
    let blob = Blob::new(100_000);
    let store = folder.open();
    let mut watch = store.watch(blob.hash).unwrap();
    let writer = store.writer(blob.hash).unwrap().unwrap();
    writer.write(blob.size(), &blob.batch(0..6)).unwrap();
    store.sync().unwrap();
    // Its answer never comes.
    store.catalog().stop();
    let Written::Complete(pending) = writer.write(blob.size(), &blob.batch(6..7)).unwrap() else {
        panic!("all has come");
    };
    assert_eq!(pending.wait().unwrap_err().code, ErrorCode::StoreClosed);
    let all_but_the_last = 6 * GROUP_BYTES;
    assert_eq!(store.bitfield(&blob.hash).unwrap().total_bytes(), all_but_the_last);
    assert_eq!(watch.now().total_bytes(), all_but_the_last);
    assert_eq!(store.used_bytes(), all_but_the_last);
    claims_hold(&store, &blob);
    drop(writer);
    store.close();
    let store = folder.open();
    let writer = store.writer(blob.hash).unwrap().unwrap();
    assert_eq!(wait(writer.write(blob.size(), &blob.batch(0..7)).unwrap()), "complete");
    drop(writer);
    is_right(&store, &blob);
}

#[test]
fn what_may_not_be_on_disk_is_given_up_when_the_end_fails() {
    let store = Store::memory(StoreOptions::default()).unwrap();
    let blob = Blob::new(100_000);
    let writer = store.writer(blob.hash).unwrap().unwrap();
    writer.write(blob.size(), &blob.batch(0..2)).unwrap();
    store.checkpoint(&blob.hash, &writer.partial).unwrap();
    writer.write(blob.size(), &blob.batch(2..6)).unwrap();
    drop(writer.finish(store.turns().take(&blob.hash), blob.size()));
    assert_eq!(store.bitfield(&blob.hash).unwrap().total_bytes(), 2 * GROUP_BYTES);
    assert_eq!(store.used_bytes(), 2 * GROUP_BYTES);
    assert_eq!(wait(writer.write(blob.size(), &blob.batch(2..7)).unwrap()), "complete");
    drop(writer);
    is_right(&store, &blob);
}

#[test]
fn verify_gives_up_what_is_wrong_of_a_blob_that_is_being_filled() {
    let folder = Folder::new();
    let blob = Blob::new(200_000);
    let store = folder.open();
    let writer = store.writer(blob.hash).unwrap().unwrap();
    writer.write(blob.size(), &blob.batch(0..8)).unwrap();
    let path = folder.0.join("data").join(format!("{}.data", blob.hash));
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    crate::store::source::write_all_at(&file, 40_000, b"wrong").unwrap();
    let checked = store.verify(&blob.hash, true).unwrap().unwrap();
    let ranges = vec![(32_768, 49_152)];
    assert_eq!(checked.verdict, Verdict::Bad { ranges, repaired: true });
    assert_eq!(store.bitfield(&blob.hash).unwrap().total_bytes(), 7 * GROUP_BYTES);
    assert_eq!(store.used_bytes(), 7 * GROUP_BYTES);
    claims_hold(&store, &blob);
    writer.write(blob.size(), &blob.batch(2..3)).unwrap();
    assert_eq!(wait(writer.write(blob.size(), &blob.batch(8..13)).unwrap()), "complete");
    drop(writer);
    is_right(&store, &blob);
}

/// Writes all of a blob from several threads, each with its own order of overlapping ranges.
fn fill(store: &Store, blob: &Blob, orders: &[Vec<(u64, u64)>]) {
    let groups = groups_of(blob.size());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for order in orders {
            let done = &done;
            scope.spawn(move || {
                let Some(writer) = store.writer(blob.hash).unwrap() else { return };
                for (start, length) in order {
                    let start = start % groups;
                    let batch = blob.batch(start..(start + length).min(groups));
                    done.lock().unwrap().push(writer.write(blob.size(), &batch).unwrap());
                    claims_hold(store, blob);
                }
            });
        }
    });
    let written: Vec<_> = done.into_inner().unwrap().into_iter().map(wait).collect();
    if let Some(writer) = store.writer(blob.hash).unwrap() {
        assert!(!written.contains(&"complete"));
        assert_eq!(wait(writer.write(blob.size(), &blob.batch(0..groups)).unwrap()), "complete");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn s1_what_several_write_in_any_order_is_right_and_stays_so(
        size in prop_oneof![1..20_000usize, 16_380..16_390usize, 30_000..900_000usize],
        orders in proptest::collection::vec(
            proptest::collection::vec((0..64u64, 1..20u64), 1..12), 1..4,
        ),
        on_disk: bool,
    ) {
        let (folder, blob) = (Folder::new(), Blob::new(size));
        let store = match on_disk {
            true => folder.open(),
            false => Store::memory(StoreOptions::default()).unwrap(),
        };
        fill(&store, &blob, &orders);
        is_right(&store, &blob);
        prop_assert_eq!(store.used_bytes(), blob.size());
        if on_disk {
            store.close();
            is_right(&folder.open(), &blob);
        }
    }
}

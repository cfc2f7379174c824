//! Blobs that are not what they were.

use std::{
    fs::{self, OpenOptions},
    path::Path,
};

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_blobs::store::{Store, StoreOptions, Verdict};

use crate::places::{Place, bytes, code, has};

/// Flips a bit.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

/// A blob whose pairs are a file, in a directory; `damage` gets the paths of its files.
fn damaged(damage: impl FnOnce(&Path, &Path)) -> (Place, Hash, Vec<u8>) {
    let place = Place::directory(StoreOptions::default());
    let content = bytes(5_000_000, 0);
    let hash = place.add(&content);
    let folder = place.folder.as_ref().unwrap();
    damage(&folder.owned(&hash, "data"), &folder.owned(&hash, "outboard"));
    (place, hash, content)
}

/// What verify says, without and with a repair.
fn verdicts(store: &Store, hash: &Hash) -> (Verdict, Verdict) {
    let verdict = |repair| store.verify(hash, repair).unwrap().unwrap().verdict;
    let first = verdict(false);
    let listed = store.list(None, 10).unwrap();
    assert!(listed.iter().all(|row| row.complete), "to look changes nothing");
    (first, verdict(true))
}

/// What is left of it reads right, the rest is not given out, and it can come back.
fn is_partial(place: &Place, hash: &Hash, content: &[u8], lost: &[(u64, u64)]) {
    let store = &place.store;
    let lost_bytes: u64 = lost.iter().map(|(start, end)| end - start).sum();
    let left = content.len() as u64 - lost_bytes;
    assert_eq!(store.bitfield(hash).unwrap().total_bytes(), left);
    assert_eq!(store.used_bytes(), left);
    assert!(!store.list(None, 10).unwrap()[0].complete);
    assert_eq!(store.verify(hash, false).unwrap().unwrap().verdict, Verdict::Ok);
    let reader = store.reader(hash).unwrap();
    let mut at = 0;
    for (start, end) in lost.iter().copied().chain([(content.len() as u64, u64::MAX)]) {
        let expected = &content[usize::try_from(at).unwrap()..usize::try_from(start).unwrap()];
        assert!(reader.read(at, start).unwrap() == expected);
        if end != u64::MAX {
            assert_eq!(code(reader.read(start, start + 1)), ErrorCode::BlobIncomplete);
            assert_eq!(code(reader.read(end - 1, end)), ErrorCode::BlobIncomplete);
        }
        at = end;
    }
    assert_eq!(code(store.get(hash, u64::MAX)), ErrorCode::BlobIncomplete);
    place.add(content);
    has(store, content);
    assert_eq!(store.used_bytes(), content.len() as u64);
    place.has_no_orphans();
}

#[test]
fn s2_a_flipped_bit_costs_its_group() {
    for (at, group) in [(0, 0), (1_000_000, 61), (4_999_999, 305)] {
        let (place, hash, content) = damaged(|data, _| flip(data, at));
        let lost = (group * 16_384, ((group + 1) * 16_384).min(5_000_000));
        assert_eq!(code(place.store.get(&hash, u64::MAX)), ErrorCode::BlobCorrupt);
        // P10: around it all is well.
        let reader = place.store.reader(&hash).unwrap();
        assert!(reader.read(lost.1, u64::MAX).unwrap() == content[lost.1 as usize..]);
        let (seen, repaired) = verdicts(&place.store, &hash);
        assert_eq!(seen, Verdict::Bad { ranges: vec![lost], repaired: false });
        assert_eq!(repaired, Verdict::Bad { ranges: vec![lost], repaired: true });
        is_partial(&place, &hash, &content, &[lost]);
    }
}

#[test]
fn s2_several_bad_groups_are_told_apart_and_joined_where_they_touch() {
    let (place, hash, content) = damaged(|data, _| {
        [20_000, 33_000, 2_000_000, 4_000_000].into_iter().for_each(|at| flip(data, at));
    });
    let group = |n: u64, count: u64| (n * 16_384, (n + count) * 16_384);
    let lost = vec![group(1, 2), group(122, 1), group(244, 1)];
    let (seen, repaired) = verdicts(&place.store, &hash);
    assert_eq!(seen, Verdict::Bad { ranges: lost.clone(), repaired: false });
    assert_eq!(repaired, Verdict::Bad { ranges: lost.clone(), repaired: true });
    is_partial(&place, &hash, &content, &lost);
}

#[test]
fn s2_data_that_were_cut_short_lose_their_end() {
    for (length, from) in [(0, 0), (1_000_000, 999_424), (4_999_999, 4_997_120)] {
        let (place, hash, content) = damaged(|data, _| cut(data, length));
        assert_eq!(code(place.store.get(&hash, u64::MAX)), ErrorCode::BlobCorrupt);
        let lost = (from, 5_000_000);
        let (seen, repaired) = verdicts(&place.store, &hash);
        assert_eq!(seen, Verdict::Bad { ranges: vec![lost], repaired: false });
        assert_eq!(repaired, Verdict::Bad { ranges: vec![lost], repaired: true });
        is_partial(&place, &hash, &content, &[lost]);
    }
}

#[test]
fn s2_data_that_are_gone_are_missing() {
    let (place, hash, content) = damaged(|data, _| fs::remove_file(data).unwrap());
    let path = place.folder.as_ref().unwrap().owned(&hash, "data");
    assert_eq!(code(place.store.get(&hash, u64::MAX)), ErrorCode::BlobCorrupt);
    let (seen, repaired) = verdicts(&place.store, &hash);
    assert_eq!(seen, Verdict::Missing { path: path.clone() });
    assert_eq!(repaired, Verdict::Missing { path });
    is_partial(&place, &hash, &content, &[(0, 5_000_000)]);
}

#[test]
fn s2_proofs_that_are_damaged_cut_short_or_gone_are_made_anew() {
    let damages: [fn(&Path); 4] = [
        |outboard| flip(outboard, 0),
        |outboard| flip(outboard, 15_000),
        |outboard| cut(outboard, 10_000),
        |outboard| fs::remove_file(outboard).unwrap(),
    ];
    for damage in damages {
        let (place, hash, content) = damaged(|_, outboard| damage(outboard));
        assert_eq!(code(place.store.get(&hash, u64::MAX)), ErrorCode::BlobCorrupt);
        let (seen, repaired) = verdicts(&place.store, &hash);
        let Verdict::Bad { ranges, repaired: false } = seen else { panic!("{seen:?}") };
        assert_eq!(repaired, Verdict::Bad { ranges, repaired: true });
        has(&place.store, &content);
        assert!(place.store.list(None, 10).unwrap()[0].complete);
        assert_eq!(place.store.used_bytes(), 5_000_000);
        place.has_no_orphans();
        // Also for whoever opens it next.
        place.store.close();
        let folder = place.folder.as_ref().unwrap();
        has(&Store::open(folder.path(), StoreOptions::default()).unwrap(), &content);
    }
}

#[test]
fn s2_data_and_proofs_that_are_both_damaged_leave_what_can_be_proven() {
    let (place, hash, content) = damaged(|data, outboard| {
        flip(data, 0);
        // The pair of the last two groups.
        flip(outboard, 304 * 64);
    });
    let (_, repaired) = verdicts(&place.store, &hash);
    let Verdict::Bad { ranges, repaired: true } = repaired else { panic!("{repaired:?}") };
    assert_eq!(ranges[0], (0, 16_384));
    assert!(ranges.len() == 2 && ranges[1].1 == 5_000_000, "{ranges:?}");
    is_partial(&place, &hash, &content, &ranges);
}

#[test]
fn s2_a_blob_with_its_pairs_in_the_catalog_is_repaired_as_well() {
    let place = Place::directory(StoreOptions::default());
    let content = bytes(100_000, 0);
    let hash = place.add(&content);
    flip(&place.folder.as_ref().unwrap().owned(&hash, "data"), 50_000);
    let lost = (49_152, 65_536);
    let (_, repaired) = verdicts(&place.store, &hash);
    assert_eq!(repaired, Verdict::Bad { ranges: vec![lost], repaired: true });
    is_partial(&place, &hash, &content, &[lost]);
}

#[test]
fn s1_what_was_repaired_stays_so_after_reopening() {
    let (place, hash, content) = damaged(|data, _| flip(data, 0));
    place.store.verify(&hash, true).unwrap();
    place.store.close();
    let Place { folder, .. } = place;
    let folder = folder.unwrap();
    let store = Store::open(
        folder.path(),
        StoreOptions { max_bytes: Some(1 << 30), ..StoreOptions::default() },
    );
    is_partial(
        &Place { store: store.unwrap(), folder: Some(folder) },
        &hash,
        &content,
        &[(0, 16_384)],
    );
}

#[test]
fn looking_can_be_stopped_and_then_nothing_is_changed() {
    let (place, hash, _) = damaged(|data, _| flip(data, 0));
    let stop = || Err(gaiwan_endpoint::Failure::new(ErrorCode::Timeout, "enough"));
    assert_eq!(code(place.store.verify_until(&hash, true, &stop)), ErrorCode::Timeout);
    assert!(place.store.list(None, 10).unwrap()[0].complete);
}

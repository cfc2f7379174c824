//! Verified bytes out.

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_blobs::store::StoreOptions;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::places::{Place, bytes, code, hash, lacks};

const SIZES: [usize; 8] = [0, 1, 1024, 16_383, 16_384, 16_385, 300_001, 4_300_000];

fn places() -> Vec<Place> {
    let places: Vec<Place> = Place::each(StoreOptions::default()).collect();
    for place in &places {
        for size in SIZES {
            place.add(&bytes(size, 1));
        }
    }
    places
}

#[test]
fn a_range_is_the_slice() {
    let (places, contents) = (places(), SIZES.map(|size| bytes(size, 1)));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let any = (0..SIZES.len(), 0..1_u64 << 23, 0..1_u64 << 20);
    let result = runner.run(&any, |(which, start, length)| {
        let content = &contents[which];
        // As often inside as past the end.
        let start = if start % 3 == 0 { start } else { start % (content.len() as u64 + 1) };
        let cut = |at: u64| usize::try_from(at).unwrap().min(content.len());
        for place in &places {
            let reader = place.store.reader(&hash(content)).unwrap();
            let read = reader.read(start, start + length).unwrap();
            prop_assert!(read == content[cut(start)..cut(start + length)]);
        }
        Ok(())
    });
    result.unwrap();
}

#[test]
fn edges_of_ranges() {
    let content = bytes(16_385, 1);
    for place in places() {
        let reader = place.store.reader(&hash(&content)).unwrap();
        for (start, end, expected) in [
            (0, u64::MAX, 0..16_385),
            (16_384, 16_385, 16_384..16_385),
            (16_384, u64::MAX, 16_384..16_385),
            (1023, 1025, 1023..1025),
            (5, 5, 0..0),
            (9, 3, 0..0),
            (16_385, u64::MAX, 0..0),
            (u64::MAX, u64::MAX, 0..0),
        ] {
            assert_eq!(reader.read(start, end).unwrap(), content[expected], "{start}..{end}");
        }
    }
}

#[test]
fn what_is_not_there_or_too_large_is_said_to_be() {
    for place in Place::each(StoreOptions::default()) {
        lacks(&place.store, &Hash::from_bytes([7; 32]));
        let large = place.add(&bytes(20_000, 0));
        assert_eq!(place.store.get(&large, 20_000).unwrap().len(), 20_000);
        assert_eq!(code(place.store.get(&large, 19_999)), ErrorCode::BlobTooLarge);
    }
}

#[test]
fn the_empty_blob_is_always_there_and_never_listed() {
    for place in Place::each(StoreOptions::default()) {
        let empty = Hash::EMPTY;
        for _ in 0..2 {
            assert!(place.store.bitfield(&empty).unwrap().is_complete());
            assert_eq!(place.store.get(&empty, 0).unwrap(), b"");
            assert!(place.store.has_row(&empty).unwrap());
            assert_eq!(place.store.verify(&empty, true).unwrap().unwrap().bytes, 0);
            assert!(place.store.list(None, 10).unwrap().is_empty());
            place.store.delete(&[empty]).unwrap();
            place.add(b"");
        }
    }
}

#[test]
fn after_the_end_everything_is_store_closed() {
    for place in Place::each(StoreOptions::default()) {
        let (small, large) = (place.add(b"a"), place.add(&bytes(100_000, 0)));
        let reader = place.store.reader(&large).unwrap();
        let mut upload = place.store.upload().unwrap();
        let clone = place.store.clone();
        place.store.close();
        clone.close();
        assert!(clone.is_closed());
        assert_eq!(code(clone.reader(&small)), ErrorCode::StoreClosed);
        assert_eq!(code(clone.bitfield(&small)), ErrorCode::StoreClosed);
        assert_eq!(code(clone.list(None, 1)), ErrorCode::StoreClosed);
        assert_eq!(code(clone.watch(small)), ErrorCode::StoreClosed);
        assert_eq!(code(clone.import_bytes("b".into())), ErrorCode::StoreClosed);
        assert_eq!(code(clone.gc(&[])), ErrorCode::StoreClosed);
        assert_eq!(code(clone.delete(&[small])), ErrorCode::StoreClosed);
        assert_eq!(code(clone.verify(&small, false)), ErrorCode::StoreClosed);
        assert_eq!(code(clone.tag(b"a")), ErrorCode::StoreClosed);
        assert_eq!(code(clone.delete_tags(Default::default())), ErrorCode::StoreClosed);
        assert_eq!(code(clone.sync()), ErrorCode::StoreClosed);
        assert_eq!(code(upload.push(b"c")), ErrorCode::StoreClosed);
        assert_eq!(clone.watched(), 0);
        // What is open stays so.
        assert_eq!(reader.read(0, u64::MAX).unwrap(), bytes(100_000, 0));
    }
}

#[test]
fn a_fixed_store_never_changes() {
    let contents = [bytes(5, 0), bytes(100_000, 1), bytes(5_000_000, 2)];
    let fixed =
        gaiwan_blobs::store::Store::fixed(contents.iter().cloned().map(Into::into).collect());
    let fixed = fixed.unwrap();
    for content in &contents {
        crate::places::has(&fixed, content);
    }
    let one = gaiwan_base::HashAndFormat::raw(hash(&contents[0]));
    let name = || "name".into();
    assert_eq!(code(fixed.import_bytes("new".into())), ErrorCode::NotAllowed);
    assert_eq!(code(fixed.upload()), ErrorCode::NotAllowed);
    assert_eq!(code(fixed.writer(Hash::from_bytes([1; 32]))), ErrorCode::NotAllowed);
    assert_eq!(code(fixed.set_tag(name(), one)), ErrorCode::NotAllowed);
    assert_eq!(code(fixed.create_tag(one)), ErrorCode::NotAllowed);
    assert_eq!(code(fixed.rename_tag(name(), name())), ErrorCode::NotAllowed);
    assert_eq!(code(fixed.delete_tags(Default::default())), ErrorCode::NotAllowed);
    assert_eq!(code(fixed.delete(&[one.hash])), ErrorCode::NotAllowed);
    assert_eq!(code(fixed.gc(&[])), ErrorCode::NotAllowed);
    let folder = crate::folder::Folder::new();
    let path = folder.file("new", b"new");
    let import = fixed.import_file(&path, gaiwan_blobs::store::ImportMode::Copy, &|_, _| Ok(()));
    assert_eq!(code(import), ErrorCode::NotAllowed);
    assert_eq!(fixed.list(None, 10).unwrap().len(), 3);
}

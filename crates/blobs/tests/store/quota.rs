//! How many bytes the store takes.

use gaiwan_base::ErrorCode;
use gaiwan_blobs::store::{ImportMode, Store, StoreOptions};

use crate::{
    filling::{batch, outboard},
    folder::Folder,
    places::{Place, bytes, code, has, lacks, quiet},
};

fn limited(max_bytes: u64) -> StoreOptions {
    StoreOptions { max_bytes: Some(max_bytes), ..StoreOptions::default() }
}

#[test]
fn more_than_the_limit_is_store_full_each_way_and_leaves_nothing() {
    for place in Place::each(limited(100_000)) {
        let store = &place.store;
        let from = Folder::new();
        let content = bytes(100_001, 0);
        let path = from.file("large", &content);
        assert_eq!(code(store.import_bytes(content.clone().into())), ErrorCode::StoreFull);
        for mode in [ImportMode::Copy, ImportMode::Reference] {
            assert_eq!(code(store.import_file(&path, mode, &quiet)), ErrorCode::StoreFull);
        }
        let mut upload = store.upload().unwrap();
        upload.push(&content[..60_000]).unwrap();
        assert_eq!(code(upload.push(&content[60_000..])), ErrorCode::StoreFull);
        // What an upload has written counts already.
        assert_eq!(code(store.import_bytes(bytes(40_001, 1).into())), ErrorCode::StoreFull);
        drop(upload);
        assert_eq!(store.used_bytes(), 0);
        lacks(store, &crate::places::hash(&content));
        place.has_no_orphans();
        place.add(&bytes(100_000, 0));
        has(store, &bytes(100_000, 0));
        assert_eq!(code(store.import_bytes("x".into())), ErrorCode::StoreFull);
    }
}

#[test]
fn room_comes_back_with_what_goes() {
    for place in Place::each(limited(100_000)) {
        for round in 0..5 {
            let hash = place.add(&bytes(60_000, round));
            let other = bytes(60_000, round + 100);
            assert_eq!(code(place.store.import_bytes(other.into())), ErrorCode::StoreFull);
            if round % 2 == 0 {
                place.store.delete(&[hash]).unwrap();
            } else {
                place.store.gc(&[]).unwrap();
            }
            assert_eq!(place.store.used_bytes(), 0);
        }
    }
}

#[test]
fn content_that_comes_at_once_from_several_counts_once() {
    for place in Place::each(limited(1_000_000)) {
        let content = bytes(200_000, 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| place.add(&content));
            }
        });
        assert_eq!(place.store.used_bytes(), 200_000);
    }
}

#[test]
fn a_store_that_opens_knows_what_it_has() {
    let place = Place::directory(limited(100_000));
    let hash = place.add(&bytes(60_000, 0));
    place.add(&bytes(10, 0));
    place.store.close();
    let folder = place.folder.as_ref().unwrap();
    let store = Store::open(folder.path(), limited(100_000)).unwrap();
    assert_eq!(store.used_bytes(), 60_010);
    assert_eq!(code(store.import_bytes(bytes(40_000, 1).into())), ErrorCode::StoreFull);
    store.delete(&[hash]).unwrap();
    store.import_bytes(bytes(99_990, 1).into()).unwrap();
}

#[test]
fn only_so_many_blobs_are_filled_at_once_and_one_more_is_store_busy() {
    for place in Place::each(StoreOptions { max_filling: 2, ..StoreOptions::default() }) {
        let store = &place.store;
        let contents: Vec<_> = (0..3).map(|n| bytes(100_000, n)).collect();
        let blobs: Vec<_> = contents.iter().map(|content| (content, outboard(content))).collect();
        let fill = |n: usize, groups| {
            let (content, (hash, pairs)) = &blobs[n];
            let writer = store.writer(*hash).unwrap().unwrap();
            let written = writer.write(100_000, &batch(*hash, content, pairs, groups));
            written.map(|_| writer)
        };
        let (first, second) = (fill(0, 0..2).unwrap(), fill(1, 0..2).unwrap());
        assert_eq!(fill(2, 0..2).err().map(|failure| failure.code), Some(ErrorCode::StoreBusy));
        // Nothing is left of the one that found no room; those at work, and small ones, do not notice.
        assert!(!store.has_row(&blobs[2].1.0).unwrap());
        drop(fill(0, 2..4).unwrap());
        let small = bytes(1000, 9);
        let (hash, pairs) = outboard(&small);
        let writer = store.writer(hash).unwrap().unwrap();
        assert!(writer.write(1000, &batch(hash, &small, &pairs, 0..1)).is_ok());
        drop(first);
        let third = fill(2, 0..7).unwrap();
        drop((second, third));
        // What is complete gives its files up when the catalog has it.
        store.sync().unwrap();
        let again = [fill(0, 0..7).unwrap(), fill(1, 0..7).unwrap()];
        drop(again);
        store.sync().unwrap();
        contents.iter().for_each(|content| has(store, content));
    }
}

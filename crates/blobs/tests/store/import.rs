//! Bytes from here.

use std::{fs, sync::Mutex};

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_blobs::store::{ImportMode, Phase, StoreOptions};
use gaiwan_endpoint::Failure;

use crate::{
    folder::Folder,
    places::{Place, bytes, code, has, hash, quiet},
};

/// Around every limit: chunk, group, data in the catalog, pairs in the catalog, a megabyte piece.
const SIZES: [usize; 14] = [
    0, 1, 1023, 1024, 1025, 16_383, 16_384, 16_385, 32_768, 1_048_577, 4_210_687, 4_210_688,
    4_210_689, 8_388_608,
];

#[test]
fn every_size_comes_in_every_way_and_lies_where_it_should() {
    for (number, place) in Place::each(StoreOptions::default()).enumerate() {
        let from = Folder::new();
        for (at, size) in SIZES.into_iter().enumerate() {
            // The same content from memory would be there already.
            let content = |way: u8| bytes(size, (at as u8) << 2 | way);
            let expected = |added: &gaiwan_blobs::store::Added, way| {
                assert_eq!((added.hash, added.size), (hash(&content(way)), size as u64));
                has(&place.store, &content(way));
            };
            expected(&place.store.import_bytes(content(0).into()).unwrap(), 0);
            for (way, mode) in [(1, ImportMode::Copy), (2, ImportMode::Reference)] {
                let path = from.file(&format!("{size}-{way}"), &content(way));
                expected(&place.store.import_file(&path, mode, &quiet).unwrap(), way);
            }
            let mut upload = place.store.upload().unwrap();
            for piece in content(3).chunks(100_003) {
                upload.push(piece).unwrap();
            }
            assert_eq!(upload.size(), size as u64);
            expected(&upload.finish(&quiet).unwrap(), 3);
        }
        place.has_no_orphans();
        if let Some(folder) = &place.folder {
            // Three ways own their data above the limit, four have pairs that are too many above theirs.
            let count = |kind| folder.names("data").iter().filter(|n| n.ends_with(kind)).count();
            assert_eq!((count(".data"), count(".outboard")), (3 * 7, 4 * 2), "{number}");
        }
    }
}

#[test]
fn content_that_is_there_is_not_stored_again() {
    for place in Place::each(StoreOptions::default()) {
        for size in [5, 100_000, 5_000_000] {
            let content = bytes(size, 0);
            let first = place.add(&content);
            let used = place.store.used_bytes();
            let path = Folder::new();
            let path = path.file("again", &content);
            for mode in [ImportMode::Copy, ImportMode::Reference] {
                let again = place.store.import_file(&path, mode, &quiet).unwrap();
                assert_eq!(again.hash, first);
            }
            assert_eq!(place.store.used_bytes(), used);
            fs::remove_file(path).unwrap();
            has(&place.store, &content);
        }
        place.has_no_orphans();
    }
}

#[test]
fn an_import_that_is_given_up_leaves_nothing() {
    for place in Place::each(StoreOptions::default()) {
        let from = Folder::new();
        let content = bytes(9_000_000, 0);
        let path = from.file("large", &content);
        for stop in [Phase::Copy, Phase::Hash] {
            let progress = |phase, _: u64| match phase == stop {
                true => Err(Failure::new(ErrorCode::Timeout, "no more")),
                false => Ok(()),
            };
            let failure = place.store.import_file(&path, ImportMode::Copy, &progress);
            assert_eq!(code(failure), ErrorCode::Timeout);
        }
        let mut upload = place.store.upload().unwrap();
        upload.push(&content).unwrap();
        drop(upload);
        assert_eq!(place.store.used_bytes(), 0);
        assert!(place.store.list(None, 10).unwrap().is_empty() && place.store.held().is_empty());
        place.has_no_orphans();
        if let Some(folder) = &place.folder {
            assert!(folder.names("data").is_empty());
        }
    }
}

#[test]
fn progress_tells_all_bytes_of_each_phase() {
    for place in Place::each(StoreOptions::default()) {
        let from = Folder::new();
        let path = from.file("large", &bytes(9_000_000, 0));
        let told = Mutex::new([0; 2]);
        let progress = |phase, bytes: u64| {
            told.lock().unwrap()[usize::from(phase == Phase::Hash)] += bytes;
            Ok(())
        };
        place.store.import_file(&path, ImportMode::Copy, &progress).unwrap();
        assert_eq!(*told.lock().unwrap(), [9_000_000; 2]);
    }
}

#[test]
fn only_regular_files_come_in_and_links_are_followed_once() {
    for place in Place::each(StoreOptions::default()) {
        let from = Folder::new();
        let import = |name: &str, mode| place.store.import_file(&from.join(name), mode, &quiet);
        assert_eq!(code(import("absent", ImportMode::Copy)), ErrorCode::StoreFailed);
        assert_eq!(code(import(".", ImportMode::Copy)), ErrorCode::StoreFailed);
        #[cfg(unix)]
        {
            let content = bytes(50_000, 0);
            let real = from.file("real", &content);
            std::os::unix::fs::symlink(&real, from.join("link")).unwrap();
            import("link", ImportMode::Reference).unwrap();
            // The link may change now, for the file was meant.
            fs::remove_file(from.join("link")).unwrap();
            has(&place.store, &content);
        }
    }
}

#[test]
fn a_limit_of_zero_keeps_nothing_in_the_catalog() {
    let options =
        StoreOptions { inline_data_bytes: 0, inline_outboard_bytes: 0, ..StoreOptions::default() };
    for place in Place::each(options) {
        for size in [0, 1, 16_385] {
            place.add(&bytes(size, 0));
            has(&place.store, &bytes(size, 0));
        }
        if let Some(folder) = &place.folder {
            assert_eq!(folder.names("data").len(), 3);
        }
    }
}

#[test]
fn a_larger_limit_keeps_data_with_its_pairs_in_the_catalog() {
    let options = StoreOptions { inline_data_bytes: 1 << 20, ..StoreOptions::default() };
    for place in Place::each(options) {
        for size in [16_385, 300_000, 1 << 20] {
            place.add(&bytes(size, 0));
            has(&place.store, &bytes(size, 0));
        }
        if let Some(folder) = &place.folder {
            assert!(folder.names("data").is_empty());
        }
    }
}

#[test]
fn s1_a_lost_file_comes_back_with_the_next_import() {
    let place = Place::directory(StoreOptions::default());
    let folder = place.folder.as_ref().unwrap();
    let content = bytes(5_000_000, 0);
    let hash: Hash = place.add(&content);
    for kind in ["data", "outboard"] {
        fs::remove_file(folder.owned(&hash, kind)).unwrap();
        assert_eq!(place.add(&content), hash);
        has(&place.store, &content);
    }
    assert_eq!(place.store.used_bytes(), 5_000_000);
}

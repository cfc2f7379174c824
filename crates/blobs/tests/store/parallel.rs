//! Several at once.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use gaiwan_base::HashAndFormat;
use gaiwan_blobs::store::{ExportMode, ExportOptions, ImportMode, StoreOptions, TagRange};

use crate::{
    folder::Folder,
    places::{FILES, Place, bytes, has, hash, quiet},
};

#[test]
fn the_same_content_from_all_sides_is_one_blob() {
    for place in Place::each(StoreOptions::default()) {
        let from = Folder::new();
        for size in [10, 100_000, 4_300_000] {
            let content = bytes(size, 0);
            let path = from.file(&format!("{size}"), &content);
            std::thread::scope(|scope| {
                for way in 0..6 {
                    let (place, content, path) = (&place, &content, &path);
                    scope.spawn(move || {
                        let store = &place.store;
                        let added = match way % 3 {
                            0 => store.import_bytes(content.clone().into()),
                            1 => store.import_file(path, ImportMode::Copy, &quiet),
                            _ => {
                                let mut upload = store.upload().unwrap();
                                upload.push(content).unwrap();
                                upload.finish(&quiet)
                            }
                        };
                        assert_eq!(added.unwrap().hash, hash(content));
                        has(store, content);
                    });
                }
            });
            has(&place.store, &content);
        }
        assert_eq!(place.store.list(None, 10).unwrap().len(), 3);
        assert_eq!(place.store.used_bytes(), 4_400_010);
        place.has_no_orphans();
    }
}

#[test]
fn a_reader_goes_on_while_its_blob_is_moved_out_deleted_and_comes_back() {
    for place in Place::each(FILES) {
        for size in [10, 50_000, 200_000] {
            let content = bytes(size, 0);
            let hash = place.add(&content);
            let reader = place.store.reader(&hash).unwrap();
            let reads = || assert!(reader.read(0, u64::MAX).unwrap() == content);
            let to = Folder::new();
            let options = ExportOptions { mode: ExportMode::Reference, ..Default::default() };
            place.store.export(&hash, &to.join("out"), options, &quiet).unwrap();
            reads();
            let moved = place.store.reader(&hash).unwrap();
            fs::remove_file(to.join("out")).unwrap();
            assert!(moved.read(0, u64::MAX).unwrap() == content);
            place.store.delete(&[hash]).unwrap();
            reads();
            place.add(&content);
            reads();
            has(&place.store, &content);
        }
    }
}

/// Everything at once on few blobs. Whatever can be opened reads right; what is held reads right all the time.
#[test]
fn s1_readers_never_see_anything_wrong_while_all_else_happens() {
    for place in Place::each(FILES) {
        let store = &place.store;
        let to = Folder::new();
        let contents: Vec<_> =
            [9, 16_385, 50_000, 200_000].into_iter().map(|size| bytes(size, 3)).collect();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (contents, done, to) = (&contents, &done, &to);
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(move || {
                        let mut reads = 0;
                        while !done.load(Relaxed) {
                            for content in contents {
                                let Ok(reader) = store.complete_reader(&hash(content)) else {
                                    continue;
                                };
                                assert!(reader.read(0, u64::MAX).unwrap() == *content);
                                reads += 1;
                            }
                        }
                        reads
                    })
                })
                .collect();
            let workers: Vec<_> = (0..3)
                .map(|thread: usize| {
                    scope.spawn(move || {
                        for round in 0..40_usize {
                            let content = &contents[(round * 7 + thread) % contents.len()];
                            let added = store.import_bytes(content.clone().into()).unwrap();
                            has(store, content);
                            let name: bytes::Bytes = format!("{thread}").into();
                            let raw = HashAndFormat::raw(added.hash);
                            store.set_tag(name.clone(), raw).unwrap();
                            let hash = added.hash;
                            drop(added);
                            if round % 5 == thread {
                                let target = to.join(format!("{thread}-{round}"));
                                let options =
                                    ExportOptions { mode: ExportMode::Copy, ..Default::default() };
                                store.export(&hash, &target, options, &quiet).unwrap();
                                assert!(fs::read(target).unwrap() == *content);
                            }
                            has(store, content);
                            store.delete_tags(TagRange::exactly(&name)).unwrap();
                            match round % 3 {
                                0 => drop(store.gc(&[]).unwrap()),
                                // Somebody else may hold it.
                                _ => drop(store.delete(&[hash])),
                            }
                        }
                    })
                })
                .collect();
            // Told also if one of them has failed.
            let worked: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
            done.store(true, Relaxed);
            assert!(worked.iter().all(Result::is_ok));
            let reads: u32 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
            assert!(reads > 0);
        });
        store.gc(&[]).unwrap();
        assert_eq!(store.used_bytes(), 0);
        place.has_no_orphans();
    }
}

#[test]
fn many_small_blobs_from_several_threads_share_their_flushes() {
    let place = Place::directory(StoreOptions::default());
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let place = &place;
            scope.spawn(move || {
                for n in 0..50 {
                    place.add(&bytes(200 + n, thread));
                }
            });
        }
    });
    assert_eq!(place.store.list(None, 1000).unwrap().len(), 400);
    has(&place.store, &bytes(249, 7));
}

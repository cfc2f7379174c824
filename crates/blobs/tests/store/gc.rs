//! What stays and what goes.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::store::{StoreOptions, TagRange};

use crate::places::{FILES, Place, bytes, code, has, hash, lacks};

impl Place {
    /// A hash sequence of `count` blobs of different sizes.
    fn seq(&self, count: usize, seed: u8) -> (Hash, Vec<Vec<u8>>) {
        let children: Vec<_> = (0..count).map(|i| bytes(10 + i * 3000, seed)).collect();
        let list: Vec<u8> = children.iter().flat_map(|child| *self.add(child).as_bytes()).collect();
        (self.add(&list), children)
    }

    fn collect(&self) -> (u64, u64) {
        let collected = self.store.gc(&[]).unwrap();
        self.has_no_orphans();
        (collected.deleted, collected.bytes)
    }
}

#[test]
fn what_nothing_keeps_goes_and_is_counted() {
    for place in Place::each(StoreOptions::default()) {
        let contents = [bytes(5, 0), bytes(100_000, 0), bytes(5_000_000, 0)];
        let hashes = contents.each_ref().map(|content| place.add(content));
        place.store.set_tag("kept".into(), HashAndFormat::raw(hashes[1])).unwrap();
        assert_eq!(place.collect(), (2, 5_000_005));
        has(&place.store, &contents[1]);
        lacks(&place.store, &hashes[0]);
        lacks(&place.store, &hashes[2]);
        assert_eq!(place.collect(), (0, 0));
        place.store.delete_tags(TagRange::default()).unwrap();
        assert_eq!(place.collect(), (1, 100_000));
        assert_eq!(place.store.used_bytes(), 0);
    }
}

#[test]
fn a_hash_sequence_keeps_its_children_and_as_a_raw_blob_only_itself() {
    for place in Place::each(StoreOptions::default()) {
        let (root, children) = place.seq(40, 0);
        let seq = HashAndFormat::hash_seq(root);
        for keep in ["tag", "hold", "protect"] {
            let hold = (keep == "hold").then(|| place.store.hold(seq));
            if keep == "tag" {
                place.store.set_tag("seq".into(), seq).unwrap();
            }
            let protect = if keep == "protect" { &[seq][..] } else { &[] };
            assert_eq!(place.store.gc(protect).unwrap().deleted, 0);
            children.iter().for_each(|child| has(&place.store, child));
            drop(hold);
            place.store.delete_tags(TagRange::default()).unwrap();
        }
        place.store.set_tag("raw".into(), HashAndFormat::raw(root)).unwrap();
        assert_eq!(place.collect().0, 40);
        assert_eq!(place.store.get(&root, u64::MAX).unwrap().len(), 40 * 32);
    }
}

#[test]
fn one_level_only_and_what_is_no_hash_sequence_keeps_itself() {
    for place in Place::each(StoreOptions::default()) {
        let (inner, children) = place.seq(2, 0);
        let outer = place.add(inner.as_bytes());
        let odd = place.add(&[inner.as_bytes(), &[1][..]].concat());
        place.store.set_tag("outer".into(), HashAndFormat::hash_seq(outer)).unwrap();
        place.store.set_tag("odd".into(), HashAndFormat::hash_seq(odd)).unwrap();
        let absent = Hash::from_bytes([7; 32]);
        place.store.set_tag("absent".into(), HashAndFormat::hash_seq(absent)).unwrap();
        assert_eq!(place.collect().0, 2);
        lacks(&place.store, &hash(&children[0]));
        place.store.reader(&inner).unwrap();
        place.store.reader(&odd).unwrap();
    }
}

#[test]
fn what_is_added_is_held_until_the_answer_is_dropped() {
    for place in Place::each(StoreOptions::default()) {
        let first = place.store.import_bytes("first".into()).unwrap();
        let again = place.store.import_bytes("first".into()).unwrap();
        let hash = first.hash;
        assert_eq!(place.store.held(), [HashAndFormat::raw(hash)]);
        assert_eq!(place.collect().0, 0);
        drop(first);
        assert_eq!(place.collect().0, 0);
        drop(again);
        assert_eq!(place.collect().0, 1);
        assert!(place.store.held().is_empty());
    }
}

#[test]
fn a_hash_sequence_that_cannot_be_read_stops_the_collection() {
    for durable in [false, true] {
        let options = StoreOptions { durable, inline_data_bytes: 0, ..FILES };
        let place = Place::directory(options);
        let folder = place.folder.as_ref().unwrap();
        let (root, children) = place.seq(40, 0);
        place.store.set_tag("seq".into(), HashAndFormat::hash_seq(root)).unwrap();
        let loose = place.add(b"loose");
        let path = folder.owned(&root, "data");
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[800] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert_eq!(code(place.store.gc(&[])), ErrorCode::BlobCorrupt);
        assert_eq!(place.store.list(None, 1000).unwrap().len(), 42);
        // Who knows what it keeps; so it may keep this.
        assert_eq!(code(place.store.delete(&[loose])), ErrorCode::BlobProtected);
        // A part of it is no better.
        place.store.verify(&root, true).unwrap();
        assert_eq!(code(place.store.gc(&[])), ErrorCode::BlobIncomplete);
        // It goes on once it can be read.
        place.add(&good);
        assert_eq!(place.collect().0, 1);
        has(&place.store, &children[0]);
    }
}

#[test]
fn delete_takes_all_or_none_and_names_who_holds_one() {
    for place in Place::each(StoreOptions::default()) {
        let store = &place.store;
        let (root, children) = place.seq(3, 0);
        let loose = [place.add(b"one"), place.add(&bytes(70_000, 9))];
        store.set_tag("seq-tag".into(), HashAndFormat::hash_seq(root)).unwrap();
        for held in [root, hash(&children[2])] {
            let failure = store.delete(&[loose[0], held, loose[1]]).unwrap_err();
            assert_eq!(failure.code, ErrorCode::BlobProtected);
            assert!(failure.message.contains("seq-tag"), "{failure:?}");
        }
        assert_eq!(store.list(None, 10).unwrap().len(), 6);
        let hold = store.hold(HashAndFormat::raw(loose[1]));
        assert_eq!(code(store.delete(&loose)), ErrorCode::BlobProtected);
        drop(hold);
        let writer = store.writer(Hash::from_bytes([5; 32])).unwrap();
        assert_eq!(code(store.delete(&[Hash::from_bytes([5; 32])])), ErrorCode::BlobProtected);
        drop(writer);
        // Absent ones, and one that comes twice, are no error.
        let absent = Hash::from_bytes([7; 32]);
        let deleted = store.delete(&[loose[0], absent, loose[1], loose[0]]).unwrap();
        assert_eq!((deleted.deleted, deleted.bytes), (2, 70_003));
        lacks(store, &loose[0]);
        lacks(store, &loose[1]);
        place.has_no_orphans();
        assert_eq!(store.delete(&[]).unwrap().deleted, 0);
    }
}

#[test]
fn s1_what_is_imported_tagged_or_held_while_collections_run_stays() {
    for place in Place::each(FILES) {
        let store = &place.store;
        let done = AtomicBool::new(false);
        let contents = |thread: u8, round: usize| {
            // The same few contents again and again, so that each is taken and comes back.
            let size = [9, 20_000, 50_000, 200_000][(round + usize::from(thread)) % 4];
            bytes(size, round as u8 % 3)
        };
        std::thread::scope(|scope| {
            let collector = scope.spawn(|| {
                let mut runs = 0;
                while !done.load(Relaxed) {
                    store.gc(&[]).unwrap();
                    runs += 1;
                }
                runs
            });
            let workers: Vec<_> = (0..3_u8)
                .map(|thread| {
                    scope.spawn(move || {
                        for round in 0..50 {
                            let content = contents(thread, round);
                            let added = store.import_bytes(content.clone().into()).unwrap();
                            has(store, &content);
                            let name = format!("{thread}").into_bytes();
                            let raw = HashAndFormat::raw(added.hash);
                            store.set_tag(name.clone().into(), raw).unwrap();
                            drop(added);
                            has(store, &content);
                            store.delete_tags(TagRange::exactly(&name)).unwrap();
                        }
                    })
                })
                .collect();
            // Told also if one of them has failed.
            let worked: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
            done.store(true, Relaxed);
            assert!(worked.iter().all(Result::is_ok));
            assert!(collector.join().unwrap() > 0);
        });
        store.gc(&[]).unwrap();
        assert_eq!((store.list(None, 10).unwrap().len(), store.used_bytes()), (0, 0));
        place.has_no_orphans();
    }
}

#[test]
fn children_of_a_sequence_that_is_held_while_a_collection_runs_stay() {
    let relaxed = StoreOptions { durable: false, ..FILES };
    for place in [Place::memory(FILES), Place::directory(relaxed)] {
        let store = &place.store;
        let (root, children) = place.seq(30, 0);
        for _ in 0..8 {
            // Enough to look through that the hold comes in the middle.
            for n in 0..300_u16 {
                place.add(&n.to_le_bytes());
            }
            let start = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                let start = &start;
                let collector = scope.spawn(move || {
                    start.wait();
                    store.gc(&[]).unwrap();
                });
                start.wait();
                let hold = store.hold(HashAndFormat::hash_seq(root));
                // Whether it came in time or not: all of it or nothing is here from now on, but for what went before.
                let mut seen: Vec<bool> = Vec::new();
                for child in &children {
                    seen.push(store.has_row(&hash(child)).unwrap());
                }
                collector.join().unwrap();
                for (child, was_there) in children.iter().zip(seen) {
                    let there = store.has_row(&hash(child)).unwrap();
                    // The root goes last or first; while it stays, so does what it lists.
                    if store.has_row(&root).unwrap() && was_there {
                        assert!(there, "a child of a held sequence went");
                    }
                }
                drop(hold);
            });
            place.seq(30, 0);
        }
    }
}

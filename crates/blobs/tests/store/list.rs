//! What the store says of its blobs, and to whom.

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_blobs::store::StoreOptions;

use crate::places::{Place, bytes, code};

#[test]
fn pages_follow_each_other_in_order_and_miss_none() {
    for place in Place::each(StoreOptions { durable: false, ..StoreOptions::default() }) {
        let mut hashes: Vec<Hash> = (0..101).map(|i| place.add(&bytes(100 + i, 0))).collect();
        hashes.sort();
        for limit in [1, 7, 100, 101, 1000] {
            let (mut listed, mut after) = (Vec::new(), None);
            loop {
                let page = place.store.list(after.as_ref(), limit).unwrap();
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after = Some(last.hash);
                listed.extend(page);
            }
            assert_eq!(listed.iter().map(|row| row.hash).collect::<Vec<_>>(), hashes);
            assert_eq!(listed.iter().map(|row| row.size).sum::<u64>(), 100 * 101 + 5050);
            assert!(listed.iter().all(|row| row.complete));
        }
        assert!(place.store.list(None, 0).unwrap().is_empty());
        // A page may begin behind a blob that is not there any more.
        place.store.delete(&[hashes[50]]).unwrap();
        let page = place.store.list(Some(&hashes[50]), 1).unwrap();
        assert_eq!(page[0].hash, hashes[51]);
    }
}

#[tokio::test]
async fn p8_watches_hear_changes_and_leave_nothing_behind() {
    for place in Place::each(StoreOptions::default()) {
        let store = &place.store;
        let content = bytes(100_000, 0);
        let hash = crate::places::hash(&content);
        let mut watches: Vec<_> = (0..3).map(|_| store.watch(hash).unwrap()).collect();
        assert_eq!(store.watched(), 1);
        for watch in &mut watches {
            assert!(watch.now().is_empty());
        }
        place.add(&content);
        for watch in &mut watches {
            assert!(watch.changed().await.is_complete());
        }
        // Once more is no change.
        place.add(&content);
        store.delete(&[hash]).unwrap();
        for watch in &mut watches {
            assert!(watch.changed().await.is_empty());
        }
        // Whoever comes later sees what is there.
        place.add(&content);
        assert!(store.watch(hash).unwrap().now().is_complete());
        std::thread::scope(|scope| {
            for watch in watches {
                scope.spawn(move || drop(watch));
            }
        });
        assert_eq!(store.watched(), 0);
    }
}

#[test]
fn p8_looking_for_blobs_that_are_not_there_makes_no_entries() {
    for place in Place::each(StoreOptions::default()) {
        let store = &place.store;
        for n in 0..100 {
            let hash = Hash::from_bytes([n; 32]);
            let mut watch = store.watch(hash).unwrap();
            assert!(watch.now().is_empty());
            assert_eq!(code(store.reader(&hash)), ErrorCode::BlobNotFound);
            // The right to fill it is no blob either.
            drop(store.writer(hash).unwrap().unwrap());
        }
        assert_eq!(store.watched(), 0);
        assert!(store.list(None, 1000).unwrap().is_empty() && store.held().is_empty());
        place.has_no_orphans();
    }
}

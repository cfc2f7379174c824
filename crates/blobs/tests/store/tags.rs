//! Names that keep blobs.

use bytes::Bytes;
use gaiwan_base::{BlobFormat, ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::store::{Store, StoreOptions, TagRange};

use crate::places::{Place, code};

fn raw(n: u8) -> HashAndFormat {
    HashAndFormat::raw(Hash::from_bytes([n; 32]))
}

fn name(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

fn names(store: &Store, range: &TagRange) -> Vec<Vec<u8>> {
    let tags = store.tags(range, usize::MAX).unwrap();
    tags.into_iter().map(|tag| tag.name.to_vec()).collect()
}

#[test]
fn names_are_any_bytes_in_byte_order() {
    for place in Place::each(StoreOptions::default()) {
        let store = &place.store;
        let all: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"a\xff", b"b", b"\xff\xff"];
        for (n, bytes) in all.iter().enumerate().rev() {
            store.set_tag(name(bytes), raw(n as u8)).unwrap();
        }
        assert_eq!(names(store, &TagRange::default()), all);
        assert_eq!(names(store, &TagRange::prefix(b"a")), all[2..5]);
        assert_eq!(names(store, &TagRange::prefix(b"\xff")), all[6..]);
        let range = TagRange { from: name(b"a"), to: Some(name(b"b")), format: None };
        assert_eq!(names(store, &range), all[2..5]);
        assert_eq!(names(store, &range.and(TagRange::prefix(b"a\xff"))), all[4..5]);
        let backwards = TagRange { from: name(b"b"), to: Some(name(b"a")), format: None };
        assert!(names(store, &backwards).is_empty());
        assert_eq!(store.delete_tags(backwards).unwrap(), 0);
        // Pages: the next begins just behind the last name.
        let page = store.tags(&TagRange::default(), 3).unwrap();
        let rest = [&page[2].name[..], &[0]].concat();
        let rest = TagRange { from: rest.into(), ..TagRange::default() };
        assert_eq!(names(store, &rest), all[3..]);
        assert_eq!(store.tag(b"a").unwrap().unwrap().content, raw(2));
        assert_eq!(store.tag(b"absent").unwrap(), None);
        assert_eq!(store.delete_tags(TagRange::exactly(b"a")).unwrap(), 1);
        assert_eq!(store.delete_tags(TagRange::prefix(b"a")).unwrap(), 2);
        assert_eq!(store.delete_tags(TagRange::default()).unwrap(), 4);
    }
}

#[test]
fn a_tag_is_replaced_renamed_and_listed_by_format() {
    for place in Place::each(StoreOptions::default()) {
        let store = &place.store;
        let seq = HashAndFormat::hash_seq(Hash::from_bytes([9; 32]));
        store.set_tag(name(b"x"), raw(1)).unwrap();
        store.set_tag(name(b"x"), seq).unwrap();
        store.set_tag(name(b"y"), raw(2)).unwrap();
        let seqs = TagRange { format: Some(BlobFormat::HashSeq), ..TagRange::default() };
        assert_eq!(names(store, &seqs), [b"x"]);
        store.rename_tag(name(b"x"), name(b"y")).unwrap();
        assert_eq!(store.tag(b"y").unwrap().unwrap().content, seq);
        store.rename_tag(name(b"y"), name(b"y")).unwrap();
        assert_eq!(names(store, &TagRange::default()), [b"y"]);
        assert_eq!(code(store.rename_tag(name(b"x"), name(b"y"))), ErrorCode::TagNotFound);
        assert_eq!(store.tag(b"y").unwrap().unwrap().content, seq);
        assert_eq!(store.delete_tags(seqs).unwrap(), 1);
    }
}

#[test]
fn names_that_are_made_at_the_same_moment_are_all_different() {
    for place in Place::each(StoreOptions { durable: false, ..StoreOptions::default() }) {
        let store = &place.store;
        std::thread::scope(|scope| {
            for n in 0..8 {
                scope.spawn(move || {
                    for _ in 0..50 {
                        let tag = store.create_tag(raw(n)).unwrap();
                        assert!(tag.name.starts_with(b"auto-2") && tag.content == raw(n));
                    }
                });
            }
        });
        assert_eq!(store.delete_tags(TagRange::prefix(b"auto-")).unwrap(), 400);
    }
}

#[test]
fn s1_tags_are_there_after_reopening() {
    let place = Place::directory(StoreOptions::default());
    let seq = HashAndFormat::hash_seq(Hash::from_bytes([9; 32]));
    place.store.set_tag(name(b"kept"), seq).unwrap();
    place.store.set_tag(name(b"gone"), raw(1)).unwrap();
    place.store.delete_tags(TagRange::exactly(b"gone")).unwrap();
    place.store.close();
    let folder = place.folder.as_ref().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    assert_eq!(names(&store, &TagRange::default()), [b"kept"]);
    assert_eq!(store.tag(b"kept").unwrap().unwrap().content, seq);
}

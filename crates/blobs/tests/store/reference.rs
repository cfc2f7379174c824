//! Files of the user, which somebody changes after all.

use std::{fs, path::Path, process::Command};

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_blobs::store::{ImportMode, StoreOptions, Verdict};

use crate::{
    folder::Folder,
    places::{Place, bytes, code, has, quiet},
};

/// A store with a reference to a file, and what becomes of it.
fn referred(size: usize, change: impl FnOnce(&Path)) -> (Place, Folder, Hash, Vec<u8>) {
    let (place, from) = (Place::directory(StoreOptions::default()), Folder::new());
    let content = bytes(size, 0);
    let path = from.file("file", &content);
    let hash = place.store.import_file(&path, ImportMode::Reference, &quiet).unwrap().hash;
    has(&place.store, &content);
    change(&path);
    (place, from, hash, content)
}

fn verdict(place: &Place, hash: &Hash, repair: bool) -> Verdict {
    place.store.verify(hash, repair).unwrap().unwrap().verdict
}

/// The store does not give it out, says so, and takes the content back from a copy, which does not touch the file.
fn comes_back(place: &Place, hash: &Hash, content: &[u8]) {
    assert_eq!(place.add(content), *hash);
    has(&place.store, content);
    assert_eq!(place.store.used_bytes(), content.len() as u64);
    place.has_no_orphans();
}

#[test]
fn s3_a_changed_file_is_not_given_out_where_it_changed() {
    let (place, from, hash, content) = referred(300_000, |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[100_000] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    assert_eq!(code(place.store.get(&hash, u64::MAX)), ErrorCode::BlobCorrupt);
    let reader = place.store.reader(&hash).unwrap();
    assert!(reader.read(0, 98_304).unwrap() == content[..98_304]);
    let ranges = vec![(98_304, 114_688)];
    assert_eq!(
        verdict(&place, &hash, false),
        Verdict::Bad { ranges: ranges.clone(), repaired: false }
    );
    assert_eq!(verdict(&place, &hash, true), Verdict::Bad { ranges, repaired: true });
    // What was good is the store's own now.
    fs::remove_file(from.join("file")).unwrap();
    let reader = place.store.reader(&hash).unwrap();
    assert!(reader.read(0, 98_304).unwrap() == content[..98_304]);
    comes_back(&place, &hash, &content);
}

#[test]
fn s3_a_shorter_file_is_corrupt() {
    for length in [0, 1, 100_000] {
        let (place, from, hash, content) = referred(300_000, |path| {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
        });
        assert_eq!(code(place.store.reader(&hash)), ErrorCode::BlobCorrupt);
        let bad = vec![(length / 16_384 * 16_384, 300_000)];
        assert_eq!(verdict(&place, &hash, false), Verdict::Bad { ranges: bad, repaired: false });
        comes_back(&place, &hash, &content);
        assert_eq!(fs::metadata(from.join("file")).unwrap().len(), length);
    }
}

#[test]
fn s3_a_longer_file_is_corrupt_and_its_beginning_can_be_kept() {
    let (place, from, hash, content) = referred(300_000, |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.push(0);
        fs::write(path, bytes).unwrap();
    });
    assert_eq!(code(place.store.reader(&hash)), ErrorCode::BlobCorrupt);
    let ranges = vec![(300_000, 300_001)];
    assert_eq!(verdict(&place, &hash, true), Verdict::Bad { ranges, repaired: true });
    fs::remove_file(from.join("file")).unwrap();
    has(&place.store, &content);
    place.has_no_orphans();
}

#[test]
fn s3_a_file_that_is_gone_or_something_else_is_missing() {
    type Change = (&'static str, fn(&Path));
    let changes: [Change; 6] = [
        ("deleted", |path| fs::remove_file(path).unwrap()),
        ("a link to the same bytes", |path| {
            fs::rename(path, path.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink(path.with_extension("moved"), path).unwrap();
        }),
        ("a link to nothing", |path| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap();
        }),
        ("a pipe", |path| {
            fs::remove_file(path).unwrap();
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }),
        ("a folder", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("a socket", |path| {
            fs::remove_file(path).unwrap();
            // A path of a socket is short.
            let short = std::env::temp_dir().join(format!("gaiwan-{}", std::process::id()));
            let _ = fs::remove_file(&short);
            drop(std::os::unix::net::UnixListener::bind(&short).unwrap());
            fs::rename(&short, path).or_else(|_| std::os::unix::fs::symlink(&short, path)).unwrap();
        }),
    ];
    for (what, change) in changes {
        let (place, from, hash, content) = referred(300_000, change);
        assert_eq!(code(place.store.reader(&hash)), ErrorCode::BlobCorrupt, "{what}");
        assert_eq!(code(place.store.get(&hash, u64::MAX)), ErrorCode::BlobCorrupt, "{what}");
        let path = from.join("file");
        assert_eq!(verdict(&place, &hash, false), Verdict::Missing { path }, "{what}");
        comes_back(&place, &hash, &content);
    }
}

#[test]
fn s3_a_folder_above_that_became_a_file_is_missing() {
    let (place, from) = (Place::directory(StoreOptions::default()), Folder::new());
    fs::create_dir(from.join("above")).unwrap();
    let content = bytes(300_000, 0);
    let path = from.file("above/file", &content);
    let hash = place.store.import_file(&path, ImportMode::Reference, &quiet).unwrap().hash;
    fs::remove_dir_all(from.join("above")).unwrap();
    from.file("above", b"");
    assert_eq!(code(place.store.reader(&hash)), ErrorCode::BlobCorrupt);
    assert_eq!(verdict(&place, &hash, true), Verdict::Missing { path });
    assert_eq!(code(place.store.get(&hash, u64::MAX)), ErrorCode::BlobIncomplete);
    comes_back(&place, &hash, &content);
}

#[test]
fn s3_a_new_reference_takes_the_place_of_a_lost_one() {
    let (place, from, hash, content) =
        referred(5_000_000, |path| fs::rename(path, path.with_extension("moved")).unwrap());
    let moved = from.join("file.moved");
    let again = place.store.import_file(&moved, ImportMode::Reference, &quiet).unwrap();
    assert_eq!(again.hash, hash);
    has(&place.store, &content);
    assert_eq!(place.store.used_bytes(), 5_000_000);
    place.has_no_orphans();
}

#[test]
fn s3_a_small_file_is_kept_whatever_becomes_of_it() {
    let (place, _from, _, content) = referred(16_384, |path| fs::remove_file(path).unwrap());
    has(&place.store, &content);
}

#[test]
fn a_path_that_is_no_text_can_be_referred_to() {
    use std::os::unix::ffi::OsStrExt;
    let (place, from) = (Place::directory(StoreOptions::default()), Folder::new());
    let content = bytes(300_000, 0);
    let path = from.join(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    fs::write(&path, &content).unwrap();
    place.store.import_file(&path, ImportMode::Reference, &quiet).unwrap();
    has(&place.store, &content);
    place.has_no_orphans();
}

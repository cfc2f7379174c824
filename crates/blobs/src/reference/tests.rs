//! What no store of the reference writes of its own accord; the rest is tested against the crate itself.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use gaiwan_base::{BlobFormat, ErrorCode, Hash, HashAndFormat};

use super::{
    Directory, Imported, Step,
    database::Database,
    import_directory,
    tables::{BLOBS, DATA, OUTBOARDS, TAGS},
};
use crate::{
    bao::{BLOCK, outboard_bytes},
    proto::{Bitfield, ChunkRanges},
    store::{ImportMode, Store, StoreOptions, TagRange, Verdict},
};

/// A directory of a test, removed with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("gaiwan-reference-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("data")).unwrap();
        Self(path)
    }

    /// Makes the database of these rows, of tags and of data in it.
    fn database(&self, rows: &[(Hash, Vec<u8>)], tags: &[(&[u8], Hash)]) -> redb::Database {
        let database = redb::Database::create(self.0.join("blobs.db")).unwrap();
        let txn = database.begin_write().unwrap();
        {
            let mut blobs = txn.open_table(BLOBS).unwrap();
            for (hash, row) in rows {
                blobs.insert(&hash.as_bytes()[..], &row[..]).unwrap();
            }
            let mut table = txn.open_table(TAGS).unwrap();
            for (name, hash) in tags {
                let content = HashAndFormat { hash: *hash, format: BlobFormat::HashSeq };
                table.insert(*name, &content.to_bytes()[..]).unwrap();
            }
            txn.open_table(OUTBOARDS).unwrap();
            let mut data = txn.open_table(DATA).unwrap();
            data.insert(&of(b"tea").as_bytes()[..], &b"tea"[..]).unwrap();
        }
        txn.commit().unwrap();
        database
    }

    fn file(&self, hash: &Hash, suffix: &str, bytes: &[u8]) {
        fs::write(self.0.join("data").join(format!("{hash}.{suffix}")), bytes).unwrap();
    }

    fn open(&self) -> Directory {
        Directory::open(&self.0, &|| Ok(())).unwrap()
    }

    fn import(&self, store: &Store) -> Imported {
        import_directory(store, &self.open(), ImportMode::Copy, &|_| Ok(())).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const INLINE: [u8; 3] = [0, 0, 2];
const PARTIAL: [u8; 2] = [1, 0];

fn of(bytes: &[u8]) -> Hash {
    Hash::from_bytes(*blake3::hash(bytes).as_bytes())
}

fn store() -> Store {
    Store::memory(StoreOptions::default()).unwrap()
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

/// As bao-tree makes them.
fn pairs(data: &[u8]) -> Vec<u8> {
    bao_tree::io::outboard::PreOrderMemOutboard::create(data, BLOCK).data
}

#[test]
fn one_that_is_open_is_locked_and_what_is_read_is_locked_for_others() {
    let place = Place::new("locked");
    let database = place.database(&[(of(b"tea"), INLINE.into())], &[(b"\xff", of(b"tea"))]);
    let failed = |place: &Place| Directory::open(&place.0, &|| Ok(())).err().map(|it| it.code);
    assert_eq!(failed(&place), Some(ErrorCode::StoreLocked));
    // What a process leaves behind that dies now.
    let died = Place::new("died");
    fs::copy(place.0.join("blobs.db"), died.0.join("blobs.db")).unwrap();
    drop(database);
    assert_eq!(failed(&Place::new("nothing")), Some(ErrorCode::StoreFailed));
    for (place, is_repaired) in [(place, false), (died, true)] {
        let path = place.0.join("blobs.db");
        let before = fs::read(&path).unwrap();
        let directory = place.open();
        assert_eq!(matches!(directory._database, Database::Repaired(_)), is_repaired);
        let other = redb::Database::open(&path).err();
        assert!(matches!(other, Some(redb::DatabaseError::DatabaseAlreadyOpen)), "{other:?}");
        let store = store();
        let imported = import_directory(&store, &directory, ImportMode::Copy, &|_| Ok(())).unwrap();
        assert_eq!((imported.blobs, imported.bytes, imported.tags), (1, 3, 1));
        assert_eq!(store.get(&of(b"tea"), 9).unwrap(), b"tea");
        let tags = store.tags(&TagRange::default(), 9).unwrap();
        assert_eq!(tags[0].name, Bytes::from_static(b"\xff"));
        assert_eq!(
            tags[0].content,
            HashAndFormat { hash: of(b"tea"), format: BlobFormat::HashSeq }
        );
        drop(directory);
        assert!(fs::read(&path).unwrap() == before);
        redb::Database::open(&path).unwrap();
    }
}

#[test]
fn rows_that_make_no_sense_are_told_and_the_others_come() {
    let place = Place::new("rows");
    let bad = |n| Hash::from_bytes([n; 32]);
    let rows = [
        (of(b"tea"), INLINE.to_vec()),
        (bad(1), vec![9, 9]),
        // Inline, and not there.
        (bad(2), INLINE.to_vec()),
        // In no file of the user, in one that depends on where we are, in one that is a folder.
        (bad(3), vec![0, 2, 0, 5, 2]),
        (bad(4), vec![0, 2, 1, 1, b'a', 5, 2]),
        (bad(5), vec![0, 2, 1, 1, b'/', 5, 2]),
        (bad(6), PARTIAL.to_vec()),
    ];
    drop(place.database(&rows, &[]));
    let (store, told) = (store(), std::sync::Mutex::new((0, 0)));
    let directory = place.open();
    let imported = import_directory(&store, &directory, ImportMode::Copy, &|step| {
        let mut told = told.lock().unwrap();
        match step {
            Step::Bytes(crate::store::Phase::Hash, bytes, _) => told.0 += bytes,
            Step::Bytes(..) => {}
            Step::Blob => told.1 += 1,
        }
        Ok(())
    });
    let imported = imported.unwrap();
    assert_eq!((imported.blobs, imported.bytes, imported.partial), (1, 3, 0));
    let hashes: Vec<_> = imported.failed.iter().map(|failed| failed.hash).collect();
    assert_eq!(hashes, [1, 2, 3, 4, 5, 6].map(bad));
    assert!(imported.failed.iter().all(|failed| !failed.message.is_empty()));
    assert_eq!(told.into_inner().unwrap(), (directory.total_bytes(), directory.blobs()));
}

#[test]
fn of_a_partial_blob_only_what_its_pairs_prove_comes() {
    let (size, group) = (300_000, 16 * 1024);
    let whole = pattern(size);
    let (hash, good) = (of(&whole), pairs(&whole));
    assert_eq!(good.len() as u64, outboard_bytes(size as u64));
    let chunks = |from: u64, to: u64| {
        ChunkRanges::from(bao_tree::ChunkNum(from * 16)..bao_tree::ChunkNum(to * 16))
    };
    let import = |name: &str, data: &[u8], pairs: &[u8], claims: &[u64]| {
        let place = Place::new(name);
        drop(place.database(&[(hash, PARTIAL.into())], &[]));
        place.file(&hash, "data", data);
        place.file(&hash, "obao4", pairs);
        place.file(
            &hash,
            "sizes4",
            &claims.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>(),
        );
        let store = store();
        let imported = place.import(&store);
        // Whatever is claimed now can be read and given to others.
        let verdict = store.verify(&hash, false).unwrap().map(|checked| checked.verdict);
        assert!(verdict.is_none_or(|verdict| verdict == Verdict::Ok), "{name}");
        (imported, store.bitfield(&hash).unwrap())
    };
    let size = size as u64;

    let (imported, field) = import("all", &whole, &good, &[1, size]);
    assert_eq!((imported.blobs, imported.bytes, imported.failed.len()), (1, size, 0));
    assert_eq!(field, Bitfield::complete(size));

    // Bytes of the first half are zeros: the pairs above them are good, and prove nothing.
    let mut half = whole.clone();
    half[..8 * group].fill(0);
    let (imported, field) = import("half", &half, &good, &[size]);
    assert_eq!((imported.blobs, imported.partial), (0, 1));
    assert_eq!(imported.bytes, size - 8 * group as u64);
    assert_eq!(field, Bitfield::new(size, ChunkRanges::from(bao_tree::ChunkNum(8 * 16)..)));

    // A pair in the middle is wrong: what is below it stays away.
    let mut wrong = good.clone();
    wrong[64] ^= 1;
    let (_, field) = import("pair", &whole, &wrong, &[size]);
    assert_eq!(field, Bitfield::new(size, ChunkRanges::from(bao_tree::ChunkNum(16 * 16)..)));

    // The file of the data ends early, as one does that was filled from its beginning.
    let (_, field) = import("short", &whole[..5 * group + 7], &good, &[size]);
    assert_eq!(field, Bitfield::new(size, chunks(0, 5)));

    // Claims that are no sizes of it.
    for claim in [0, 1, size - 1, 1 << 40, u64::MAX] {
        let (imported, field) = import("claim", &whole, &good, &[size, claim]);
        assert_eq!((imported.blobs, field.is_validated()), (0, false), "{claim}");
        assert_eq!(imported.failed.is_empty(), !field.is_empty(), "{claim}");
    }
    let (imported, _) = import("none", &whole, &good, &[]);
    assert_eq!(imported.failed.len(), 1);
}

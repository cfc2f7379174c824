//! Stores of every kind, and blobs for them.

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_blobs::store::{Phase, Store, StoreOptions, Verdict};
use gaiwan_endpoint::Failure;

use crate::folder::Folder;

/// Blobs of moderate size have every kind of place: up to 16 KiB in the catalog, up to 144 KiB their pairs only.
pub const FILES: StoreOptions = StoreOptions {
    durable: true,
    max_bytes: None,
    inline_data_bytes: 16 * 1024,
    inline_outboard_bytes: 512,
    max_filling: 64,
};

/// A store with its folder, if it has one.
pub struct Place {
    pub store: Store,
    pub folder: Option<Folder>,
}

impl Place {
    /// One of each kind. `options` gives everything but the durability.
    pub fn each(options: StoreOptions) -> impl Iterator<Item = Self> {
        let memory = options.clone();
        let memory = std::iter::once_with(|| Self::memory(memory));
        let directory = |durable| Self::directory(StoreOptions { durable, ..options.clone() });
        memory.chain([false, true].map(directory))
    }

    pub fn memory(options: StoreOptions) -> Self {
        Self { store: Store::memory(options).unwrap(), folder: None }
    }

    pub fn directory(options: StoreOptions) -> Self {
        let folder = Folder::new();
        Self { store: Store::open(folder.path(), options).unwrap(), folder: Some(folder) }
    }

    /// Adds bytes that nothing holds.
    pub fn add(&self, bytes: &[u8]) -> Hash {
        self.store.import_bytes(bytes.to_vec().into()).unwrap().hash
    }

    /// A directory has no file but those of the blobs that it tells of.
    pub fn has_no_orphans(&self) {
        let Some(folder) = &self.folder else { return };
        assert!(folder.names("temp").is_empty(), "{:?}", folder.names("temp"));
        for name in folder.names("data") {
            let hash = Hash::parse(&name[..64]).unwrap();
            assert!(self.store.has_row(&hash).unwrap(), "{name} belongs to nothing");
        }
    }
}

/// What nobody wants to hear of.
pub fn quiet(_: Phase, _: u64) -> Result<(), Failure> {
    Ok(())
}

/// Bytes that are others for every size and seed.
pub fn bytes(size: usize, seed: u8) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8 ^ (i >> 12) as u8 ^ seed).collect()
}

pub fn hash(bytes: &[u8]) -> Hash {
    Hash::from_bytes(*blake3::hash(bytes).as_bytes())
}

/// All of it is there, reads back, and is what it says.
pub fn has(store: &Store, bytes: &[u8]) {
    let hash = hash(bytes);
    assert!(store.bitfield(&hash).unwrap().is_complete());
    assert_eq!(store.require(&hash).unwrap(), bytes.len() as u64);
    assert!(store.get(&hash, u64::MAX).unwrap() == bytes);
    let checked = store.verify(&hash, false).unwrap().unwrap();
    assert_eq!((checked.bytes, checked.verdict), (bytes.len() as u64, Verdict::Ok));
}

/// Nothing of it is there.
pub fn lacks(store: &Store, hash: &Hash) {
    assert!(store.bitfield(hash).unwrap().is_empty());
    assert!(!store.has_row(hash).unwrap());
    assert_eq!(code(store.reader(hash)), ErrorCode::BlobNotFound);
    assert_eq!(code(store.require(hash)), ErrorCode::BlobNotFound);
    assert_eq!(store.verify(hash, false).unwrap(), None);
}

/// The code of a failure.
pub fn code<T>(result: Result<T, Failure>) -> ErrorCode {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(failure) => failure.code,
    }
}

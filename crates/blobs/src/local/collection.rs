//! Collections in a store.

use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use crate::{
    proto::{Collection, CollectionError, MAX_META_BYTES, MAX_NAMES, hash_seq_len},
    store::{Added, Store},
};

/// One file of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As the collection says it; whether it can be a path is the question of [`super::unpack`].
    pub name: String,
    /// Its content.
    pub hash: Hash,
    /// Bytes.
    pub size: u64,
}

/// Reads a collection. `COLLECTION_INVALID`, and what reading a blob can fail with.
pub fn load_collection(store: &Store, hash: &Hash) -> Result<Collection, Failure> {
    let reader = store.complete_reader(hash)?;
    let size = reader.size();
    // Asked before anything is read: what is no list, or has more names than there can be, is not loaded.
    match hash_seq_len(size) {
        Some(0) => return Err(no_collection("it is empty")),
        Some(count) if count <= MAX_NAMES as u64 + 1 => {}
        Some(_) => return Err(invalid(CollectionError::TooManyNames)),
        None => return Err(no_collection("its length is no multiple of 32")),
    }
    let list = reader.read(0, size)?;
    let Some(first) = list.first_chunk::<32>() else {
        return Err(no_collection("it is cut short"));
    };
    let reader = store.complete_reader(&Hash::from_bytes(*first))?;
    if reader.size() > MAX_META_BYTES as u64 {
        return Err(invalid(CollectionError::TooLong));
    }
    Collection::decode(&reader.read(0, reader.size())?, &list).map_err(invalid)
}

/// The same with the size of each content; it is 0 while none is proven.
pub fn sized_entries(store: &Store, collection: Collection) -> Result<Vec<Entry>, Failure> {
    let sized = |(name, hash)| {
        let size = store.bitfield(&hash)?.validated_size().unwrap_or(0);
        Ok(Entry { name, hash, size })
    };
    collection.into_entries().into_iter().map(sized).collect()
}

/// Adds the two blobs of a collection; what is held is the whole of it, the contents too. `COLLECTION_INVALID` for names
/// beyond the limits of the format.
pub fn store_collection(store: &Store, collection: &Collection) -> Result<Added, Failure> {
    let blobs = collection.encode().map_err(invalid)?;
    let hold = store.hold(HashAndFormat::hash_seq(blobs.hash));
    let _names = store.import_bytes(blobs.meta.into())?;
    let list = store.import_bytes(blobs.hash_seq.into())?;
    Ok(Added { hash: list.hash, size: list.size, hold })
}

fn invalid(error: CollectionError) -> Failure {
    Failure::new(ErrorCode::CollectionInvalid, error.to_string())
}

fn no_collection(why: &str) -> Failure {
    Failure::new(ErrorCode::CollectionInvalid, format!("the blob is no collection: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;

    fn store() -> Store {
        Store::memory(StoreOptions::default()).unwrap()
    }

    #[test]
    fn a_collection_comes_back_with_sizes_and_holds_its_contents() {
        let store = store();
        let one = store.import_bytes("one".into()).unwrap().hash;
        let names = [("a/1".to_string(), one), ("b".to_string(), Hash::EMPTY)];
        let added = store_collection(&store, &Collection::new(names.clone())).unwrap();
        assert_eq!(added.size, 96);
        let collection = load_collection(&store, &added.hash).unwrap();
        assert_eq!(collection.entries(), names);
        let entries = sized_entries(&store, collection).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.size).collect::<Vec<_>>(), [3, 0]);
        assert_eq!(store.gc(&[]).unwrap().deleted, 0);
        drop(added);
        assert_eq!(store.gc(&[]).unwrap().deleted, 3);
    }

    #[test]
    fn what_is_no_collection_is_told_apart_from_what_is_not_here() {
        let store = store();
        let code = |hash: &Hash| load_collection(&store, hash).unwrap_err().code;
        let add = |bytes: Vec<u8>| store.import_bytes(bytes.into()).unwrap();
        let (odd, stranger) = (add(vec![1; 33]), add(vec![1; 64]));
        let text = add(b"text".to_vec());
        let list = add(text.hash.as_bytes().to_vec());
        assert_eq!(code(&Hash::EMPTY), ErrorCode::CollectionInvalid);
        assert_eq!(code(&odd.hash), ErrorCode::CollectionInvalid);
        assert_eq!(code(&list.hash), ErrorCode::CollectionInvalid);
        assert_eq!(code(&stranger.hash), ErrorCode::BlobNotFound);
        assert_eq!(code(&Hash::from_bytes([9; 32])), ErrorCode::BlobNotFound);
        let absent = Collection::new([("x".to_string(), Hash::from_bytes([9; 32]))]);
        assert_eq!(sized_entries(&store, absent).unwrap()[0].size, 0);
    }
}

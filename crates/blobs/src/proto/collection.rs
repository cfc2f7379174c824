//! A hash sequence with names.
//!
//! Agrees with iroh-blobs 0.104.0, `src/format/collection.rs`. Two blobs, next to the contents:
//!
//! | Blob | Bytes |
//! |---|---|
//! | metadata | [`COLLECTION_HEADER`], number of names, each a varint length and UTF-8 |
//! | hash sequence | hash of the metadata, then the hash of each name's content in their order |
//!
//! The collection's hash is that of the hash sequence. Names are any text here; whether they can
//! become paths is the question of `names`.

use gaiwan_base::Hash;

use super::{
    hash_seq::hash_seq_len,
    names::MAX_NAME_BYTES,
    wire::{Reader, WireError, put_varint},
};

/// What every metadata blob starts with.
pub const COLLECTION_HEADER: &[u8; 13] = b"CollectionV0.";

/// Most names that a collection can have: with the metadata's that makes a list of 32 MiB.
pub const MAX_NAMES: usize = (1 << 20) - 1;

/// Most bytes of a metadata blob. Check the size before loading one.
pub const MAX_META_BYTES: usize = 32 << 20;

/// Why blobs are no collection, or names cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollectionError {
    /// The metadata does not start with [`COLLECTION_HEADER`].
    #[error("the metadata is not that of a collection")]
    Header,
    /// The metadata is cut short, or has a malformed number.
    #[error("the metadata is damaged: {0}")]
    Wire(#[from] WireError),
    /// A name is no UTF-8.
    #[error("name {0} is no UTF-8")]
    Utf8(usize),
    /// A name is over [`MAX_NAME_BYTES`].
    #[error("name {0} has more than {MAX_NAME_BYTES} bytes")]
    NameTooLong(usize),
    /// More than [`MAX_NAMES`].
    #[error("a collection has at most {MAX_NAMES} names")]
    TooManyNames,
    /// The metadata is over [`MAX_META_BYTES`].
    #[error("the metadata has more than {MAX_META_BYTES} bytes")]
    TooLong,
    /// The length of the hash sequence is no multiple of 32.
    #[error("a hash sequence has a multiple of 32 bytes, this one has {0}")]
    NoHashSeq(usize),
    /// The hash sequence must have one hash more than there are names.
    #[error("{names} names and {hashes} hashes; there must be one hash more, of the metadata")]
    Mismatch {
        /// Names in the metadata.
        names: usize,
        /// Hashes in the list, that of the metadata included.
        hashes: usize,
    },
}

/// Names and the hashes of their contents, in the order of the hash sequence.
///
/// ```
/// use gaiwan_base::Hash;
/// use gaiwan_blobs::proto::Collection;
///
/// let collection = Collection::new([("empty.txt".to_string(), Hash::EMPTY)]);
/// let blobs = collection.encode().unwrap();
/// assert_eq!(Collection::decode(&blobs.meta, &blobs.hash_seq), Ok(collection));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collection {
    entries: Vec<(String, Hash)>,
}

/// The two blobs of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedCollection {
    /// The metadata blob.
    pub meta: Vec<u8>,
    /// Its hash, the first of the list.
    pub meta_hash: Hash,
    /// The hash sequence blob.
    pub hash_seq: Vec<u8>,
    /// Its hash, which is the collection's.
    pub hash: Hash,
}

impl Collection {
    /// In this order, with these names, whatever they are.
    pub fn new(entries: impl IntoIterator<Item = (String, Hash)>) -> Self {
        Self { entries: entries.into_iter().collect() }
    }

    /// Each name with the hash of its content.
    pub fn entries(&self) -> &[(String, Hash)] {
        &self.entries
    }

    /// The same, without copying a name.
    pub fn into_entries(self) -> Vec<(String, Hash)> {
        self.entries
    }

    /// Writes both blobs.
    ///
    /// Fails with [`CollectionError::TooManyNames`], [`CollectionError::NameTooLong`] or
    /// [`CollectionError::TooLong`], where [`Collection::decode`] would.
    pub fn encode(&self) -> Result<EncodedCollection, CollectionError> {
        let meta = encode_names(self.entries.iter().map(|(name, _)| name.as_str()))?;
        let meta_hash = hash_of(&meta);
        let mut hash_seq = Vec::with_capacity((self.entries.len() + 1) * Hash::LENGTH);
        hash_seq.extend_from_slice(meta_hash.as_bytes());
        self.entries.iter().for_each(|(_, hash)| hash_seq.extend_from_slice(hash.as_bytes()));
        let hash = hash_of(&hash_seq);
        Ok(EncodedCollection { meta, meta_hash, hash_seq, hash })
    }

    /// Puts a collection together from its two blobs, which the caller has verified against their
    /// hashes.
    ///
    /// Looks at the header and at the number of hashes; the reference does the one or the other.
    pub fn decode(meta: &[u8], hash_seq: &[u8]) -> Result<Self, CollectionError> {
        if hash_seq_len(hash_seq.len() as u64).is_none() {
            return Err(CollectionError::NoHashSeq(hash_seq.len()));
        }
        let (hashes, _) = hash_seq.as_chunks();
        let names = decode_names(meta)?;
        if names.len() + 1 != hashes.len() {
            return Err(CollectionError::Mismatch { names: names.len(), hashes: hashes.len() });
        }
        let contents = hashes[1..].iter().copied().map(Hash::from_bytes);
        Ok(Self { entries: names.into_iter().zip(contents).collect() })
    }
}

/// Writes a metadata blob.
pub fn encode_names<'a>(
    names: impl ExactSizeIterator<Item = &'a str>,
) -> Result<Vec<u8>, CollectionError> {
    if names.len() > MAX_NAMES {
        return Err(CollectionError::TooManyNames);
    }
    let mut meta = COLLECTION_HEADER.to_vec();
    put_varint(&mut meta, names.len() as u64);
    for (index, name) in names.enumerate() {
        if name.len() > MAX_NAME_BYTES {
            return Err(CollectionError::NameTooLong(index));
        }
        put_varint(&mut meta, name.len() as u64);
        meta.extend_from_slice(name.as_bytes());
        if meta.len() > MAX_META_BYTES {
            return Err(CollectionError::TooLong);
        }
    }
    Ok(meta)
}

/// Reads a metadata blob. Bytes after the last name are ignored, as in the reference.
///
/// All limits are checked before anything is allocated for what they limit.
pub fn decode_names(meta: &[u8]) -> Result<Vec<String>, CollectionError> {
    if meta.len() > MAX_META_BYTES {
        return Err(CollectionError::TooLong);
    }
    let list = meta.strip_prefix(COLLECTION_HEADER).ok_or(CollectionError::Header)?;
    let reader = &mut Reader::new(list);
    let count = reader.count(1)?;
    if count > MAX_NAMES {
        return Err(CollectionError::TooManyNames);
    }
    let name = |index| {
        let length = reader.count(1)?;
        if length > MAX_NAME_BYTES {
            return Err(CollectionError::NameTooLong(index));
        }
        let name = str::from_utf8(reader.take(length)?);
        name.map(str::to_owned).map_err(|_| CollectionError::Utf8(index))
    };
    (0..count).map(name).collect()
}

fn hash_of(bytes: &[u8]) -> Hash {
    Hash::from_bytes(*blake3::hash(bytes).as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta(list: &[u8]) -> Vec<u8> {
        [&COLLECTION_HEADER[..], list].concat()
    }

    #[test]
    fn g6_another_header_is_refused() {
        for bytes in [&b""[..], b"CollectionV0", b"CollectionV1.\0", b"collectionV0.\0"] {
            assert_eq!(decode_names(bytes), Err(CollectionError::Header));
        }
        assert_eq!(decode_names(&meta(&[0])), Ok(vec![]));
    }

    #[test]
    fn g6_a_count_over_what_follows_is_refused() {
        let wire = |error| Err(CollectionError::Wire(error));
        assert_eq!(decode_names(&meta(&[])), wire(WireError::CutShort));
        assert_eq!(decode_names(&meta(&[2, 0])), wire(WireError::Count));
        assert_eq!(decode_names(&meta(&[1, 3, b'a', b'b'])), wire(WireError::Count));
        assert_eq!(decode_names(&meta(&[2, 1, b'a'])), wire(WireError::CutShort));
        let huge = [&[0xff; 9][..], &[1]].concat();
        assert_eq!(decode_names(&meta(&huge)), wire(WireError::Count));
    }

    #[test]
    fn g6_invalid_utf8_is_refused_with_the_name_it_is_in() {
        let list = [&[3, 1, b'a', 0, 2][..], &[0xc3, 0x28]].concat();
        assert_eq!(decode_names(&meta(&list)), Err(CollectionError::Utf8(2)));
    }

    #[test]
    fn g6_more_names_or_bytes_than_the_limits_are_refused_both_ways() {
        let of = |count: usize| {
            let mut list = Vec::new();
            put_varint(&mut list, count as u64);
            list.resize(list.len() + count, 0);
            meta(&list)
        };
        assert_eq!(decode_names(&of(MAX_NAMES)).unwrap().len(), MAX_NAMES);
        assert_eq!(decode_names(&of(MAX_NAMES + 1)), Err(CollectionError::TooManyNames));
        let many = vec![""; MAX_NAMES + 1];
        assert_eq!(encode_names(many.into_iter()), Err(CollectionError::TooManyNames));

        let long = "x".repeat(MAX_NAME_BYTES + 1);
        let fits = ["", &long[1..]];
        assert_eq!(decode_names(&encode_names(fits.into_iter()).unwrap()).unwrap(), fits);
        let over = ["", &long].into_iter();
        assert_eq!(encode_names(over), Err(CollectionError::NameTooLong(1)));
        let mut list = vec![2, 0];
        put_varint(&mut list, long.len() as u64);
        list.extend_from_slice(long.as_bytes());
        assert_eq!(decode_names(&meta(&list)), Err(CollectionError::NameTooLong(1)));

        let much = vec![&long[1..]; MAX_META_BYTES / MAX_NAME_BYTES];
        assert_eq!(encode_names(much.into_iter()), Err(CollectionError::TooLong));
        assert_eq!(decode_names(&vec![0; MAX_META_BYTES + 1]), Err(CollectionError::TooLong));
    }

    #[test]
    fn g5_fewer_or_more_hashes_than_names_are_refused() {
        let blobs = Collection::new([("a".into(), Hash::EMPTY), ("b".into(), Hash::EMPTY)])
            .encode()
            .unwrap();
        for hashes in [0, 1, 2, 4] {
            let list = vec![0; hashes * 32];
            let error = CollectionError::Mismatch { names: 2, hashes };
            assert_eq!(Collection::decode(&blobs.meta, &list), Err(error));
        }
        let cut = &blobs.hash_seq[1..];
        assert_eq!(Collection::decode(&blobs.meta, cut), Err(CollectionError::NoHashSeq(95)));
    }

    #[test]
    fn g6_names_that_no_path_could_have_are_read_as_they_are() {
        let names = ["", "..", "/", "a", "a", "\0", "C:\\"];
        let meta = encode_names(names.into_iter()).unwrap();
        assert_eq!(decode_names(&meta).unwrap(), names);
        assert_eq!(decode_names(&[&meta[..], b"leftover"].concat()).unwrap(), names);
    }

    proptest! {
        #[test]
        fn a_collection_comes_back(entries: Vec<(String, [u8; 32])>) {
            let entries = entries.into_iter().map(|(name, hash)| (name, Hash::from(hash)));
            let collection = Collection::new(entries);
            let blobs = collection.encode().unwrap();
            prop_assert_eq!(Collection::decode(&blobs.meta, &blobs.hash_seq), Ok(collection));
        }

        #[test]
        fn g6_random_lists_are_read_or_refused(list in proptest::collection::vec(
            prop_oneof![3 => 0..5u8, 1 => any::<u8>()], 0..40,
        )) {
            if let Ok(names) = decode_names(&meta(&list)) {
                let again = encode_names(names.iter().map(String::as_str)).unwrap();
                prop_assert_eq!(decode_names(&again), Ok(names));
            }
        }
    }
}

//! The first thing on every stream: what is asked for.
//!
//! Agrees with iroh-blobs 0.104.0, `src/protocol.rs`. One type byte, then the body:
//!
//! | Type | Request | Body | Ends with |
//! |---|---|---|---|
//! | 0 | get | hash, [`ChunkRangesSeq`] | FIN |
//! | 1 | observe | hash, [`ChunkRanges`] | FIN |
//! | 8 | push | varint length, then as get; the data follows | its length |
//! | 9 | get many | count, hashes, [`ChunkRangesSeq`] | FIN |

use std::collections::BTreeMap;

use gaiwan_base::{BlobFormat, Hash, HashAndFormat};

use super::{
    frame::FrameError,
    push_head::PushHead,
    ranges::{ChunkRanges, MAX_BOUNDARIES, RangesError, put_ranges, take_ranges},
    ranges_seq::{ChunkRangesSeq, MAX_ENTRIES, SeqError},
    wire::{Reader, WireError, put_varint},
};

/// The protocol's name, 13 bytes.
pub const ALPN: &[u8] = b"/iroh-bytes/4";

/// Most bytes of a body, and of a request that we send in all (`MAX_MESSAGE_SIZE`).
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Most hashes of one get many: more do not fit into a body.
pub const MAX_GET_MANY_HASHES: usize = MAX_MESSAGE_BYTES / Hash::LENGTH - 1;

/// Why bytes are no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestDecodeError {
    /// The stream ended before its first byte.
    #[error("the request is empty")]
    Empty,
    /// A type that is reserved or does not exist.
    #[error("requests of type {0} are unknown")]
    Kind(u8),
    /// The body is over [`MAX_MESSAGE_BYTES`].
    #[error("the request has more than {MAX_MESSAGE_BYTES} bytes")]
    TooLong,
    /// Cut short, or a malformed number.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The ranges of an observe are malformed.
    #[error(transparent)]
    Ranges(#[from] RangesError),
    /// The ranges of another request are malformed.
    #[error(transparent)]
    Seq(#[from] SeqError),
}

impl From<FrameError> for RequestDecodeError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Length => Self::Wire(WireError::Number),
            FrameError::TooLong(_) => Self::TooLong,
        }
    }
}

/// Why a request cannot be sent: no provider would take it. Ask for less at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestEncodeError {
    /// Over [`MAX_MESSAGE_BYTES`].
    #[error("a request of {0} bytes, the limit is {MAX_MESSAGE_BYTES}")]
    TooLong(usize),
    /// More ranges than [`MAX_ENTRIES`], or more of their ends than [`MAX_BOUNDARIES`].
    #[error("more than {MAX_ENTRIES} ranges or {MAX_BOUNDARIES} boundaries in one request")]
    TooMany,
}

/// The types that are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// A blob, or a hash sequence with its children.
    Get = 0,
    /// What the provider has of a blob, now and later.
    Observe = 1,
    /// The reverse of a get.
    Push = 8,
    /// Several blobs.
    GetMany = 9,
}

impl RequestKind {
    /// The type byte.
    pub const fn to_byte(self) -> u8 {
        self as u8
    }

    /// Reads the type byte; fails with [`RequestDecodeError::Kind`].
    pub const fn from_byte(byte: u8) -> Result<Self, RequestDecodeError> {
        match byte {
            0 => Ok(Self::Get),
            1 => Ok(Self::Observe),
            8 => Ok(Self::Push),
            9 => Ok(Self::GetMany),
            _ => Err(RequestDecodeError::Kind(byte)),
        }
    }
}

/// Asks for chunks of a blob and of its children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetRequest {
    /// The root.
    pub hash: Hash,
    /// Index 0 is the root, i + 1 its child i.
    pub ranges: ChunkRangesSeq,
}

impl GetRequest {
    /// These ranges.
    pub fn new(hash: Hash, ranges: ChunkRangesSeq) -> Self {
        Self { hash, ranges }
    }

    /// A whole blob.
    pub fn blob(hash: Hash) -> Self {
        Self::new(hash, ChunkRangesSeq::blob())
    }

    /// These chunks of one blob.
    pub fn blob_ranges(hash: Hash, ranges: ChunkRanges) -> Self {
        Self::new(hash, ChunkRangesSeq::root(ranges))
    }

    /// A hash sequence and all its children, whole.
    pub fn all(hash: Hash) -> Self {
        Self::new(hash, ChunkRangesSeq::all())
    }

    /// What is asked for; a request for index 0 alone counts as one for a raw blob.
    pub fn content(&self) -> HashAndFormat {
        let raw = self.ranges.is_blob();
        let format = if raw { BlobFormat::Raw } else { BlobFormat::HashSeq };
        HashAndFormat { hash: self.hash, format }
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.hash.as_bytes());
        self.ranges.put(out);
    }

    pub(super) fn take(reader: &mut Reader<'_>) -> Result<Self, RequestDecodeError> {
        let hash = reader.array()?.into();
        Ok(Self { hash, ranges: ChunkRangesSeq::take(reader)? })
    }
}

impl From<HashAndFormat> for GetRequest {
    /// All of it.
    fn from(content: HashAndFormat) -> Self {
        match content.format {
            BlobFormat::Raw => Self::blob(content.hash),
            BlobFormat::HashSeq => Self::all(content.hash),
        }
    }
}

/// Asks for chunks of blobs that need have nothing to do with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetManyRequest {
    /// In any order when read, and with repeats.
    pub hashes: Vec<Hash>,
    /// Index i is hash i; there is no root.
    pub ranges: ChunkRangesSeq,
}

impl GetManyRequest {
    /// Exactly these, in this order.
    pub fn new(hashes: Vec<Hash>, ranges: ChunkRangesSeq) -> Self {
        Self { hashes, ranges }
    }

    /// Whole blobs, each once and sorted.
    pub fn all(hashes: impl IntoIterator<Item = Hash>) -> Self {
        hashes.into_iter().map(|hash| (hash, ChunkRanges::all())).collect()
    }
}

impl FromIterator<(Hash, ChunkRanges)> for GetManyRequest {
    /// Each hash once and sorted, with all chunks that are given for it; those without any are left
    /// out.
    fn from_iter<I: IntoIterator<Item = (Hash, ChunkRanges)>>(blobs: I) -> Self {
        let mut by_hash = BTreeMap::<Hash, ChunkRanges>::new();
        for (hash, ranges) in blobs.into_iter().filter(|(_, ranges)| !ranges.is_empty()) {
            *by_hash.entry(hash).or_insert_with(ChunkRanges::empty) |= ranges;
        }
        let (hashes, ranges): (Vec<_>, Vec<_>) = by_hash.into_iter().unzip();
        Self { hashes, ranges: ChunkRangesSeq::from_ranges(ranges) }
    }
}

/// Asks what the provider has of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObserveRequest {
    /// Which blob.
    pub hash: Hash,
    /// Everything when sent; the reference ignores it when read.
    pub ranges: ChunkRanges,
}

impl ObserveRequest {
    /// All of a blob.
    pub fn new(hash: Hash) -> Self {
        Self { hash, ranges: ChunkRanges::all() }
    }
}

/// Says what will be pushed; the data follows on the same stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRequest(pub GetRequest);

/// Any request.
///
/// ```
/// use gaiwan_base::Hash;
/// use gaiwan_blobs::proto::{GetRequest, Request};
///
/// let request = Request::Get(GetRequest::all(Hash::EMPTY));
/// let bytes = request.encode().unwrap();
/// assert_eq!((bytes[0], &bytes[33..]), (0, &[1, 0, 1, 0][..]));
/// assert_eq!(Request::decode(&bytes), Ok(request));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Type 0.
    Get(GetRequest),
    /// Type 1.
    Observe(ObserveRequest),
    /// Type 8.
    Push(PushRequest),
    /// Type 9.
    GetMany(GetManyRequest),
}

impl Request {
    /// Its type.
    pub const fn kind(&self) -> RequestKind {
        match self {
            Self::Get(_) => RequestKind::Get,
            Self::Observe(_) => RequestKind::Observe,
            Self::Push(_) => RequestKind::Push,
            Self::GetMany(_) => RequestKind::GetMany,
        }
    }

    /// Writes the request with its type byte, and for a push with its length; then comes FIN, or the
    /// data of a push.
    pub fn encode(&self) -> Result<Vec<u8>, RequestEncodeError> {
        let (entries, boundaries) = match self {
            Self::Get(get) | Self::Push(PushRequest(get)) => get.ranges.weight(),
            Self::GetMany(many) => many.ranges.weight(),
            Self::Observe(observe) => (0, observe.ranges.boundaries().len()),
        };
        if entries > MAX_ENTRIES || boundaries > MAX_BOUNDARIES {
            return Err(RequestEncodeError::TooMany);
        }
        let mut out = vec![self.kind().to_byte()];
        match self {
            Self::Get(get) => get.put(&mut out),
            Self::Observe(ObserveRequest { hash, ranges }) => {
                out.extend_from_slice(hash.as_bytes());
                put_ranges(&mut out, ranges);
            }
            Self::Push(PushRequest(get)) => {
                let mut body = Vec::new();
                get.put(&mut body);
                put_varint(&mut out, body.len() as u64);
                out.extend_from_slice(&body);
            }
            Self::GetMany(GetManyRequest { hashes, ranges }) => {
                put_varint(&mut out, hashes.len() as u64);
                hashes.iter().for_each(|hash| out.extend_from_slice(hash.as_bytes()));
                ranges.put(&mut out);
            }
        }
        match out.len() {
            0..=MAX_MESSAGE_BYTES => Ok(out),
            length => Err(RequestEncodeError::TooLong(length)),
        }
    }

    /// Reads a request from all bytes up to FIN; of a push the data may follow, or not.
    ///
    /// Bytes after the body are ignored as long as it stays within [`MAX_MESSAGE_BYTES`], for
    /// postcard does not look at them either. Allocates for what is there, never for what a count
    /// claims.
    pub fn decode(bytes: &[u8]) -> Result<Self, RequestDecodeError> {
        let (kind, body) = bytes.split_first().ok_or(RequestDecodeError::Empty)?;
        let kind = RequestKind::from_byte(*kind)?;
        if kind != RequestKind::Push && body.len() > MAX_MESSAGE_BYTES {
            return Err(RequestDecodeError::TooLong);
        }
        let reader = &mut Reader::new(body);
        Ok(match kind {
            RequestKind::Get => Self::Get(GetRequest::take(reader)?),
            RequestKind::Observe => {
                let hash = reader.array()?.into();
                let ranges = take_ranges(reader, &mut { MAX_BOUNDARIES })?;
                Self::Observe(ObserveRequest { hash, ranges })
            }
            RequestKind::Push => match PushHead::decode(body)? {
                PushHead::Whole { request, .. } => Self::Push(request),
                PushHead::Needs(_) => return Err(WireError::CutShort.into()),
            },
            RequestKind::GetMany => {
                let count = reader.count(Hash::LENGTH)?;
                let (hashes, _) = reader.take(count * Hash::LENGTH)?.as_chunks();
                let hashes = hashes.iter().copied().map(Hash::from_bytes).collect();
                Self::GetMany(GetManyRequest { hashes, ranges: ChunkRangesSeq::take(reader)? })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::proto::{ranges::any_ranges, ranges_seq::any_seq};

    const HASH: Hash = Hash::from_bytes([0xda; 32]);

    fn any_request() -> impl Strategy<Value = Request> {
        let hash = || any::<[u8; 32]>().prop_map(Hash::from);
        let get = || (hash(), any_seq()).prop_map(|(hash, ranges)| GetRequest { hash, ranges });
        prop_oneof![
            get().prop_map(Request::Get),
            get().prop_map(|get| Request::Push(PushRequest(get))),
            (hash(), any_ranges())
                .prop_map(|(hash, ranges)| Request::Observe(ObserveRequest { hash, ranges })),
            (vec(hash(), 0..9), any_seq())
                .prop_map(|(hashes, ranges)| Request::GetMany(GetManyRequest { hashes, ranges })),
        ]
    }

    #[test]
    fn p1_an_empty_request_and_every_unknown_type_are_refused() {
        assert_eq!(Request::decode(&[]), Err(RequestDecodeError::Empty));
        for kind in 0..=255 {
            let bytes = [&[kind][..], &[0; 80]].concat();
            let known = matches!(kind, 0 | 1 | 8 | 9);
            let refused = Request::decode(&bytes) == Err(RequestDecodeError::Kind(kind));
            assert_eq!(refused, !known, "{kind}");
        }
    }

    #[test]
    fn p1_every_cut_of_a_request_is_refused() {
        let requests = [
            Request::Get(GetRequest::blob(HASH)),
            Request::Observe(ObserveRequest::new(HASH)),
            Request::Push(PushRequest(GetRequest::all(HASH))),
            Request::GetMany(GetManyRequest::all([HASH, Hash::EMPTY])),
        ];
        for request in requests {
            let bytes = request.encode().unwrap();
            for length in 0..bytes.len() {
                assert!(Request::decode(&bytes[..length]).is_err(), "{request:?} {length}");
            }
            assert_eq!(Request::decode(&bytes), Ok(request));
        }
    }

    #[test]
    fn p2_a_body_over_1_mib_is_refused_and_one_of_1_mib_with_leftovers_is_not() {
        let mut bytes = Request::Get(GetRequest::blob(HASH)).encode().unwrap();
        bytes.resize(1 + MAX_MESSAGE_BYTES, 0);
        assert_eq!(Request::decode(&bytes), Ok(Request::Get(GetRequest::blob(HASH))));
        bytes.push(0);
        assert_eq!(Request::decode(&bytes), Err(RequestDecodeError::TooLong));
        let push = [&[8, 0x81, 0x80, 0x40][..], &[0; 100]].concat();
        assert_eq!(Request::decode(&push), Err(RequestDecodeError::TooLong));
    }

    #[test]
    fn p3_a_count_of_hashes_over_what_follows_is_refused() {
        for count in [&[3][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]] {
            let bytes = [&[9][..], count, &[1; 95]].concat();
            assert_eq!(Request::decode(&bytes), Err(WireError::Count.into()));
        }
    }

    #[test]
    fn a_get_many_has_at_most_32767_hashes() {
        let hashes = |count| GetManyRequest::new(vec![HASH; count], ChunkRangesSeq::all());
        let most = Request::GetMany(hashes(MAX_GET_MANY_HASHES));
        assert_eq!(Request::decode(&most.encode().unwrap()), Ok(most));
        let over = Request::GetMany(hashes(MAX_GET_MANY_HASHES + 1)).encode();
        assert!(matches!(over, Err(RequestEncodeError::TooLong(_))), "{over:?}");
    }

    #[test]
    fn a_get_many_of_a_list_is_sorted_and_without_repeats() {
        let [one, two, three] = [[1; 32], [2; 32], [3; 32]].map(Hash::from);
        let request = GetManyRequest::all([two, one, two]);
        assert_eq!(request.hashes, [one, two]);
        assert_eq!(request.ranges.end(), Some(2));
        let some = crate::proto::chunks_of_bytes(0..1);
        let blobs = [(three, some.clone()), (two, ChunkRanges::empty()), (one, ChunkRanges::all())];
        let request: GetManyRequest = blobs.into_iter().collect();
        assert_eq!(request.hashes, [one, three]);
        assert_eq!(request.ranges, ChunkRangesSeq::from_ranges([ChunkRanges::all(), some]));
        assert_eq!(GetManyRequest::all([]).ranges, ChunkRangesSeq::empty());
    }

    #[test]
    fn more_boundaries_than_a_peer_takes_are_not_sent() {
        let many = (0..=MAX_BOUNDARIES as u64).map(bao_tree::ChunkNum).collect();
        let ranges = ChunkRanges::new(many).unwrap();
        let request = Request::Get(GetRequest::blob_ranges(HASH, ranges));
        assert_eq!(request.encode(), Err(RequestEncodeError::TooMany));
    }

    #[test]
    fn only_a_request_for_index_0_alone_is_for_a_raw_blob() {
        for content in [HashAndFormat::raw(HASH), HashAndFormat::hash_seq(HASH)] {
            assert_eq!(GetRequest::from(content).content(), content);
        }
    }

    proptest! {
        #[test]
        fn a_request_comes_back_whatever_follows(request in any_request(), tail: Vec<u8>) {
            let bytes = request.encode().unwrap();
            prop_assert_eq!(Request::decode(&[bytes, tail].concat()), Ok(request));
        }

        #[test]
        fn p1_random_bytes_are_read_or_refused(
            kind in prop_oneof![Just(0u8), Just(1), Just(8), Just(9), any::<u8>()],
            body in vec(any::<u8>(), 0..120),
        ) {
            if let Ok(request) = Request::decode(&[&[kind][..], &body].concat()) {
                prop_assert_eq!(request.kind().to_byte(), kind);
                let again = Request::decode(&request.encode().unwrap());
                prop_assert_eq!(again, Ok(request));
            }
        }
    }
}

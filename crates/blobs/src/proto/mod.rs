//! What blobs look like on the wire: bytes in, values out, no socket and no clock.
//!
//! Agrees byte for byte with iroh-blobs 0.104.0; every decoder is made for bytes of a hostile peer
//! and checks counts and lengths before it allocates. Where to look:
//!
//! | Module | Noun |
//! |---|---|
//! | `wire` | [`WireError`], the numbers and lists of postcard |
//! | `frame` | [`Frame`], a body behind its length |
//! | `ranges` | [`ChunkRanges`], which chunks of one blob |
//! | `ranges_seq` | [`ChunkRangesSeq`], which chunks of a blob and of each of its children |
//! | `seq_builder` | [`SeqBuilder`], puts such a sequence together |
//! | `request` | [`Request`], the first thing on every stream |
//! | `push_head` | [`PushHead`], the request that ends before its stream does |
//! | `bitfield` | [`Bitfield`], what somebody has of a blob |
//! | `hash_seq` | [`HashSeqWindow`], a blob read as a list of hashes |
//! | `collection` | [`Collection`], a hash sequence with names |
//! | `names` | [`check_name`] and [`check_names`], before a name becomes a path |
//! | `fold` | a name without case and accents of its own, to compare |
//! | `ticket` | [`BlobTicket`], an address and what to ask for as one printable string |

mod bitfield;
mod collection;
mod fold;
mod frame;
mod hash_seq;
mod names;
mod push_head;
mod ranges;
mod ranges_seq;
mod request;
mod seq_builder;
mod ticket;
mod wire;

pub use bitfield::{Bitfield, ObserveError, ObserveFrame};
pub use collection::{
    COLLECTION_HEADER, Collection, CollectionError, EncodedCollection, MAX_META_BYTES, MAX_NAMES,
    decode_names, encode_names,
};
pub use frame::{Frame, FrameError, split_frame};
pub use hash_seq::{HASHES_A_WINDOW, HashSeqWindow, hash_seq_len};
pub use names::{
    MAX_COMPONENT_BYTES, MAX_DEPTH, MAX_NAME_BYTES, NameProblem, NameRules, NamesError, ShownName,
    check_name, check_names,
};
pub use push_head::PushHead;
pub use ranges::{
    ChunkRanges, MAX_BOUNDARIES, RangesError, chunks_of_bytes, decode_ranges, encode_ranges,
    last_chunk,
};
pub use ranges_seq::{ChunkRangesSeq, MAX_ENTRIES, SeqError};
pub use request::{
    ALPN, GetManyRequest, GetRequest, MAX_GET_MANY_HASHES, MAX_MESSAGE_BYTES, ObserveRequest,
    PushRequest, Request, RequestDecodeError, RequestEncodeError, RequestKind,
};
pub use seq_builder::SeqBuilder;
pub use ticket::{BlobTicket, BlobTicketError};
pub use wire::WireError;

//! The golden bytes of `vectors/blobs.json`, made by iroh-blobs 0.104.0, bao-tree 0.17.0 and
//! iroh-tickets 1.0.0. Here those of the wire room; streams and outboards are tested with the store.

use std::sync::LazyLock;

use bao_tree::ChunkNum;
use data_encoding::HEXLOWER;
use gaiwan_base::{BlobFormat, EndpointAddr, Hash, HashAndFormat, SecretKey, TransportAddr};
use gaiwan_blobs::proto::{
    Bitfield, BlobTicket, ChunkRanges, ChunkRangesSeq, Collection, GetManyRequest, GetRequest,
    HashSeqWindow, ObserveFrame, ObserveRequest, PushHead, PushRequest, Request, chunks_of_bytes,
    decode_names, decode_ranges, encode_ranges, hash_seq_len, last_chunk,
};
use serde_json::Value;

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/blobs.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
});

/// A list, which must have `count` entries, so that none is lost unseen.
fn list(value: &Value, count: usize) -> &[Value] {
    let list = value.as_array().unwrap();
    assert_eq!(list.len(), count);
    list
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("{field} in {vector}"))
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    HEXLOWER.decode(text(vector, field).as_bytes()).unwrap()
}

fn hash(vector: &Value, field: &str) -> Hash {
    text(vector, field).parse().unwrap()
}

/// Numbers above 2^53 are strings.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

fn ranges(vector: &Value) -> ChunkRanges {
    let mut ranges = ChunkRanges::empty();
    for pair in vector["chunk_ranges"].as_array().unwrap() {
        let start = ChunkNum(number(&pair[0]));
        ranges |= match &pair[1] {
            Value::Null => ChunkRanges::from(start..),
            end => ChunkRanges::from(start..ChunkNum(number(end))),
        };
    }
    ranges
}

/// Byte i is i mod 251.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

fn blake3(bytes: &[u8]) -> Hash {
    Hash::from_bytes(*blake3::hash(bytes).as_bytes())
}

fn format(vector: &Value) -> BlobFormat {
    match text(vector, "format") {
        "Raw" => BlobFormat::Raw,
        "HashSeq" => BlobFormat::HashSeq,
        other => panic!("{other}"),
    }
}

#[test]
fn a_hash_has_both_forms_of_its_vector_and_is_read_from_each() {
    for vector in list(&VECTORS["hashes"], 16) {
        let size = number(&vector["size"]);
        let hash = blake3(&pattern(size as usize));
        assert_eq!(hash.to_hex(), text(vector, "hash"));
        assert_eq!(hash.to_base32(), text(vector, "hash_base32"));
        assert_eq!(Hash::parse(text(vector, "hash")), Ok(hash));
        assert_eq!(Hash::parse(text(vector, "hash_base32")), Ok(hash));
        assert_eq!(Hash::parse(&text(vector, "hash_base32").to_uppercase()), Ok(hash));
        assert_eq!(hash == Hash::EMPTY, size == 0);
        let chunks = chunks_of_bytes(0..size);
        let count = chunks.boundaries().last().map_or(0, |end| end.0);
        assert_eq!(count, number(&vector["chunks"]));
        assert_eq!(count.div_ceil(16).max(1), number(&vector["groups"]));
        assert!(Bitfield::new(size, chunks).is_complete() || size == 0);
    }
}

#[test]
fn ranges_are_the_bytes_of_their_vector_both_ways() {
    for vector in list(&VECTORS["range_specs"], 8) {
        let postcard = bytes(vector, "postcard");
        assert_eq!(encode_ranges(&ranges(vector)), postcard, "{vector}");
        assert_eq!(decode_ranges(&postcard), Ok((ranges(vector), &[][..])), "{vector}");
    }
}

/// The requests of the vectors by what their notes say, in their order.
fn requests() -> Vec<Request> {
    let da = Hash::from_bytes([0xda; 32]);
    let [one, two] = [[0x11; 32], [0x22; 32]].map(Hash::from);
    let all = ChunkRanges::all;
    let chunks =
        |range: std::ops::Range<u64>| ChunkRanges::from(ChunkNum(range.start)..ChunkNum(range.end));
    let get = |ranges| Request::Get(GetRequest::new(da, ranges));
    vec![
        Request::Get(GetRequest::blob(da)),
        Request::Get(GetRequest::all(da)),
        get(ChunkRangesSeq::blob()),
        get(ChunkRangesSeq::empty()),
        Request::Get(GetRequest::blob_ranges(da, chunks(0..10))),
        Request::Get(GetRequest::blob_ranges(da, chunks(0..10) | chunks(100..110))),
        get(ChunkRangesSeq::verified_size()),
        get(ChunkRangesSeq::verified_child_sizes()),
        get(ChunkRangesSeq::from_ranges_infinite([all(), chunks(0..1)])),
        get(ChunkRangesSeq::child(1, all())),
        get(ChunkRangesSeq::builder()
            .at(2, ChunkRanges::from(ChunkNum(1_000_000)..))
            .from(3, all())
            .build()),
        get(ChunkRangesSeq::builder().at(0, all()).at(3, chunks(0..1)).build()),
        Request::GetMany(GetManyRequest::all([two, one, two])),
        Request::GetMany(GetManyRequest::new(vec![one, two], ChunkRangesSeq::all())),
        Request::GetMany([(two, chunks_of_bytes(0..100)), (one, all())].into_iter().collect()),
        Request::Observe(ObserveRequest::new(da)),
        Request::Push(PushRequest(GetRequest::blob(da))),
        Request::Push(PushRequest(GetRequest::all(da))),
    ]
}

#[test]
fn every_request_is_the_bytes_of_its_vector_both_ways() {
    let requests = requests();
    for (vector, request) in list(&VECTORS["requests"], requests.len()).iter().zip(requests) {
        let hex = bytes(vector, "hex");
        assert_eq!(HEXLOWER.encode(&request.encode().unwrap()), text(vector, "hex"), "{vector}");
        if let Request::Push(request) = &request {
            let head = PushHead::Whole { request: request.clone(), length: hex.len() - 1 };
            assert_eq!(PushHead::decode(&hex[1..]), Ok(head), "{vector}");
        }
        assert_eq!(Request::decode(&hex), Ok(request), "{vector}");
    }
}

#[test]
fn the_request_of_every_response_and_transcript_is_read_and_written_again() {
    for vector in list(&VECTORS["responses"], 16) {
        let request = bytes(vector, "request");
        let expected = GetRequest::blob_ranges(hash(vector, "hash"), ranges(vector));
        assert_eq!(Request::decode(&request), Ok(Request::Get(expected)), "{vector}");
    }
    let mut refused = 0;
    for vector in list(&VECTORS["transcripts"], 26) {
        let request = bytes(vector, "request");
        match Request::decode(&request) {
            Ok(decoded) => {
                let again = decoded.encode().unwrap();
                assert!(request.starts_with(&again), "{vector}");
            }
            // What cannot be read is answered with FIN and nothing before it.
            Err(_) => {
                refused += 1;
                let quiet = text(vector, "end") == "fin" && number(&vector["response"]["len"]) == 0;
                assert!(quiet, "{vector}");
            }
        }
    }
    assert!(refused > 0, "the hostile requests among the transcripts");
}

#[test]
fn observe_items_are_the_bytes_of_their_vector_both_ways() {
    for vector in list(&VECTORS["observe_items"], 5) {
        let framed = bytes(vector, "framed_hex");
        let field = Bitfield::new(number(&vector["size"]), ranges(vector));
        assert_eq!(field.ranges(), &ranges(vector), "the vectors are in canonical form");
        assert_eq!(field.encode_frame(), Ok(framed.clone()), "{vector}");
        let whole = ObserveFrame::Whole { item: field, length: framed.len() };
        assert_eq!(ObserveFrame::decode(&framed), Ok(whole), "{vector}");
    }
    let partial = Bitfield::new(1 << 20, chunks_of_bytes(0..16384) | last_chunk());
    assert!(!partial.is_validated(), "the open end alone proves no size");
}

#[test]
fn collections_are_the_bytes_and_hashes_of_their_vector_both_ways() {
    for vector in list(&VECTORS["collections"], 3) {
        let files = vector["files"].as_array().unwrap();
        let entries = files.iter().map(|file| {
            let content = match file["content"].as_str() {
                Some(content) => {
                    pattern(content.strip_prefix("pattern ").unwrap().parse().unwrap())
                }
                None => bytes(file, "content_hex"),
            };
            assert_eq!(blake3(&content), hash(file, "hash"));
            (text(file, "name").to_string(), hash(file, "hash"))
        });
        let collection = Collection::new(entries);
        let blobs = collection.encode().unwrap();
        assert_eq!(blobs.meta, bytes(vector, "meta_hex"));
        assert_eq!(blobs.meta_hash, hash(vector, "meta_hash"));
        assert_eq!(blobs.hash_seq, bytes(vector, "hashseq_hex"));
        assert_eq!(blobs.hash, hash(vector, "hash"));
        assert_eq!(decode_names(&blobs.meta).unwrap().len(), files.len());
        assert_eq!(hash_seq_len(blobs.hash_seq.len() as u64), Some(files.len() as u64 + 1));
        let window = HashSeqWindow::parse(0, &blobs.hash_seq).unwrap();
        assert_eq!(window.get(0), Some(blobs.meta_hash));
        for (index, (_, hash)) in (1..).zip(collection.entries()) {
            assert_eq!(window.get(index), Some(*hash));
        }
        assert_eq!(Collection::decode(&blobs.meta, &blobs.hash_seq), Ok(collection));
    }
}

#[test]
fn tickets_are_the_text_of_their_vector_both_ways() {
    let vectors = &VECTORS["tickets"];
    let id = SecretKey::try_from(&bytes(vectors, "secret_key")[..]).unwrap().id();
    assert_eq!(id.to_hex(), text(vectors, "endpoint_id"));
    for vector in list(&vectors["list"], 6) {
        let mut addr = EndpointAddr::new(id);
        for url in vector["relays"].as_array().unwrap() {
            addr.insert(TransportAddr::Relay(url.as_str().unwrap().parse().unwrap()));
        }
        for ip in vector["ip_addrs"].as_array().unwrap().iter().rev() {
            addr.insert_ip(ip.as_str().unwrap().parse().unwrap());
        }
        let content = HashAndFormat { hash: hash(vector, "hash"), format: format(vector) };
        let ticket = BlobTicket::new(&addr, content).unwrap();
        assert_eq!(ticket.to_string(), text(vector, "ticket"), "{vector}");
        assert_eq!(text(vector, "ticket").parse(), Ok(ticket), "{vector}");
    }
}

#[test]
fn hash_and_format_are_the_text_and_bytes_of_their_vector_both_ways() {
    for vector in list(&VECTORS["hash_and_format"], 2) {
        let content: HashAndFormat = text(vector, "text").parse().unwrap();
        assert_eq!(content.format, format(vector));
        assert_eq!(content.to_string(), text(vector, "text"));
        assert_eq!(content.to_bytes()[..], bytes(vector, "postcard"));
        assert_eq!(HashAndFormat::try_from(&bytes(vector, "postcard")[..]), Ok(content));
    }
}

//! Hash sequences and collections that are not what they should be.

use gaiwan_base::{BlobFormat, ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::{
    Limits,
    getter::{GetOptions, local},
    proto::{
        ChunkRanges, ChunkRangesSeq, Collection, CollectionError, GetRequest, Request, last_chunk,
    },
};
use tokio::sync::mpsc::unbounded_channel;

use super::{
    downloads::{download, options},
    peer::{fetch, liar, says},
};
use crate::{
    honest::Honest,
    peers::{LONG, add, memory, run, serve},
};

fn limited(max_bytes: Option<u64>, max_root_bytes: Option<u64>) -> GetOptions {
    let limits = Limits { max_bytes, max_root_bytes };
    GetOptions { stall: Some(LONG), limits }
}

fn seq_of(hashes: &[Hash]) -> Honest {
    Honest::new(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<_>>())
}

#[test]
fn g5_a_root_that_is_no_multiple_of_32_is_a_violation_by_itself() {
    run(async {
        for size in [1, 31, 33, 100, 16_385] {
            let root = Honest::of_size(size);
            let liar = says([root.whole(), vec![0; 1000]].concat()).await;
            let store = memory();
            let request = Request::Get(GetRequest::all(root.hash));
            let result = fetch(&liar.connection, &store, &request, GetOptions::default()).await.2;
            assert_eq!(result.unwrap_err().code, ErrorCode::ProtocolViolation);
            // The blob itself is what its hash says.
            root.assert_complete(&store);
            let content = HashAndFormat { hash: root.hash, format: BlobFormat::HashSeq };
            let (result, _) = download(&store, content, options(), &[&liar.connection]).await;
            assert_eq!(result.unwrap_err().code, ErrorCode::ProtocolViolation);
        }
    });
}

#[test]
fn g5_a_root_of_a_terabyte_is_refused_by_its_size() {
    run(async {
        let root = seq_of(&[Hash::EMPTY; 100]);
        let (sender, mut stopped) = unbounded_channel();
        let bytes = [&(1u64 << 40).to_le_bytes()[..], &vec![0; 100_000]].concat();
        let liar = liar(move |_, mut send| {
            let (sender, bytes) = (sender.clone(), bytes.clone());
            async move {
                let _ = send.write_all(&bytes).await;
                let _ = sender.send(send.stopped().await);
            }
        })
        .await;
        let store = memory();
        let request = Request::Get(GetRequest::all(root.hash));
        let options = limited(None, Some(32 << 20));
        let result = fetch(&liar.connection, &store, &request, options).await.2;
        assert_eq!(result.unwrap_err().code, ErrorCode::BlobTooLarge);
        assert_eq!(stopped.recv().await.unwrap().unwrap(), Some(0u32.into()));
        assert!(store.list(None, 1).unwrap().is_empty());
        // A download has the limit by itself; and the liar can't prove what it says.
        let content = HashAndFormat { hash: root.hash, format: BlobFormat::HashSeq };
        let (result, _) =
            download(&store, content, super::downloads::options(), &[&liar.connection]).await;
        assert_eq!(result.unwrap_err().code, ErrorCode::HashMismatch);
    });
}

#[test]
fn g5_a_child_that_comes_20_000_times_is_brought_once() {
    run(async {
        let (from, to) = (memory(), memory());
        let (child, other) = (Honest::of_size(100_000), Honest::of_size(7));
        let mut hashes = vec![child.hash; 20_000];
        hashes[17_000] = other.hash;
        hashes.extend([Hash::EMPTY; 10]);
        for bytes in [&child.data, &other.data, &seq_of(&hashes).data] {
            add(&from, bytes.clone());
        }
        let seq = seq_of(&hashes);
        let content = HashAndFormat { hash: seq.hash, format: BlobFormat::HashSeq };
        for split in [false, true] {
            let to = if split { memory() } else { to.clone() };
            let served = serve(&from).await;
            let second = served.dial().await;
            let options = gaiwan_blobs::download::DownloadOptions { split, ..options() };
            let (result, _) = download(&to, content, options, &[&served.connection, &second]).await;
            let moved = result.unwrap().stats.payload_bytes_read - seq.size();
            // Two may have begun on it at the same time.
            assert!(moved <= 2 * child.size() + other.size(), "{moved}");
            child.assert_complete(&to);
            other.assert_complete(&to);
        }
        let here = local(&to, content, &ChunkRanges::all()).unwrap();
        assert!(here.is_complete());
        assert_eq!(here.blobs, 20_011);
        let here = local(&from, content, &ChunkRanges::all()).unwrap();
        assert_eq!(here.missing, Some(Vec::new()));
    });
}

#[test]
fn g5_what_is_missing_is_told_once_however_often_it_is_in_a_list() {
    let store = memory();
    let child = Honest::of_size(50);
    let seq = seq_of(&[child.hash; 1000]);
    add(&store, seq.data.clone());
    let content = HashAndFormat { hash: seq.hash, format: BlobFormat::HashSeq };
    let here = local(&store, content, &ChunkRanges::all()).unwrap();
    assert_eq!(here.missing, Some(vec![child.hash]));
    assert_eq!(here.request, ChunkRangesSeq::child(0, ChunkRanges::all()));
}

#[test]
fn g5_fewer_or_more_children_than_the_list_has_and_empty_ones() {
    run(async {
        let (a, b) = (Honest::of_size(1000), Honest::of_size(20_000));
        let empty = Honest::new(Vec::new());
        let seq = seq_of(&[a.hash, Hash::EMPTY, b.hash, Hash::EMPTY]);
        let root = seq.whole();
        let request = Request::Get(GetRequest::all(seq.hash));
        let whole = [&root[..], &a.whole(), &empty.whole(), &b.whole(), &empty.whole()].concat();
        let ask = async |bytes: Vec<u8>| {
            let store = memory();
            let liar = says(bytes).await;
            let (_, _, result) =
                fetch(&liar.connection, &store, &request, GetOptions::default()).await;
            (store, result.map_err(|failure| failure.code))
        };
        let (store, result) = ask(whole.clone()).await;
        assert_eq!(result, Ok(()));
        a.assert_complete(&store);
        b.assert_complete(&store);
        let (store, result) = ask([&root[..], &a.whole()].concat()).await;
        assert_eq!(result, Err(ErrorCode::BlobNotFound));
        a.assert_complete(&store);
        let (store, result) = ask([&whole[..], &a.whole()].concat()).await;
        assert_eq!(result, Err(ErrorCode::ProtocolViolation));
        b.assert_complete(&store);
        // A child in the place of another, and one that is empty and has bytes.
        let (store, result) = ask([&root[..], &b.whole(), &a.whole()].concat()).await;
        assert_eq!(result, Err(ErrorCode::HashMismatch));
        assert!(!store.bitfield(&b.hash).unwrap().is_complete());
        let (_, result) = ask([&root[..], &a.whole(), &a.whole()].concat()).await;
        assert_eq!(result, Err(ErrorCode::HashMismatch));
    });
}

#[test]
fn g5_children_of_a_root_that_is_not_here_can_not_be_read() {
    run(async {
        let child = Honest::of_size(1000);
        let seq = seq_of(&vec![child.hash; 40]);
        let liar = says(child.whole()).await;
        let ranges = ChunkRangesSeq::child(3, ChunkRanges::all());
        let request = Request::Get(GetRequest::new(seq.hash, ranges));
        let store = memory();
        let result = fetch(&liar.connection, &store, &request, GetOptions::default()).await.2;
        assert_eq!(result.unwrap_err().code, ErrorCode::BlobNotFound);
        assert!(store.list(None, 1).unwrap().is_empty());
        add(&store, seq.data.clone());
        fetch(&liar.connection, &store, &request, GetOptions::default()).await.2.unwrap();
        child.assert_complete(&store);
    });
}

#[test]
fn g6_metadata_over_the_limit_is_refused_before_it_is_read() {
    run(async {
        let meta = Honest::of_size(10_000);
        let seq = seq_of(&[meta.hash, Hash::EMPTY]);
        for claim in [1u64 << 30, u64::MAX] {
            let (sender, mut stopped) = unbounded_channel();
            let head = [&seq.whole()[..], &claim.to_le_bytes()].concat();
            let liar = liar(move |_, mut send| {
                let (sender, head) = (sender.clone(), head.clone());
                async move {
                    let mut sent = 0;
                    let mut next = head;
                    while let Ok(()) = send.write_all(&next).await {
                        sent += next.len();
                        next = vec![0; 64 * 1024];
                    }
                    sender.send(sent).unwrap();
                }
            })
            .await;
            let store = memory();
            let request = Request::Get(GetRequest::all(seq.hash));
            let options = limited(Some(1 << 20), None);
            let (_, stats, result) = fetch(&liar.connection, &store, &request, options).await;
            assert_eq!(result.unwrap_err().code, ErrorCode::BlobTooLarge);
            assert_eq!(stats.payload_bytes_read, 64);
            // Some is always on its way: what fits into the windows.
            assert!(stopped.recv().await.unwrap() < 4 << 20);
            assert!(!store.has_row(&meta.hash).unwrap());
        }
        // What is here can be large as well; who reads it says how much is wanted.
        let store = memory();
        add(&store, meta.data.clone());
        assert_eq!(store.get(&meta.hash, 9_999).unwrap_err().code, ErrorCode::BlobTooLarge);
        // The sizes of all children, for the price of a chunk each.
        let ranges = ChunkRangesSeq::from_ranges([ChunkRanges::all(), last_chunk()]);
        let bytes = [seq.whole(), meta.response(&last_chunk())].concat();
        let liar = says(bytes).await;
        let request = Request::Get(GetRequest::new(seq.hash, ranges));
        fetch(&liar.connection, &memory(), &request, GetOptions::default()).await.2.unwrap();
    });
}

#[test]
fn g6_metadata_that_is_none_arrives_as_a_blob_and_is_no_collection() {
    run(async {
        let header = b"CollectionV0.";
        type Expected = fn(&CollectionError) -> bool;
        let cases: [(Vec<u8>, Expected); 6] = [
            (b"CollectionV1.\0".to_vec(), |error| matches!(error, CollectionError::Header)),
            (Vec::new(), |error| matches!(error, CollectionError::Header)),
            ([&header[..], &[0xff, 0xff, 0xff, 0xff, 0x7f]].concat(), |error| {
                matches!(error, CollectionError::Wire(_))
            }),
            ([&header[..], &[1, 2, 0xc3, 0x28]].concat(), |error| {
                matches!(error, CollectionError::Utf8(0))
            }),
            ([&header[..], &[0]].concat(), |error| {
                matches!(error, CollectionError::Mismatch { names: 0, hashes: 2 })
            }),
            ([&header[..], &[2, 1, b'a', 1, b'b']].concat(), |error| {
                matches!(error, CollectionError::Mismatch { names: 2, hashes: 2 })
            }),
        ];
        for (meta, is_expected) in cases {
            let (meta, from, to) = (Honest::new(meta), memory(), memory());
            let seq = seq_of(&[meta.hash, Hash::EMPTY]);
            add(&from, meta.data.clone());
            add(&from, seq.data.clone());
            let served = serve(&from).await;
            let content = HashAndFormat { hash: seq.hash, format: BlobFormat::HashSeq };
            let (result, _) = download(&to, content, options(), &[&served.connection]).await;
            result.unwrap();
            let (meta, list) =
                (to.get(&meta.hash, 1000).unwrap(), to.get(&seq.hash, 1000).unwrap());
            let error = Collection::decode(&meta, &list).unwrap_err();
            assert!(is_expected(&error), "{error:?}");
        }
    });
}

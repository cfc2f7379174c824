//! Whole transfers between two of ours.

use bao_tree::ChunkNum;
use gaiwan_base::{BlobFormat, ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::{
    Received,
    getter::{self, BlobStream, GetOptions, get, local, observe, push, verified_size},
    proto::{ChunkRanges, GetRequest, Request, RequestKind},
    provider::ProviderOptions,
    store::{Store, StoreOptions},
};

use crate::peers::{LONG, add, add_collection, memory, pattern, run, serve, serve_with};

const STALL: std::time::Duration = LONG;

async fn fetch(served: &crate::peers::Served, store: &Store, request: GetRequest) -> Vec<Received> {
    let mut heard = Vec::new();
    let request = Request::Get(request);
    let (_, result) =
        get(&served.connection, store, &request, GetOptions::default(), &mut |event| {
            heard.push(event)
        })
        .await;
    result.expect("the transfer");
    heard
}

#[test]
fn blobs_of_every_size_arrive_in_memory_and_in_a_directory() {
    run(async {
        let from = memory();
        let served = serve(&from).await;
        let folder = std::env::temp_dir().join(format!("gaiwan-blobs-{}", std::process::id()));
        // Of another process of that number.
        let _ = std::fs::remove_dir_all(&folder);
        let directory = Store::open(&folder, StoreOptions::default()).unwrap();
        for to in [memory(), directory.clone()] {
            for size in [
                0,
                1,
                1023,
                1024,
                1025,
                16_383,
                16_384,
                16_385,
                100_000,
                1 << 20,
                5_000_000,
                8 << 20,
            ] {
                let bytes = pattern(size);
                let hash = add(&from, bytes.clone());
                let heard = fetch(&served, &to, GetRequest::blob(hash)).await;
                assert_eq!(heard.last(), Some(&Received::Done { index: 0, hash }));
                assert!(to.bitfield(&hash).unwrap().is_complete(), "{size}");
                assert_eq!(to.get(&hash, u64::MAX).unwrap(), bytes, "{size}");
            }
        }
        directory.close();
        drop(directory);
        std::fs::remove_dir_all(folder).unwrap();
    });
}

#[test]
fn a_part_is_fetched_and_later_only_the_rest() {
    run(async {
        let (from, to) = (memory(), memory());
        let bytes = pattern(1_000_000);
        let hash = add(&from, bytes.clone());
        let served = serve(&from).await;
        let part = ChunkRanges::from(ChunkNum(64)..ChunkNum(128));
        fetch(&served, &to, GetRequest::blob_ranges(hash, part)).await;
        let content = HashAndFormat { hash, format: BlobFormat::Raw };
        let here = local(&to, content, &ChunkRanges::all()).unwrap();
        assert_eq!((here.local_bytes, here.is_complete()), (64 * 1024, false));
        let (stats, result) = get(
            &served.connection,
            &to,
            &Request::Get(here.request(hash)),
            GetOptions::default(),
            &mut |_| {},
        )
        .await;
        result.unwrap();
        assert_eq!(stats.payload_bytes_read, 1_000_000 - 64 * 1024);
        assert_eq!(to.get(&hash, u64::MAX).unwrap(), bytes);
        assert!(local(&to, content, &ChunkRanges::all()).unwrap().is_complete());
    });
}

#[test]
fn a_collection_arrives_root_first_and_what_is_here_is_not_brought_twice() {
    run(async {
        let (from, to) = (memory(), memory());
        let files: Vec<(String, Vec<u8>)> =
            (0..100).map(|n| (format!("file-{n}"), pattern(n * 997))).collect();
        let list: Vec<(&str, Vec<u8>)> =
            files.iter().map(|(name, bytes)| (&name[..], bytes.clone())).collect();
        let hash = add_collection(&from, &list);
        add(&to, pattern(50 * 997));
        let content = HashAndFormat { hash, format: BlobFormat::HashSeq };
        let served = serve(&from).await;
        let first = local(&to, content, &ChunkRanges::all()).unwrap();
        assert!(first.missing.is_none());
        fetch(&served, &to, first.request(hash)).await;
        let second = local(&to, content, &ChunkRanges::all()).unwrap();
        // The empty file is always here, one was added; the names and 98 files are missing.
        assert_eq!(second.missing.as_ref().unwrap().len(), 99);
        fetch(&served, &to, second.request(hash)).await;
        assert!(local(&to, content, &ChunkRanges::all()).unwrap().is_complete());
        for (_, bytes) in &files {
            let child = Hash::from_bytes(*blake3::hash(bytes).as_bytes());
            assert_eq!(to.get(&child, u64::MAX).unwrap(), *bytes);
        }
    });
}

#[test]
fn what_is_not_here_ends_cleanly_and_what_came_before_stays() {
    run(async {
        let (from, to) = (memory(), memory());
        let served = serve(&from).await;
        let unknown = Hash::from_bytes([9; 32]);
        let request = Request::Get(GetRequest::blob(unknown));
        let (_, result) =
            get(&served.connection, &to, &request, GetOptions::default(), &mut |_| {}).await;
        assert_eq!(result.unwrap_err().code, ErrorCode::BlobNotFound);
        let hashes = [add(&from, pattern(5)), unknown, add(&from, pattern(6))];
        let seq = add(&from, hashes.map(|hash| *hash.as_bytes()).concat());
        let request = Request::Get(GetRequest::all(seq));
        let (_, result) =
            get(&served.connection, &to, &request, GetOptions::default(), &mut |_| {}).await;
        assert_eq!(result.unwrap_err().code, ErrorCode::BlobNotFound);
        assert_eq!(to.get(&hashes[0], 100).unwrap(), pattern(5));
        assert!(!to.bitfield(&hashes[2]).unwrap().is_complete());
    });
}

#[test]
fn ranges_past_the_store_sizes_and_observations() {
    run(async {
        let (from, bytes) = (memory(), pattern(300_000));
        let hash = add(&from, bytes.clone());
        let served = serve(&from).await;
        assert_eq!(verified_size(&served.connection, hash, STALL).await.unwrap(), 300_000);
        for (start, end) in [
            (0, None),
            (1, Some(2)),
            (1000, Some(200_000)),
            (299_999, None),
            (300_000, None),
            (5, Some(5)),
        ] {
            let mut stream =
                BlobStream::open(&served.connection, hash, start, end, STALL).await.unwrap();
            let mut got = Vec::new();
            while let Some(piece) = stream.next().await.unwrap() {
                got.extend_from_slice(&piece);
            }
            let to = end.map_or(bytes.len(), |end| (end as usize).min(bytes.len()));
            assert_eq!(got, bytes[(start as usize).min(to)..to], "{start} {end:?}");
        }
        let mut seen = observe(&served.connection, hash).await.unwrap();
        assert!(seen.next().await.unwrap().unwrap().is_complete());
        let later = pattern(77_777);
        let coming = Hash::from_bytes(*blake3::hash(&later).as_bytes());
        let mut seen = observe(&served.connection, coming).await.unwrap();
        assert!(seen.next().await.unwrap().unwrap().is_empty());
        add(&from, later);
        assert!(seen.next().await.unwrap().unwrap().is_complete());
    });
}

#[test]
fn a_push_is_refused_unless_it_is_allowed_and_then_it_is_stored() {
    run(async {
        let (mine, theirs) = (memory(), memory());
        let hash = add_collection(&mine, &[("a", pattern(100_000)), ("b", pattern(20))]);
        let content = HashAndFormat { hash, format: BlobFormat::HashSeq };
        let served = serve(&theirs).await;
        let refused = push(&served.connection, &mine, content).await.unwrap_err();
        assert_eq!((refused.code, refused.application_code), (ErrorCode::ProviderRefused, Some(1)));
        assert!(theirs.list(None, 10).unwrap().is_empty());
        let options = ProviderOptions {
            allow: vec![RequestKind::Push, RequestKind::Observe],
            ..Default::default()
        };
        let served = serve_with(&theirs, options, None).await;
        let stats = push(&served.connection, &mine, content).await.unwrap();
        assert!(stats.payload_bytes_written > 100_000);
        let mut seen = getter::observe(&served.connection, hash).await.unwrap();
        while !seen.next().await.unwrap().unwrap().is_complete() {}
        let child = Hash::from_bytes(*blake3::hash(&pattern(100_000)).as_bytes());
        let mut seen = getter::observe(&served.connection, child).await.unwrap();
        while !seen.next().await.unwrap().unwrap().is_complete() {}
        assert_eq!(theirs.get(&child, u64::MAX).unwrap(), pattern(100_000));
    });
}

//! Sizes that are lies.

use std::time::Duration;

use gaiwan_base::ErrorCode;
use gaiwan_blobs::{
    Limits, Received,
    getter::{BlobStream, GetOptions, verified_size},
    proto::{ChunkRanges, GetRequest, Request, last_chunk},
    store::{Store, StoreOptions},
};

use super::peer::{Parrot, fetch, liar, say, says};
use crate::{
    honest::{Honest, chunks},
    peers::{LONG, memory, run},
};

const STALL: Duration = LONG;

fn lie(blob: &Honest, ranges: &ChunkRanges, size: u64) -> Vec<u8> {
    let mut response = blob.response(ranges);
    response[..8].copy_from_slice(&size.to_le_bytes());
    response
}

/// Sizes that a liar may try.
fn lies(size: u64) -> Vec<u64> {
    let group = 16_384;
    let near = [1, 1024, group, 10 * group]
        .into_iter()
        .flat_map(|step| [size.saturating_add(step), size.saturating_sub(step)]);
    let far = [0, 1, 1 << 20, 1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];
    near.chain(far).filter(|lie| *lie != size).collect()
}

#[test]
fn g2_a_wrong_size_is_never_believed_and_the_truth_comes_through() {
    run(async {
        let parrot = Parrot::new().await;
        for size in [1, 1000, 16_384, 16_385, 100_000] {
            let blob = Honest::of_size(size);
            for lie_of in lies(size) {
                let store = memory();
                let request = Request::Get(GetRequest::blob(blob.hash));
                let options = GetOptions { stall: Some(STALL), ..GetOptions::default() };
                let liar = parrot.says(lie(&blob, &ChunkRanges::all(), lie_of));
                let (_, _, result) = fetch(liar, &store, &request, options).await;
                let code = result.unwrap_err().code;
                assert!(
                    matches!(
                        code,
                        ErrorCode::HashMismatch
                            | ErrorCode::ProtocolViolation
                            | ErrorCode::BlobNotFound
                    ),
                    "{size} as {lie_of}: {code:?}"
                );
                blob.check(&store);
                assert!(!store.bitfield(&blob.hash).unwrap().is_validated());
                let stream = BlobStream::open(liar, blob.hash, 0, None, STALL).await;
                if let Ok(mut stream) = stream {
                    while let Ok(bytes) = stream.next().await {
                        assert!(bytes.is_some(), "{size} as {lie_of} looks whole");
                    }
                }
                for ranges in [ChunkRanges::all(), last_chunk()] {
                    let liar = parrot.says(lie(&blob, &ranges, lie_of));
                    let told = verified_size(liar, blob.hash, STALL).await;
                    assert!(told.is_err(), "{size} as {lie_of}");
                }
                let honest = parrot.says(blob.whole());
                let (heard, _, result) = fetch(honest, &store, &request, options).await;
                result.unwrap();
                assert!(heard.contains(&Received::Size { index: 0, hash: blob.hash, size }));
                blob.assert_complete(&store);
            }
        }
    });
}

#[test]
fn g2_a_size_that_fits_the_first_leaves_changes_neither_them_nor_the_end() {
    run(async {
        // Trees of 65 to 128 groups are alike in their left half, so its leaves verify under each of these sizes.
        let blob = Honest::of_size(100 * 16_384 + 77);
        let left = chunks(0..1024);
        let folder = std::env::temp_dir().join(format!("gaiwan-g2-{}", std::process::id()));
        // Of another process of that number.
        let _ = std::fs::remove_dir_all(&folder);
        let directory = Store::open(&folder, StoreOptions::default()).unwrap();
        for store in [memory(), directory.clone()] {
            for groups in [65, 100, 101, 128] {
                let liar = says(lie(&blob, &left, groups * 16_384)).await;
                let request = Request::Get(GetRequest::blob_ranges(blob.hash, left.clone()));
                let (_, _, result) =
                    fetch(&liar.connection, &store, &request, GetOptions::default()).await;
                result.unwrap();
                assert_eq!(blob.check(&store), left);
            }
            let right = says(blob.response(&(&ChunkRanges::all() - &left))).await;
            let rest = ChunkRanges::all() - left.clone();
            let request = Request::Get(GetRequest::blob_ranges(blob.hash, rest));
            let (_, _, result) =
                fetch(&right.connection, &store, &request, GetOptions::default()).await;
            result.unwrap();
            blob.assert_complete(&store);
        }
        directory.close();
        drop(directory);
        std::fs::remove_dir_all(folder).unwrap();
    });
}

#[test]
fn g2_the_size_of_what_is_here_is_known_better_than_any_provider_does() {
    run(async {
        let blob = Honest::of_size(100_000);
        let store = memory();
        let parrot = Parrot::new().await;
        let end = parrot.says(blob.response(&chunks(96..98)));
        let request = Request::Get(GetRequest::blob_ranges(blob.hash, chunks(96..98)));
        fetch(end, &store, &request, GetOptions::default()).await.2.unwrap();
        for size in lies(100_000) {
            let first = parrot.says(lie(&blob, &chunks(0..16), size));
            let request = Request::Get(GetRequest::blob_ranges(blob.hash, chunks(0..16)));
            let (_, _, result) = fetch(first, &store, &request, GetOptions::default()).await;
            assert_eq!(result.unwrap_err().code, ErrorCode::HashMismatch, "{size}");
            assert_eq!(store.bitfield(&blob.hash).unwrap().validated_size(), Some(100_000));
        }
    });
}

#[test]
fn g2_only_the_empty_blob_has_no_bytes() {
    run(async {
        let store = memory();
        let empty = Honest::new(Vec::new());
        let liar = says(1u64.to_le_bytes().to_vec()).await;
        let request = Request::Get(GetRequest::blob(empty.hash));
        let result = fetch(&liar.connection, &store, &request, GetOptions::default()).await.2;
        assert_eq!(result.unwrap_err().code, ErrorCode::HashMismatch);
        let honest = says(0u64.to_le_bytes().to_vec()).await;
        fetch(&honest.connection, &store, &request, GetOptions::default()).await.2.unwrap();
        assert_eq!(verified_size(&honest.connection, empty.hash, STALL).await.unwrap(), 0);
        let blob = Honest::of_size(1);
        assert!(verified_size(&honest.connection, blob.hash, STALL).await.is_err());
        let request = Request::Get(GetRequest::blob(blob.hash));
        let result = fetch(&honest.connection, &store, &request, GetOptions::default()).await.2;
        assert_eq!(result.unwrap_err().code, ErrorCode::HashMismatch);
    });
}

#[test]
fn g2_a_size_over_the_limit_ends_the_request_before_a_byte_is_taken() {
    run(async {
        let blob = Honest::of_size(100_000);
        for size in [100_001, 1 << 40, u64::MAX] {
            let response = lie(&blob, &ChunkRanges::all(), size);
            let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
            let liar = liar(move |_, mut send| {
                let (response, told) = (response.clone(), told.clone());
                async move {
                    send.write_all(&response[..1000]).await.unwrap();
                    told.send(send.stopped().await.unwrap()).unwrap();
                }
            })
            .await;
            let store = memory();
            let limits = Limits { max_bytes: Some(100_000), ..Limits::default() };
            let options = GetOptions { stall: Some(STALL), limits };
            let request = Request::Get(GetRequest::blob(blob.hash));
            let result = fetch(&liar.connection, &store, &request, options).await.2;
            assert_eq!(result.unwrap_err().code, ErrorCode::BlobTooLarge);
            assert_eq!(heard.recv().await.unwrap(), Some(0u32.into()));
            assert!(store.list(None, 1).unwrap().is_empty());
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn g2_a_claim_of_a_terabyte_takes_no_memory_for_it() {
    fn peak() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmPeak:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
    run(async {
        let blob = Honest::of_size(1 << 20);
        for size in [1 << 40, 1 << 50, u64::MAX] {
            // It goes on as long as it is let: here a stream of pairs that never ends.
            let liar = liar(move |_, send| {
                let bytes = [&u64::to_le_bytes(size)[..], &vec![7; 1 << 20]].concat();
                say(send, bytes, None)
            })
            .await;
            let request = Request::Get(GetRequest::blob(blob.hash));
            let result =
                fetch(&liar.connection, &memory(), &request, GetOptions::default()).await.2;
            assert_eq!(result.unwrap_err().code, ErrorCode::HashMismatch);
        }
        assert!(peak() < 1 << 40, "{} bytes", peak());
    });
}

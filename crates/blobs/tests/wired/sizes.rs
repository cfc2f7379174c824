//! How much a download will be, told beside it.

use std::time::{Duration, Instant};

use gaiwan_base::{BlobFormat, ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::{
    download::{DownloadEvent, DownloadOptions},
    getter::{GetOptions, child_sizes, get},
    proto::{ChunkRanges, ChunkRangesSeq, GetRequest, Request, SeqBuilder, last_chunk},
    provider::ProviderOptions,
    store::Store,
};

use crate::{
    download::download,
    honest::{Honest, chunks},
    hostile_provider::peer::{Parrot, liar, say},
    peers::{LONG, add, add_collection, memory, patient, pattern, run, serve, serve_with},
};

const STALL: Duration = LONG;

/// Files whose bytes all differ.
fn files(sizes: &[u64]) -> Vec<(String, Vec<u8>)> {
    (0_u8..)
        .zip(sizes)
        .map(|(n, size)| (n.to_string(), pattern(*size).into_iter().map(|byte| byte ^ n).collect()))
        .collect()
}

fn collection(store: &Store, files: &[(String, Vec<u8>)]) -> Hash {
    let files: Vec<_> = files.iter().map(|(name, bytes)| (&name[..], bytes.clone())).collect();
    add_collection(store, &files)
}

/// Totals that were told before the last event.
fn early(events: &[DownloadEvent]) -> Vec<u64> {
    let totals = events.iter().filter_map(|event| match event {
        DownloadEvent::Progress { bytes, total: Some(total) } if bytes < total => Some(*total),
        _ => None,
    });
    let mut totals: Vec<u64> = totals.collect();
    totals.dedup();
    totals
}

/// Seconds are left when the sizes come.
fn slow() -> ProviderOptions {
    ProviderOptions { max_upload_rate: Some(400_000), ..patient() }
}

#[test]
fn the_sizes_of_chosen_children_come_in_one_request_and_are_proven() {
    run(async {
        let (from, sizes) = (memory(), [1, 1024, 16_384, 16_385, 100_000, 3_000_000]);
        let root = collection(&from, &files(&sizes));
        let list = from.get(&root, 1 << 20).unwrap();
        let child = |index: u64| {
            let at = usize::try_from(32 * index).unwrap();
            (index, Hash::try_from(&list[at..at + 32]).unwrap())
        };
        let served = serve(&from).await;
        let told = |children: Vec<(u64, Hash)>| async {
            child_sizes(&served.connection, root, &{ children }, STALL).await
        };
        assert_eq!(told((1..7).map(child).collect()).await.unwrap(), sizes);
        assert_eq!(told(vec![child(2), child(5)]).await.unwrap(), [1024, 100_000]);
        assert_eq!(served.count("requests_get"), 2);
        assert_eq!(told(vec![(1, child(2).1)]).await.unwrap_err().code, ErrorCode::HashMismatch);
        from.delete(&[child(5).1]).unwrap();
        let failed = told(vec![child(4), child(5)]).await.unwrap_err();
        assert_eq!(failed.code, ErrorCode::BlobNotFound);
    });
}

#[test]
fn g2_a_lie_about_the_size_of_a_child_is_no_size() {
    run(async {
        let (blob, parrot) = (Honest::of_size(100_000), Parrot::new().await);
        for lie in [0, 1, 99_999, 100_001, 1 << 40, u64::MAX] {
            let mut answer = blob.response(&last_chunk());
            answer[..8].copy_from_slice(&u64::to_le_bytes(lie));
            let liar = parrot.says(answer);
            let told = child_sizes(liar, Hash::from_bytes([1; 32]), &[(0, blob.hash)], STALL).await;
            assert!(told.is_err(), "{lie}");
        }
    });
}

#[test]
fn a_download_that_takes_a_while_has_a_total_long_before_its_end_also_when_resumed() {
    run(async {
        let (from, to) = (memory(), memory());
        let files = files(&[1_000_000, 20_000, 500_000, 10]);
        // One that comes twice is brought once.
        let twice = [&files[..], &[("again".to_owned(), files[1].1.clone())]].concat();
        let hash = collection(&from, &twice);
        let names = 13 + 1 + files.len() as u64 * 2 + 6;
        let total = 6 * 32 + names + 1_520_010;
        let content = HashAndFormat { hash, format: BlobFormat::HashSeq };
        let served = serve_with(&from, slow(), None).await;
        let options = DownloadOptions { sizes: true, ..DownloadOptions::default() };
        let (result, events) = download(&to, content, options.clone(), &[&served.connection]).await;
        assert_eq!(result.unwrap().local_bytes, 0);
        assert_eq!(early(&events), [total]);

        let to = memory();
        let part = chunks(0..512) | last_chunk();
        let head = SeqBuilder::default().at(0, ChunkRanges::all()).at(2, part).build();
        let part = Request::Get(GetRequest::new(hash, head));
        get(&served.connection, &to, &part, GetOptions::default(), &mut |_| {}).await.1.unwrap();
        let (result, events) = download(&to, content, options, &[&served.connection]).await;
        assert!(result.unwrap().local_bytes >= 512 << 10);
        assert_eq!(early(&events), [total]);
    });
}

#[test]
fn a_short_download_and_one_of_very_many_children_are_not_asked_twice() {
    run(async {
        let (from, to) = (memory(), memory());
        let small = collection(&from, &files(&[10, 20]));
        let many = (0..5000_u32).flat_map(|n| *add(&from, n.to_le_bytes().to_vec()).as_bytes());
        let many = add(&from, many.collect::<Vec<u8>>());
        let options = DownloadOptions { sizes: true, ..DownloadOptions::default() };
        for (hash, max_upload_rate) in [(small, None), (many, Some(200_000))] {
            let limits = ProviderOptions { max_upload_rate, ..patient() };
            let served = serve_with(&from, limits, None).await;
            let content = HashAndFormat { hash, format: BlobFormat::HashSeq };
            let start = Instant::now();
            let (result, _) = download(&to, content, options.clone(), &[&served.connection]).await;
            result.unwrap();
            // The root, then the children; and what is not over in a moment is asked for its sizes.
            let is_long = hash == small && start.elapsed() >= Duration::from_millis(100);
            let asked = served.count("requests_get");
            assert!(asked == 2 || (asked == 3 && is_long), "{asked}");
        }
    });
}

#[test]
fn a_provider_that_does_not_tell_the_sizes_is_good_for_the_rest() {
    run(async {
        let (blob, to) = (Honest::of_size(3_000_000), memory());
        let root = Honest::new(blob.hash.as_bytes().to_vec());
        let (hash, asked) = (root.hash, std::sync::Arc::new(tokio::sync::Notify::new()));
        let liar = liar(move |request, send| {
            let Request::Get(GetRequest { ranges, .. }) = request else { panic!("a Get") };
            let sizes = SeqBuilder::default().at(1, last_chunk()).build();
            let (bytes, asked) = match &ranges {
                ranges if *ranges == sizes => (None, asked.clone()),
                ranges if *ranges == ChunkRangesSeq::root(ChunkRanges::all()) => {
                    (Some(root.whole()), asked.clone())
                }
                _ => (Some(blob.whole()), asked.clone()),
            };
            async move {
                match bytes {
                    None => {
                        say(send, Vec::new(), Some(1)).await;
                        asked.notify_one();
                    }
                    Some(bytes) if bytes.len() < 1000 => say(send, bytes, None).await,
                    // Not before it was asked for sizes.
                    Some(bytes) => {
                        asked.notified().await;
                        say(send, bytes, None).await;
                    }
                }
            }
        })
        .await;
        let content = HashAndFormat { hash, format: BlobFormat::HashSeq };
        let options = DownloadOptions { sizes: true, ..DownloadOptions::default() };
        let (result, events) = download(&to, content, options, &[&liar.connection]).await;
        result.unwrap();
        assert!(early(&events).is_empty());
        let failed = |event: &DownloadEvent| matches!(event, DownloadEvent::Failed { .. });
        assert!(!events.iter().any(failed));
    });
}

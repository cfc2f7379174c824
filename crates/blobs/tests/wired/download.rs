//! Downloads from one provider and from several.

use std::sync::{Arc, Mutex};

use bao_tree::ChunkNum;
use bytes::Bytes;
use gaiwan_base::{BlobFormat, ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::{
    download::{Download, DownloadEvent, DownloadOptions, Downloaded, TagAs},
    getter::{GetOptions, get},
    proto::{ChunkRanges, GetRequest, Request},
    provider::EventKind,
    store::Store,
};
use gaiwan_endpoint::{Connection, Failure};

use crate::peers::{Heard, add, add_collection, memory, patient, pattern, run, serve, serve_heard};

/// Downloads from these connections, numbered from 0.
pub async fn download(
    store: &Store,
    content: HashAndFormat,
    options: DownloadOptions,
    from: &[&Connection],
) -> (Result<Downloaded, Failure>, Vec<DownloadEvent>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let (download, providers) = Download::new(
        store.clone(),
        content,
        options,
        Arc::new(move |event| heard.lock().unwrap().push(event)),
    );
    for (number, connection) in (0..).zip(from) {
        providers.add(number, (*connection).clone());
    }
    drop(providers);
    let result = download.run().await;
    let events = std::mem::take(&mut *events.lock().unwrap());
    (result, events)
}

#[test]
fn a_collection_is_downloaded_and_tagged_and_a_second_time_nothing_moves() {
    run(async {
        let (from, to) = (memory(), memory());
        let files: Vec<(String, Vec<u8>)> =
            (0..200).map(|n| (format!("{n}"), pattern(n * 501))).collect();
        let files: Vec<(&str, Vec<u8>)> =
            files.iter().map(|(name, bytes)| (&name[..], bytes.clone())).collect();
        let hash = add_collection(&from, &files);
        let content = HashAndFormat { hash, format: BlobFormat::HashSeq };
        let served = serve(&from).await;
        let tag = TagAs::Name(Bytes::from_static(b"mine"));
        let options = DownloadOptions { tag, ..DownloadOptions::default() };
        let (result, events) = download(&to, content, options.clone(), &[&served.connection]).await;
        assert_eq!(result.unwrap().size, 202 * 32 - 32);
        let done =
            events.iter().filter(|event| matches!(event, DownloadEvent::BlobDone { .. })).count();
        // The empty file is always here.
        assert_eq!(done, 1 + 1 + 199);
        assert_eq!(to.tag(b"mine").unwrap().unwrap().content, content);
        let kept = to.gc(&[]).unwrap();
        assert_eq!(kept.deleted, 0, "the tag keeps the children");
        let (result, _) = download(&to, content, options, &[]).await;
        assert_eq!(result.unwrap().stats.payload_bytes_read, 0);
    });
}

/// A request is over for which bytes of a blob were sent.
fn has_sent(kind: &EventKind) -> bool {
    match kind {
        EventKind::Completed { stats, .. } | EventKind::Aborted { stats, .. } => {
            stats.payload_bytes_written > 0
        }
        _ => false,
    }
}

#[test]
fn a_blob_is_shared_by_providers_of_which_one_has_a_part() {
    run(async {
        let (whole, part, to) = (memory(), memory(), memory());
        let bytes = pattern(70 << 20);
        let hash = add(&whole, bytes.clone());
        let first = serve(&whole).await;
        let request =
            Request::Get(GetRequest::blob_ranges(hash, ChunkRanges::from(..ChunkNum(40 << 10))));
        get(&first.connection, &part, &request, GetOptions::default(), &mut |_| {})
            .await
            .1
            .unwrap();
        let (events, mut heard) = Heard::new();
        let second = serve_heard(&part, patient(), None, Some(events)).await;
        let options = DownloadOptions { split: true, ..DownloadOptions::default() };
        let (result, _) = download(
            &to,
            HashAndFormat::raw(hash),
            options,
            &[&second.connection, &first.connection],
        )
        .await;
        // The one that has not the last chunk can't prove the size and is of no use for this one.
        let result = result.unwrap();
        assert_eq!(result.size, 70 << 20);
        // That is counted when it knows that all of it has come.
        heard.until(has_sent).await;
        let sent =
            second.provider.metrics().payload_bytes_sent.load(std::sync::atomic::Ordering::Relaxed);
        assert!(sent > 0, "the part of the second was of use");
        assert_eq!(to.get(&hash, u64::MAX).unwrap(), bytes);
    });
}

#[test]
fn a_provider_that_goes_away_is_followed_by_the_next() {
    run(async {
        let (from, to) = (memory(), memory());
        let bytes = pattern(20 << 20);
        let hash = add(&from, bytes.clone());
        let (first, second) = (serve(&from).await, serve(&from).await);
        first.connection.close(0, b"");
        let (result, events) = download(
            &to,
            HashAndFormat::raw(hash),
            DownloadOptions::default(),
            &[&first.connection, &second.connection],
        )
        .await;
        result.unwrap();
        assert!(
            matches!(&events[..], [.., ] if events.iter().any(|event| matches!(event, DownloadEvent::Failed { provider: 0, .. })))
        );
        assert_eq!(to.get(&hash, u64::MAX).unwrap(), bytes);
    });
}

#[test]
fn without_a_provider_or_with_none_that_has_it_it_fails_with_the_reason() {
    run(async {
        let (from, to) = (memory(), memory());
        let content = HashAndFormat::raw(Hash::from_bytes([3; 32]));
        let (result, _) = download(&to, content, DownloadOptions::default(), &[]).await;
        assert_eq!(result.unwrap_err().code, ErrorCode::NoProvider);
        let served = serve(&from).await;
        let (result, _) =
            download(&to, content, DownloadOptions::default(), &[&served.connection]).await;
        assert_eq!(result.unwrap_err().code, ErrorCode::BlobNotFound);
        let hash = add(&from, pattern(1 << 20));
        let options = DownloadOptions { max_bytes: Some(1000), ..DownloadOptions::default() };
        for split in [false, true] {
            let options = DownloadOptions { split, ..options.clone() };
            let (result, _) =
                download(&to, HashAndFormat::raw(hash), options, &[&served.connection]).await;
            assert_eq!(result.unwrap_err().code, ErrorCode::BlobTooLarge);
        }
        assert!(to.list(None, 10).unwrap().is_empty());
    });
}

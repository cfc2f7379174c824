//! Limits that no peer is to blame for: files that may be open, responses that may be under way.

use std::time::Duration;

use futures_util::future::select_all;
use gaiwan_base::{BlobFormat, ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::{
    download::DownloadOptions,
    getter::push,
    proto::{GetRequest, Request, RequestKind},
    provider::{EventKind, ProviderOptions},
    store::{Store, StoreOptions},
};
use gaiwan_endpoint::TransportOptions;

use crate::{
    download::download,
    honest::Honest,
    peers::{
        Heard, LONG, add, add_collection, ask, bind, dial, memory, open, pattern, read, run,
        run_on, serve, serve_heard,
    },
};

/// A store that fills one blob at a time, each in a file.
fn one_at_a_time() -> Store {
    let options = StoreOptions { max_filling: 1, inline_data_bytes: 0, ..StoreOptions::default() };
    Store::memory(options).unwrap()
}

#[test]
fn p6_responses_are_limited_in_all_and_of_one_peer_and_the_others_wait_their_turn() {
    // On one thread what is written without a wait leaves as one: no request is cut off by the short time.
    run_on(&mut tokio::runtime::Builder::new_current_thread(), async {
        let store = memory();
        let (hash, blob) = (add(&store, vec![7; 1 << 20]), Honest::of_size(20_000));
        add(&store, blob.data.clone());
        // Time for all who can have a turn, and little for those who can't.
        for request_timeout in [LONG, Duration::from_millis(500)] {
            let (events, mut heard) = Heard::new();
            let options = ProviderOptions {
                max_responses: 5,
                max_responses_per_peer: 2,
                request_timeout,
                ..ProviderOptions::default()
            };
            let served = serve_heard(&store, options, None, Some(events)).await;
            // Two peers that take nothing, and want three answers each.
            let narrow =
                TransportOptions { stream_receive_window: Some(1), ..TransportOptions::default() };
            let large = Request::Get(GetRequest::blob(hash)).encode().unwrap();
            let mut held = Vec::new();
            for _ in 0..2 {
                let dialer = bind(narrow.clone());
                let connection = dial(&dialer, &served.endpoint).await;
                let mut streams = Vec::new();
                for _ in 0..3 {
                    streams.push(open(&connection, &large).await);
                }
                held.push((dialer, connection, streams));
            }
            heard.count(6, |kind| matches!(kind, EventKind::Request { .. })).await;
            if request_timeout == LONG {
                // One more may be under way: another peer gets its many answers, one after the other.
                let small = Request::Get(GetRequest::blob(blob.hash)).encode().unwrap();
                let mut asked = tokio::task::JoinSet::new();
                for _ in 0..20 {
                    let (connection, small) = (served.connection.clone(), small.clone());
                    asked.spawn(async move { ask(&connection, &small).await });
                }
                let answers = asked.join_all().await;
                assert!(answers.iter().all(|answer| *answer == (blob.whole(), None)));
                assert_eq!(served.count("requests_refused"), 0);
                continue;
            }
            // One of each had no turn in time.
            for (_, _, streams) in &mut held {
                let reads = streams.iter_mut().map(|recv| Box::pin(read(recv)));
                assert_eq!(select_all(reads).await.0, (Vec::new(), Some(2)));
            }
            assert_eq!(served.count("requests_refused"), 2);
        }
    });
}

#[test]
fn a_transfer_that_may_have_one_file_open_gets_along_with_it() {
    run(async {
        let (from, to) = (memory(), one_at_a_time());
        let files: Vec<_> = (1..40_u64).map(|n| (n.to_string(), pattern(n * 1111))).collect();
        let files: Vec<_> = files.iter().map(|(name, file)| (&name[..], file.clone())).collect();
        let hash = add_collection(&from, &files);
        let content = HashAndFormat { hash, format: BlobFormat::HashSeq };
        let served = serve(&from).await;
        let connection = &served.connection;
        download(&to, content, DownloadOptions::default(), &[connection]).await.0.unwrap();
        assert!(files.iter().all(|(_, file)| {
            let hash = Honest::new(file.clone()).hash;
            to.get(&hash, u64::MAX).unwrap() == *file
        }));
    });
}

#[test]
fn where_too_many_blobs_are_filled_a_download_is_busy_and_a_push_over_the_limit() {
    run(async {
        let (from, to) = (memory(), one_at_a_time());
        let (blob, other) = (Honest::of_size(100_000), Honest::of_size(200_000));
        add(&from, blob.data.clone());
        let hash: Hash = add(&from, other.data.clone());
        let (served, push_to) = (
            serve(&from).await,
            ProviderOptions { allow: vec![RequestKind::Push], ..ProviderOptions::default() },
        );
        let (events, mut heard) = Heard::new();
        let target = serve_heard(&to, push_to, None, Some(events)).await;
        // Somebody is at a blob, and has a part of it.
        let part =
            DownloadOptions { ranges: crate::honest::chunks(0..16), ..DownloadOptions::default() };
        let writer = to.writer(hash).unwrap().unwrap();
        let connection = &served.connection;
        download(&to, HashAndFormat::raw(hash), part, &[connection]).await.0.unwrap();
        let content = HashAndFormat::raw(blob.hash);
        let (result, _) = download(&to, content, DownloadOptions::default(), &[connection]).await;
        assert_eq!(result.unwrap_err().code, ErrorCode::StoreBusy);
        // A pusher that was quick has heard "permitted", and no more.
        let _ = push(&target.connection, &from, content).await;
        heard.until(|kind| matches!(kind, EventKind::Aborted { .. })).await;
        assert_eq!(target.count("requests_refused"), 1);
        drop(writer);
        download(&to, content, DownloadOptions::default(), &[connection]).await.0.unwrap();
        blob.assert_complete(&to);
    });
}

//! Getters that leave, and data that is not here.

use std::time::Duration;

use gaiwan_blobs::{
    proto::{ChunkRanges, GetRequest, Request},
    provider::{EventKind, Provider, ProviderOptions},
};
use gaiwan_endpoint::TransportOptions;

use crate::{
    honest::Honest,
    peers::{Heard, add, ask, bind, dial, memory, open, route, run, serve, serve_heard},
};

fn is_aborted(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Aborted { .. })
}

#[test]
fn p7_a_getter_that_stops_or_closes_is_told_as_aborted() {
    run(async {
        let store = memory();
        let hash = add(&store, vec![7; 20 << 20]);
        let (events, mut heard) = Heard::new();
        let served = serve_heard(&store, ProviderOptions::default(), None, Some(events)).await;
        let request = Request::Get(GetRequest::blob(hash)).encode().unwrap();
        let mut recv = open(&served.connection, &request).await;
        let mut some = vec![0; 1 << 20];
        recv.read_exact(&mut some).await.unwrap();
        recv.stop(0u32.into()).unwrap();
        let EventKind::Aborted { stats, .. } = heard.until(is_aborted).await else { panic!() };
        assert!((1 << 19..20 << 20).contains(&stats.payload_bytes_written), "{stats:?}");
        assert_eq!(stats.other_bytes_read, request.len() as u64);
        let mut running = Vec::new();
        for _ in 0..10 {
            running.push(open(&served.connection, &request).await);
        }
        heard.count(10, |kind| matches!(kind, EventKind::Started { .. })).await;
        served.connection.close(0, b"");
        // Each of them, and only then that the connection is gone.
        let mut aborted = 0;
        let end = |kind: &EventKind| is_aborted(kind) || matches!(kind, EventKind::Disconnected);
        while is_aborted(&heard.until(end).await) {
            aborted += 1;
        }
        assert_eq!(aborted, 10);
        assert_eq!(served.count("requests_aborted"), 11);
    });
}

#[test]
fn p7_a_getter_that_has_it_all_and_closes_at_once_is_told_as_served() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(100_000);
        add(&store, blob.data.clone());
        let (events, mut heard) = Heard::new();
        let served = serve_heard(&store, ProviderOptions::default(), None, Some(events)).await;
        let request = Request::Get(GetRequest::blob(blob.hash)).encode().unwrap();
        for _ in 0..20 {
            let connection = served.dial().await;
            assert_eq!(ask(&connection, &request).await, (blob.whole(), None));
            connection.close(0, b"");
        }
        let end =
            |kind: &EventKind| is_aborted(kind) || matches!(kind, EventKind::Completed { .. });
        heard.count(20, end).await;
        assert_eq!(served.count("requests_aborted"), 0);
    });
}

#[test]
fn p7_a_getter_that_vanishes_without_a_word_leaves_nothing_running() {
    run(async {
        let store = memory();
        let hash = add(&store, vec![7; 8 << 20]);
        let (events, mut heard) = Heard::new();
        let provider = Provider::new(store, ProviderOptions::default(), None, Some(events));
        // Longer than the machine stalls before it has something.
        let transport = TransportOptions {
            idle_timeout: Some(Duration::from_secs(6)),
            ..TransportOptions::default()
        };
        let metrics = provider.metrics();
        let (endpoint, router) = route(std::sync::Arc::new(provider), transport);
        let shared = endpoint.clone();
        let gone = tokio::task::spawn_blocking(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let dialer = bind(TransportOptions::default());
                let connection = dial(&dialer, &shared).await;
                let request = Request::Get(GetRequest::blob(hash)).encode().unwrap();
                let mut recv = open(&connection, &request).await;
                recv.read_exact(&mut [0; 1000]).await.unwrap();
                // Nothing of it is dropped while its runtime could still send a farewell.
                std::mem::forget((dialer, connection, recv));
            });
            runtime.shutdown_background();
        });
        gone.await.unwrap();
        heard.until(is_aborted).await;
        heard.until(|kind| matches!(kind, EventKind::Disconnected)).await;
        let all = metrics.all();
        assert!(all.contains(&("requests_aborted", 1)), "{all:?}");
        router.shutdown().await;
    });
}

#[test]
fn p10_a_part_that_is_not_here_is_no_damage() {
    run(async {
        let (full, part) = (memory(), memory());
        let blob = Honest::of_size(200_000);
        add(&full, blob.data.clone());
        let served = serve(&full).await;
        let first = Request::Get(GetRequest::blob_ranges(blob.hash, crate::honest::chunks(0..64)));
        let options = gaiwan_blobs::getter::GetOptions::default();
        gaiwan_blobs::getter::get(&served.connection, &part, &first, options, &mut |_| {})
            .await
            .1
            .unwrap();
        let served = serve(&part).await;
        let request = Request::Get(GetRequest::blob_ranges(blob.hash, ChunkRanges::all()));
        let (sent, reset) = ask(&served.connection, &request.encode().unwrap()).await;
        assert_eq!(reset, None);
        assert!(blob.whole().starts_with(&sent) && sent.len() > 64 * 1024);
        assert_eq!(served.count("requests_missing"), 1);
    });
}

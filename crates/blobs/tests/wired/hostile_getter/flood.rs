//! Requests that are as much work as a request can be.

use std::time::{Duration, Instant};

use bao_tree::ChunkNum;
use gaiwan_blobs::{
    proto::{ChunkRanges, ChunkRangesSeq, GetManyRequest, GetRequest, Request},
    provider::EventKind,
};

use crate::{
    honest::Honest,
    peers::{Heard, LONG, Served, add, ask, memory, open, patient, run, serve, serve_heard},
};

/// Another peer gets small things, one after the other, at its leisure.
async fn assert_served(served: &Served, blob: &Honest, most: Duration) {
    let (_dialer, connection) = served.stranger().await;
    let request = Request::Get(GetRequest::blob(blob.hash)).encode().unwrap();
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(ask(&connection, &request).await, (blob.whole(), None));
    }
    assert!(start.elapsed() < most, "{:?}", start.elapsed());
}

#[test]
fn p5_as_many_boundaries_as_a_request_can_have_are_answered() {
    run(async {
        let store = memory();
        let blob = Honest::new(vec![7; 4 << 20]);
        add(&store, blob.data.clone());
        let served = serve(&store).await;
        // Every second chunk, to far behind the end.
        let most = (0..1 << 17).map(|n| ChunkNum(n + 1)).collect();
        let ranges = ChunkRanges::new(most).unwrap();
        let request = Request::Get(GetRequest::blob_ranges(blob.hash, ranges.clone()));
        let start = Instant::now();
        let answer = ask(&served.connection, &request.encode().unwrap()).await;
        assert_eq!(answer, (blob.response(&ranges), None));
        // One more is more than we take.
        let most = (0..(1 << 17) + 2).map(|n| ChunkNum(n + 1)).collect();
        let ranges = ChunkRanges::new(most).unwrap();
        let mut by_hand = vec![0];
        by_hand.extend_from_slice(blob.hash.as_bytes());
        by_hand.extend_from_slice(&ChunkRangesSeq::root(ranges).encode());
        assert_eq!(ask(&served.connection, &by_hand).await, (Vec::new(), None));
        assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    });
}

#[test]
fn p5_many_boundaries_for_each_of_many_small_blobs_cost_no_more_than_the_blobs() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(10);
        add(&store, blob.data.clone());
        let served = serve(&store).await;
        let most = (0..1 << 16).map(|n| ChunkNum(n + 5)).collect();
        let ranges = ChunkRangesSeq::from_ranges_infinite([ChunkRanges::new(most).unwrap()]);
        let many = GetManyRequest::new(vec![blob.hash; 20_000], ranges);
        let start = Instant::now();
        let (bytes, reset) =
            ask(&served.connection, &Request::GetMany(many).encode().unwrap()).await;
        assert_eq!((bytes.len(), reset), (20_000 * 18, None));
        assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    });
}

#[test]
fn p5_one_big_blob_32_000_times_on_many_streams_leaves_others_their_turn() {
    run(async {
        let store = memory();
        let big = add(&store, vec![7; 8 << 20]);
        let small = Honest::of_size(50_000);
        add(&store, small.data.clone());
        let (events, mut heard) = Heard::new();
        let served = serve_heard(&store, patient(), None, Some(events)).await;
        let many = |count| {
            let ranges = ChunkRangesSeq::from_ranges_infinite([ChunkRanges::all()]);
            Request::GetMany(GetManyRequest::new(vec![big; count], ranges)).encode().unwrap()
        };
        let (huge, long) = (many(32_000), many(100));
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let connection = served.dial().await;
            // Of the first kind four are in memory at once; the others wait for room.
            for request in std::iter::once(&huge).chain(std::iter::repeat_n(&long, 10)) {
                let (connection, request) = (connection.clone(), request.clone());
                readers.spawn(async move {
                    let mut recv = open(&connection, &request).await;
                    while let Ok(Some(_)) = recv.read_chunk(1 << 20, true).await {}
                });
            }
        }
        // Whoever is quick is at its second blob by then.
        heard.count(84, |kind| matches!(kind, EventKind::Started { index: 0, .. })).await;
        assert_served(&served, &small, LONG).await;
        assert_eq!(served.count("requests_aborted"), 0);
        readers.abort_all();
        while readers.join_next().await.is_some() {}
        heard.count(84, |kind| matches!(kind, EventKind::Aborted { .. })).await;
    });
}

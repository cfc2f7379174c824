//! Observers of what is not here, and too many of them.

use gaiwan_base::Hash;
use gaiwan_blobs::{
    proto::{ObserveRequest, Request},
    provider::{EventKind, ProviderOptions},
};
use quinn::RecvStream;

use crate::{
    honest::Honest,
    peers::{Heard, Served, add, memory, open, read, run, serve_heard},
};

async fn observe(served: &Served, hash: Hash) -> RecvStream {
    let request = Request::Observe(ObserveRequest::new(hash)).encode().unwrap();
    open(&served.connection, &request).await
}

#[test]
fn p8_observing_what_is_not_here_makes_no_entry_and_leaves_no_trace() {
    run(async {
        let store = memory();
        let (events, mut heard) = Heard::new();
        let served = serve_heard(&store, ProviderOptions::default(), None, Some(events)).await;
        let is_end = |kind: &EventKind| matches!(kind, EventKind::Completed { .. });
        for round in 0..4u8 {
            let mut observers = Vec::new();
            for number in 0..50u8 {
                let hash = Hash::from_bytes([number ^ (round << 6); 32]);
                let mut recv = observe(&served, hash).await;
                let mut first = [0; 3];
                recv.read_exact(&mut first).await.unwrap();
                assert_eq!(first, [2, 0, 0]);
                assert!(!store.has_row(&hash).unwrap());
                observers.push(recv);
            }
            for recv in &mut observers {
                recv.stop(0u32.into()).unwrap();
            }
            heard.count(50, is_end).await;
        }
        assert!(store.list(None, 10).unwrap().is_empty());
        assert!(store.held().is_empty());
        assert_eq!(served.count("requests_observe"), 200);
        assert_eq!(served.count("requests_aborted"), 0);
    });
}

#[test]
fn p8_an_observer_too_many_is_over_a_limit_until_another_ends() {
    run(async {
        let store = memory();
        let (events, mut heard) = Heard::new();
        let options = ProviderOptions { max_observers: 3, ..ProviderOptions::default() };
        let served = serve_heard(&store, options, None, Some(events)).await;
        let blob = Honest::of_size(10);
        let mut observers = Vec::new();
        for _ in 0..3 {
            let mut recv = observe(&served, blob.hash).await;
            recv.read_exact(&mut [0; 3]).await.unwrap();
            observers.push(recv);
        }
        let mut fourth = observe(&served, blob.hash).await;
        assert_eq!(read(&mut fourth).await, (Vec::new(), Some(2)));
        observers[0].stop(0u32.into()).unwrap();
        heard.until(|kind| matches!(kind, EventKind::Completed { .. })).await;
        let mut fifth = observe(&served, blob.hash).await;
        fifth.read_exact(&mut [0; 3]).await.unwrap();
        // They are no spectators of nothing: all hear of the blob that comes.
        add(&store, blob.data.clone());
        for recv in [&mut observers[1], &mut fifth] {
            let mut change = [0; 4];
            recv.read_exact(&mut change).await.unwrap();
            assert_eq!(change, [3, 10, 1, 0]);
        }
    });
}

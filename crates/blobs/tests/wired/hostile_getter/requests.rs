//! Requests that are none, or ask for what makes no sense.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use gaiwan_base::{EndpointId, Hash};
use gaiwan_blobs::{
    proto::{
        ChunkRanges, ChunkRangesSeq, GetManyRequest, GetRequest, MAX_MESSAGE_BYTES, ObserveRequest,
        Request, RequestKind,
    },
    provider::{Authorize, ProviderOptions},
};
use gaiwan_endpoint::BoxFuture;
use quinn::WriteError;

use super::quiet::Loud;
use crate::{
    honest::{Honest, chunks},
    peers::{LONG, Served, add, ask, memory, pattern, read, run, run_on, serve, serve_with},
};

fn get(hash: Hash) -> Vec<u8> {
    Request::Get(GetRequest::blob(hash)).encode().unwrap()
}

/// A Get of this hash, with ranges that are written by hand.
fn get_by_hand(hash: Hash, ranges: &[u8]) -> Vec<u8> {
    [&[0][..], hash.as_bytes(), ranges].concat()
}

/// A number as postcard writes it.
fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

async fn assert_silence(served: &Served, request: &[u8]) {
    let what = &request[..request.len().min(48)];
    assert_eq!(ask(&served.connection, request).await, (Vec::new(), None), "{what:02x?}");
}

#[test]
fn p1_what_is_no_request_ends_in_silence_and_the_connection_lives() {
    let loud = Loud::default();
    let guard = tracing::subscriber::set_default(loud.clone());
    run_on(&mut tokio::runtime::Builder::new_current_thread(), async {
        let store = memory();
        let blob = Honest::of_size(100);
        add(&store, blob.data.clone());
        let odd = add(&store, pattern(33));
        let served = serve(&store).await;
        let mut asked = 0;
        let mut silent = async |request: &[u8]| {
            asked += 1;
            assert_silence(&served, request).await;
        };
        silent(&[]).await;
        for kind in [2, 3, 4, 5, 6, 7, 10, 11, 0x7f, 0x80, 0xff] {
            silent(&[kind]).await;
            silent(&[&[kind][..], &get(blob.hash)[1..]].concat()).await;
        }
        let requests = [
            get(blob.hash),
            Request::GetMany(GetManyRequest::all([blob.hash, odd])).encode().unwrap(),
            Request::Observe(ObserveRequest::new(blob.hash)).encode().unwrap(),
        ];
        for request in &requests {
            for length in 0..request.len() {
                silent(&request[..length]).await;
            }
        }
        let mut state = 7u64;
        for length in 0..200 {
            let random = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            });
            // Whatever the hash, it is not here; so what happens to be a request gets silence as well.
            silent(&random.take(length).collect::<Vec<_>>()).await;
        }
        // A child of what is no hash sequence: our own end, and still nothing to write home about.
        for _ in 0..50 {
            let request = Request::Get(GetRequest::all(odd)).encode().unwrap();
            assert_eq!(ask(&served.connection, &request).await.1, Some(3));
        }
        assert_eq!(ask(&served.connection, &get(blob.hash)).await, (blob.whole(), None));
        assert!(served.count("requests_malformed") > asked / 2);
    });
    drop(guard);
    assert_eq!(loud.0.load(Relaxed), 0, "a peer can fill the log");
}

#[test]
fn p2_a_body_over_1_mib_and_one_without_an_end_are_stopped() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(100);
        add(&store, blob.data.clone());
        let served = serve(&store).await;
        // A body of 1 MiB is still one, leftovers and all.
        let mut most = get(blob.hash);
        most.resize(1 + MAX_MESSAGE_BYTES, 0);
        assert_eq!(ask(&served.connection, &most).await, (blob.whole(), None));
        most.push(0);
        assert_silence(&served, &most).await;
        let (mut send, mut recv) = served.connection.quinn().open_bi().await.unwrap();
        send.write_all(&get(blob.hash)).await.unwrap();
        let mut sent = 0;
        let stopped = loop {
            match send.write(&[0; 64 * 1024]).await {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
        };
        assert_eq!(stopped, WriteError::Stopped(0u32.into()));
        // What is over is flow control: a stream's window.
        assert!(sent < 4 << 20, "{sent} bytes were taken");
        assert_eq!(read(&mut recv).await, (Vec::new(), None));
        // A push that tells of a megabyte is stopped as soon as it tells of more.
        assert_silence(&served, &[&[8][..], &varint(MAX_MESSAGE_BYTES as u64 + 1)].concat()).await;
    });
}

#[test]
fn p2_a_request_that_does_not_end_is_over_after_its_time() {
    // On one thread what is written without a wait leaves as one: none is late because the machine stalls.
    run_on(&mut tokio::runtime::Builder::new_current_thread(), async {
        let store = memory();
        let blob = Honest::of_size(100);
        add(&store, blob.data.clone());
        let options = ProviderOptions {
            request_timeout: Duration::from_millis(300),
            ..ProviderOptions::default()
        };
        let served = serve_with(&store, options, None).await;
        let start = Instant::now();
        let push = [&[8][..], &varint(MAX_MESSAGE_BYTES as u64), &[1, 2, 3]].concat();
        for begun in [vec![], get(blob.hash), get(blob.hash)[..20].to_vec(), push] {
            let (mut send, mut recv) = served.connection.quinn().open_bi().await.unwrap();
            // A stream that nothing was written on is not known to the other side.
            send.write_all(&begun[..begun.len().min(1)]).await.unwrap();
            send.write_all(&begun[begun.len().min(1)..]).await.unwrap();
            if begun.is_empty() {
                send.finish().unwrap();
            }
            assert_eq!(read(&mut recv).await, (Vec::new(), None), "{begun:02x?}");
            if !begun.is_empty() {
                assert_eq!(send.stopped().await.unwrap(), Some(0u32.into()));
            }
        }
        assert!(start.elapsed() >= Duration::from_millis(900));
        assert_eq!(served.count("requests_malformed"), 4);
        assert_eq!(ask(&served.connection, &get(blob.hash)).await, (blob.whole(), None));
    });
}

#[test]
fn p3_ranges_that_no_encoder_writes_are_refused() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(100_000);
        add(&store, blob.data.clone());
        let served = serve(&store).await;
        let most = varint(u64::MAX);
        let bad: Vec<Vec<u8>> = vec![
            // A zero width, a sum of widths over 64 bits, a zero delta, a sum of deltas over 64 bits, repeated ranges.
            vec![2, 0, 2, 1, 0, 1, 0],
            [&[1, 0, 2, 1][..], &most].concat(),
            vec![2, 0, 1, 0, 0, 0],
            [&[2, 1, 1, 0][..], &most, &[0]].concat(),
            vec![2, 0, 1, 0, 1, 1, 0],
            vec![1, 0, 0],
            // Numbers of eleven bytes, over 64 bits, cut short.
            [&[0x80; 11][..], &[0, 1, 0]].concat(),
            [&[0xff; 9][..], &[2, 0, 1, 0]].concat(),
            vec![0xff],
            // Counts of more than there is.
            [&most[..], &[0, 1, 0]].concat(),
            [&[1, 0][..], &most].concat(),
            vec![100, 0, 1, 0],
            vec![1, 0, 100, 1],
        ];
        for ranges in bad {
            assert_silence(&served, &get_by_hand(blob.hash, &ranges)).await;
            let many = [&[9, 1][..], blob.hash.as_bytes(), &ranges].concat();
            assert_silence(&served, &many).await;
        }
        for count in [2, 100, 1 << 40, u64::MAX] {
            let many = [&[9][..], &varint(count), blob.hash.as_bytes(), &[1, 0, 1, 0]].concat();
            assert_silence(&served, &many).await;
        }
        assert_eq!(ask(&served.connection, &get(blob.hash)).await, (blob.whole(), None));
    });
}

#[test]
fn p4_an_index_far_away_is_answered_at_once() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(1000);
        add(&store, blob.data.clone());
        let seq = add(&store, [*blob.hash.as_bytes(); 40].concat());
        let served = serve(&store).await;
        let start = Instant::now();
        for far in [1 << 29, 1 << 40, 1 << 60, u64::MAX - 1, u64::MAX] {
            let ranges = [&[1][..], &varint(far), &[1, 0]].concat();
            assert_silence(&served, &get_by_hand(seq, &ranges)).await;
            let many = [&[9, 1][..], blob.hash.as_bytes(), &ranges].concat();
            assert_silence(&served, &many).await;
            // Child 39 is the last there is; what is asked of those far behind changes nothing.
            let builder = ChunkRangesSeq::builder().at(40, ChunkRanges::all());
            let ranges = builder.at(far, chunks(0..1)).from(u64::MAX, ChunkRanges::all()).build();
            let request = Request::Get(GetRequest::new(seq, ranges)).encode().unwrap();
            assert_eq!(ask(&served.connection, &request).await, (blob.whole(), None));
        }
        assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    });
}

/// Allows one hash.
struct Only(Hash);

impl Authorize for Only {
    fn authorize(&self, _: EndpointId, hash: Hash, _: RequestKind) -> BoxFuture<'_, bool> {
        Box::pin(async move { hash == self.0 })
    }
}

#[test]
fn p12_what_is_not_here_and_what_is_not_allowed_look_the_same() {
    run(async {
        let store = memory();
        let allowed = Honest::of_size(5000);
        add(&store, allowed.data.clone());
        let forbidden = add(&store, pattern(40_000));
        let unknown = Hash::from_bytes([7; 32]);
        let served =
            serve_with(&store, ProviderOptions::default(), Some(Arc::new(Only(allowed.hash))))
                .await;
        let requests = |hash: Hash| {
            [
                Request::Get(GetRequest::blob(hash)),
                Request::Get(GetRequest::all(hash)),
                Request::Get(GetRequest::new(hash, ChunkRangesSeq::verified_size())),
                Request::Get(GetRequest::new(hash, ChunkRangesSeq::empty())),
                Request::GetMany(GetManyRequest::all([hash])),
                Request::GetMany(GetManyRequest::all([allowed.hash, hash])),
                Request::GetMany(GetManyRequest::all([hash, unknown, forbidden])),
                Request::Observe(ObserveRequest::new(hash)),
            ]
        };
        for (hidden, absent) in requests(forbidden).into_iter().zip(requests(unknown)) {
            let hidden = ask(&served.connection, &hidden.encode().unwrap()).await;
            let absent = ask(&served.connection, &absent.encode().unwrap()).await;
            assert_eq!((&hidden, &absent), (&(Vec::new(), Some(1)), &(Vec::new(), Some(1))));
        }
        assert_eq!(ask(&served.connection, &get(allowed.hash)).await, (allowed.whole(), None));
        assert_eq!(served.count("requests_refused"), 16);
    });
}

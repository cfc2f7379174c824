//! Providers that never end, never begin, or take for ever.

use std::time::{Duration, Instant};

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_blobs::{
    getter::{BlobStream, GetOptions, verified_size},
    proto::{GetManyRequest, GetRequest, Request},
};
use gaiwan_endpoint::TransportOptions;
use quinn::{SendStream, VarInt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::peer::{fetch, liar, liar_over, says};
use crate::{
    honest::Honest,
    peers::{LONG, memory, run},
};

const SHORT: Duration = Duration::from_millis(400);
/// Short where something has to come before it is over, on a machine that stalls as well.
const DRIP: Duration = Duration::from_secs(6);

fn patient() -> GetOptions {
    GetOptions { stall: Some(LONG), ..GetOptions::default() }
}

fn impatient(stall: Duration) -> GetOptions {
    GetOptions { stall: Some(stall), ..GetOptions::default() }
}

/// Sends bytes, then more of them until nobody wants any; tells what it was stopped with.
async fn endless(mut send: SendStream, bytes: Vec<u8>, stopped: UnboundedSender<VarInt>) {
    let mut next = bytes;
    loop {
        match send.write_all(&next).await {
            Ok(()) => next = vec![0; 64 * 1024],
            Err(quinn::WriteError::Stopped(code)) => {
                let _ = stopped.send(code);
                return;
            }
            Err(_) => return,
        }
    }
}

#[test]
fn g4_whatever_comes_after_the_end_is_a_violation_and_nothing_is_lost_of_what_came_before() {
    run(async {
        let blob = Honest::of_size(50_000);
        let seq = Honest::new(blob.hash.as_bytes().to_vec());
        let many = [seq.whole(), blob.whole()].concat();
        let requests = [
            (Request::Get(GetRequest::blob(blob.hash)), blob.whole()),
            (Request::Get(GetRequest::all(seq.hash)), many.clone()),
            (
                Request::GetMany(GetManyRequest::new(
                    vec![seq.hash, blob.hash],
                    gaiwan_blobs::proto::ChunkRangesSeq::all(),
                )),
                many,
            ),
        ];
        for (request, whole) in requests {
            for more in [1, 8, 100_000] {
                let store = memory();
                let liar = says([&whole[..], &vec![0; more]].concat()).await;
                let (_, _, result) = fetch(&liar.connection, &store, &request, patient()).await;
                assert_eq!(result.unwrap_err().code, ErrorCode::ProtocolViolation, "{more}");
                blob.assert_complete(&store);
            }
            let (sender, mut stopped) = unbounded_channel();
            let bytes = whole.clone();
            let liar = liar(move |_, send| endless(send, bytes.clone(), sender.clone())).await;
            let store = memory();
            let (_, stats, result) = fetch(&liar.connection, &store, &request, patient()).await;
            assert_eq!(result.unwrap_err().code, ErrorCode::ProtocolViolation);
            blob.assert_complete(&store);
            assert_eq!(stopped.recv().await, Some(0u32.into()));
            assert!(stats.payload_bytes_read <= 50_064, "{stats:?}");
            if matches!(&request, Request::Get(get) if get.hash == blob.hash) {
                let mut stream =
                    BlobStream::open(&liar.connection, blob.hash, 0, None, LONG).await.unwrap();
                let mut got = Vec::new();
                let failure = loop {
                    match stream.next().await {
                        Ok(bytes) => got.extend_from_slice(&bytes.expect("it must not look well")),
                        Err(failure) => break failure,
                    }
                };
                assert_eq!(failure.code, ErrorCode::ProtocolViolation);
                assert_eq!(got, blob.data);
            }
        }
    });
}

#[test]
fn g4_a_stream_that_has_it_all_and_does_not_end_is_not_waited_for() {
    run(async {
        let blob = Honest::of_size(50_000);
        let bytes = blob.whole();
        let (sender, mut stopped) = unbounded_channel();
        let liar = liar(move |_, mut send| {
            let (bytes, sender) = (bytes.clone(), sender.clone());
            async move {
                send.write_all(&bytes).await.unwrap();
                sender.send(send.stopped().await.unwrap()).unwrap();
            }
        })
        .await;
        let store = memory();
        let request = Request::Get(GetRequest::blob(blob.hash));
        // Without a limit on stalls.
        let (_, _, result) = fetch(&liar.connection, &store, &request, GetOptions::default()).await;
        result.unwrap();
        blob.assert_complete(&store);
        assert_eq!(stopped.recv().await.unwrap(), Some(0u32.into()));
    });
}

#[test]
fn g4_a_drip_is_a_stall_however_often_a_byte_comes() {
    run(async {
        let blob = Honest::of_size(3 * 16_384);
        let bytes = blob.whole();
        let first = blob.parts(&gaiwan_blobs::proto::ChunkRanges::all());
        let first = first.iter().find(|part| part.leaf.is_some()).unwrap().at.end;
        let liar = liar(move |_, mut send| {
            let bytes = bytes.clone();
            async move {
                send.write_all(&bytes[..first]).await.unwrap();
                let mut clock = tokio::time::interval(Duration::from_millis(20));
                for byte in &bytes[first..] {
                    clock.tick().await;
                    if send.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        let store = memory();
        let start = Instant::now();
        let into_store = async {
            let request = Request::Get(GetRequest::blob(blob.hash));
            let (_, _, result) = fetch(&liar.connection, &store, &request, impatient(DRIP)).await;
            assert_eq!(result.unwrap_err().code, ErrorCode::Timeout);
            // All that drips takes eleven minutes.
            assert!(start.elapsed() >= DRIP && start.elapsed() < LONG, "{:?}", start.elapsed());
            assert_eq!(blob.check(&store), crate::honest::chunks(0..16));
        };
        let past_it = async {
            let mut stream =
                BlobStream::open(&liar.connection, blob.hash, 0, None, DRIP).await.unwrap();
            assert_eq!(stream.next().await.unwrap().unwrap(), blob.data[..16_384]);
            // Time between two calls does not count.
            tokio::time::sleep(DRIP).await;
            let start = Instant::now();
            assert_eq!(stream.next().await.unwrap_err().code, ErrorCode::Timeout);
            assert!(start.elapsed() >= DRIP, "{:?}", start.elapsed());
        };
        tokio::join!(into_store, past_it);
    });
}

#[test]
fn g4_a_provider_that_says_nothing_or_takes_no_request_is_a_stall() {
    run(async {
        let hash = Hash::from_bytes([3; 32]);
        let request = Request::Get(GetRequest::blob(hash));
        let silent = liar(|_, send| async move {
            let _ = send.stopped().await;
        })
        .await;
        // No stream, or no byte on it.
        let shut = [
            TransportOptions { max_bidi_streams: Some(0), ..TransportOptions::default() },
            TransportOptions { stream_receive_window: Some(0), ..TransportOptions::default() },
        ];
        let mut liars = vec![silent];
        for transport in shut {
            liars.push(liar_over(transport, TransportOptions::default(), |_, _| async {}).await);
        }
        for liar in liars {
            let start = Instant::now();
            let (_, _, result) =
                fetch(&liar.connection, &memory(), &request, impatient(SHORT)).await;
            assert_eq!(result.unwrap_err().code, ErrorCode::Timeout);
            let size = verified_size(&liar.connection, hash, SHORT).await;
            assert_eq!(size.unwrap_err().code, ErrorCode::Timeout);
            let stream = BlobStream::open(&liar.connection, hash, 0, None, SHORT).await;
            assert_eq!(stream.err().unwrap().code, ErrorCode::Timeout);
            assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
        }
        // A limit beyond the end of time is none.
        let blob = Honest::of_size(20_000);
        let honest = says(blob.whole()).await;
        let options = GetOptions { stall: Some(Duration::MAX), ..GetOptions::default() };
        let request = Request::Get(GetRequest::blob(blob.hash));
        fetch(&honest.connection, &memory(), &request, options).await.2.unwrap();
        let mut stream =
            BlobStream::open(&honest.connection, blob.hash, 0, None, Duration::MAX).await.unwrap();
        // What is here does not wait long for the rest.
        let mut got = Vec::new();
        while let Some(piece) = stream.next().await.unwrap() {
            got.extend_from_slice(&piece);
        }
        assert_eq!(got, blob.data);
    });
}

#[test]
fn g4_providers_that_stall_hold_no_thread() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    crate::peers::run_on(builder.worker_threads(2).max_blocking_threads(1), async {
        let blob = Honest::of_size(40_000);
        let bytes = blob.whole();
        let (begun, mut beginnings) = unbounded_channel();
        let stalled = liar(move |_, mut send| {
            let (bytes, begun) = (bytes.clone(), begun.clone());
            async move {
                send.write_all(&bytes[..20_000]).await.unwrap();
                begun.send(()).unwrap();
                let _ = send.stopped().await;
            }
        })
        .await;
        let request = Request::Get(GetRequest::blob(blob.hash));
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (connection, request) = (stalled.connection.clone(), request.clone());
            waiting.spawn(async move { fetch(&connection, &memory(), &request, patient()).await });
        }
        for _ in 0..50 {
            beginnings.recv().await.unwrap();
        }
        let honest = says(blob.whole()).await;
        let store = memory();
        fetch(&honest.connection, &store, &request, patient()).await.2.unwrap();
        blob.assert_complete(&store);
        waiting.abort_all();
    });
}

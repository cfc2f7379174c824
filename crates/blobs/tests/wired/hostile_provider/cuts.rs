//! Streams that are cut, everywhere and in every way.

use std::sync::Arc;

use gaiwan_base::ErrorCode;
use gaiwan_blobs::{
    getter::{BlobStream, GetOptions},
    proto::{GetRequest, Request},
};
use quinn::SendStream;
use tokio::task::JoinSet;

use super::peer::{fetch, liar};
use crate::{
    honest::Honest,
    peers::{LONG, memory, run},
};

/// A hash sequence of three, of which one is of two groups, and a cut of what comes of it.
struct Short {
    seq: Honest,
    children: [Honest; 3],
    response: Vec<u8>,
    /// Where an item ends and another may begin.
    ends: Vec<usize>,
}

impl Short {
    fn new() -> Self {
        let children = [5, 1030, 33].map(Honest::of_size);
        let seq = Honest::new(children.each_ref().map(|child| *child.hash.as_bytes()).concat());
        let (mut response, mut ends) = (Vec::new(), vec![0]);
        for blob in std::iter::once(&seq).chain(&children) {
            let start = response.len();
            ends.push(start + 8);
            let parts = blob.parts(&gaiwan_blobs::proto::ChunkRanges::all());
            ends.extend(parts.iter().map(|part| start + part.at.end));
            response.extend(blob.whole());
        }
        Self { seq, children, response, ends }
    }

    fn request(&self) -> Request {
        Request::Get(GetRequest::all(self.seq.hash))
    }
}

/// Sends `bytes` and an end.
async fn cut(mut send: SendStream, bytes: &[u8], reset: Option<u32>) {
    send.write_all(bytes).await.expect("the getter listens");
    match reset {
        None => send.finish().expect("it is open"),
        Some(code) => send.reset(code.into()).expect("it is open"),
    }
}

fn code_of(reset: u32) -> ErrorCode {
    match reset {
        1 => ErrorCode::ProviderRefused,
        2 => ErrorCode::ProviderBusy,
        _ => ErrorCode::ProviderFailed,
    }
}

#[test]
fn g3_a_cut_at_every_byte_has_its_code_and_leaves_only_what_is_good() {
    run(async {
        let short = Arc::new(Short::new());
        let shared = short.clone();
        // Which cut is wanted is told by the number of the request.
        let cuts: Vec<(usize, Option<u32>)> = (0..=short.response.len())
            .flat_map(|at| {
                [None, Some(0), Some(1), Some(2), Some(3), Some(4000)].map(|end| (at, end))
            })
            .collect();
        let queue = std::sync::Mutex::new(cuts.clone().into_iter());
        let liar = liar(move |_, send| {
            let (at, reset) = queue.lock().unwrap().next().expect("as many as there are cuts");
            let shared = shared.clone();
            async move { cut(send, &shared.response[..at], reset).await }
        })
        .await;
        let (mut seen, store) = (0, memory());
        let hashes: Vec<_> =
            short.children.iter().chain([&short.seq]).map(|blob| blob.hash).collect();
        for (at, reset) in cuts {
            let (_, _, result) =
                fetch(&liar.connection, &store, &short.request(), GetOptions::default()).await;
            let code = result.map_err(|failure| (failure.code, failure.application_code));
            match reset {
                None if at == short.response.len() => assert_eq!(code, Ok(())),
                None if short.ends.contains(&at) => {
                    assert_eq!(code, Err((ErrorCode::BlobNotFound, None)), "{at}");
                }
                None => assert_eq!(code, Err((ErrorCode::ProtocolViolation, None)), "{at}"),
                // All of it may have been read before the reset came.
                Some(_) if at == short.response.len() && code.is_ok() => {}
                Some(reset) => {
                    assert_eq!(code, Err((code_of(reset), Some(reset.into()))), "{at}");
                }
            }
            short.seq.check(&store);
            for child in &short.children {
                child.check(&store);
            }
            if reset.is_none() {
                // What came whole is here whole.
                let whole = short.seq.whole().len();
                assert_eq!(store.bitfield(&short.seq.hash).unwrap().is_complete(), at >= whole);
                let first = whole + short.children[0].whole().len();
                let here = store.bitfield(&short.children[0].hash).unwrap();
                assert_eq!(here.is_complete(), at >= first, "{at}");
            }
            // Nothing holds any of it, and the next starts with nothing.
            store.delete(&hashes).unwrap();
            seen += 1;
        }
        assert_eq!(seen, 6 * (short.response.len() + 1));
    });
}

#[test]
fn g3_a_cut_of_a_larger_blob_leaves_its_groups_and_a_second_try_brings_the_rest() {
    run(async {
        let blob = Honest::of_size(4 * 16_384 + 9);
        let parts = blob.parts(&gaiwan_blobs::proto::ChunkRanges::all());
        let response = Arc::new(blob.whole());
        let mut tries = JoinSet::new();
        let around = parts.iter().flat_map(|part| [part.at.end - 1, part.at.end, part.at.end + 1]);
        let places = around.chain((0..response.len()).step_by(4999));
        let places: Vec<_> = places.filter(|at| *at <= response.len()).collect();
        for at in places {
            let (blob, response, parts) = (blob.clone(), response.clone(), parts.clone());
            tries.spawn(async move {
                let cut_short = response.clone();
                let first = liar(move |_, send| {
                    let bytes = cut_short.clone();
                    async move { cut(send, &bytes[..at], None).await }
                })
                .await;
                let store = memory();
                let request = Request::Get(GetRequest::blob(blob.hash));
                let _ = fetch(&first.connection, &store, &request, GetOptions::default()).await;
                let here = blob.check(&store);
                let leaves = parts.iter().filter(|part| part.leaf.is_some() && part.at.end <= at);
                let chunks = leaves.map(|part| (part.at.len() as u64).div_ceil(1024)).sum::<u64>();
                let end = here.boundaries().get(1).map_or(0, |end| end.0);
                assert_eq!(end, chunks, "{at}");
                let second = super::peer::says(response.to_vec()).await;
                let again =
                    fetch(&second.connection, &store, &request, GetOptions::default()).await;
                again.2.unwrap();
                blob.assert_complete(&store);
            });
        }
        while let Some(done) = tries.join_next().await {
            done.unwrap();
        }
    });
}

#[test]
fn g3_a_stream_past_the_store_tells_of_a_cut() {
    run(async {
        let blob = Honest::of_size(2 * 16_384);
        let response = blob.whole();
        for at in [0, 1, 7, 8, 9, 71, 72, 73, 16_455, 16_456, 16_457, response.len() - 1] {
            for reset in [None, Some(1), Some(2), Some(3), Some(9)] {
                let bytes = response[..at].to_vec();
                let liar = liar(move |_, send| {
                    let bytes = bytes.clone();
                    async move { cut(send, &bytes, reset).await }
                })
                .await;
                let read = async {
                    let mut stream =
                        BlobStream::open(&liar.connection, blob.hash, 0, None, LONG).await?;
                    while stream.next().await?.is_some() {}
                    Ok::<(), gaiwan_endpoint::Failure>(())
                };
                let code = read.await.unwrap_err().code;
                let want = match reset {
                    Some(reset) => code_of(reset),
                    None if [0, 8, 72, 16_456].contains(&at) => ErrorCode::BlobNotFound,
                    None => ErrorCode::ProtocolViolation,
                };
                assert_eq!(code, want, "{at} {reset:?}");
            }
        }
    });
}

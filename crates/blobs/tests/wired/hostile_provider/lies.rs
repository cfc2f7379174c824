//! Bytes that are not what was asked for: flipped, swapped, misplaced, foreign, or more than that.

use std::time::Duration;

use gaiwan_base::ErrorCode;
use gaiwan_blobs::{
    getter::{BlobStream, GetOptions, verified_size},
    proto::{ChunkRanges, GetRequest, Request, last_chunk},
};

use super::peer::{Parrot, fetch, says};
use crate::{
    honest::{Honest, chunks},
    peers::{LONG, memory, run},
};

const STALL: Duration = LONG;

/// What must be in a store that was given the items before byte `at` of a response: whole groups.
fn before(blob: &Honest, ranges: &ChunkRanges, at: usize) -> ChunkRanges {
    let good = blob.parts(ranges).into_iter().filter(|part| part.at.end <= at);
    good.fold(ChunkRanges::empty(), |all, part| {
        let (length, last) = (part.at.len() as u64, blob.size());
        match part.leaf {
            Some(offset)
                if offset % 16_384 == 0 && (length == 16_384 || offset + length == last) =>
            {
                all | chunks(offset / 1024..(offset + length).div_ceil(1024))
            }
            _ => all,
        }
    })
}

/// A response that is wrong from byte `at` on: the getter must see that, keep what came before, and nothing else.
async fn assert_seen(
    parrot: &Parrot,
    blob: &Honest,
    ranges: &ChunkRanges,
    response: Vec<u8>,
    at: usize,
) {
    let liar = parrot.says(response);
    let store = memory();
    let request = Request::Get(GetRequest::blob_ranges(blob.hash, ranges.clone()));
    let (_, _, result) = fetch(liar, &store, &request, GetOptions::default()).await;
    assert_eq!(result.unwrap_err().code, ErrorCode::HashMismatch, "at {at}");
    let at = blob.parts(ranges).iter().rfind(|part| part.at.start <= at).unwrap().at.start;
    assert_eq!(blob.check(&store), before(blob, ranges, at), "at {at}");
    assert!(!store.bitfield(&blob.hash).unwrap().is_complete());
    assert!(store.held().is_empty());
}

#[test]
fn g1_a_flipped_bit_in_any_item_is_seen_and_what_came_before_is_kept() {
    run(async {
        let parrot = Parrot::new().await;
        // 5 groups and a piece: pairs of several levels, leaves of 16 KiB, the last of 1,000 bytes.
        let blob = Honest::of_size(5 * 16_384 + 1000);
        let cut = chunks(3..40);
        for ranges in [ChunkRanges::all(), cut, last_chunk()] {
            let response = blob.response(&ranges);
            for part in blob.parts(&ranges) {
                for at in [part.at.start, part.at.start + part.at.len() / 2, part.at.end - 1] {
                    let mut bad = response.clone();
                    bad[at] ^= 1 << (at % 8);
                    assert_seen(&parrot, &blob, &ranges, bad, at).await;
                }
            }
        }
    });
}

#[test]
fn g1_what_is_swapped_misplaced_or_foreign_is_seen() {
    run(async {
        let parrot = Parrot::new().await;
        let blob = Honest::of_size(6 * 16_384);
        let all = ChunkRanges::all();
        let (response, parts) = (blob.whole(), blob.parts(&all));
        for part in parts.iter().filter(|part| part.leaf.is_none()) {
            // Left and right hash of a pair.
            let mut bad = response.clone();
            let (start, middle) = (part.at.start, part.at.start + 32);
            let left: Vec<u8> = bad[start..middle].to_vec();
            bad.copy_within(middle..middle + 32, start);
            bad[middle..middle + 32].copy_from_slice(&left);
            assert_seen(&parrot, &blob, &all, bad, start).await;
        }
        let leaves: Vec<_> = parts.iter().filter(|part| part.leaf.is_some()).collect();
        for (number, part) in leaves.iter().enumerate() {
            // The right bytes of another place.
            let other = leaves[(number + 1) % leaves.len()].at.clone();
            let mut bad = response.clone();
            bad[part.at.clone()].copy_from_slice(&response[other]);
            assert_seen(&parrot, &blob, &all, bad, part.at.start).await;
        }
        let other = Honest::new(vec![7; blob.data.len()]);
        assert_seen(&parrot, &blob, &all, other.whole(), 8).await;
        let small = Honest::of_size(10);
        let foreign = Honest::of_size(11);
        assert_seen(
            &parrot,
            &small,
            &all,
            [&10u64.to_le_bytes()[..], &foreign.data[..10]].concat(),
            8,
        )
        .await;
    });
}

#[test]
fn g1_a_stream_past_the_store_gives_what_is_good_and_then_fails_for_good() {
    run(async {
        let blob = Honest::of_size(40 * 16_384 + 5);
        let mut response = blob.whole();
        let bad = blob.parts(&ChunkRanges::all()).into_iter().filter(|part| part.leaf.is_some());
        let bad = bad.into_iter().nth(33).unwrap();
        response[bad.at.start] ^= 1;
        let liar = says(response).await;
        let open = BlobStream::open(&liar.connection, blob.hash, 0, None, STALL);
        let mut stream = open.await.unwrap();
        let mut got = Vec::new();
        let failure = loop {
            match stream.next().await {
                Ok(Some(bytes)) => got.extend_from_slice(&bytes),
                Ok(None) => panic!("it looks whole"),
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.code, ErrorCode::HashMismatch);
        assert_eq!(got, blob.data[..33 * 16_384]);
        for _ in 0..3 {
            // It does not look like an end after all.
            assert_eq!(stream.next().await.unwrap_err().code, ErrorCode::HashMismatch);
        }
        let size = verified_size(&liar.connection, blob.hash, STALL).await;
        assert!(size.is_err(), "{size:?}");
    });
}

#[test]
fn g8_other_ranges_than_asked_do_not_match() {
    run(async {
        let parrot = Parrot::new().await;
        let blob = Honest::of_size(10 * 16_384);
        let asked = chunks(32..64);
        for sent in
            [ChunkRanges::all(), chunks(0..32), chunks(64..96), chunks(16..48), chunks(33..64)]
        {
            let response = blob.response(&sent);
            let want = blob.response(&asked);
            let at = response.iter().zip(&want).position(|(a, b)| a != b).unwrap();
            assert_seen(&parrot, &blob, &asked, response, at).await;
        }
        // Less than asked, in the right order, is not found.
        let store = memory();
        let liar = says(blob.response(&chunks(32..48))).await;
        let request = Request::Get(GetRequest::blob_ranges(blob.hash, asked));
        let (_, _, result) = fetch(&liar.connection, &store, &request, GetOptions::default()).await;
        assert_eq!(result.unwrap_err().code, ErrorCode::BlobNotFound);
        assert_eq!(blob.check(&store), chunks(32..48));
    });
}

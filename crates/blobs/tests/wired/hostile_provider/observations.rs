//! Observe frames that are lies, or too many.

use std::time::{Duration, Instant};

use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::{
    download::DownloadOptions,
    getter::observe,
    proto::{Bitfield, Request, RequestKind},
    provider::EventKind,
};
use tokio::sync::mpsc::unbounded_channel;

use super::{
    downloads::{download, options},
    peer::{liar, say, says},
};
use crate::{
    honest::{Honest, chunks},
    peers::{Heard, LONG, add, memory, patient, run, serve, serve_heard},
};

const HASH: Hash = Hash::from_bytes([9; 32]);

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A frame that is written by hand.
fn frame(size: u64, boundaries: &[u64]) -> Vec<u8> {
    let mut body = varint(size);
    body.extend(varint(boundaries.len() as u64));
    boundaries.iter().for_each(|boundary| body.extend(varint(*boundary)));
    [varint(body.len() as u64), body].concat()
}

#[test]
fn g7_frames_that_are_none_are_violations() {
    run(async {
        let good = frame(5000, &[0, 2]);
        let bad = [
            frame(5000, &[2, 1]),
            frame(5000, &[1, 1]),
            frame(5000, &[0, 5, 5, 9]),
            varint((1 << 20) + 1),
            varint(u64::MAX),
            vec![0x80; 11],
            vec![2, 0x80, 0x80],
            vec![3, 5, 9, 1],
            vec![5, 0],
            vec![0],
        ];
        for bad in bad {
            let liar = says([&good[..], &bad].concat()).await;
            let mut seen = observe(&liar.connection, HASH).await.unwrap();
            let first = seen.next().await.unwrap().unwrap();
            assert_eq!(first, Bitfield::new(5000, chunks(0..2)));
            assert_eq!(
                seen.next().await.unwrap_err().code,
                ErrorCode::ProtocolViolation,
                "{bad:?}"
            );
        }
        let liar = says(good.clone()).await;
        let mut seen = observe(&liar.connection, HASH).await.unwrap();
        assert!(seen.next().await.unwrap().is_some());
        assert_eq!(seen.next().await.unwrap(), None);
        let liar = liar_resets(good).await;
        let mut seen = observe(&liar.connection, HASH).await.unwrap();
        while let Ok(Some(_)) = seen.next().await {}
        assert_eq!(seen.next().await.unwrap_err().code, ErrorCode::ProviderBusy);
    });
}

async fn liar_resets(bytes: Vec<u8>) -> super::peer::Liar {
    liar(move |_, send| say(send, bytes.clone(), Some(2))).await
}

#[test]
fn g7_frames_that_say_the_same_for_ever_say_it_once() {
    run(async {
        let same = frame(5000, &[0, 2]).repeat(1000);
        let bytes = [same.repeat(200), frame(5000, &[0, 4])].concat();
        let liar = says(bytes).await;
        let mut seen = observe(&liar.connection, HASH).await.unwrap();
        let mut words = Vec::new();
        while let Some(field) = seen.next().await.unwrap() {
            words.push(field);
        }
        assert_eq!(words, [Bitfield::new(5000, chunks(0..2)), Bitfield::new(5000, chunks(0..4))]);
    });
}

#[test]
fn g7_ranges_without_end_are_a_violation_before_they_fill_the_memory() {
    run(async {
        let (sender, mut stopped) = unbounded_channel();
        let liar = liar(move |_, mut send| {
            let sender = sender.clone();
            async move {
                for round in 0u64.. {
                    let boundaries: Vec<u64> =
                        (0..200_000).map(|n| 2 * (round * 200_000 + n)).collect();
                    if send.write_all(&frame(u64::MAX, &boundaries)).await.is_err() {
                        let _ = sender.send(round);
                        return;
                    }
                }
            }
        })
        .await;
        let mut seen = observe(&liar.connection, HASH).await.unwrap();
        let failure = loop {
            match seen.next().await {
                Ok(field) => assert!(field.unwrap().ranges().boundaries().len() <= 1 << 20),
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.code, ErrorCode::ProtocolViolation);
        drop(seen);
        assert!(stopped.recv().await.unwrap() < 12);
    });
}

#[test]
fn g7_sizes_that_shrink_or_grow_prove_nothing() {
    run(async {
        let blob = Honest::of_size(20 << 20);
        let from = memory();
        add(&from, blob.data.clone());
        let whole = blob.size().div_ceil(1024);
        let words = [
            // All of it and more, nothing, less and less.
            frame(u64::MAX, &[0]),
            frame(0, &[0]),
            frame(0, &[]),
            [frame(blob.size(), &[0]), frame(1000, &[0]), frame(1, &[0, 1])].concat(),
            frame(blob.size(), &[whole - 1]),
            frame(blob.size() - 5000, &[0, 5]),
        ];
        for word in words {
            let served = serve(&from).await;
            // It speaks of what it has, and has nothing.
            let liar = liar(move |request, mut send| {
                let word = word.clone();
                async move {
                    match request {
                        Request::Observe(_) => {
                            let _ = send.write_all(&word).await;
                            let _ = send.stopped().await;
                        }
                        _ => drop(send.finish()),
                    }
                }
            })
            .await;
            let to = memory();
            let options = DownloadOptions { split: true, ..options() };
            let content = HashAndFormat::raw(blob.hash);
            let (result, _) =
                download(&to, content, options, &[&liar.connection, &served.connection]).await;
            assert_eq!(result.unwrap().size, blob.size());
            blob.assert_complete(&to);
        }
    });
}

fn is_request(event: &EventKind, wanted: RequestKind) -> bool {
    matches!(event, EventKind::Request { kind, .. } if *kind == wanted)
}

#[test]
fn g7_a_provider_that_does_not_say_what_it_has_keeps_nobody_waiting() {
    run(async {
        let blob = Honest::of_size(2 << 20);
        let from = memory();
        add(&from, blob.data.clone());
        let (events, mut heard) = Heard::new();
        let served = serve_heard(&from, patient(), None, Some(events)).await;
        let silent = liar(|_, send| async move {
            let _ = send.stopped().await;
        })
        .await;
        let to = memory();
        let options = DownloadOptions { split: true, stall: 4 * LONG, ..options() };
        let content = HashAndFormat::raw(blob.hash);
        let start = Instant::now();
        let providers = [&silent.connection, &served.connection];
        let download = download(&to, content, options, &providers);
        // Who has said what it has is put to work, whoever may still say something for two seconds.
        let is_put_to_work = async {
            heard.until(|event| is_request(event, RequestKind::Observe)).await;
            let since = Instant::now();
            heard.until(|event| is_request(event, RequestKind::Get)).await;
            assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        };
        let ((result, _), ()) = tokio::join!(download, is_put_to_work);
        result.unwrap();
        blob.assert_complete(&to);
        assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    });
}

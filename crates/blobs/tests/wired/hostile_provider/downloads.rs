//! Downloads from providers of which some lie.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gaiwan_base::{BlobFormat, ErrorCode, HashAndFormat};
use gaiwan_blobs::{
    download::{Download, DownloadEvent, DownloadOptions, Downloaded, TagAs},
    proto::{GetRequest, Request},
    store::Store,
};
use gaiwan_endpoint::{Connection, Failure};
use tokio::sync::mpsc::unbounded_channel;

use super::peer::{Liar, liar, say, says};
use crate::{
    honest::Honest,
    peers::{LONG, add, memory, run, serve},
};

pub fn options() -> DownloadOptions {
    DownloadOptions { tag: TagAs::Nothing, stall: LONG, ..DownloadOptions::default() }
}

/// Downloads from these connections, numbered from 0.
pub async fn download(
    store: &Store,
    content: HashAndFormat,
    options: DownloadOptions,
    from: &[&Connection],
) -> (Result<Downloaded, Failure>, Vec<(u32, ErrorCode)>) {
    let failed = Arc::new(Mutex::new(Vec::new()));
    let heard = failed.clone();
    let heard = Arc::new(move |event| {
        if let DownloadEvent::Failed { provider, failure, .. } = event {
            heard.lock().unwrap().push((provider, failure.code));
        }
    });
    let (download, providers) = Download::new(store.clone(), content, options, heard);
    for (number, connection) in (0..).zip(from) {
        providers.add(number, (*connection).clone());
    }
    drop(providers);
    let result = download.run().await;
    let failed = std::mem::take(&mut *failed.lock().unwrap());
    (result, failed)
}

/// Answers whatever is asked of `blob` as an honest provider would, but for what `lie` does to each response.
async fn nearly_honest(
    blob: &Honest,
    lie: impl Fn(&mut Vec<u8>) + Clone + Send + Sync + 'static,
) -> Liar {
    let blob = blob.clone();
    liar(move |request, send| {
        let (blob, lie) = (blob.clone(), lie.clone());
        async move {
            match request {
                Request::Get(GetRequest { ranges, .. }) => {
                    let mut response = blob.response(ranges.at(0));
                    lie(&mut response);
                    say(send, response, None).await;
                }
                _ => {
                    let mut send = send;
                    let whole = gaiwan_blobs::proto::Bitfield::complete(blob.size());
                    let _ = send.write_all(&whole.encode_frame().unwrap()).await;
                    let _ = send.stopped().await;
                }
            }
        }
    })
    .await
}

#[test]
fn g10_honest_and_lying_providers_together_give_the_truth() {
    run(async {
        let blob = Honest::of_size(50 << 20);
        let content = HashAndFormat::raw(blob.hash);
        let from = memory();
        add(&from, blob.data.clone());
        // One flips a bit late in each response, one tells another size, one stops early, one says too much.
        let late = nearly_honest(&blob, |response| {
            let at = response.len() - 20_000.min(response.len());
            response[at] ^= 4;
        })
        .await;
        let sizes = nearly_honest(&blob, |response| response[5] ^= 1).await;
        let short = nearly_honest(&blob, |response| response.truncate(response.len() - 5)).await;
        let long = nearly_honest(&blob, |response| response.extend([0; 9])).await;
        for split in [true, false] {
            let honest = serve(&from).await;
            let liars = [&late, &sizes, &short, &long].map(|liar| &liar.connection);
            let to = memory();
            let options = DownloadOptions { split, ..options() };
            let everyone = [&liars[..], &[&honest.connection]].concat();
            let (result, failed) = download(&to, content, options, &everyone).await;
            assert_eq!(result.unwrap().size, blob.size());
            blob.assert_complete(&to);
            assert!(failed.iter().all(|(number, _)| *number < 4), "{failed:?}");
            assert!(!failed.is_empty());
            let allowed = [ErrorCode::HashMismatch, ErrorCode::ProtocolViolation];
            assert!(failed.iter().all(|(_, code)| allowed.contains(code)), "{failed:?}");
        }
    });
}

#[test]
fn g10_two_downloads_of_one_blob_of_which_one_is_lied_to() {
    run(async {
        let blob = Honest::of_size(14 << 20);
        let content = HashAndFormat::raw(blob.hash);
        let from = memory();
        add(&from, blob.data.clone());
        for round in 0..6 {
            let honest = serve(&from).await;
            // Every item from somewhere in the middle on is bad, under a size that fits the first half.
            let at = (round + 1) * (2 << 20);
            let liar = nearly_honest(&blob, move |response| {
                response[at] ^= 1;
                if round % 2 == 0 {
                    let size = (u64::from_le_bytes(response[..8].try_into().unwrap())) + 16_384;
                    response[..8].copy_from_slice(&size.to_le_bytes());
                }
            })
            .await;
            let to = memory();
            let (honest, liar) = ([&honest.connection], [&liar.connection]);
            let (good, bad) = tokio::join!(
                download(&to, content, options(), &honest),
                download(&to, content, options(), &liar),
            );
            assert_eq!(good.0.unwrap().size, blob.size());
            // It may have found everything here by the time it asked.
            if let Err(failure) = bad.0 {
                assert_eq!(failure.code, ErrorCode::HashMismatch);
            }
            blob.assert_complete(&to);
        }
    });
}

#[test]
fn g2_a_liar_who_tells_of_too_much_does_not_end_a_download() {
    run(async {
        let blob = Honest::of_size(100_000);
        let from = memory();
        add(&from, blob.data.clone());
        let seq = Honest::new(blob.hash.as_bytes().to_vec());
        add(&from, seq.data.clone());
        let raw = HashAndFormat::raw(blob.hash);
        let all = HashAndFormat { hash: seq.hash, format: BlobFormat::HashSeq };
        let limited = DownloadOptions { max_bytes: Some(150_000), ..options() };
        let huge = says([&u64::MAX.to_le_bytes()[..], &[0; 4000]].concat()).await;
        // This one lies about the child.
        let (root, child) = (seq.clone(), blob.clone());
        let child = liar(move |request, send| {
            let Request::Get(get) = request else { panic!("{request:?}") };
            let mut response = Vec::new();
            if !get.ranges.at(0).is_empty() {
                response.extend(root.response(get.ranges.at(0)));
            }
            if !get.ranges.at(1).is_empty() {
                response.extend(1_000_000u64.to_le_bytes());
                response.extend(&child.whole()[8..]);
            }
            say(send, response, None)
        })
        .await;
        let honest = serve(&from).await;
        let (huge, child, honest) = (&huge.connection, &child.connection, &honest.connection);
        // Of two that are free the first gets the root, and the other the child.
        for (content, providers, liar) in
            [(raw, [huge, honest], 0), (all, [huge, honest], 0), (all, [honest, child], 1)]
        {
            let to = memory();
            let (result, failed) = download(&to, content, limited.clone(), &providers).await;
            result.unwrap();
            blob.assert_complete(&to);
            assert_eq!(failed.len(), 1, "{failed:?}");
            assert_eq!(failed[0].0, liar);
        }
        // Too much is too much when it is true.
        for content in [raw, all] {
            let small = DownloadOptions { max_bytes: Some(90_000), ..options() };
            let (result, _) = download(&memory(), content, small, &[honest]).await;
            assert_eq!(result.unwrap_err().code, ErrorCode::BlobTooLarge);
        }
    });
}

#[test]
fn g3_a_download_that_changes_providers_counts_its_bytes_once() {
    run(async {
        let children: Vec<_> = (0..20).map(|n| Honest::of_size(50_000 + n)).collect();
        let list = children.iter().flat_map(|child| *child.hash.as_bytes());
        let seq = Honest::new(list.collect::<Vec<_>>());
        let from = memory();
        for blob in children.iter().chain([&seq]) {
            add(&from, blob.data.clone());
        }
        let total = seq.size() + children.iter().map(Honest::size).sum::<u64>();
        let big = Honest::of_size(total);
        add(&from, big.data.clone());
        let honest = serve(&from).await;
        let contents = [
            HashAndFormat { hash: seq.hash, format: BlobFormat::HashSeq },
            HashAndFormat::raw(big.hash),
        ];
        for content in contents {
            // Each of five stops in the middle of what it was asked for; the limit is exact.
            let mut failing = Vec::new();
            for cut in 1..6 {
                let (seq, children, big) = (seq.clone(), children.clone(), big.clone());
                failing.push(
                    liar(move |request, send| {
                        let Request::Get(get) = request else { panic!("{request:?}") };
                        let mut response = Vec::new();
                        if get.hash == big.hash {
                            response.extend(big.response(get.ranges.at(0)));
                        } else {
                            for (index, ranges) in get.ranges.selected(21) {
                                let blob =
                                    index.checked_sub(1).map_or(&seq, |n| &children[n as usize]);
                                response.extend(blob.response(ranges));
                            }
                        }
                        response.truncate(response.len() * cut / 6 + 3);
                        say(send, response, None)
                    })
                    .await,
                );
            }
            let to = memory();
            let options = DownloadOptions { max_bytes: Some(total), ..options() };
            let mut providers: Vec<_> = failing.iter().map(|liar| &liar.connection).collect();
            providers.push(&honest.connection);
            let (result, failed) = download(&to, content, options, &providers).await;
            let result = result.unwrap();
            assert!(result.stats.payload_bytes_read >= total);
            assert!(!failed.is_empty());
            assert!(to.bitfield(&content.hash).unwrap().is_complete());
            // With a byte less there is no way.
            let options =
                DownloadOptions { max_bytes: Some(total - 1), ..super::downloads::options() };
            let (result, _) = download(&memory(), content, options, &[&honest.connection]).await;
            assert_eq!(result.unwrap_err().code, ErrorCode::BlobTooLarge);
        }
    });
}

#[test]
fn g4_a_provider_that_says_more_than_all_is_blamed_and_the_download_is_done() {
    run(async {
        let blob = Honest::of_size(100_000);
        let liar = says([blob.whole(), vec![1; 50]].concat()).await;
        let to = memory();
        let content = HashAndFormat::raw(blob.hash);
        let (result, failed) = download(&to, content, options(), &[&liar.connection]).await;
        assert_eq!(result.unwrap().size, 100_000);
        assert_eq!(failed, [(0, ErrorCode::ProtocolViolation)]);
        blob.assert_complete(&to);
    });
}

#[test]
fn g4_a_provider_that_is_slow_and_never_stalls_does_not_hold_up_the_end() {
    run(async {
        let blob = Honest::of_size(33 << 20);
        let from = memory();
        add(&from, blob.data.clone());
        let (shared, (sender, mut stopped)) = (blob.clone(), unbounded_channel());
        // A group at a time, each of them good: what it is asked for would take eight minutes.
        let slow = liar(move |request, mut send| {
            let (blob, stopped) = (shared.clone(), sender.clone());
            async move {
                let Request::Get(get) = request else { return };
                let response = blob.response(get.ranges.at(0));
                let mut clock = tokio::time::interval(Duration::from_millis(500));
                for piece in response.chunks(16 * 1024) {
                    if send.write_all(piece).await.is_err() {
                        let _ = stopped.send(());
                        return;
                    }
                    clock.tick().await;
                }
            }
        })
        .await;
        let honest = serve(&from).await;
        let to = memory();
        let options = DownloadOptions { split: true, ..options() };
        let start = Instant::now();
        let content = HashAndFormat::raw(blob.hash);
        let providers = [&slow.connection, &honest.connection];
        let (result, failed) = download(&to, content, options, &providers).await;
        assert_eq!(result.unwrap().size, blob.size());
        blob.assert_complete(&to);
        assert!(failed.is_empty(), "{failed:?}");
        assert!(start.elapsed() < 2 * LONG, "{:?}", start.elapsed());
        stopped.recv().await.unwrap();
    });
}

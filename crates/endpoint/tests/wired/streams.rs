//! Bytes over streams: small, large, both ways, and more than anyone reads.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use bytes::Bytes;
use futures_util::FutureExt;
use gaiwan_endpoint::{Failure, TransportOptions};
use tokio::sync::Notify;

use crate::peers::{Random, ask, echo, pair, pair_with, run};

const SIZES: [usize; 7] = [0, 1, 1_199, 65_536, 65_537, 1_048_577, 8 * 1024 * 1024];

#[test]
fn a_bi_stream_brings_every_size_back_unchanged() {
    run(async {
        let pair = pair().await;
        tokio::spawn(echo(pair.server.clone()));
        for size in SIZES {
            let data = Random(size as u64).bytes(size);
            assert!(ask(&pair.client, &data).await.unwrap() == data, "{size} bytes");
        }
        // The other way round the acceptor opens.
        tokio::spawn(echo(pair.client.clone()));
        let data = Random(7).bytes(100_000);
        assert!(ask(&pair.server, &data).await.unwrap() == data);
    });
}

#[test]
fn a_uni_stream_brings_every_size_over_and_another_one_back() {
    run(async {
        let pair = pair().await;
        let back = pair.server.clone();
        tokio::spawn(async move {
            while let Ok(mut recv) = back.quinn().accept_uni().await {
                let all = recv.read_to_end(usize::MAX).await.unwrap();
                let mut send = back.quinn().open_uni().await.unwrap();
                send.write_all(&all).await.unwrap();
                send.finish().unwrap();
            }
        });
        for size in SIZES {
            let data = Bytes::from(Random(size as u64).bytes(size));
            let mut send = pair.client.quinn().open_uni().await.unwrap();
            let write = async {
                send.write_chunk(data.clone()).await.unwrap();
                send.finish().unwrap();
            };
            let read = async {
                let mut recv = pair.client.quinn().accept_uni().await.unwrap();
                recv.read_to_end(usize::MAX).await.unwrap()
            };
            let ((), read) = tokio::join!(write, read);
            assert!(read == data, "{size} bytes");
        }
    });
}

#[test]
fn a_reset_and_a_stop_carry_their_codes() {
    run(async {
        let pair = pair().await;
        let (mut send, mut recv) = pair.client.quinn().open_bi().await.unwrap();
        send.write_all(b"x").await.unwrap();
        let (mut answer, mut request) = pair.server.quinn().accept_bi().await.unwrap();
        send.reset(quinn::VarInt::MAX).unwrap();
        recv.stop(7u32.into()).unwrap();

        let failure = loop {
            match request.read_chunk(10, true).await {
                Ok(chunk) => assert!(chunk.is_some(), "a reset stream must not look whole"),
                Err(error) => break Failure::read(&error),
            }
        };
        assert_eq!(failure.code.as_str(), "STREAM_RESET");
        assert_eq!(failure.application_code, Some((1 << 62) - 1));
        assert_eq!(answer.stopped().await.unwrap(), Some(7u32.into()));
        let failure = Failure::write(&answer.write_all(b"late").await.unwrap_err());
        assert_eq!((failure.code.as_str(), failure.application_code), ("STREAM_STOPPED", Some(7)));
    });
}

/// 100 bi and 100 uni streams could hold 250 MB at their own windows; the window of the connection holds them back.
#[test]
fn two_hundred_greedy_streams_stay_below_the_window() {
    run(async {
        const WINDOW: u64 = 1024 * 1024;
        // The greedy one would send without end.
        let greedy = TransportOptions { send_window: Some(1 << 40), ..TransportOptions::default() };
        let victim =
            TransportOptions { receive_window: Some(WINDOW), ..TransportOptions::default() };
        let pair = pair_with(greedy, victim).await;

        let written = Arc::new(AtomicU64::new(0));
        let progress = Arc::new(Notify::new());
        let mut streams = Vec::new();
        for _ in 0..100 {
            let (send, recv) = pair.client.quinn().open_bi().await.unwrap();
            streams.push((send, Some(recv)));
            streams.push((pair.client.quinn().open_uni().await.unwrap(), None));
        }
        assert!(pair.client.quinn().open_bi().now_or_never().is_none(), "the 101st stream waits");
        assert!(pair.client.quinn().open_uni().now_or_never().is_none(), "the 101st stream waits");
        for (mut send, recv) in streams {
            let (written, progress) = (written.clone(), progress.clone());
            tokio::spawn(async move {
                let _keep = recv;
                // Never finished; ends with the connection.
                while let Ok(n) = send.write(&[7; 4096]).await {
                    written.fetch_add(n as u64, SeqCst);
                    progress.notify_one();
                    // All take part.
                    tokio::task::yield_now().await;
                }
            });
        }
        while written.load(SeqCst) < WINDOW {
            progress.notified().await;
        }

        // Acknowledged bytes of the other direction are round trips, in which a window update would have arrived.
        for _ in 0..2 {
            let mut send = pair.server.quinn().open_uni().await.unwrap();
            send.write_all(b"x").await.unwrap();
            send.finish().unwrap();
            assert_eq!(send.stopped().await.unwrap(), None);
        }
        assert_eq!(written.load(SeqCst), WINDOW);
        assert_eq!(pair.server.quinn().stats().frame_tx.max_data, 0);

        // The connection is not stuck: what is read makes room again.
        let reader = pair.server.clone();
        tokio::spawn(async move {
            loop {
                let mut recv = tokio::select! {
                    Ok(recv) = reader.quinn().accept_uni() => recv,
                    Ok((_, recv)) = reader.quinn().accept_bi() => recv,
                    else => return,
                };
                tokio::spawn(async move {
                    while let Ok(Some(_)) = recv.read_chunk(usize::MAX, true).await {}
                });
            }
        });
        while written.load(SeqCst) == WINDOW {
            progress.notified().await;
        }
        assert!(pair.client.close_info().is_none());
    });
}

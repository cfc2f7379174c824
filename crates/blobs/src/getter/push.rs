//! A blob of ours to a peer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gaiwan_base::{BlobFormat, ErrorCode, HashAndFormat};
use gaiwan_endpoint::{Connection, Failure};
use quinn::VarInt;

use super::feed::{failure, refused};
use crate::{
    proto::{ChunkRangesSeq, GetRequest, PushRequest, Request},
    store::Store,
    transfer::{End, Response, TransferStats, Walk},
    unfinished::Unfinished,
};

/// Bytes of one write.
const PIECE: usize = 256 * 1024;
/// How long the reason of a stop may be on its way.
const REASON: Duration = Duration::from_secs(1);

/// Sends `content` to a peer that takes pushes, and waits until it has every byte. `PROVIDER_REFUSED` if it does not want
/// it, `PROVIDER_BUSY` if it is too much, `PROVIDER_FAILED` if it can't be stored.
pub async fn push(
    connection: &Connection,
    store: &Store,
    content: HashAndFormat,
) -> Result<TransferStats, Failure> {
    let start = Instant::now();
    let _hold = store.hold(content);
    let ranges = match content.format {
        BlobFormat::Raw => ChunkRangesSeq::blob(),
        BlobFormat::HashSeq => ChunkRangesSeq::all(),
    };
    let request = PushRequest(GetRequest::new(content.hash, ranges.clone()));
    let head = Request::Push(request).encode();
    let head = head.map_err(|error| Failure::new(ErrorCode::Internal, error.to_string()))?;
    let opened = connection.quinn().open_bi().await;
    let (send, mut recv) = opened.map_err(|error| Failure::connection(&error))?;
    let mut send = Unfinished::new(send, 0);
    let work = async {
        let mut next = Some(Response::new(store.clone(), Walk::seq(content.hash, ranges)));
        let mut stats =
            TransferStats { other_bytes_written: head.len() as u64, ..TransferStats::default() };
        send.write_chunk(head.into()).await.map_err(|error| Failure::write(&error))?;
        while let Some(mut response) = next.take() {
            let step = tokio::task::spawn_blocking(move || {
                let mut bytes = Vec::new();
                let end = response.step(&mut bytes, PIECE, &mut Vec::new());
                (response, bytes, end)
            });
            let (response, bytes, end) = step.await.map_err(|error| {
                Failure::new(ErrorCode::Internal, format!("a step of a push failed: {error}"))
            })?;
            send.write_chunk(Bytes::from(bytes)).await.map_err(|error| Failure::write(&error))?;
            match end {
                None => next = Some(response),
                Some(End::Done) => {
                    stats.payload_bytes_written = response.stats.payload_bytes_written;
                    stats.other_bytes_written += response.stats.other_bytes_written;
                }
                Some(End::Missing) => {
                    let text = "not all of what should be pushed is here";
                    return Err(Failure::new(ErrorCode::BlobIncomplete, text));
                }
                Some(End::Failed(failure)) => return Err(failure),
            }
        }
        send.finish();
        // Acknowledged to the last byte: the connection may close then.
        match send.stopped().await {
            Ok(None) => Ok(stats),
            // It has enough, and does not wait for the end to come.
            Ok(Some(code)) if code == VarInt::from_u32(0) => Ok(stats),
            Ok(Some(code)) => Err(Failure::stopped(code.into_inner())),
            Err(error) => Err(Failure::stopped_error(&error)),
        }
    };
    // FIN says that the push is permitted, a reset that it is not.
    let permitted =
        async { recv.read_chunk(1, true).await.map(drop).map_err(|error| failure(&error)) };
    tokio::pin!(work, permitted);
    let result = tokio::select! {
        result = &mut work => match result {
            // A small push is acknowledged before it is refused.
            Ok(stats) => permitted.await.map(|()| stats),
            // It stopped reading: a reset of its own side, which may come a moment later, tells why.
            Err(stopped) if stopped.code == ErrorCode::StreamStopped => {
                let reason = tokio::time::timeout(REASON, permitted).await;
                let code = stopped.application_code.unwrap_or(0);
                Err(match reason {
                    Ok(Err(reason)) => reason,
                    Ok(Ok(())) => refused(code),
                    // It stops with the code that it resets with.
                    Err(_) if (1..=3).contains(&code) => refused(code),
                    Err(_) => stopped,
                })
            }
            Err(failure) => Err(failure),
        },
        permitted = &mut permitted => match permitted {
            // Permitted and then stopped: what it could not do, its code tells.
            Ok(()) => work.await.map_err(|failure| match failure.application_code {
                Some(code) if failure.code == ErrorCode::StreamStopped => refused(code),
                _ => failure,
            }),
            Err(refused) => Err(refused),
        },
    };
    result.map(|stats| TransferStats { elapsed: start.elapsed(), ..stats })
}

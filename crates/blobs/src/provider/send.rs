//! The answer to a Get or GetMany: read and checked on a thread that may wait, written here.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use bytes::Bytes;
use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;
use tokio::{sync::OwnedSemaphorePermit, task::JoinHandle, time::timeout};

use super::{events::EventKind, handler::Inner, report::Report, request::Refusal, served::Served};
use crate::{
    bao::GROUP_BYTES,
    proto::{GetManyRequest, GetRequest},
    transfer::{End, Response, Sent, Walk},
    unfinished::Unfinished,
};

/// The first piece of a response: so much is in memory for a peer that never reads.
const FIRST: usize = 64 * 1024;
/// The others. While one is written the next is read.
const PIECE: usize = 256 * 1024;
/// The smallest, and what all responses together may have, as long as there are not too many of them for that.
const SMALL: usize = 16 * 1024;
const ALL: usize = 64 << 20;
/// Pieces of one response: one is written, the next is there.
const PIECES: usize = 2;

pub(super) async fn get(
    served: &Arc<Served>,
    stream: &mut Unfinished,
    request: &GetRequest,
    report: &mut Report,
) -> Result<(), Refusal> {
    let walk = Walk::seq(request.hash, request.ranges.clone());
    answer(served, stream, walk, report).await
}

pub(super) async fn get_many(
    served: &Arc<Served>,
    stream: &mut Unfinished,
    request: &GetManyRequest,
    report: &mut Report,
) -> Result<(), Refusal> {
    let walk = Walk::list(request.hashes.clone(), request.ranges.clone());
    answer(served, stream, walk, report).await
}

struct Step {
    response: Response,
    bytes: Vec<u8>,
    sent: Vec<Sent>,
    end: Option<End>,
}

/// Does a step; the peer's turn ends with it, also when nobody waits for it any more.
fn step(
    mut response: Response,
    budget: usize,
    turn: Option<OwnedSemaphorePermit>,
) -> JoinHandle<Step> {
    tokio::task::spawn_blocking(move || {
        let room = budget + usize::try_from(GROUP_BYTES).unwrap_or(0);
        let (mut bytes, mut sent) = (Vec::with_capacity(room), Vec::new());
        let end = response.step(&mut bytes, budget, &mut sent);
        drop(turn);
        Step { response, bytes, sent, end }
    })
}

async fn answer(
    served: &Arc<Served>,
    stream: &mut Unfinished,
    walk: Walk,
    report: &mut Report,
) -> Result<(), Refusal> {
    let Some(_slot) = served.slot().await else { return Err(Refusal::Limit) };
    let running = Running::begin(served.provider().clone());
    let base = report.stats;
    let mut next = {
        let response = Response::new(served.provider().store.clone(), walk);
        let turn = served.turn().await;
        step(response, running.budget(FIRST), turn)
    };
    let mut is_first = true;
    loop {
        let done = next.await.map_err(|error| {
            let text = format!("a step of a response failed: {error}");
            Refusal::Internal(Failure::new(ErrorCode::Internal, text))
        })?;
        let Step { response, bytes, sent, end } = done;
        let mut stats = response.stats;
        stats.other_bytes_read += base.other_bytes_read;
        // Nothing is read ahead for a peer that has not taken anything yet, or by one that has many streams.
        let (mut idle, mut ahead) = (None, None);
        if end.is_none() {
            match (!is_first).then(|| served.turn_now()).flatten() {
                turn @ Some(_) => ahead = Some(step(response, running.budget(PIECE), turn)),
                None => idle = Some(response),
            }
        } else {
            drop(response);
        }
        is_first = false;
        served.pay(bytes.len() as u64).await;
        write(served, stream, bytes.into()).await?;
        report.stats = stats;
        for sent in sent {
            served.tell(event(report.request(), sent));
        }
        next = match (end, ahead, idle) {
            (Some(End::Missing), ..) => return Err(Refusal::Missing),
            (Some(End::Failed(failure)), ..) => return Err(Refusal::Internal(failure)),
            (None, Some(ahead), _) => ahead,
            (None, None, Some(response)) => {
                let turn = served.turn().await;
                step(response, running.budget(PIECE), turn)
            }
            (Some(End::Done), ..) | (None, None, None) => return finish(served, stream).await,
        };
    }
}

/// Writes all of `bytes` to a peer that takes some of them now and then. Of those that it does not take any more it hears
/// nothing; quinn tells when it stopped reading.
pub(super) async fn write(
    served: &Served,
    stream: &mut Unfinished,
    bytes: Bytes,
) -> Result<(), Refusal> {
    let limit = served.provider().options.stall_timeout;
    let mut rest = [bytes];
    while !rest[0].is_empty() {
        match timeout(limit, stream.write_chunks(&mut rest)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Refusal::Gone),
            Err(_) => return Err(Refusal::Stalled),
        }
    }
    Ok(())
}

/// Completed means that the peer has it all.
async fn finish(served: &Served, stream: &mut Unfinished) -> Result<(), Refusal> {
    stream.finish();
    match timeout(served.provider().options.stall_timeout, stream.stopped()).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(_)) | Err(_)) => Err(Refusal::Gone),
        Err(_) => Err(Refusal::Stalled),
    }
}

/// One of the responses under way, which share what may be in memory.
struct Running(Arc<Inner>);

impl Running {
    fn begin(provider: Arc<Inner>) -> Self {
        provider.responses.fetch_add(1, Relaxed);
        Self(provider)
    }

    /// Bytes of the next piece, at most `most`.
    fn budget(&self, most: usize) -> usize {
        (ALL / PIECES / self.0.responses.load(Relaxed).max(1)).clamp(SMALL, most)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.responses.fetch_sub(1, Relaxed);
    }
}

fn event(request: u64, sent: Sent) -> EventKind {
    match sent {
        Sent::Started { index, hash, size } => EventKind::Started { request, index, hash, size },
        Sent::Progress { index, end_offset } => EventKind::Progress { request, index, end_offset },
    }
}

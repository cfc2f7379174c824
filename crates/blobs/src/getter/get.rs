//! One request into the store.

use std::time::{Duration, Instant};

use gaiwan_base::{ErrorCode, HashAndFormat};
use gaiwan_endpoint::{Connection, Failure};

use super::feed::{feed, stalled};
use crate::{
    proto::{GetManyRequest, GetRequest, Request},
    store::Store,
    transfer::{Limits, Receive, Received, TransferStats, Walk},
    unfinished::Unfinished,
};

/// How to get.
#[derive(Debug, Clone, Copy, Default)]
pub struct GetOptions {
    /// The longest time without a verified byte.
    pub stall: Option<Duration>,
    /// What may come.
    pub limits: Limits,
}

/// Asks for `request` and stores what comes, checked; nothing of it is collected meanwhile. `heard` gets every event as it
/// happens. Dropping the future stops the request; what was checked is stored, a moment later.
pub async fn get(
    connection: &Connection,
    store: &Store,
    request: &Request,
    options: GetOptions,
    heard: &mut (dyn FnMut(Received) + Send),
) -> (TransferStats, Result<(), Failure>) {
    let start = Instant::now();
    let mut stats = TransferStats::default();
    let walk = match request {
        Request::Get(GetRequest { hash, ranges }) => Walk::seq(*hash, ranges.clone()),
        Request::GetMany(GetManyRequest { hashes, ranges }) => {
            Walk::list(hashes.clone(), ranges.clone())
        }
        Request::Observe(_) | Request::Push(_) => {
            let text = "only Get and GetMany bring blobs";
            return (stats, Err(Failure::new(ErrorCode::Internal, text)));
        }
    };
    let _holds = match request {
        Request::GetMany(many) => {
            many.hashes.iter().map(|hash| store.hold(HashAndFormat::raw(*hash))).collect()
        }
        Request::Get(get) => vec![store.hold(get.content())],
        Request::Observe(_) | Request::Push(_) => Vec::new(),
    };
    let mut recv = match ask(connection, request, options.stall, &mut stats).await {
        Ok(recv) => recv,
        Err(failure) => return (stats, Err(failure)),
    };
    let receive = Receive::new(store.clone(), walk, options.limits);
    let (receive, result) = feed(&mut recv, receive, options.stall, heard).await;
    if let Some(receive) = receive {
        stats.add(&receive.stats);
    }
    stats.elapsed = start.elapsed();
    (stats, result)
}

/// Opens a stream and writes a request on it. A peer that takes none, or not all of the request, is given up after `stall`.
pub(super) async fn ask(
    connection: &Connection,
    request: &Request,
    stall: Option<Duration>,
    stats: &mut TransferStats,
) -> Result<quinn::RecvStream, Failure> {
    let body = request
        .encode()
        .map_err(|error| Failure::new(ErrorCode::MessageTooLarge, error.to_string()))?;
    stats.other_bytes_written += body.len() as u64;
    let ask = async {
        let opened = connection.quinn().open_bi().await;
        let (send, recv) = opened.map_err(|error| Failure::connection(&error))?;
        let mut send = Unfinished::new(send, 0);
        match send.write_chunk(body.into()).await {
            // A provider may answer before it has read everything.
            Ok(()) | Err(quinn::WriteError::Stopped(_)) => {}
            Err(error) => return Err(Failure::write(&error)),
        }
        send.finish();
        Ok(recv)
    };
    match stall {
        Some(limit) => tokio::time::timeout(limit, ask).await.map_err(|_| stalled(stall))?,
        None => ask.await,
    }
}

//! The taking of a push. Off unless it is allowed: what comes was not asked for.

use std::sync::Arc;

use gaiwan_base::ErrorCode;
use quinn::RecvStream;

use super::{report::Report, request::Refusal, served::Served};
use crate::{
    getter::feed,
    proto::PushRequest,
    transfer::{Limits, Receive, Walk},
    unfinished::Unfinished,
};

pub(super) async fn push(
    served: &Arc<Served>,
    stream: &mut Unfinished,
    recv: &mut RecvStream,
    request: &PushRequest,
    report: &mut Report,
) -> Result<(), Refusal> {
    let provider = served.provider();
    let PushRequest(get) = request;
    // FIN says "permitted", not "stored": the pusher may begin.
    stream.finish();
    let _hold = provider.store.hold(get.content());
    let limits = Limits { max_bytes: provider.options.max_push_bytes, max_root_bytes: None };
    let walk = Walk::seq(get.hash, get.ranges.clone());
    let receive = Receive::new(provider.store.clone(), walk, limits);
    let stall = Some(provider.options.stall_timeout);
    let (receive, result) = feed(recv, receive, stall, &mut |_| {}).await;
    if let Some(receive) = receive {
        report.stats.add(&receive.stats);
    }
    result.map_err(|failure| match failure.code {
        ErrorCode::BlobTooLarge | ErrorCode::StoreFull | ErrorCode::StoreBusy => Refusal::Limit,
        ErrorCode::Timeout => Refusal::Stalled,
        ErrorCode::ConnectionClosed
        | ErrorCode::ConnectionLost
        | ErrorCode::LocallyClosed
        | ErrorCode::StreamReset
        // The pusher has said less than it said it would, or more, or something else.
        | ErrorCode::BlobNotFound
        | ErrorCode::ProtocolViolation
        | ErrorCode::HashMismatch => Refusal::Gone,
        _ => Refusal::Internal(failure),
    })
}

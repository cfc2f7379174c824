//! The answer to an Observe: what is here, and every change, until the observer has enough.

use std::sync::Arc;

use gaiwan_endpoint::Failure;

use super::{report::Report, request::Refusal, send, served::Served};
use crate::{
    proto::{Bitfield, ObserveRequest},
    unfinished::Unfinished,
};

pub(super) async fn observe(
    served: &Arc<Served>,
    stream: &mut Unfinished,
    request: &ObserveRequest,
    report: &mut Report,
) -> Result<(), Refusal> {
    let Some(_observer) = served.observer() else { return Err(Refusal::Limit) };
    let (store, hash) = (served.provider().store.clone(), request.hash);
    // A blob that is not here gets no row for being watched.
    let watch = tokio::task::spawn_blocking(move || store.watch(hash)).await;
    let mut watch = watch.map_err(internal)?.map_err(Refusal::Internal)?;
    let mut told = watch.now();
    let mut frame = told.clone();
    loop {
        match write(served, stream, &frame, report).await {
            // That is how an observer ends well.
            Err(Refusal::Gone) => return Ok(()),
            result => result?,
        }
        frame = loop {
            let now = tokio::select! {
                now = watch.changed() => now,
                _ = stream.stopped() => return Ok(()),
                _ = served.quinn().closed() => return Ok(()),
            };
            // Observers put frames together to the sum of all (iroh-blobs 0.104.0, `src/api/proto/bitfield.rs`), so none can
            // take anything back: they are let go, and learn what is left when they ask again.
            if !(told.ranges() - now.ranges()).is_empty() {
                stream.finish();
                return Ok(());
            }
            if now != told {
                let diff = told.diff(&now);
                told = now;
                break diff;
            }
        };
    }
}

async fn write(
    served: &Served,
    stream: &mut Unfinished,
    field: &Bitfield,
    report: &mut Report,
) -> Result<(), Refusal> {
    let frame = field.encode_frame().map_err(internal)?;
    report.stats.other_bytes_written += frame.len() as u64;
    send::write(served, stream, frame.into()).await
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    Refusal::Internal(Failure::new(gaiwan_base::ErrorCode::Internal, error.to_string()))
}

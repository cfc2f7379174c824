//! One stream of a peer: whether what is asked may be, and how it ends.
//!
//! Ends of iroh-blobs 0.104.0, `src/provider.rs`: what is no request gets a clean FIN, what is not allowed RESET_STREAM 1,
//! what is over a limit 2, our own trouble 3.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, StreamExt, stream};
use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;
use quinn::{RecvStream, SendStream, VarInt};

use super::{
    events::{Authorize, count},
    handler::{INTERNAL, LIMIT, PERMISSION},
    observe, push,
    read::{Asked, Unread, hashes},
    report::Report,
    send,
    served::Served,
};
use crate::{
    proto::{Request, RequestKind},
    unfinished::Unfinished,
};

/// Questions about one request that wait for an answer at once.
const QUESTIONS: usize = 64;

/// Why a request is not served to its end.
pub(super) enum Refusal {
    /// It may not be asked.
    Permission,
    /// Over a limit of ours.
    Limit,
    /// What it needs is not here; what was sent is good.
    Missing,
    /// The peer is gone, or does not want more.
    Gone,
    /// The peer is there and takes nothing.
    Stalled,
    /// Our own trouble.
    Internal(Failure),
}

/// Serves one stream.
pub(super) async fn serve(served: Arc<Served>, send: SendStream, mut recv: RecvStream) {
    // A response that was cut short must not look whole.
    let mut stream = Unfinished::new(send, INTERNAL);
    let metrics = served.provider().metrics.clone();
    let asked = match Asked::read(&served, &mut recv).await {
        Ok(asked) => asked,
        // A clean end without a word; dropping the other half stops what still comes.
        Err(Unread::Malformed) => {
            count(&metrics.requests_malformed);
            stream.finish();
            return;
        }
        Err(Unread::Busy) => {
            count(&metrics.requests_refused);
            stream.reset(LIMIT);
            return;
        }
    };
    let (kind, hash) = (asked.request.kind(), asked.hash());
    let mut report = Report::begin(&served, kind, hash, asked.bytes);
    let result = {
        let work = answer(&served, &mut stream, &mut recv, &asked.request, &mut report);
        tokio::select! {
            // What it learned before the connection ended counts.
            biased;
            result = work => result,
            _ = served.quinn().closed() => Err(Refusal::Gone),
        }
    };
    let refusal = match result {
        Ok(()) => return report.complete(),
        Err(refusal) => refusal,
    };
    let (reset, counter) = match &refusal {
        Refusal::Missing => (None, &metrics.requests_missing),
        Refusal::Permission => (Some(PERMISSION), &metrics.requests_refused),
        Refusal::Limit => (Some(LIMIT), &metrics.requests_refused),
        Refusal::Stalled => (Some(LIMIT), &metrics.requests_aborted),
        Refusal::Gone => (Some(INTERNAL), &metrics.requests_aborted),
        Refusal::Internal(_) => (Some(INTERNAL), &metrics.requests_failed),
    };
    // Counted before the peer learns it.
    report.abort(counter);
    match reset {
        None => stream.finish(),
        Some(code) => {
            // First: a pusher that hears the reset must find that it is stopped.
            if kind == RequestKind::Push {
                let _ = recv.stop(VarInt::from_u32(code));
            }
            stream.reset(code);
        }
    }
    if let Refusal::Internal(failure) = refusal {
        tell_trouble(&served, &failure, hash);
    }
}

/// What a peer can cause as often as it likes is no warning, and what it may is one now and then.
fn tell_trouble(served: &Served, failure: &Failure, hash: Hash) {
    if failure.code != ErrorCode::ProtocolViolation && served.provider().may_warn() {
        tracing::warn!(%failure, hash = %hash.fmt_short(), "a request can't be served");
    } else {
        tracing::debug!(%failure, hash = %hash.fmt_short(), "a request can't be served");
    }
}

async fn answer(
    served: &Arc<Served>,
    stream: &mut Unfinished,
    recv: &mut RecvStream,
    request: &Request,
    report: &mut Report,
) -> Result<(), Refusal> {
    if !may(served, request).await {
        return Err(Refusal::Permission);
    }
    match request {
        Request::Get(get) => send::get(served, stream, get, report).await,
        Request::GetMany(many) => send::get_many(served, stream, many, report).await,
        Request::Observe(observe) => observe::observe(served, stream, observe, report).await,
        Request::Push(push) => push::push(served, stream, recv, push, report).await,
    }
}

/// Asked before anything is looked up: who may not ask learns nothing of what is here.
async fn may(served: &Served, request: &Request) -> bool {
    let provider = served.provider();
    if !provider.options.allow.contains(&request.kind()) {
        return false;
    }
    let Some(authorize) = &provider.authorize else { return true };
    let kind = request.kind();
    let questions = hashes(request).into_iter().map(|hash| ask(served, &**authorize, hash, kind));
    let mut answers = stream::iter(questions).buffer_unordered(QUESTIONS);
    while let Some(yes) = answers.next().await {
        if !yes {
            return false;
        }
    }
    true
}

/// Silence is no, and so is a panic.
async fn ask(served: &Served, authorize: &dyn Authorize, hash: Hash, kind: RequestKind) -> bool {
    let answer = async { authorize.authorize(served.remote(), hash, kind).await };
    let limit = served.provider().options.authorize_timeout;
    let answer = tokio::time::timeout(limit, AssertUnwindSafe(answer).catch_unwind()).await;
    match answer {
        Ok(Ok(yes)) => yes,
        Ok(Err(_)) => {
            tracing::error!("whoever says who may ask panicked; that is a no");
            false
        }
        Err(_) => false,
    }
}

//! Pushes: off unless allowed, and checked like everything that comes from a peer.

use std::{sync::Arc, time::Duration};

use gaiwan_base::{EndpointId, ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::{
    getter::push,
    proto::{GetRequest, PushRequest, Request, RequestKind},
    provider::{Authorize, EventKind, ProviderOptions},
    store::{Store, StoreOptions},
};
use gaiwan_endpoint::{BoxFuture, Connection, TransportOptions};
use quinn::SendStream;
use tokio::sync::Semaphore;

use crate::{
    honest::Honest,
    peers::{
        Heard, LONG, add, add_collection, bind, dial, memory, pattern, read, run, serve,
        serve_heard, serve_with,
    },
};

fn open_to_pushes() -> ProviderOptions {
    ProviderOptions { allow: vec![RequestKind::Push], ..ProviderOptions::default() }
}

/// Says what will be pushed; nothing of it yet. What the other side's half says: FIN or a reset.
async fn begin(connection: &Connection, request: GetRequest) -> (SendStream, Option<u64>) {
    let (mut send, mut recv) = connection.quinn().open_bi().await.unwrap();
    let head = Request::Push(PushRequest(request)).encode().unwrap();
    send.write_all(&head).await.unwrap();
    let (bytes, reset) = read(&mut recv).await;
    assert!(bytes.is_empty());
    (send, reset)
}

/// Writes all of it; the code it was stopped with, if it was.
async fn write(send: &mut SendStream, bytes: &[u8]) -> Option<u64> {
    match send.write_all(bytes).await {
        Ok(()) => {
            send.finish().unwrap();
            send.stopped().await.unwrap().map(|code| code.into_inner())
        }
        Err(quinn::WriteError::Stopped(code)) => Some(code.into_inner()),
        Err(error) => panic!("{error}"),
    }
}

fn assert_empty(store: &Store) {
    assert!(store.list(None, 10).unwrap().is_empty());
}

#[test]
fn p9_a_push_is_reset_with_1_unless_it_is_allowed() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(4 << 20);
        let served = serve(&store).await;
        let (mut send, reset) = begin(&served.connection, GetRequest::blob(blob.hash)).await;
        assert_eq!(reset, Some(1));
        assert_eq!(write(&mut send, &blob.whole()).await, Some(1));
        assert_empty(&store);
        assert!(store.held().is_empty());
    });
}

/// Lets one blob be pushed.
struct Only(Hash);

impl Authorize for Only {
    fn authorize(&self, _: EndpointId, hash: Hash, kind: RequestKind) -> BoxFuture<'_, bool> {
        Box::pin(async move { hash == self.0 && kind == RequestKind::Push })
    }
}

#[test]
fn p9_a_push_is_asked_about_and_collected_unless_it_is_tagged() {
    run(async {
        let store = memory();
        let (blob, other) = (Honest::of_size(100_000), Honest::of_size(99_999));
        let (events, mut heard) = Heard::new();
        let hook = Some(Arc::new(Only(blob.hash)) as Arc<dyn Authorize>);
        let served = serve_heard(&store, open_to_pushes(), hook, Some(events)).await;
        let (_, reset) = begin(&served.connection, GetRequest::blob(other.hash)).await;
        assert_eq!(reset, Some(1));
        let (mut send, reset) = begin(&served.connection, GetRequest::blob(blob.hash)).await;
        assert_eq!(reset, None);
        // It may have enough before the end comes, and says so.
        assert!(matches!(write(&mut send, &blob.whole()).await, None | Some(0)));
        let is_done = |kind: &EventKind| matches!(kind, EventKind::Completed { .. });
        let EventKind::Completed { stats, .. } = heard.until(is_done).await else { panic!() };
        assert_eq!(stats.payload_bytes_read, 100_000);
        blob.assert_complete(&store);
        assert_eq!(store.gc(&[]).unwrap().deleted, 1);
    });
}

#[test]
fn p9_a_push_of_bytes_that_do_not_match_is_stopped_with_3_and_none_of_them_is_kept() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(100_000);
        let served = serve_with(&store, open_to_pushes(), None).await;
        let whole = blob.whole();
        for at in [0, 8, 70, 5000, 50_000, whole.len() - 1] {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            // So that it ends when it is stopped, and not because all is written.
            bad.resize(4 << 20, 0);
            let (mut send, _) = begin(&served.connection, GetRequest::blob(blob.hash)).await;
            assert_eq!(write(&mut send, &bad).await, Some(3), "{at}");
            blob.check(&store);
            assert!(!store.bitfield(&blob.hash).unwrap().is_complete());
        }
        // More than was said, and less.
        let mut more = whole.clone();
        more.resize(4 << 20, 0);
        let (mut send, _) = begin(&served.connection, GetRequest::blob(blob.hash)).await;
        assert_eq!(write(&mut send, &more).await, Some(3));
        blob.assert_complete(&store);
        assert_eq!(served.count("requests_aborted"), 7);
    });
}

#[test]
fn p9_a_push_over_its_limit_or_over_that_of_the_store_is_stopped_with_2() {
    run(async {
        // Far more than can be on its way when it is refused.
        let blob = Honest::of_size(8 << 20);
        let small = ProviderOptions { max_push_bytes: Some(1 << 20), ..open_to_pushes() };
        let quota = StoreOptions { max_bytes: Some(1 << 20), ..StoreOptions::default() };
        for (options, store) in
            [(small, memory()), (open_to_pushes(), Store::memory(quota).unwrap())]
        {
            let served = serve_with(&store, options, None).await;
            let (mut send, reset) = begin(&served.connection, GetRequest::blob(blob.hash)).await;
            assert_eq!(reset, None);
            assert_eq!(write(&mut send, &blob.whole()).await, Some(2));
            blob.check(&store);
            assert!(store.used_bytes() <= 1 << 20);
            // Our own pusher says so.
            let mine = memory();
            add(&mine, blob.data.clone());
            let refused = push(&served.connection, &mine, HashAndFormat::raw(blob.hash)).await;
            let refused = refused.unwrap_err();
            assert_eq!(
                (refused.code, refused.application_code),
                (ErrorCode::ProviderBusy, Some(2))
            );
        }
    });
}

/// Lets nobody push until it is opened.
struct Gate(Arc<Semaphore>);

impl Authorize for Gate {
    fn authorize(&self, _: EndpointId, _: Hash, _: RequestKind) -> BoxFuture<'_, bool> {
        Box::pin(async { self.0.acquire().await.is_ok() })
    }
}

#[test]
fn p9_a_push_that_stalls_or_lies_about_its_children_is_over() {
    run(async {
        let store = memory();
        let (events, mut heard) = Heard::new();
        let options = ProviderOptions {
            stall_timeout: Duration::from_millis(300),
            authorize_timeout: LONG,
            ..open_to_pushes()
        };
        let gate = Arc::new(Semaphore::new(0));
        let hook = Some(Arc::new(Gate(gate.clone())) as Arc<dyn Authorize>);
        let served = serve_heard(&store, options, hook, Some(events)).await;
        let blob = Honest::of_size(100_000);
        // So little may be unacknowledged that two groups are there when all is written, and only then the time runs.
        let window = TransportOptions { send_window: Some(4000), ..TransportOptions::default() };
        let dialer = bind(window);
        let connection = dial(&dialer, &served.endpoint).await;
        let (mut send, mut recv) = connection.quinn().open_bi().await.unwrap();
        let head = Request::Push(PushRequest(GetRequest::blob(blob.hash))).encode().unwrap();
        send.write_all(&[&head[..], &blob.whole()[..40_000]].concat()).await.unwrap();
        gate.add_permits(1);
        assert_eq!(read(&mut recv).await, (Vec::new(), None));
        heard.until(|kind| matches!(kind, EventKind::Aborted { .. })).await;
        assert_eq!(send.stopped().await.unwrap(), Some(2u32.into()));
        // What came is verified, so it stays for a second try.
        assert!(!blob.check(&store).is_empty());
        assert!(store.held().is_empty(), "{:?}", store.held());
        // A root that is no hash sequence has no children.
        let served = serve_with(&store, open_to_pushes(), None).await;
        let odd = Honest::of_size(33);
        let (mut send, _) = begin(&served.connection, GetRequest::all(odd.hash)).await;
        let bytes = [odd.whole(), vec![0; 4 << 20]].concat();
        assert_eq!(write(&mut send, &bytes).await, Some(3));
    });
}

#[test]
fn p9_a_push_that_is_taken_ends_well_every_time() {
    run(async {
        let (mine, theirs) = (memory(), memory());
        let served = serve_with(&theirs, open_to_pushes(), None).await;
        for round in 0..50 {
            let name = format!("{round}");
            let hash = add_collection(&mine, &[(&name, pattern(round * 700)), ("b", pattern(20))]);
            let content = HashAndFormat { hash, format: gaiwan_base::BlobFormat::HashSeq };
            push(&served.connection, &mine, content).await.unwrap();
        }
        assert_eq!(served.count("requests_push"), 50);
    });
}

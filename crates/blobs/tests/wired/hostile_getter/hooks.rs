//! Hooks that hang, panic or say no, and a shutdown in the middle of everything.

use std::{sync::Arc, time::Duration};

use gaiwan_base::{EndpointId, ErrorCode, Hash};
use gaiwan_blobs::{
    getter::{GetOptions, get},
    proto::{GetManyRequest, GetRequest, ObserveRequest, Request, RequestKind},
    provider::{Authorize, Event, EventKind, Events, Provider, ProviderOptions},
};
use gaiwan_endpoint::{BoxFuture, Connection, Failure, ProtocolHandler, TransportOptions};
use quinn::{ConnectionError, ReadError};

use crate::{
    honest::Honest,
    peers::{Heard, add, ask, bind, dial, memory, open, route, run, serve_heard, serve_with},
};

/// What a hook does with a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Yes,
    No,
    Hangs,
    PanicsAtOnce,
    PanicsLater,
}

struct Hook(Mood);

impl Authorize for Hook {
    fn authorize(&self, _: EndpointId, _: Hash, _: RequestKind) -> BoxFuture<'_, bool> {
        assert!(self.0 != Mood::PanicsAtOnce, "the hook panics, as the test wants it");
        Box::pin(async {
            tokio::task::yield_now().await;
            assert!(self.0 != Mood::PanicsLater, "the hook panics, as the test wants it");
            if self.0 == Mood::Hangs {
                std::future::pending::<()>().await;
            }
            self.0 == Mood::Yes
        })
    }
}

#[test]
fn p11_a_hook_that_hangs_or_panics_says_no() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(5000);
        let other = add(&store, blob.data.clone());
        let requests = [
            Request::Get(GetRequest::blob(blob.hash)),
            Request::GetMany(GetManyRequest::all([blob.hash, Hash::EMPTY, other])),
            Request::Observe(ObserveRequest::new(blob.hash)),
        ];
        for mood in [Mood::No, Mood::Hangs, Mood::PanicsAtOnce, Mood::PanicsLater] {
            let options = ProviderOptions {
                authorize_timeout: Duration::from_millis(200),
                ..ProviderOptions::default()
            };
            let served = serve_with(&store, options, Some(Arc::new(Hook(mood)))).await;
            for request in &requests {
                let answer = ask(&served.connection, &request.encode().unwrap()).await;
                assert_eq!(answer, (Vec::new(), Some(1)), "{mood:?}");
            }
            assert_eq!(served.count("requests_refused"), 3, "{mood:?}");
        }
        let options = ProviderOptions::default();
        let served = serve_with(&store, options, Some(Arc::new(Hook(Mood::Yes)))).await;
        let answer = ask(&served.connection, &requests[0].encode().unwrap()).await;
        assert_eq!(answer, (blob.whole(), None));
    });
}

/// A listener that can't listen.
struct Deaf;

impl Events for Deaf {
    fn event(&self, _: Event) {
        panic!("the listener panics, as the test wants it");
    }
}

#[test]
fn p11_a_listener_that_panics_changes_nothing() {
    run(async {
        let store = memory();
        let blob = Honest::of_size(100_000);
        add(&store, blob.data.clone());
        let options = ProviderOptions::default();
        let served = serve_heard(&store, options, None, Some(Arc::new(Deaf))).await;
        let request = Request::Get(GetRequest::blob(blob.hash)).encode().unwrap();
        for _ in 0..3 {
            assert_eq!(ask(&served.connection, &request).await, (blob.whole(), None));
        }
    });
}

#[test]
fn p11_a_shutdown_ends_what_runs_and_is_over_when_it_has_ended() {
    run(async {
        let store = memory();
        let hash = add(&store, vec![7; 20 << 20]);
        let (events, mut heard) = Heard::new();
        let hook = Arc::new(Hook(Mood::Yes));
        let options = ProviderOptions::default();
        let served = serve_heard(&store, options, Some(hook), Some(events)).await;
        let get = Request::Get(GetRequest::blob(hash)).encode().unwrap();
        let observe = Request::Observe(ObserveRequest::new(hash)).encode().unwrap();
        let mut streams = Vec::new();
        for request in [&get, &get, &get, &observe] {
            streams.push(open(&served.connection, request).await);
        }
        // One that has not said what it wants.
        let (mut send, recv) = served.connection.quinn().open_bi().await.unwrap();
        send.write_all(&get[..5]).await.unwrap();
        streams.push(recv);
        let begins = |kind: &EventKind| {
            matches!(kind, EventKind::Request { .. } | EventKind::Started { .. })
        };
        let mut observer = None;
        for _ in 0..4 + 3 {
            let begun = heard.until(begins).await;
            if let EventKind::Request { request, kind: RequestKind::Observe, .. } = begun {
                observer = Some(request);
            }
        }
        let (_other, stranger) = served.stranger().await;
        heard.until(|kind| matches!(kind, EventKind::Connected)).await;
        served.provider.shutdown().await;
        // It was told before the shutdown was over. An observer that hears of the closed connection before it is ended
        // has ended well; nobody else can.
        let ends = |kind: &EventKind| {
            matches!(
                kind,
                EventKind::Aborted { .. } | EventKind::Completed { .. } | EventKind::Disconnected
            )
        };
        let mut completed = 0;
        for _ in 0..4 + 2 {
            if let EventKind::Completed { request, .. } = heard.until(ends).await {
                assert_eq!(Some(request), observer);
                completed += 1;
            }
        }
        assert_eq!(served.count("requests_aborted"), 4 - completed);
        served.router.shutdown().await;
        store.close();
        drop(stranger);
    });
}

/// Serves, and leaves the connection to whoever has it.
struct ByHand(Arc<Provider>);

impl ProtocolHandler for ByHand {
    fn accept(&self, connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.0.serve(connection.clone()).await?;
            connection.quinn().closed().await;
            Ok(())
        })
    }
}

/// Waits until the connection is closed, by the peer's application with code 0. `flooded`: that word may be lost where
/// bytes come faster than they are taken, and then the peer's endpoint says that it knows the connection no more.
async fn closed(connection: &Connection, flooded: bool) {
    let why = connection.quinn().closed().await;
    match &why {
        ConnectionError::ApplicationClosed(close) => assert_eq!(close.error_code, 0_u32.into()),
        _ => assert!(flooded && matches!(why, ConnectionError::Reset), "{why:?}"),
    }
}

#[test]
fn p11_a_stopped_provider_closes_its_connections_and_resets_nothing() {
    run(async {
        let store = memory();
        let hash = add(&store, vec![7; 20 << 20]);
        let (events, mut heard) = Heard::new();
        let options = ProviderOptions::default();
        let provider = Arc::new(Provider::new(store, options, None, Some(events)));
        let handler = Arc::new(ByHand(provider.clone()));
        let (endpoint, _router) = route(handler, TransportOptions::default());
        let dialer = bind(TransportOptions::default());
        let connection = dial(&dialer, &endpoint).await;
        let other = bind(TransportOptions::default());
        let idle = dial(&other, &endpoint).await;
        heard.count(2, |kind| matches!(kind, EventKind::Connected)).await;
        let get = Request::Get(GetRequest::blob(hash));
        let mut recv = open(&connection, &get.encode().unwrap()).await;
        heard.until(|kind| matches!(kind, EventKind::Started { .. })).await;
        provider.stop();
        let end = loop {
            match recv.read_chunk(usize::MAX, true).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("what was cut short looks whole"),
                Err(error) => break error,
            }
        };
        assert!(matches!(end, ReadError::ConnectionLost(_)), "{end}");
        closed(&connection, true).await;
        closed(&idle, false).await;
        let over =
            |kind: &EventKind| matches!(kind, EventKind::Aborted { .. } | EventKind::Disconnected);
        heard.count(3, over).await;
        // Whoever comes later is not left waiting.
        closed(&dial(&dialer, &endpoint).await, false).await;
    });
}

#[test]
fn p11_who_gets_from_a_provider_that_stops_hears_of_a_closed_connection() {
    run(async {
        let (store, to) = (memory(), memory());
        let hash = add(&store, vec![7; 20 << 20]);
        let (events, mut heard) = Heard::new();
        let served = serve_heard(&store, ProviderOptions::default(), None, Some(events)).await;
        let stop = async {
            heard.until(|kind| matches!(kind, EventKind::Started { .. })).await;
            served.provider.stop();
        };
        let request = Request::Get(GetRequest::blob(hash));
        let mut none = |_| {};
        let get = get(&served.connection, &to, &request, GetOptions::default(), &mut none);
        let ((_, result), ()) = tokio::join!(get, stop);
        let code = result.unwrap_err().code;
        // The second where the word of the end is lost in the flood; a new dial is worth it after both.
        assert!(
            matches!(code, ErrorCode::ConnectionClosed | ErrorCode::ConnectionLost),
            "{code:?}"
        );
    });
}

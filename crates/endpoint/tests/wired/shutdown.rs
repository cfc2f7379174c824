//! The end of a router: stop accepting, all handlers at once, then the endpoint.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::FutureExt;
use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{
    BoxFuture, ClosedBy, Connection, Endpoint, Failure, ProtocolHandler, Router,
};
use tokio::sync::{Barrier, Semaphore};

use crate::{
    peers::{ALPN, alpns, ask, bind, code, dial, echo, options, run, until},
    router::echoing,
};

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down what happens to it; its shutdown ends when all of `meet` are in theirs.
struct Recorder {
    name: &'static str,
    log: Log,
    meet: Arc<Barrier>,
    endpoint: Endpoint,
}

impl ProtocolHandler for Recorder {
    fn accept(&self, connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let _note = NoteOnDrop(format!("{} task ends", self.name), self.log.clone());
            echo(connection).await;
            std::future::pending().await
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.log.lock().unwrap().push(format!("{} begins", self.name));
            self.meet.wait().await;
            // New attempts are refused already, and the endpoint is not closed yet.
            assert_eq!(
                code(dial(&bind(options()), &self.endpoint).await),
                ErrorCode::ConnectionRefused
            );
            assert!(!self.endpoint.is_closed());
            self.meet.wait().await;
            self.log.lock().unwrap().push(format!("{} ends", self.name));
        })
    }
}

struct NoteOnDrop(String, Log);

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0.clone());
    }
}

#[test]
fn a_shutdown_stops_accepting_then_asks_all_handlers_at_once_then_closes() {
    run(async {
        let acceptor = bind(options());
        let (log, meet) = (Log::default(), Arc::new(Barrier::new(2)));
        let recorder = |name| -> Arc<dyn ProtocolHandler> {
            let (log, meet) = (log.clone(), meet.clone());
            Arc::new(Recorder { name, log, meet, endpoint: acceptor.clone() })
        };
        let router = Router::builder(acceptor.clone())
            .accept(alpns(&[ALPN]), recorder("a"))
            .accept(alpns(&[b"b"]), recorder("b"))
            .spawn()
            .unwrap();
        let client = dial(&bind(options()), &acceptor).await.unwrap();
        assert_eq!(ask(&client, b"x").await.unwrap(), b"x");

        router.shutdown().await;
        assert!(acceptor.is_closed());
        // The task was told to end; its thread may be a moment late.
        until(|| log.lock().unwrap().len() == 5).await;
        let mut log = log.lock().unwrap().clone();
        assert_eq!(log.pop().unwrap(), "a task ends");
        log[..2].sort();
        log[2..].sort();
        assert_eq!(log, ["a begins", "b begins", "a ends", "b ends"]);
        client.quinn().closed().await;
        let info = client.close_info().unwrap();
        assert_eq!((info.by, info.code), (ClosedBy::Remote, Some(0)));
        assert!(
            Router::builder(acceptor).spawn().is_err_and(|e| e.code == ErrorCode::EndpointClosed)
        );
    });
}

/// Counts its shutdowns and waits for a permit in each.
struct Gated(Arc<AtomicUsize>, Arc<Semaphore>);

impl ProtocolHandler for Gated {
    fn accept(&self, _connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.0.fetch_add(1, SeqCst);
            let _permit = self.1.acquire().await;
        })
    }
}

#[test]
fn a_second_shutdown_waits_for_the_first_even_if_that_was_given_up() {
    run(async {
        let acceptor = bind(options());
        let (count, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let router = Router::builder(acceptor.clone())
            .accept(alpns(&[ALPN]), Arc::new(Gated(count.clone(), gate.clone())))
            .spawn()
            .unwrap();
        let mut first = Box::pin(router.shutdown());
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        let mut second = Box::pin(router.shutdown());
        assert!((&mut second).now_or_never().is_none());
        assert!(!acceptor.is_closed());
        gate.add_permits(1);
        tokio::join!(second, router.shutdown());
        assert!(acceptor.is_closed());
        assert_eq!(count.load(SeqCst), 1);
    });
}

/// Panics in its shutdown.
struct Clumsy;

impl ProtocolHandler for Clumsy {
    fn accept(&self, _connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        panic!("a test panics on purpose")
    }
}

#[test]
fn a_panic_in_one_shutdown_does_not_spoil_the_others() {
    run(async {
        let acceptor = bind(options());
        let (count, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(1)));
        let router = Router::builder(acceptor.clone())
            .accept(alpns(&[b"clumsy"]), Arc::new(Clumsy))
            .accept(alpns(&[ALPN]), Arc::new(Gated(count.clone(), gate)))
            .spawn()
            .unwrap();
        router.shutdown().await;
        assert_eq!(count.load(SeqCst), 1);
        assert!(acceptor.is_closed());
    });
}

#[test]
fn closing_the_endpoint_ends_the_handlers_of_a_router() {
    run(async {
        let acceptor = bind(options());
        let _router =
            Router::builder(acceptor.clone()).accept(alpns(&[ALPN]), echoing()).spawn().unwrap();
        let dialer = bind(options());
        let client = dial(&dialer, &acceptor).await.unwrap();
        assert_eq!(ask(&client, b"x").await.unwrap(), b"x");
        acceptor.close().await;
        client.quinn().closed().await;
        assert_eq!(client.close_info().unwrap().code, Some(0));
    });
}

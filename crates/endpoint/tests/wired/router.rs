//! The router while it runs: who gets a connection, and how it ends.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{
    Accepting, BoxFuture, ClosedBy, Connection, DialOptions, EndpointOptions, Failure, Incoming,
    IncomingFilter, ProtocolHandler, Router,
};
use tokio::sync::mpsc;

use crate::peers::{
    ALPN, alpns, ask, bind, code, dial, dial_once, dial_with, echo, metric, options, run,
};

/// A handler made of a closure.
pub struct Handler<F>(pub F);

impl<F> ProtocolHandler for Handler<F>
where
    F: Fn(Connection) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync + 'static,
{
    fn accept(&self, connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        (self.0)(connection)
    }
}

/// Echoes until the dialer closes.
pub fn echoing() -> Arc<dyn ProtocolHandler> {
    Arc::new(Handler(|connection: Connection| -> BoxFuture<'static, _> {
        Box::pin(async move {
            echo(connection).await;
            Ok(())
        })
    }))
}

async fn end_of(connection: &Connection) -> (ClosedBy, Option<u64>, Vec<u8>) {
    connection.quinn().closed().await;
    let info = connection.close_info().unwrap();
    (info.by, info.code, info.reason.to_vec())
}

#[test]
fn the_order_of_registration_is_the_preference_and_each_alpn_has_its_handler() {
    run(async {
        let acceptor = bind(options());
        let (sender, mut seen) = mpsc::unbounded_channel();
        let noting = |name: &'static str| -> Arc<dyn ProtocolHandler> {
            let sender = sender.clone();
            Arc::new(Handler(move |connection: Connection| -> BoxFuture<'static, _> {
                sender.send((name, connection.alpn())).unwrap();
                Box::pin(async { Ok(()) })
            }))
        };
        let _router = Router::builder(acceptor.clone())
            .accept(alpns(&[b"x/2", b"x/1"]), noting("x"))
            .accept(alpns(&[b"y"]), noting("y"))
            .spawn()
            .unwrap();
        let dialer = bind(options());
        type Case = (&'static [&'static [u8]], &'static str, &'static [u8]);
        let cases: [Case; 4] = [
            (&[b"y", b"x/1", b"x/2"], "x", b"x/2"),
            (&[b"y", b"x/1"], "x", b"x/1"),
            (&[b"y"], "y", b"y"),
            (&[b"z", b"y"], "y", b"y"),
        ];
        for (offered, handler, alpn) in cases {
            let client = dial_with(&dialer, &acceptor, offered, DialOptions::default()).await;
            assert_eq!(&client.unwrap().alpn()[..], alpn);
            assert_eq!(seen.recv().await.unwrap(), (handler, alpn.to_vec().into()));
        }
        // The router has replaced the list of the endpoint.
        assert_eq!(code(dial(&dialer, &acceptor).await), ErrorCode::AlpnMismatch);
        assert!(acceptor.accept().await.is_none(), "attempts are the router's");
    });
}

#[test]
fn a_handler_that_is_done_or_fails_ends_its_connection_with_its_code() {
    run(async {
        let acceptor = bind(options());
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (keep, results) = (kept.clone(), Mutex::new(vec![None, Some(77), Some((1 << 62) - 1)]));
        let handler = Handler(move |connection: Connection| -> BoxFuture<'static, _> {
            keep.lock().unwrap().push(connection);
            let result = match results.lock().unwrap().remove(0) {
                Some(code) => {
                    let failure = Failure::new(ErrorCode::NotAllowed, "no");
                    Err(Failure { application_code: Some(code), ..failure })
                }
                None => Ok(()),
            };
            Box::pin(async { result })
        });
        let _router = Router::builder(acceptor.clone())
            .accept(alpns(&[ALPN]), Arc::new(handler))
            .spawn()
            .unwrap();
        let dialer = bind(options());
        for expected in [0, 77, (1 << 62) - 1] {
            let client = dial(&dialer, &acceptor).await.unwrap();
            assert_eq!(end_of(&client).await, (ClosedBy::Remote, Some(expected), vec![]));
        }
        // Though each was kept by someone.
        assert_eq!(kept.lock().unwrap().len(), 3);
    });
}

#[test]
fn a_handler_that_closes_first_has_the_last_word() {
    run(async {
        let acceptor = bind(options());
        let handler = Handler(|connection: Connection| -> BoxFuture<'static, _> {
            connection.close(5, b"mine");
            Box::pin(async { Err(Failure::new(ErrorCode::Internal, "late")) })
        });
        let _router = Router::builder(acceptor.clone())
            .accept(alpns(&[ALPN]), Arc::new(handler))
            .spawn()
            .unwrap();
        let client = dial(&bind(options()), &acceptor).await.unwrap();
        assert_eq!(end_of(&client).await, (ClosedBy::Remote, Some(5), b"mine".to_vec()));
    });
}

#[test]
fn a_panic_of_a_handler_ends_its_connection_only() {
    run(async {
        let acceptor = bind(options());
        let (kept, before) = (Arc::new(Mutex::new(None)), AtomicUsize::new(0));
        let keep = kept.clone();
        let handler = Handler(move |connection: Connection| -> BoxFuture<'static, _> {
            *keep.lock().unwrap() = Some(connection.clone());
            match before.fetch_add(1, SeqCst) {
                0 => panic!("a test panics on purpose, outside of its future"),
                1 => Box::pin(async { panic!("a test panics on purpose") }),
                _ => Box::pin(async move {
                    echo(connection).await;
                    Ok(())
                }),
            }
        });
        let _router = Router::builder(acceptor.clone())
            .accept(alpns(&[ALPN]), Arc::new(handler))
            .spawn()
            .unwrap();
        let dialer = bind(options());
        for _ in 0..2 {
            let client = dial(&dialer, &acceptor).await.unwrap();
            assert_eq!(end_of(&client).await, (ClosedBy::Remote, Some(0), vec![]));
        }
        let client = dial(&dialer, &acceptor).await.unwrap();
        assert_eq!(ask(&client, b"alive").await.unwrap(), b"alive");
        assert!(kept.lock().unwrap().is_some());
    });
}

#[test]
fn an_alpn_without_a_handler_closes_with_a_reason() {
    run(async {
        let acceptor = bind(options());
        let _router =
            Router::builder(acceptor.clone()).accept(alpns(&[ALPN]), echoing()).spawn().unwrap();
        acceptor.set_alpns(&alpns(&[b"lost", ALPN])).unwrap();
        let dialer = bind(options());
        let lost = dial_with(&dialer, &acceptor, &[b"lost"], DialOptions::default()).await.unwrap();
        assert_eq!(end_of(&lost).await, (ClosedBy::Remote, Some(0), b"unknown alpn".to_vec()));
        let client = dial(&dialer, &acceptor).await.unwrap();
        assert_eq!(ask(&client, b"x").await.unwrap(), b"x");
    });
}

/// Has room or not, or panics when it is asked.
struct Picky {
    room: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

impl ProtocolHandler for Picky {
    fn ready(&self) -> bool {
        assert!(!self.panics.load(SeqCst), "a test panics on purpose");
        self.room.load(SeqCst)
    }

    fn accept(&self, connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            echo(connection).await;
            Ok(())
        })
    }
}

#[test]
fn without_room_or_with_a_panic_attempts_are_refused_and_the_loop_lives() {
    run(async {
        let acceptor = bind(options());
        let (room, panics) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let picky = Picky { room: room.clone(), panics: panics.clone() };
        let _router = Router::builder(acceptor.clone())
            .accept(alpns(&[ALPN]), Arc::new(picky))
            .spawn()
            .unwrap();
        let dialer = bind(options());
        assert_eq!(code(dial_once(&dialer, &acceptor).await), ErrorCode::ConnectionRefused);
        panics.store(true, SeqCst);
        assert_eq!(code(dial_once(&dialer, &acceptor).await), ErrorCode::ConnectionRefused);
        panics.store(false, SeqCst);
        room.store(true, SeqCst);
        dial(&dialer, &acceptor).await.unwrap();
        assert_eq!(metric(&acceptor, "quic_queue_full_refusals"), 2);
    });
}

/// Decides by a script: refuse, retry until validated, hang, let in.
struct Script(Mutex<Vec<&'static str>>);

impl IncomingFilter for Script {
    fn filter(&self, incoming: Incoming) -> BoxFuture<'_, Option<Incoming>> {
        let step = self.0.lock().unwrap().remove(0);
        Box::pin(async move {
            match step {
                "refuse" => incoming.refuse(),
                "retry" => assert!(incoming.retry().is_ok()),
                "hang" => {
                    let _held = incoming;
                    std::future::pending::<()>().await;
                }
                "panic" => panic!("a test panics on purpose"),
                _ => {
                    assert_eq!(step == "proven", incoming.address_validated());
                    return Some(incoming);
                }
            }
            None
        })
    }
}

#[test]
fn a_filter_is_asked_first_and_one_that_hangs_is_a_refusal() {
    run(async {
        let handshake_timeout = std::time::Duration::from_secs(5);
        let acceptor = bind(EndpointOptions { handshake_timeout, ..options() });
        let steps = vec!["refuse", "retry", "proven", "hang", "panic", "let in"];
        let _router = Router::builder(acceptor.clone())
            .accept(alpns(&[ALPN]), echoing())
            .filter(Arc::new(Script(Mutex::new(steps))))
            .spawn()
            .unwrap();
        let dialer = bind(options());
        // Each first packet once, for each is one step.
        assert_eq!(code(dial_once(&dialer, &acceptor).await), ErrorCode::ConnectionRefused);
        dial_once(&dialer, &acceptor).await.unwrap();
        assert_eq!(code(dial_once(&dialer, &acceptor).await), ErrorCode::ConnectionRefused);
        assert_eq!(code(dial_once(&dialer, &acceptor).await), ErrorCode::ConnectionRefused);
        // Another dialer: the first one has a token by now.
        dial_once(&bind(options()), &acceptor).await.unwrap();
        crate::peers::until(|| metric(&acceptor, "quic_handshakes_unfinished") == 0).await;
    });
}

/// Keeps its connections and takes part in the handshake.
struct Keeper(mpsc::UnboundedSender<(Vec<u8>, Connection)>);

impl ProtocolHandler for Keeper {
    fn on_accepting(
        &self,
        mut accepting: Accepting,
    ) -> BoxFuture<'_, Result<Option<Connection>, Failure>> {
        Box::pin(async move {
            let alpn = accepting.alpn().await?;
            let connection = accepting.finish().await?;
            let _ = self.0.send((alpn.to_vec(), connection));
            Ok(None)
        })
    }

    fn accept(&self, _connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        panic!("never called: `on_accepting` keeps the connection")
    }
}

#[test]
fn a_handler_that_keeps_the_connection_is_not_asked_to_accept_it() {
    run(async {
        let acceptor = bind(options());
        let (sender, mut kept) = mpsc::unbounded_channel();
        let _router = Router::builder(acceptor.clone())
            .accept(alpns(&[ALPN]), Arc::new(Keeper(sender)))
            .spawn()
            .unwrap();
        let client = dial(&bind(options()), &acceptor).await.unwrap();
        let (alpn, server) = kept.recv().await.unwrap();
        assert_eq!(alpn, ALPN);
        tokio::spawn(echo(server));
        assert_eq!(ask(&client, b"kept").await.unwrap(), b"kept");
    });
}

#[test]
fn who_came_before_the_router_is_served_by_it() {
    run(async {
        let acceptor = bind(options());
        let dialer = bind(options());
        let (client, _router) = tokio::join!(dial(&dialer, &acceptor), async {
            crate::peers::until(|| metric(&acceptor, "quic_handshakes_unfinished") == 1).await;
            Router::builder(acceptor.clone()).accept(alpns(&[ALPN]), echoing()).spawn().unwrap()
        });
        assert_eq!(ask(&client.unwrap(), b"early bird").await.unwrap(), b"early bird");
        assert!(acceptor.accept().await.is_none());
    });
}

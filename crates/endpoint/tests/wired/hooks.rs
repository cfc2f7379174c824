//! The hook that is asked after each handshake.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{
    AfterHandshake, BindAddr, BoxFuture, ClosedBy, DialOptions, EndpointOptions, HandshakeInfo,
    Side, Verdict,
};

use crate::peers::{
    ALPN, accept, address, alpns, bind, code, dial, metric, options, pair_of, run, serve_echo,
};

/// Notes who came and says what it was told to; without a verdict it never answers.
struct Guard {
    seen: Arc<Mutex<Vec<HandshakeInfo>>>,
    verdict: Option<Verdict>,
}

impl AfterHandshake for Guard {
    fn after_handshake(&self, info: HandshakeInfo) -> BoxFuture<'_, Verdict> {
        self.seen.lock().unwrap().push(info);
        Box::pin(async {
            match &self.verdict {
                Some(verdict) => verdict.clone(),
                None => std::future::pending().await,
            }
        })
    }
}

type Seen = Arc<Mutex<Vec<HandshakeInfo>>>;

fn guard(endpoint: &gaiwan_endpoint::Endpoint, verdict: Option<Verdict>) -> Seen {
    let seen = Seen::default();
    endpoint.set_hook(Arc::new(Guard { seen: seen.clone(), verdict }));
    seen
}

fn no() -> Option<Verdict> {
    Some(Verdict::Close { code: 403, reason: "not you".into() })
}

#[test]
fn a_hook_sees_both_directions_before_anyone_has_the_connection() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        let at_dialer = guard(&dialer, Some(Verdict::Allow));
        let at_acceptor = guard(&acceptor, Some(Verdict::Allow));
        let pair = pair_of(dialer, acceptor).await;
        let [info] = &at_dialer.lock().unwrap()[..] else { panic!("asked once") };
        assert_eq!((info.remote_id, info.side), (pair.acceptor.id(), Side::Client));
        assert_eq!((&info.alpn[..], info.remote_address), (ALPN, address(&pair.acceptor)));
        let [info] = &at_acceptor.lock().unwrap()[..] else { panic!("asked once") };
        assert_eq!((info.remote_id, info.side), (pair.dialer.id(), Side::Server));
        assert_eq!((&info.alpn[..], info.remote_address), (ALPN, address(&pair.dialer)));
    });
}

#[test]
fn a_no_of_the_dialers_hook_ends_the_dial_and_tells_the_peer() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        guard(&dialer, no());
        let (client, server) = tokio::join!(dial(&dialer, &acceptor), accept(&acceptor));
        assert_eq!(code(client), ErrorCode::NotAllowed);
        // The refusal may come before the acceptor is done with the handshake.
        match server {
            Ok(server) => {
                server.quinn().closed().await;
                let info = server.close_info().unwrap();
                assert_eq!((info.by, info.code), (ClosedBy::Remote, Some(403)));
                assert_eq!(&info.reason[..], b"not you");
            }
            Err(failure) => assert_eq!(failure.application_code, Some(403)),
        }
        assert_eq!(metric(&dialer, "socket_num_conns_opened"), 0);
        assert_eq!(metric(&dialer, "quic_connections_open"), 0);
    });
}

#[test]
fn a_no_of_the_acceptors_hook_ends_the_accept_and_tells_the_dialer() {
    run(async {
        let (dialer, acceptor) = (bind(options()), bind(options()));
        guard(&acceptor, no());
        let (client, server) = tokio::join!(dial(&dialer, &acceptor), accept(&acceptor));
        assert_eq!(code(server), ErrorCode::NotAllowed);
        let client = client.unwrap();
        client.quinn().closed().await;
        let failure = client.failure().unwrap();
        assert_eq!(
            (failure.code, failure.application_code),
            (ErrorCode::ConnectionClosed, Some(403))
        );
        assert_eq!(failure.reason.as_deref(), Some("not you"));
    });
}

#[test]
fn a_hook_that_is_too_slow_says_no() {
    run(async {
        let hook_timeout = Duration::from_millis(50);
        let acceptor = bind(EndpointOptions { hook_timeout, ..options() });
        guard(&acceptor, None);
        let dialer = bind(options());
        let (client, server) = tokio::join!(dial(&dialer, &acceptor), accept(&acceptor));
        assert_eq!(code(server), ErrorCode::NotAllowed);
        let client = client.unwrap();
        client.quinn().closed().await;
        assert_eq!(client.failure().unwrap().application_code, Some(0));
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), 0);
    });
}

#[test]
fn a_slow_hook_does_not_stop_the_accept_loop() {
    run(async {
        // So long that its patience does not end before the looks below.
        let hook_timeout = Duration::from_secs(60);
        let acceptor = bind(EndpointOptions { hook_timeout, ..options() });
        let seen = guard(&acceptor, None);
        serve_echo(&acceptor);
        let dialer = bind(options());
        let first = dial(&dialer, &acceptor).await.unwrap();
        let second = dial(&dialer, &acceptor).await.unwrap();
        crate::peers::until(|| seen.lock().unwrap().len() == 2).await;
        assert!(first.close_info().is_none() && second.close_info().is_none());
    });
}

#[test]
fn a_no_is_not_answered_by_trying_the_next_address() {
    run(async {
        let two = BindAddr { address: ([127, 0, 0, 1], 0).into(), required: true };
        let acceptor = bind(EndpointOptions { bind: vec![two.clone(), two], ..options() });
        serve_echo(&acceptor);
        let dialer = bind(options());
        let seen = guard(&dialer, no());
        let addresses: Vec<_> = acceptor.sockets().iter().map(|socket| socket.address).collect();
        let list = alpns(&[ALPN]);
        let result = dialer.connect(acceptor.id(), &addresses, &list, DialOptions::default()).await;
        assert_eq!(code(result), ErrorCode::NotAllowed);
        assert_eq!(seen.lock().unwrap().len(), 1);
    });
}

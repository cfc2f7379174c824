//! A peer that does anything at any time, from a printed seed.

use std::time::Duration;

use gaiwan_endpoint::{Connection, DialOptions, Endpoint, EndpointOptions, Router};

use crate::{
    peers::{ALPN, Random, alpns, ask, bind, dial, dial_with, metric, options, run, until},
    router::echoing,
};

type Streams = Vec<(Option<quinn::SendStream>, Option<quinn::RecvStream>)>;

/// One random act on the streams of a connection. Failures are part of it: the connection may have ended.
async fn act(connection: &Connection, streams: &mut Streams, random: &mut Random) {
    let quinn = connection.quinn();
    let any = if streams.is_empty() { 0 } else { random.below(streams.len() as u64) as usize };
    match random.below(10) {
        0 | 1 if streams.len() < 60 => {
            if let Ok((send, recv)) = quinn.open_bi().await {
                streams.push((Some(send), Some(recv)));
            }
        }
        2 if streams.len() < 60 => {
            if let Ok(send) = quinn.open_uni().await {
                streams.push((Some(send), None));
            }
        }
        3 | 4 => {
            let length = 1 << random.below(15);
            let data = random.bytes(length);
            if let Some((Some(send), _)) = streams.get_mut(any) {
                let write = send.write_all(&data);
                // The echo may be full and so may the window; nobody reads here.
                let _ = tokio::time::timeout(Duration::from_millis(5), write).await;
            }
        }
        5 => {
            if let Some((Some(send), _)) = streams.get_mut(any) {
                let _ = send.finish();
            }
        }
        6 => {
            if let Some((send, _)) = streams.get_mut(any)
                && let Some(mut send) = send.take()
            {
                let _ = send.reset((random.next() as u32).into());
            }
        }
        7 => {
            if let Some((_, recv)) = streams.get_mut(any)
                && let Some(mut recv) = recv.take()
            {
                let _ = recv.stop((random.next() as u32).into());
            }
        }
        8 if !streams.is_empty() => drop(streams.swap_remove(any)),
        _ => {
            let datagram = random.bytes(random.0 as usize % 1000);
            let _ = quinn.send_datagram(datagram.into());
        }
    }
}

/// Dials, acts, and leaves in some way.
async fn visit(endpoint: &Endpoint, acceptor: &Endpoint, random: &mut Random) {
    let options = DialOptions { early: random.below(2) == 0, ..DialOptions::default() };
    let mut dialing = Box::pin(dial_with(endpoint, acceptor, &[ALPN], options));
    if random.below(6) == 0 {
        // Given up somewhere in the handshake.
        for _ in 0..random.below(20) {
            tokio::select! { biased; _ = &mut dialing => return, () = tokio::task::yield_now() => {} }
        }
        return;
    }
    let connection = dialing.await.expect("the acceptor serves");
    let mut streams = Streams::new();
    for _ in 0..random.below(40) {
        act(&connection, &mut streams, random).await;
    }
    match random.below(3) {
        0 => connection.close(random.next() >> 2, &random.bytes(random.0 as usize % 2000)),
        // The connection first and its streams first.
        1 => drop(connection),
        _ => drop(streams),
    }
}

#[test]
fn whatever_a_peer_does_others_are_served_and_nothing_is_left_behind() {
    run(async {
        let acceptor = bind(EndpointOptions { max_connections: 200, ..options() });
        let router =
            Router::builder(acceptor.clone()).accept(alpns(&[ALPN]), echoing()).spawn().unwrap();
        let seed = Random::from_env().0;
        let good = dial(&bind(options()), &acceptor).await.unwrap();
        let visitors = (0..4).map(|n| {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut random = Random(seed ^ n);
                let endpoint = bind(options());
                for _ in 0..8 {
                    visit(&endpoint, &acceptor, &mut random).await;
                    if random.below(8) == 0 {
                        endpoint.rebind().unwrap();
                    }
                }
                if random.below(2) == 0 {
                    endpoint.close().await;
                } else {
                    endpoint.close_now();
                }
            })
        });
        let visitors = futures_util::future::join_all(visitors);
        let serving = async {
            for n in 0..40u8 {
                assert_eq!(ask(&good, &[n; 2000]).await.unwrap(), [n; 2000]);
            }
        };
        let (visited, ()) = tokio::join!(visitors, serving);
        for visited in visited {
            visited.expect("no visitor panics");
        }
        // Only the good one is left once the farewells are in.
        until(|| metric(&acceptor, "quic_connections_open") == 1).await;
        until(|| metric(&acceptor, "quic_handshakes_unfinished") == 0).await;
        assert_eq!(ask(&good, b"still").await.unwrap(), b"still");
        router.shutdown().await;
        assert_eq!(metric(&acceptor, "quic_connections_open"), 0);
    });
}

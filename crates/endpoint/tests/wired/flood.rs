//! Strangers on the UDP port: silent dialers, garbage, probes.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{DialOptions, EndpointOptions, RetryPolicy, TransportOptions};
use quinn_proto::Endpoint as Proto;
use tokio::task::JoinSet;

use crate::{
    peers::{ALPN, Random, address, ask, bind, code, dial, metric, options, run, serve_echo},
    raw,
};

/// So long none of the silent ones is given up, for it must count until the test is over.
const LONG: Duration = Duration::from_secs(170);

/// An acceptor that bears silence for [`LONG`].
fn lasting() -> EndpointOptions {
    let transport = TransportOptions { idle_timeout: Some(LONG), ..TransportOptions::default() };
    EndpointOptions { handshake_timeout: LONG, transport, ..options() }
}

/// First datagrams of real dialers that will never say more.
struct Initials {
    proto: Proto,
    config: quinn::ClientConfig,
}

impl Initials {
    fn new() -> Self {
        let mut transport = quinn::TransportConfig::default();
        transport.max_idle_timeout(Some(LONG.try_into().unwrap()));
        let mut config = raw::client_config(None, ALPN);
        config.transport_config(Arc::new(transport));
        Self { proto: Proto::new(Default::default(), None, true, None), config }
    }

    fn next(&mut self, to: SocketAddr) -> Vec<u8> {
        let now = Instant::now();
        let (_, mut connection) =
            self.proto.connect(now, self.config.clone(), to, "nobody.invalid").unwrap();
        let mut datagram = Vec::new();
        let transmit = connection.poll_transmit(now, 1, &mut datagram).expect("an Initial packet");
        assert_eq!(transmit.size, datagram.len());
        datagram
    }
}

async fn socket() -> tokio::net::UdpSocket {
    tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

#[test]
fn one_silent_dialer_is_a_handshake_timeout() {
    run(async {
        let handshake_timeout = Duration::from_millis(100);
        let acceptor = bind(EndpointOptions { handshake_timeout, ..options() });
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        silent.send_to(&Initials::new().next(address(&acceptor)), address(&acceptor)).unwrap();
        let failure = code(crate::peers::accept(&acceptor).await);
        assert_eq!(failure, ErrorCode::HandshakeTimeout);
        assert_eq!(metric(&acceptor, "quic_handshake_timeouts"), 1);
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), 0);
    });
}

#[test]
fn a_thousand_silent_dialers_do_not_delay_a_good_one() {
    run(async {
        const SILENT: usize = 1000;
        let acceptor = bind(EndpointOptions { retry: RetryPolicy::Never, ..lasting() });
        let (socket, mut initials) = (socket().await, Initials::new());
        let mut handshakes = JoinSet::new();
        for _ in 0..SILENT {
            // One at a time, so that none is lost in a full socket buffer.
            socket.send_to(&initials.next(address(&acceptor)), address(&acceptor)).await.unwrap();
            let incoming = acceptor.accept().await.unwrap();
            handshakes.spawn(incoming.accept(DialOptions::default()).unwrap().finish());
        }
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), SILENT as u64);

        let dialer = bind(options());
        let accepting = async {
            let incoming = acceptor.accept().await.unwrap();
            incoming.accept(DialOptions::default()).unwrap().finish().await
        };
        let (client, server) = tokio::join!(dial(&dialer, &acceptor), accepting);
        assert_eq!(server.unwrap().remote_id(), Some(dialer.id()));
        drop(client.unwrap());
        // Not one of the silent ones had to make room for it.
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), SILENT as u64);
        handshakes.shutdown().await;
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), 0);
        assert!(!acceptor.is_closed());
    });
}

#[test]
fn under_load_strangers_must_prove_their_address_and_the_half_open_are_bounded() {
    run(async {
        const FLOOD: usize = 400;
        let acceptor = bind(lasting());
        serve_echo(&acceptor);
        // Another handle of the same socket, which never waits.
        let glance = UdpSocket::bind("127.0.0.1:0").unwrap();
        glance.set_nonblocking(true).unwrap();
        let socket = tokio::net::UdpSocket::from_std(glance.try_clone().unwrap()).unwrap();
        let mut initials = Initials::new();
        let (mut buffer, mut retries) = ([0; 2048], 0);
        for _ in 0..FLOOD {
            // What was said twice meanwhile must not take the room of the next answer.
            while glance.recv_from(&mut buffer).is_ok() {}
            socket.send_to(&initials.next(address(&acceptor)), address(&acceptor)).await.unwrap();
            // Any answer tells that it has been dealt with. Long header type 3 is a Retry (RFC 9000, section 17.2.5).
            loop {
                let (n, _) = socket.recv_from(&mut buffer).await.unwrap();
                assert!(n <= 3 * 1200, "no more than three times what came");
                if buffer[0] & 0xf0 == 0xf0 {
                    retries += 1;
                    break;
                }
                if metric(&acceptor, "quic_handshakes_unfinished") <= 65 && retries == 0 {
                    break;
                }
            }
        }
        assert!(retries > FLOOD / 2, "{retries} retries");
        assert!(metric(&acceptor, "quic_handshakes_unfinished") <= 65);
        assert!(metric(&acceptor, "quic_retries") >= retries as u64);
        let client = dial(&bind(options()), &acceptor).await.unwrap();
        assert_eq!(ask(&client, b"served").await.unwrap(), b"served");
    });
}

#[test]
fn garbage_leaves_the_endpoint_serving() {
    run(async {
        let acceptor = bind(options());
        serve_echo(&acceptor);
        let to = address(&acceptor);
        let (dialer, socket, mut random) = (bind(options()), socket().await, Random::from_env());
        let client = dial(&dialer, &acceptor).await.unwrap();
        let mut initials = Initials::new();
        for round in 0..40 {
            for n in 0..50 {
                let length = random.below(1500) as usize;
                let mut datagram = random.bytes(length);
                match n % 5 {
                    // A short header, a long one of version 1, one of any version.
                    0 if length > 0 => datagram[0] = 0x40 | (datagram[0] & 0x3f),
                    1 if length > 5 => {
                        datagram[0] |= 0xc0;
                        datagram[1..5].copy_from_slice(&1u32.to_be_bytes());
                    }
                    2 if length > 0 => datagram[0] |= 0x80,
                    // A real Initial with some bytes changed, or cut short.
                    3 => {
                        datagram = initials.next(to);
                        for _ in 0..=random.below(8) {
                            let at = random.below(datagram.len() as u64) as usize;
                            datagram[at] ^= 1 << random.below(8);
                        }
                        datagram.truncate(1 + random.below(1200) as usize);
                    }
                    _ => {}
                }
                socket.send_to(&datagram, to).await.unwrap();
            }
            // The old connection lives through it, and its answer says that the flood has been read.
            assert_eq!(ask(&client, &[round]).await.unwrap(), [round]);
        }
        let fresh = dial(&bind(options()), &acceptor).await.unwrap();
        assert_eq!(ask(&fresh, b"fresh").await.unwrap(), b"fresh");
        assert!(client.close_info().is_none());
    });
}

#[test]
fn a_version_probe_is_answered_even_by_an_endpoint_that_takes_nobody() {
    run(async {
        for list in [options().alpns, Vec::new()] {
            let acceptor = bind(EndpointOptions { alpns: list, ..options() });
            let socket = socket().await;
            // A long header of a reserved version (RFC 9000, section 15), ids of 8 and 4 bytes, padded to 1200.
            let mut probe = vec![0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8];
            probe.extend_from_slice(b"destinat\x04from");
            // Too small ones could be used to amplify; they get nothing.
            socket.send_to(&probe, address(&acceptor)).await.unwrap();
            probe.resize(1200, 0);
            socket.send_to(&probe, address(&acceptor)).await.unwrap();
            let mut answer = [0; 2048];
            let (n, from) = socket.recv_from(&mut answer).await.unwrap();
            assert_eq!(from, address(&acceptor));
            let answer = &answer[..n];
            assert!(answer[0] & 0x80 != 0 && answer[1..5] == [0; 4], "version 0 means negotiation");
            assert_eq!(&answer[5..19], b"\x04from\x08destinat");
            let versions: Vec<&[u8]> = answer[19..].chunks(4).collect();
            assert!(versions.contains(&&[0, 0, 0, 1][..]), "version 1 is offered");
            // The next answer would be to the next question: nothing went to the small probe.
            probe[1] = 0x5a;
            probe[6..14].copy_from_slice(b"question");
            socket.send_to(&probe, address(&acceptor)).await.unwrap();
            let mut answer = [0; 2048];
            socket.recv_from(&mut answer).await.unwrap();
            assert_eq!(&answer[5..19], b"\x04from\x08question");
        }
    });
}

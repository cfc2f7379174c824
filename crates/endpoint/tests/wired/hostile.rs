//! Peers that lie in the handshake: each fails with its alert, and nothing of theirs reaches the application.

use std::{net::SocketAddr, sync::Arc};

use gaiwan_base::{ErrorCode, SecretKey};
use gaiwan_endpoint::{DialOptions, Endpoint, Failure};
use rustls::SignatureScheme;

use crate::{
    peers::{ALPN, accept, address, alpns, bind, dial, metric, options, run},
    raw::{self, Identity},
};

/// DER of a P-256 SubjectPublicKeyInfo (RFC 5480) around some point.
fn p256_spki() -> Vec<u8> {
    let mut spki = vec![
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    spki.extend_from_slice(&[0x11; 64]);
    spki
}

/// The beginning of an X.509 certificate: version, serial, and then nothing that makes sense.
fn x509() -> Vec<u8> {
    let mut certificate = vec![0x30, 0x82, 0x01, 0x0a, 0x30, 0x81, 0xb4, 0xa0, 0x03, 0x02, 0x01, 2];
    certificate.resize(270, 0x05);
    certificate
}

/// The neutral element as key and R with s = 0 satisfies the plain verification equation for every message.
fn small_order() -> Identity {
    let mut certificate = SecretKey::generate().id().spki().to_vec();
    certificate[12..].fill(0);
    certificate[12] = 1;
    let mut signature = vec![0; 64];
    signature[0] = 1;
    Identity {
        certificates: vec![certificate],
        scheme: SignatureScheme::ED25519,
        sign: Arc::new(move |_| signature.clone()),
    }
}

/// What a liar shows, and what it is: `None` shows no certificate at all.
fn liars() -> Vec<(&'static str, Option<Identity>)> {
    let (key, other) = (SecretKey::generate(), SecretKey::generate());
    let honest = Identity::of(&key);
    let shows = |certificates: Vec<Vec<u8>>| Some(Identity { certificates, ..honest.clone() });
    let spki = key.id().spki().to_vec();
    let mut not_a_point = spki.clone();
    not_a_point[12..].fill(0);
    not_a_point[12] = 2;
    let longer = [&spki[..], &[0]].concat();
    vec![
        ("no certificate", None),
        ("two entries", shows(vec![spki.clone(), spki.clone()])),
        ("two different entries", shows(vec![spki.clone(), other.id().spki().to_vec()])),
        ("an X.509 certificate", shows(vec![x509()])),
        ("an empty entry", shows(vec![vec![]])),
        ("a point that is none", shows(vec![not_a_point])),
        ("a byte too many", shows(vec![longer])),
        ("a P-256 key under Ed25519", shows(vec![p256_spki()])),
        (
            "a P-256 key and scheme",
            Some(Identity {
                certificates: vec![p256_spki()],
                scheme: SignatureScheme::ECDSA_NISTP256_SHA256,
                sign: Arc::new(|_| vec![0x30, 6, 2, 1, 1, 2, 1, 1]),
            }),
        ),
        (
            "an Ed25519 key under another scheme",
            Some(Identity { scheme: SignatureScheme::RSA_PSS_SHA256, ..honest.clone() }),
        ),
        ("the key of another", shows(vec![other.id().spki().to_vec()])),
        ("a short signature", Some(Identity { sign: Arc::new(|_| vec![7; 63]), ..honest.clone() })),
        ("a key of small order", Some(small_order())),
    ]
}

#[test]
fn a_dialer_that_lies_gets_an_alert_and_no_connection() {
    run(async {
        let acceptor = bind(options());
        let raw = raw::client();
        for (lie, identity) in liars() {
            let config = raw::client_config(identity, ALPN);
            let dialing = raw.connect_with(config, address(&acceptor), "acceptor.invalid").unwrap();
            let dialing = async {
                // A dialer believes to be done before the acceptor has looked at its key.
                let error = match dialing.await {
                    Ok(connection) => connection.closed().await,
                    Err(error) => error,
                };
                let quinn::ConnectionError::ConnectionClosed(close) = error else {
                    panic!("{lie}: {error}");
                };
                u64::from(close.error_code)
            };
            let (code, server) = tokio::join!(dialing, accept(&acceptor));
            let failure = server.err().unwrap_or_else(|| panic!("{lie} was believed"));
            assert_eq!(failure.code, ErrorCode::HandshakeFailed, "{lie}: {failure}");
            let alert = failure.alert.expect("an alert");
            assert_eq!(code, 0x100 + u64::from(alert), "{lie}");
            let expected = match lie {
                // certificate_required (RFC 8446, section 6.2), unknown_ca, illegal_parameter, decrypt_error.
                "no certificate" => Some(116),
                "two entries" | "two different entries" => Some(48),
                "a P-256 key and scheme" | "an Ed25519 key under another scheme" => Some(47),
                "the key of another" | "a short signature" | "a key of small order" => Some(51),
                _ => None,
            };
            if let Some(expected) = expected {
                assert_eq!(alert, expected, "{lie}");
            }
        }
        assert_eq!(metric(&acceptor, "socket_num_conns_opened"), 0);
        assert_eq!(metric(&acceptor, "quic_handshakes_unfinished"), 0);
        let dialer = bind(options());
        let (client, server) = tokio::join!(dial(&dialer, &acceptor), accept(&acceptor));
        assert!(client.is_ok());
        assert_eq!(server.unwrap().remote_id(), Some(dialer.id()));
    });
}

async fn dial_raw(dialer: &Endpoint, key: &SecretKey, to: SocketAddr) -> Failure {
    let result = dialer.connect(key.id(), &[to], &alpns(&[ALPN]), DialOptions::default()).await;
    result.expect_err("a liar is not connected to")
}

/// Serves `identity`; the task ends when all of its handshakes have failed and it is dropped.
fn raw_server(identity: Identity) -> (quinn::Endpoint, SocketAddr) {
    let (server, address) = raw::server(raw::server_config(identity, ALPN, true));
    let accepting = server.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            assert!(incoming.await.is_err(), "the dialer must not finish");
        }
    });
    (server, address)
}

#[test]
fn an_acceptor_that_lies_is_not_connected_to() {
    run(async {
        let (dialer, dialed) = (bind(options()), SecretKey::generate());
        for (lie, identity) in liars() {
            let Some(identity) = identity else { continue };
            let (_server, to) = raw_server(identity);
            let failure = dial_raw(&dialer, &dialed, to).await;
            assert_eq!(failure.code, ErrorCode::PeerKeyMismatch, "{lie}: {failure}");
        }
        // The dialed key itself, with someone else's signature, or not alone.
        let thief = Identity {
            certificates: vec![dialed.id().spki().to_vec()],
            ..Identity::of(&SecretKey::generate())
        };
        let (_server, to) = raw_server(thief);
        let failure = dial_raw(&dialer, &dialed, to).await;
        assert_eq!((failure.code, failure.alert), (ErrorCode::HandshakeFailed, Some(51)));
        let spki = dialed.id().spki().to_vec();
        let two = Identity { certificates: vec![spki.clone(), spki], ..Identity::of(&dialed) };
        let (_server, to) = raw_server(two);
        let failure = dial_raw(&dialer, &dialed, to).await;
        assert_eq!(failure.code, ErrorCode::PeerKeyMismatch);
        assert_eq!(metric(&dialer, "socket_num_conns_opened"), 0);

        // And an honest one is.
        let config = raw::server_config(Identity::of(&dialed), ALPN, true);
        let (server, to) = raw::server(config);
        let list = alpns(&[ALPN]);
        let to = [to];
        let (client, _raw) =
            tokio::join!(dialer.connect(dialed.id(), &to, &list, DialOptions::default()), async {
                server.accept().await.unwrap().await.unwrap()
            });
        assert_eq!(client.unwrap().remote_id(), Some(dialed.id()));
    });
}

/// What the application would read must not even be buffered for it.
#[test]
fn a_liars_data_is_never_seen() {
    run(async {
        let acceptor = bind(options());
        let raw = raw::client();
        let two = SecretKey::generate().id().spki().to_vec();
        let identity = Identity {
            certificates: vec![two.clone(), two],
            ..Identity::of(&SecretKey::generate())
        };
        let config = raw::client_config(Some(identity), ALPN);
        let dialing = raw.connect_with(config, address(&acceptor), "acceptor.invalid").unwrap();
        let dialing = async {
            // Goes out with the last message of the handshake, if it goes out at all.
            if let Ok(connection) = dialing.await
                && let Ok(mut send) = connection.open_uni().await
            {
                let _ = send.write_all(b"let me in").await;
                connection.closed().await;
            }
        };
        let accepting = async {
            let incoming = acceptor.accept().await.unwrap();
            let accepting = incoming.accept(DialOptions::default()).unwrap();
            let early = accepting.early().await.unwrap();
            let stream = early.quinn().accept_uni().await;
            let handshake = early.early_state().unwrap().handshake().await;
            (stream.is_err(), handshake.err().map(|failure| failure.code), early.remote_id())
        };
        let ((), seen) = tokio::join!(dialing, accepting);
        assert_eq!(seen, (true, Some(ErrorCode::HandshakeFailed), None));
    });
}

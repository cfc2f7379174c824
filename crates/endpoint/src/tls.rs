//! TLS 1.3 with raw Ed25519 public keys (RFC 7250), as iroh 1.4.1 configures it in `src/tls.rs`.
//!
//! One verifier and one resolver of each kind live as long as the endpoint: rustls compares them by pointer before it
//! resumes a session.

use std::sync::Arc;

use gaiwan_base::{EndpointId, SecretKey};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, SignatureAlgorithm,
    SignatureScheme,
    client::{
        ClientSessionMemoryCache, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    pki_types::{
        AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName,
        SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime, alg_id,
    },
    server::{
        ServerSessionMemoryCache,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, Signer, SigningKey},
};

/// Tickets that a dialer keeps for one list of ALPNs: 8 for each of 32 peers, as the reference.
const CLIENT_TICKETS: usize = 256;

/// What every TLS config of one endpoint shares.
#[derive(Debug)]
pub(crate) struct Tls {
    client: rustls::ClientConfig,
    server: rustls::ServerConfig,
}

impl Tls {
    /// Fails only if the provider lacks TLS 1.3, which ring does not.
    pub(crate) fn new(
        key: &SecretKey,
        max_tickets: usize,
        keylog: bool,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = &[&rustls::version::TLS13];
        let resolver = Arc::new(OwnKey::new(key.clone()));

        let builder = |provider: &Arc<CryptoProvider>| {
            rustls::ClientConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(versions)
        };
        let mut client = builder(&provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(DialedKey))
            .with_client_cert_resolver(resolver.clone());
        client.enable_early_data = true;
        client.enable_sni = false;

        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(Arc::new(AnyKey))
            .with_cert_resolver(resolver);
        // QUIC allows 0 or this (RFC 9001, section 4.6.1).
        server.max_early_data_size = u32::MAX;
        server.session_storage = ServerSessionMemoryCache::new(max_tickets);

        if keylog {
            let log = Arc::new(rustls::KeyLogFile::new());
            client.key_log = log.clone();
            server.key_log = log;
        }
        Ok(Self { client, server })
    }

    /// A config for dialing with `alpns`, with a ticket store of its own: rustls would else use a ticket of another
    /// ALPN for the same peer and the acceptor would reject the early data.
    pub(crate) fn client(&self, alpns: Vec<Vec<u8>>) -> Result<QuicClientConfig, rustls::Error> {
        let mut config = self.client.clone();
        config.alpn_protocols = alpns;
        config.resumption =
            Resumption::store(Arc::new(ClientSessionMemoryCache::new(CLIENT_TICKETS)));
        QuicClientConfig::try_from(config)
            .map_err(|error| rustls::Error::General(error.to_string()))
    }

    /// A config for accepting `alpns`; all share one ticket store.
    pub(crate) fn server(&self, alpns: Vec<Vec<u8>>) -> Result<QuicServerConfig, rustls::Error> {
        let mut config = self.server.clone();
        config.alpn_protocols = alpns;
        QuicServerConfig::try_from(config)
            .map_err(|error| rustls::Error::General(error.to_string()))
    }
}

/// The id in the peer's certificates: exactly one entry, the 44-byte SPKI of a valid point.
pub(crate) fn peer_id(connection: &quinn::Connection) -> Option<EndpointId> {
    let identity = connection.peer_identity()?;
    match identity.downcast_ref::<Vec<CertificateDer<'static>>>()?.as_slice() {
        [spki] => EndpointId::from_spki(spki.as_ref()).ok(),
        _ => None,
    }
}

/// The ALPN that the handshake chose.
pub(crate) fn negotiated_alpn(data: Box<dyn std::any::Any>) -> Option<Vec<u8>> {
    data.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?.protocol
}

/// Verifies that the acceptor holds the key of the id that was dialed, which the server name spells.
#[derive(Debug)]
struct DialedKey;

impl ServerCertVerifier for DialedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let ServerName::DnsName(name) = server_name else {
            return Err(rustls::Error::UnsupportedNameType);
        };
        let Ok(id) = EndpointId::from_server_name(name.as_ref()) else {
            return Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName));
        };
        if !intermediates.is_empty() || end_entity.as_ref() != id.spki() {
            return Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_raw(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Lets any dialer in that proves to hold its key; the application decides about the id.
#[derive(Debug)]
struct AnyKey;

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if intermediates.is_empty() {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_raw(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

fn verify_raw(
    message: &[u8],
    cert: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let spki = SubjectPublicKeyInfoDer::from(cert.as_ref());
    verify_tls13_signature_with_raw_key(message, &spki, signature, &ALGORITHMS)
}

const ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[&StrictEd25519],
    mapping: &[(SignatureScheme::ED25519, &[&StrictEd25519])],
};

/// Ed25519 by the strict rules of `gaiwan-base`: small-order keys and non-canonical signatures are refused.
#[derive(Debug)]
struct StrictEd25519;

impl SignatureVerificationAlgorithm for StrictEd25519 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let public_key = public_key.try_into().map_err(|_| InvalidSignature)?;
        let id = EndpointId::from_bytes(public_key).map_err(|_| InvalidSignature)?;
        id.verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}

/// Shows our raw public key to peers in both roles and signs with its secret half.
#[derive(Debug)]
struct OwnKey(Arc<CertifiedKey>);

impl OwnKey {
    fn new(key: SecretKey) -> Self {
        let spki = CertificateDer::from(key.id().spki().to_vec());
        Self(Arc::new(CertifiedKey::new(vec![spki], Arc::new(Ed25519Signer(key)))))
    }
}

impl rustls::client::ResolvesClientCert for OwnKey {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl rustls::server::ResolvesServerCert for OwnKey {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }
}

#[derive(Debug, Clone)]
struct Ed25519Signer(SecretKey);

impl SigningKey for Ed25519Signer {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.0.id().spki().to_vec()))
    }
}

impl Signer for Ed25519Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.0.sign(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

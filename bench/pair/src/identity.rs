//! Raw Ed25519 keys on both sides (RFC 7250), TLS 1.3 with rustls' own order of ring suites (AES-256-GCM first),
//! no resumption: every dial is a full mutual handshake.

use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key},
    pki_types::{
        CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
    },
    server::{
        AlwaysResolvesServerRawPublicKeys,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};

use crate::Failure;

/// SubjectPublicKeyInfo of an Ed25519 key up to the 32 bytes of the key (RFC 8410, section 4).
const SPKI_PREFIX: &[u8] =
    &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// PKCS#8 of an Ed25519 key up to the 32 bytes of the seed (RFC 8410, section 7).
const PKCS8_PREFIX: &[u8] = &[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A fresh key pair and what TLS needs of it.
pub struct Identity {
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
    /// The public key as 64 hex digits.
    pub id: String,
}

impl Identity {
    /// A key from the system's random source.
    pub fn generate() -> Result<Self, Failure> {
        let provider = Arc::new(ring::default_provider());
        let mut der = PKCS8_PREFIX.to_vec();
        der.resize(PKCS8_PREFIX.len() + 32, 0);
        provider
            .secure_random
            .fill(&mut der[PKCS8_PREFIX.len()..])
            .map_err(|_| "no random bytes")?;
        let signer = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(der))?;
        let spki = signer.public_key().ok_or("the key has no public half")?.into_owned();
        let id = HEXLOWER_PERMISSIVE.encode(&spki[SPKI_PREFIX.len()..]);
        let key = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki.to_vec())], signer));
        Ok(Self { provider, key, id })
    }

    /// The acceptor's TLS: any valid key may come in, none gets a ticket.
    pub fn server(&self, alpns: Vec<Vec<u8>>) -> Result<Arc<QuicServerConfig>, Failure> {
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(RawKey {
                provider: self.provider.clone(),
                expected: None,
            }))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.key.clone())));
        config.alpn_protocols = alpns;
        config.send_tls13_tickets = 0;
        Ok(Arc::new(QuicServerConfig::try_from(config)?))
    }

    /// The dialer's TLS: only the key `id` (64 hex digits) may answer.
    pub fn client(&self, id: &str, alpn: Vec<u8>) -> Result<Arc<QuicClientConfig>, Failure> {
        let mut expected = SPKI_PREFIX.to_vec();
        expected.extend(HEXLOWER_PERMISSIVE.decode(id.as_bytes())?);
        let verifier = RawKey { provider: self.provider.clone(), expected: Some(expected) };
        let mut config = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                self.key.clone(),
            )));
        config.alpn_protocols = vec![alpn];
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        Ok(Arc::new(QuicClientConfig::try_from(config)?))
    }
}

/// Checks the peer's signature with its raw key, and that the key is the expected one, if any.
#[derive(Debug)]
struct RawKey {
    provider: Arc<CryptoProvider>,
    /// A whole SubjectPublicKeyInfo, 44 bytes.
    expected: Option<Vec<u8>>,
}

impl RawKey {
    fn check_key(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        match &self.expected {
            Some(expected) if expected[..] != key[..] => {
                Err(CertificateError::UnknownIssuer.into())
            }
            _ => Ok(()),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(key.as_ref()),
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }
}

impl ServerCertVerifier for RawKey {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_key(key).map(|()| ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".into()))
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, key, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_key(key).map(|()| ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".into()))
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, key, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

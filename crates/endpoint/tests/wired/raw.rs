//! Peers made of quinn and rustls alone, which can lie as they like.

use std::{net::SocketAddr, sync::Arc};

use gaiwan_base::SecretKey;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureAlgorithm, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, Signer, SigningKey},
};

type Sign = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// What a raw peer shows: any bytes as certificates, any scheme, any signature.
#[derive(Clone)]
pub struct Identity {
    pub certificates: Vec<Vec<u8>>,
    pub scheme: SignatureScheme,
    pub sign: Sign,
}

impl Identity {
    /// An honest one.
    pub fn of(key: &SecretKey) -> Self {
        let signer = key.clone();
        Self {
            certificates: vec![key.id().spki().to_vec()],
            scheme: SignatureScheme::ED25519,
            sign: Arc::new(move |message| signer.sign(message).to_vec()),
        }
    }

    fn certified(self) -> Arc<CertifiedKey> {
        let certificates = self.certificates.iter().cloned().map(CertificateDer::from).collect();
        Arc::new(CertifiedKey::new(certificates, Arc::new(Key(self))))
    }
}

#[derive(Clone)]
struct Key(Identity);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl SigningKey for Key {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.certificates.first().cloned().map(SubjectPublicKeyInfoDer::from)
    }
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok((self.0.sign)(message))
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme
    }
}

/// Shows one identity, or an empty list of certificates.
#[derive(Debug)]
struct Shows(Option<Arc<CertifiedKey>>);

impl rustls::client::ResolvesClientCert for Shows {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl rustls::server::ResolvesServerCert for Shows {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }
}

/// Believes everyone, or nobody.
#[derive(Debug)]
struct Believes(bool);

impl Believes {
    fn answer<T>(&self, yes: T) -> Result<T, Error> {
        if self.0 { Ok(yes) } else { Err(Error::General("nobody is welcome".into())) }
    }
}

macro_rules! believe_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Believes {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.answer(ServerCertVerified::assertion())
    }

    believe_signatures!();
}

impl ClientCertVerifier for Believes {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.answer(ClientCertVerified::assertion())
    }

    believe_signatures!();
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A dialer that believes every acceptor. `None`: it answers the request for a certificate with none.
pub fn client_config(identity: Option<Identity>, alpn: &[u8]) -> quinn::ClientConfig {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3");
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believes(true)))
        .with_client_cert_resolver(Arc::new(Shows(identity.map(Identity::certified))));
    config.alpn_protocols = vec![alpn.to_vec()];
    config.enable_sni = false;
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).expect("a QUIC config")))
}

/// An acceptor's TLS config; `welcome` says whether it takes anyone or nobody.
pub fn server_config(identity: Identity, alpn: &[u8], welcome: bool) -> quinn::ServerConfig {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(Arc::new(Believes(welcome)))
        .with_cert_resolver(Arc::new(Shows(Some(identity.certified()))));
    config.alpn_protocols = vec![alpn.to_vec()];
    config.max_early_data_size = u32::MAX;
    let crypto = QuicServerConfig::try_from(config).expect("a QUIC config");
    quinn::ServerConfig::with_crypto(Arc::new(crypto))
}

/// A raw acceptor on 127.0.0.1.
pub fn server(config: quinn::ServerConfig) -> (quinn::Endpoint, SocketAddr) {
    let endpoint =
        quinn::Endpoint::server(config, ([127, 0, 0, 1], 0).into()).expect("a raw endpoint");
    let address = endpoint.local_addr().expect("its address");
    (endpoint, address)
}

/// A raw dialer on 127.0.0.1.
pub fn client() -> quinn::Endpoint {
    quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).expect("a raw endpoint")
}

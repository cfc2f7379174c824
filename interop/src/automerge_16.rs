//! A repo on samod 0.16 and Automerge 0.12, with a dialer of its own over iroh. The frames are those of the reference on samod 0.5.

use automerge_12 as automerge;
use samod_16 as samod;

#[path = "automerge_content.rs"]
mod content;
#[path = "automerge_samod.rs"]
mod shared;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use iroh::protocol::{AcceptError, ProtocolHandler};
use iroh::{Endpoint, EndpointAddr, EndpointId};
use n0_future::StreamExt;
use samod::runtime::RuntimeHandle;
use samod::{
    AcceptorEvent, AcceptorHandle, BackoffConfig, DialError, Dialer, DialerEvent, PeerId,
    Transport, Url,
};
use tokio::runtime::Handle;

pub use shared::{connected, create, find, load};

use crate::automerge_frames::{ALPN, Frames};
use crate::automerge_repo::{Direction, Ends};
use crate::fault::Fault;

/// samod spawns and sleeps on tokio; its own way to do so is behind its feature `tokio`.
#[derive(Clone)]
struct Runtime(Handle);

impl RuntimeHandle for Runtime {
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send + 'static>>) {
        self.0.spawn(task);
    }

    fn sleep(&self, pause: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        Box::pin(tokio::time::sleep(pause))
    }
}

/// A repo and where it takes connections.
#[derive(Clone)]
pub struct Repo {
    pub samod: samod::Repo,
    pub frames: Frames,
    pub ends: Ends,
    acceptor: AcceptorHandle,
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Repo")
    }
}

impl Repo {
    pub fn new(
        samod: samod::Repo,
        frames: Frames,
        ends: Ends,
        id: EndpointId,
    ) -> Result<Self, Fault> {
        let acceptor = samod.make_acceptor(url(id)?).map_err(Fault::usage)?;
        Ok(Self { samod, frames, ends, acceptor })
    }

    /// Dials in the background; with `redial` again whenever the session ends, after samod's own pauses.
    pub fn dial(&self, endpoint: Endpoint, to: EndpointAddr, redial: bool) -> Result<(), Fault> {
        let (remote, ends) = (to.id, self.ends.clone());
        let backoff = BackoffConfig {
            max_retries: if redial { None } else { Some(0) },
            ..Default::default()
        };
        let dialer = IrohDialer { endpoint, url: url(to.id)?, to, frames: self.frames.clone() };
        let handle = self.samod.dial(backoff, Arc::new(dialer)).map_err(Fault::usage)?;
        tokio::spawn(async move {
            let mut events = handle.events();
            let mut told = false;
            while let Some(event) = events.next().await {
                match event {
                    DialerEvent::Connected { .. } => told = false,
                    DialerEvent::Disconnected { reason } => {
                        ends.add(Direction::Dialed, remote, reason);
                        told = true;
                    }
                    DialerEvent::MaxRetriesReached | DialerEvent::PermanentFailure => {
                        if !told {
                            ends.add(Direction::Dialed, remote, "no connection".to_owned());
                        }
                        return;
                    }
                    DialerEvent::Reconnecting { .. } => {}
                }
            }
        });
        Ok(())
    }
}

/// samod wants a URL for each dialer and acceptor; nothing reads it.
fn url(id: EndpointId) -> Result<Url, Fault> {
    Url::parse(&format!("iroh://{id}")).map_err(Fault::usage)
}

struct IrohDialer {
    endpoint: Endpoint,
    to: EndpointAddr,
    url: Url,
    frames: Frames,
}

type Dialing = dyn Future<Output = Result<Transport, DialError<io::Error>>> + Send;

impl Dialer for IrohDialer {
    type Error = io::Error;

    fn url(&self) -> Url {
        self.url.clone()
    }

    fn connect(&self) -> Pin<Box<Dialing>> {
        let (endpoint, to, frames) = (self.endpoint.clone(), self.to.clone(), self.frames.clone());
        Box::pin(async move {
            let connection = endpoint.connect(to, ALPN).await.map_err(DialError::transient)?;
            let streams = connection.open_bi().await.map_err(DialError::transient)?;
            Ok(transport(&frames, connection, streams))
        })
    }
}

/// The peer must call itself what its key proves.
fn transport(
    frames: &Frames,
    connection: Connection,
    streams: (SendStream, RecvStream),
) -> Transport {
    let remote = PeerId::from_string(connection.remote_id().to_string());
    let (inbound, outbound) = frames.over(connection, streams);
    Transport::new(inbound, outbound).with_expected_peer_id(remote)
}

impl ProtocolHandler for Repo {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let remote = connection.remote_id();
        let streams = connection.accept_bi().await?;
        let transport = transport(&self.frames, connection, streams);
        let session = self.acceptor.accept(transport).map_err(AcceptError::from_err)?;
        let mut events = session.events();
        while let Some(event) = events.next().await {
            if let AcceptorEvent::ClientDisconnected { reason, .. } = event {
                self.ends.add(Direction::Accepted, remote, format!("{reason:?}"));
                break;
            }
        }
        Ok(())
    }

    async fn shutdown(&self) {
        self.samod.stop().await;
    }
}

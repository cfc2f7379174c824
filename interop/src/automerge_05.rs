//! A repo on samod 0.5.1 and Automerge 0.7, as `iroh-automerge-repo/src/lib.rs` of n0-computer/iroh-examples (at 5d51007) has it.

use automerge_07 as automerge;
use samod_05 as samod;

#[path = "automerge_content.rs"]
pub mod content;
#[path = "automerge_samod.rs"]
mod shared;

use std::pin::Pin;
use std::sync::Arc;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use iroh::protocol::{AcceptError, ProtocolHandler};
use iroh::{Endpoint, EndpointAddr};
use samod::ConnDirection;
use samod::runtime::RuntimeHandle;
use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

pub use shared::{connected, create, find, load};

use crate::automerge_frames::{ALPN, Frames};
use crate::automerge_repo::{Direction, Ends};
use crate::fault::Fault;

/// samod spawns on tokio; its own way to do so is behind its feature `tokio`.
struct Runtime(Handle);

impl RuntimeHandle for Runtime {
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send + 'static>>) {
        self.0.spawn(task);
    }
}

/// Ends all sessions before the repo: one that ends after it panics in samod 0.5.1, as happens in the reference.
#[derive(Clone, Default)]
pub struct Sessions {
    stop: CancellationToken,
    /// Read by each while it is open.
    open: Arc<RwLock<()>>,
}

/// The reference's `IrohRepo`.
#[derive(Clone)]
pub struct Repo {
    pub samod: samod::Repo,
    pub frames: Frames,
    pub ends: Ends,
    pub sessions: Sessions,
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Repo")
    }
}

impl Repo {
    /// `sync_with`, in the background: one dial, one session.
    pub fn dial(&self, endpoint: Endpoint, to: EndpointAddr) {
        let repo = self.clone();
        tokio::spawn(async move {
            let remote = to.id;
            let reason = match open(&endpoint, to).await {
                Ok((connection, streams)) => {
                    repo.session(connection, streams, ConnDirection::Outgoing).await
                }
                Err(fault) => fault.to_string(),
            };
            repo.ends.add(Direction::Dialed, remote, reason);
        });
    }

    async fn session(
        &self,
        connection: Connection,
        streams: (SendStream, RecvStream),
        direction: ConnDirection,
    ) -> String {
        let _open = self.sessions.open.read().await;
        let (inbound, outbound) = self.frames.over(connection, streams);
        tokio::select! {
            biased;
            () = self.sessions.stop.cancelled() => "Stopped".to_owned(),
            reason = self.samod.connect(inbound, outbound, direction) => format!("{reason:?}"),
        }
    }
}

async fn open(
    endpoint: &Endpoint,
    to: EndpointAddr,
) -> Result<(Connection, (SendStream, RecvStream)), Fault> {
    let connection = endpoint.connect(to, ALPN).await?;
    let streams = connection.open_bi().await?;
    Ok((connection, streams))
}

impl ProtocolHandler for Repo {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let remote = connection.remote_id();
        let streams = connection.accept_bi().await?;
        let reason = self.session(connection, streams, ConnDirection::Incoming).await;
        self.ends.add(Direction::Accepted, remote, reason);
        Ok(())
    }

    async fn shutdown(&self) {
        self.sessions.stop.cancel();
        let _none = self.sessions.open.write().await;
        self.samod.stop().await;
    }
}

//! Commands that serve a store.

use iroh::endpoint::Connection;
use iroh::protocol::{AcceptError, ProtocolHandler, Router};
use iroh_blobs::BlobsProtocol;
use iroh_blobs::api::Store;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::blobs_events::{self, Policy};
use crate::connection::{Link, facts};
use crate::fault::Fault;
use crate::table::Table;

/// What to serve, where and to whom.
#[derive(Deserialize)]
pub struct ServeBlobs {
    endpoint: u32,
    store: u32,
    /// Absent: `/iroh-bytes/4`.
    alpn: Option<String>,
    /// Absent: everything is allowed but push, and there are no events.
    policy: Option<Policy>,
}

/// A store that is served.
pub struct Provider {
    router: Router,
    connections: AsyncMutex<mpsc::UnboundedReceiver<Connection>>,
    events: AsyncMutex<mpsc::UnboundedReceiver<Value>>,
}

/// Serves: `{provider}`. The endpoint takes this ALPN alone from now on.
pub fn serve(table: &Table, serve: ServeBlobs) -> Result<Value, Fault> {
    let endpoint = table.endpoint(serve.endpoint)?.endpoint();
    let store = table.store(serve.store)?;
    let (log, events) = mpsc::unbounded_channel();
    let sender = serve.policy.map(|policy| blobs_events::start(policy, log)).transpose()?;
    let (tell, connections) = mpsc::unbounded_channel();
    let handler = Handler { inner: BlobsProtocol::new(&store, sender), tell };
    let alpn = serve.alpn.map_or_else(|| iroh_blobs::ALPN.to_vec(), String::into_bytes);
    let router = Router::builder(endpoint).accept(alpn, handler).spawn();
    let provider = Provider {
        router,
        connections: AsyncMutex::new(connections),
        events: AsyncMutex::new(events),
    };
    Ok(json!({ "provider": table.add_provider(provider) }))
}

impl Provider {
    /// Waits for the next event.
    pub async fn next_event(&self) -> Result<Value, Fault> {
        let event = self.events.lock().await.recv().await;
        event.ok_or_else(|| Fault::usage("the provider has no policy or has ended"))
    }

    /// Waits for the next connection: `{connection, remoteId, alpn, side}`.
    pub async fn next_connection(&self, table: &Table) -> Result<Value, Fault> {
        let connection = self.connections.lock().await.recv().await;
        let connection = connection.ok_or_else(|| Fault::usage("the provider has ended"))?;
        let mut answer = facts(&connection);
        answer["connection"] = json!(table.add_connection(Link::Full(connection)));
        Ok(answer)
    }

    /// Ends the accept loop and closes the endpoint.
    pub async fn stop(&self) -> Result<(), Fault> {
        self.router.shutdown().await.map_err(Fault::store)
    }
}

/// The reference's handler, which tells of each connection and, when it ends, leaves the store
/// open, which [`BlobsProtocol`] would shut down.
#[derive(Debug)]
struct Handler {
    inner: BlobsProtocol,
    tell: mpsc::UnboundedSender<Connection>,
}

impl ProtocolHandler for Handler {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        // The receiver is gone only once the provider has ended.
        let _ = self.tell.send(connection.clone());
        self.inner.accept(connection).await
    }
}

/// Serves `store` on its own ALPN without events, as the benchmark does.
pub fn plainly(endpoint: iroh::Endpoint, store: &Store) -> Router {
    Router::builder(endpoint).accept(iroh_blobs::ALPN, BlobsProtocol::new(store, None)).spawn()
}

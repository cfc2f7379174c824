//! The services on one endpoint, served by irpc-iroh's own protocol handler.

use iroh::protocol::Router;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use crate::fault::Fault;
use crate::table::Table;
use crate::{rpc_bench, rpc_hard, rpc_tea, rpc_tea_serve, storage};

/// Where handlers tell what they saw.
#[derive(Clone)]
pub struct Notes(mpsc::UnboundedSender<String>);

impl Notes {
    pub fn add(&self, line: String) {
        // Nobody listens once the node is shut down.
        let _ = self.0.send(line);
    }

    /// Adds `<method> <JSON of value>`.
    pub fn add_json<T: Serialize>(&self, method: &str, value: &T) {
        match serde_json::to_string(value) {
            Ok(json) => self.add(format!("{method} {json}")),
            Err(error) => self.add(format!("{method} has no JSON: {error}")),
        }
    }
}

/// A router with all services, each under its ALPN.
pub struct Server {
    router: Router,
    heard: Mutex<mpsc::UnboundedReceiver<String>>,
}

/// Serves: `{rpc}`. The endpoint takes these ALPNs alone from now on.
pub fn serve(table: &Table, endpoint: u32) -> Result<Value, Fault> {
    let endpoint = table.endpoint(endpoint)?.endpoint();
    let (sender, heard) = mpsc::unbounded_channel();
    let notes = Notes(sender);
    let router = Router::builder(endpoint)
        .accept(rpc_tea::ALPN, rpc_tea_serve::serve(notes.clone()))
        .accept(rpc_tea::SPAN_ALPN, rpc_tea_serve::serve_span(notes.clone()))
        .accept(rpc_hard::ALPN, rpc_hard::serve(notes))
        .accept(storage::ALPN, storage::serve())
        .accept(rpc_bench::ALPN, rpc_bench::protocol())
        .spawn();
    let server = Server { router, heard: Mutex::new(heard) };
    Ok(json!({ "rpc": table.add_rpc(server) }))
}

impl Server {
    /// The next line that a handler noted; waits for it.
    pub async fn heard(&self) -> Result<String, Fault> {
        let line = self.heard.lock().await.recv().await;
        line.ok_or_else(|| Fault::usage("the services are shut down"))
    }

    /// Ends all services and closes the endpoint.
    pub async fn shutdown(&self) -> Result<(), Fault> {
        self.router.shutdown().await.map_err(|error| Fault::new("rpc", error))
    }
}

//! The accepting process: one endpoint that serves every workload, told apart by ALPN.

use std::sync::Arc;

use quinn::{Connection, Endpoint, Incoming, crypto::rustls::HandshakeData};
use serde_json::json;

use crate::{
    Failure, args::Args, dialer::transport, gate, gate::Gate, identity::Identity, usage,
    workload::Workload,
};

/// Serves until stdin ends.
pub async fn run(args: Args) -> Result<(), Failure> {
    let mut gate = Gate::new();
    let identity = Identity::generate()?;
    let mut config = quinn::ServerConfig::with_crypto(identity.server(Workload::alpns())?);
    config.transport_config(transport());
    let endpoint = Endpoint::server(config, args.bind)?;
    let address = endpoint.local_addr()?.to_string();
    gate::print(&json!({ "event": "ready", "id": identity.id, "address": address }))?;
    tokio::spawn(accept(endpoint.clone(), Arc::new(args)));
    while gate.line().await.is_some() {
        let mut answer = usage::usage();
        answer["event"] = "usage".into();
        gate::print(&answer)?;
    }
    endpoint.close(0u8.into(), b"");
    Ok(())
}

async fn accept(endpoint: Endpoint, args: Arc<Args>) {
    while let Some(incoming) = endpoint.accept().await {
        let args = args.clone();
        tokio::spawn(async move {
            // A dialer that goes away ends its own task only; the dialing process reports what it missed.
            if let Err(failure) = serve(incoming, &args).await {
                eprintln!("gaiwan-bench-pair: {failure}");
            }
        });
    }
}

async fn serve(incoming: Incoming, args: &Args) -> Result<(), Failure> {
    let connection = incoming.await?;
    let workload = workload_of(&connection).ok_or("no workload has this ALPN")?;
    workload.serve(connection, args).await
}

fn workload_of(connection: &Connection) -> Option<Workload> {
    let data = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
    Workload::of_alpn(data.protocol.as_deref()?)
}

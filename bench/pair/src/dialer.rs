//! The dialing process: one endpoint, one workload.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quinn::{Connection, Endpoint, TransportConfig};

use crate::{Failure, args::Args, gate::Gate, identity::Identity};

/// Dials one server, each time with a full handshake.
#[derive(Clone)]
pub struct Dialer {
    endpoint: Endpoint,
    config: quinn::ClientConfig,
    to: SocketAddr,
}

impl Dialer {
    /// One new connection.
    pub async fn connect(&self) -> Result<Connection, Failure> {
        // Any valid name does: the verifier looks at the key alone, and SNI is off.
        Ok(self.endpoint.connect_with(self.config.clone(), self.to, "bench.invalid")?.await?)
    }
}

/// quinn's defaults, and gaiwan's keep-alive of 5 s.
pub fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_secs(5)));
    Arc::new(transport)
}

/// Runs the workload of `args` and prints its result.
pub async fn run(args: Args) -> Result<(), Failure> {
    let mut gate = Gate::new();
    let identity = Identity::generate()?;
    let mut config = quinn::ClientConfig::new(identity.client(&args.id, args.workload.alpn())?);
    config.transport_config(transport());
    let endpoint = Endpoint::client(args.bind)?;
    let dialer = Dialer { endpoint: endpoint.clone(), config, to: args.to };
    args.workload.run(dialer, &mut gate, &args).await?;
    endpoint.close(0u8.into(), b"");
    endpoint.wait_idle().await;
    Ok(())
}

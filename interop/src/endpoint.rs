//! Endpoints: bind, accept loop, dial.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iroh::endpoint::{
    Builder, ConnectOptions, Incoming, PortmapperConfig, QuicTransportConfig, RecvStream,
    SendStream, VarInt, presets,
};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::connection::{Link, add_bi, facts};
use crate::fault::Fault;
use crate::serve::{self, Serve};
use crate::table::Table;

/// How to bind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bind {
    /// 64 hex digits; else a new key.
    secret_key: Option<String>,
    /// Most preferred first.
    alpns: Vec<String>,
    /// A port of 127.0.0.1, 0 for a free one.
    port: u16,
    #[serde(flatten)]
    transport: Transport,
}

/// QUIC settings that tests turn.
#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Transport {
    idle_timeout_ms: Option<u32>,
    keep_alive_ms: Option<u64>,
    /// False: the other side may send none.
    datagrams: Option<bool>,
}

impl Transport {
    fn build(&self) -> QuicTransportConfig {
        let mut config = QuicTransportConfig::builder();
        if let Some(ms) = self.idle_timeout_ms {
            config = config.max_idle_timeout(Some(VarInt::from_u32(ms).into()));
        }
        if let Some(ms) = self.keep_alive_ms {
            config = config.keep_alive_interval(Duration::from_millis(ms));
        }
        if self.datagrams == Some(false) {
            config = config.datagram_receive_buffer_size(None);
        }
        config.build()
    }
}

/// What the accept loop does with each attempt.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub endpoint: u32,
    verdict: Verdict,
    serve: Serve,
    /// Hands the connection over before its handshake is done, with its first bi stream.
    early: bool,
}

/// `Retry` accepts an attempt whose address is validated.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    Accept,
    Refuse,
    Retry,
    Ignore,
}

/// One attempt and what became of it.
struct Outcome {
    validated: bool,
    verdict: &'static str,
    link: Option<Result<Accepted, Fault>>,
}

/// A connection, and with the policy `early` the first bi stream that came before its handshake was done.
struct Accepted {
    link: Link,
    first: Option<(SendStream, RecvStream)>,
}

/// An endpoint with its accept loop.
pub struct Host {
    endpoint: Endpoint,
    policy: Arc<Mutex<Option<Policy>>>,
    outcomes: AsyncMutex<mpsc::UnboundedReceiver<Outcome>>,
    report: mpsc::UnboundedSender<Outcome>,
}

impl Host {
    /// Sets the policy; the first call starts the loop.
    pub fn accept(&self, policy: Policy) -> Result<(), Fault> {
        let before = self.policy.lock().expect("never poisoned").replace(policy);
        if before.is_none() {
            let (endpoint, policy) = (self.endpoint.clone(), self.policy.clone());
            let report = self.report.clone();
            tokio::spawn(async move {
                while let Some(incoming) = endpoint.accept().await {
                    let policy = policy.lock().expect("never poisoned").clone();
                    if let Some(policy) = policy {
                        decide(incoming, policy, &report);
                    }
                }
            });
        }
        Ok(())
    }

    /// Waits for the next outcome; a failed handshake has `error`.
    pub async fn attempt(&self, table: &Table) -> Result<Value, Fault> {
        let outcome = self.outcomes.lock().await.recv().await;
        let outcome = outcome.ok_or_else(|| Fault::usage("the endpoint is closed"))?;
        let mut answer = match outcome.link {
            None => json!({}),
            Some(Err(fault)) => json!({ "error": fault }),
            Some(Ok(Accepted { link, first })) => {
                let mut facts = match &link {
                    Link::Full(connection) => facts(connection),
                    Link::EarlyOut(_) | Link::EarlyIn(_) => json!({ "side": "server" }),
                };
                facts["connection"] = json!(table.add_connection(link));
                if let Some(streams) = first {
                    facts["first"] = add_bi(table, streams);
                }
                facts
            }
        };
        answer["validated"] = json!(outcome.validated);
        answer["verdict"] = json!(outcome.verdict);
        Ok(answer)
    }

    pub fn set_alpns(&self, alpns: Vec<String>) {
        self.endpoint.set_alpns(alpns.into_iter().map(String::into_bytes).collect());
    }

    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    pub async fn close(&self) {
        self.endpoint.close().await;
    }
}

/// What all endpoints of this peer have in common: one port of 127.0.0.1, no relay and no port mapping
/// (`irpc-iroh` turns iroh's default features on, and with them the port mapper).
pub fn builder(port: u16) -> Result<Builder, Fault> {
    Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .portmapper_config(PortmapperConfig::Disabled)
        .clear_ip_transports()
        .bind_addr(SocketAddr::from(([127, 0, 0, 1], port)))
        .map_err(Fault::usage)
}

/// Binds: `{endpoint, id, address}`.
pub async fn bind(table: &Table, options: Bind) -> Result<Value, Fault> {
    let key = match &options.secret_key {
        Some(text) => text.parse::<SecretKey>().map_err(Fault::usage)?,
        None => SecretKey::generate(),
    };
    let endpoint = builder(options.port)?
        .secret_key(key)
        .alpns(options.alpns.into_iter().map(String::into_bytes).collect())
        .transport_config(options.transport.build())
        .bind()
        .await
        .map_err(|error| Fault::new("bind", error))?;
    let id = endpoint.id().to_string();
    let address = endpoint.bound_sockets().first().map(ToString::to_string);
    let (report, outcomes) = mpsc::unbounded_channel();
    let host =
        Host { endpoint, policy: Arc::default(), outcomes: AsyncMutex::new(outcomes), report };
    Ok(json!({ "endpoint": table.add_endpoint(host), "id": id, "address": address }))
}

/// Decides at once; only a handshake has a task of its own, so attempts are told in their order.
fn decide(incoming: Incoming, policy: Policy, report: &mpsc::UnboundedSender<Outcome>) {
    let validated = incoming.remote_addr_validated();
    let verdict = match policy.verdict {
        Verdict::Refuse => {
            incoming.refuse();
            "refuse"
        }
        Verdict::Ignore => {
            incoming.ignore();
            "ignore"
        }
        Verdict::Retry if !validated => {
            incoming.retry().expect("an attempt that is not validated may be retried");
            "retry"
        }
        Verdict::Retry | Verdict::Accept => {
            let report = report.clone();
            tokio::spawn(async move {
                let link = Some(accept(incoming, &policy).await);
                // The receiver lives as long as its endpoint.
                let _ = report.send(Outcome { validated, verdict: "accept", link });
            });
            return;
        }
    };
    let _ = report.send(Outcome { validated, verdict, link: None });
}

async fn accept(incoming: Incoming, policy: &Policy) -> Result<Accepted, Fault> {
    let accepting = incoming.accept()?;
    let accepted = if policy.early {
        let early = accepting.into_0rtt();
        // A stream counts as early by the moment it is accepted, so that is done here, at once.
        let first = tokio::select! {
            biased;
            streams = early.accept_bi() => Some(streams?),
            _ = early.handshake_completed() => None,
        };
        Accepted { link: Link::EarlyIn(early), first }
    } else {
        Accepted { link: Link::Full(accepting.await?), first: None }
    };
    serve::start(policy.serve.clone(), accepted.link.clone());
    Ok(accepted)
}

/// Whom to dial and how.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dial {
    endpoint: u32,
    remote_id: String,
    addresses: Vec<SocketAddr>,
    /// The first is the primary one, the others are additional.
    alpns: Vec<String>,
    timeout_ms: u64,
    /// Tries 0-RTT.
    early: bool,
    #[serde(flatten)]
    transport: Transport,
}

/// Dials: `{connection, attempted, remoteId?, alpn?, side}`.
pub async fn connect(table: &Table, dial: Dial) -> Result<Value, Fault> {
    let host = table.endpoint(dial.endpoint)?;
    let id: EndpointId = dial.remote_id.parse().map_err(Fault::usage)?;
    let mut to = EndpointAddr::new(id);
    for address in dial.addresses {
        to = to.with_ip_addr(address);
    }
    let mut alpns = dial.alpns.into_iter().map(String::into_bytes);
    let first = alpns.next().unwrap_or_default();
    let mut options = ConnectOptions::new().with_additional_alpns(alpns.collect());
    if dial.transport != Transport::default() {
        options = options.with_transport_config(dial.transport.build());
    }
    let limit = Duration::from_millis(dial.timeout_ms);
    let dialing = async {
        let connecting = host.endpoint.connect_with_opts(to, &first, options).await?;
        let connecting = if dial.early {
            match connecting.into_0rtt() {
                Ok(early) => return Ok(Link::EarlyOut(early)),
                Err(connecting) => connecting,
            }
        } else {
            connecting
        };
        Ok::<_, Fault>(Link::Full(connecting.await?))
    };
    let link = tokio::time::timeout(limit, dialing)
        .await
        .map_err(|_| Fault::new("dial-timeout", "the dial took too long"))??;
    let (mut answer, attempted) = match &link {
        Link::Full(connection) => (facts(connection), false),
        Link::EarlyOut(_) | Link::EarlyIn(_) => (json!({ "side": "client" }), true),
    };
    answer["attempted"] = json!(attempted);
    answer["connection"] = json!(table.add_connection(link));
    Ok(answer)
}

//! What a provider decides on connections and requests, and what it tells of them.

use std::collections::HashMap;
use std::time::Duration;

use iroh_blobs::provider::TransferStats;
use iroh_blobs::provider::events::{
    AbortReason, ConnectMode, EventMask, EventResult, EventSender, ObserveMode, ProviderMessage,
    RequestMode, RequestUpdate, Throttle, ThrottleMode,
};
use irpc::channel::{mpsc as updates, oneshot};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::fault::Fault;

/// Messages that may wait for their answer.
const QUEUE: usize = 64;

/// What to do with each kind of thing.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Policy {
    connected: Verdict,
    get: Verdict,
    get_many: Verdict,
    push: Verdict,
    observe: Verdict,
    throttle: Option<Brake>,
}

impl Default for Policy {
    fn default() -> Self {
        let none = Verdict::None;
        Self {
            connected: none,
            get: none,
            get_many: none,
            push: Verdict::Disabled,
            observe: none,
            throttle: None,
        }
    }
}

/// `None` lets pass and tells nothing; `Notify` and `NotifyLog` let pass and tell, the latter of
/// the transfer too. The others are answers to a question, those that let pass being `Allow` and,
/// with the transfer told, `AllowLog`.
#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    None,
    /// The reference refuses by itself; of connections and observations there is no such mode.
    Disabled,
    Notify,
    NotifyLog,
    Allow,
    AllowLog,
    /// Reset 1.
    Permission,
    /// Reset 2.
    Limit,
    /// Drops the question, which makes reset 3.
    Gone,
    /// Never answers.
    Silent,
}

/// Lets each request send so much, then holds its next leaf for a while and decides.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Brake {
    after_bytes: u64,
    #[serde(default)]
    delay_ms: u64,
    verdict: Verdict,
}

impl Verdict {
    fn request(self) -> RequestMode {
        match self {
            Self::None => RequestMode::None,
            Self::Disabled => RequestMode::Disabled,
            Self::Notify => RequestMode::Notify,
            Self::NotifyLog => RequestMode::NotifyLog,
            Self::AllowLog => RequestMode::InterceptLog,
            _ => RequestMode::Intercept,
        }
    }

    fn connect(self) -> Result<ConnectMode, Fault> {
        match self {
            Self::None => Ok(ConnectMode::None),
            Self::Notify => Ok(ConnectMode::Notify),
            Self::Disabled | Self::NotifyLog | Self::AllowLog => Err(unfit("a connection")),
            _ => Ok(ConnectMode::Intercept),
        }
    }

    fn observe(self) -> Result<ObserveMode, Fault> {
        match self {
            Self::None => Ok(ObserveMode::None),
            Self::Notify => Ok(ObserveMode::Notify),
            Self::Disabled | Self::NotifyLog | Self::AllowLog => Err(unfit("an observation")),
            _ => Ok(ObserveMode::Intercept),
        }
    }
}

fn unfit(what: &str) -> Fault {
    Fault::usage(format!("{what} has no such mode"))
}

/// Starts deciding; `log` gets every event as JSON:
/// `{event: 'connected', connection, remoteId}`, `{event: 'closed', connection}`,
/// `{event: 'request', kind, connection, request, hashes}`,
/// `{event: 'started', connection, request, index, hash, size}`,
/// `{event: 'completed' | 'aborted', connection, request, payloadBytesSent, otherBytesSent,
/// otherBytesRead}` and `{event: 'braked', connection, request, bytes}`.
pub fn start(policy: Policy, log: UnboundedSender<Value>) -> Result<EventSender, Fault> {
    let mask = EventMask {
        connected: policy.connected.connect()?,
        get: policy.get.request(),
        get_many: policy.get_many.request(),
        push: policy.push.request(),
        observe: policy.observe.observe()?,
        throttle: match policy.throttle {
            None => ThrottleMode::None,
            Some(_) => ThrottleMode::Intercept,
        },
    };
    let (sender, mut messages) = EventSender::channel(QUEUE, mask);
    let mut desk = Desk { policy, log, sent: HashMap::new() };
    tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            desk.handle(message);
        }
    });
    Ok(sender)
}

/// Decides; answers in tasks of their own, so that none holds up another.
struct Desk {
    policy: Policy,
    log: UnboundedSender<Value>,
    /// Bytes sent by connection and request.
    sent: HashMap<(u64, u64), u64>,
}

impl Desk {
    fn handle(&mut self, message: ProviderMessage) {
        use ProviderMessage as Message;
        let Policy { connected, get, get_many, push, observe, .. } = self.policy;
        // Bound by value in each arm: every kind of request has a message type of its own.
        macro_rules! asked {
            ($kind:literal, $message:expr, $verdict:expr, $hashes:expr) => {{
                let ids = ($message.inner.connection_id, $message.inner.request_id);
                self.request($kind, ids, json!($hashes), $message.rx);
                answer($message.tx, $verdict, Duration::ZERO);
            }};
        }
        macro_rules! told {
            ($kind:literal, $message:expr, $hashes:expr) => {{
                let ids = ($message.inner.connection_id, $message.inner.request_id);
                self.request($kind, ids, json!($hashes), $message.rx);
            }};
        }
        match message {
            Message::ClientConnected(message) => {
                let remote = message.inner.endpoint_id.map(|id| id.to_string());
                self.connected(message.inner.connection_id, remote);
                answer(message.tx, connected, Duration::ZERO);
            }
            Message::ClientConnectedNotify(message) => {
                let remote = message.inner.endpoint_id.map(|id| id.to_string());
                self.connected(message.inner.connection_id, remote);
            }
            Message::ConnectionClosed(message) => {
                let connection = message.inner.connection_id;
                self.sent.retain(|(of, _), _| *of != connection);
                self.tell(json!({ "event": "closed", "connection": connection }));
            }
            Message::GetRequestReceived(m) => asked!("get", m, get, [m.inner.request.hash]),
            Message::GetRequestReceivedNotify(m) => told!("get", m, [m.inner.request.hash]),
            Message::GetManyRequestReceived(m) => {
                asked!("getMany", m, get_many, m.inner.request.hashes);
            }
            Message::GetManyRequestReceivedNotify(m) => {
                told!("getMany", m, m.inner.request.hashes);
            }
            Message::PushRequestReceived(m) => asked!("push", m, push, [m.inner.request.hash]),
            Message::PushRequestReceivedNotify(m) => told!("push", m, [m.inner.request.hash]),
            Message::ObserveRequestReceived(m) => {
                asked!("observe", m, observe, [m.inner.request.hash]);
            }
            Message::ObserveRequestReceivedNotify(m) => {
                told!("observe", m, [m.inner.request.hash]);
            }
            Message::Throttle(message) => self.throttle(&message.inner, message.tx),
        }
    }

    fn tell(&self, event: Value) {
        // The receiver is gone only once the provider has ended.
        let _ = self.log.send(event);
    }

    fn connected(&self, connection: u64, remote: Option<String>) {
        let event = json!({ "event": "connected", "connection": connection, "remoteId": remote });
        self.tell(event);
    }

    /// Tells of a request and then of its transfer, until the provider is done with it.
    fn request(
        &self,
        kind: &str,
        ids: (u64, u64),
        hashes: Value,
        mut transfer: updates::Receiver<RequestUpdate>,
    ) {
        self.tell(of(ids, json!({ "event": "request", "kind": kind, "hashes": hashes })));
        let log = self.log.clone();
        tokio::spawn(async move {
            while let Ok(Some(update)) = transfer.recv().await {
                let event = match update {
                    // Lossy, so no test can count on any of them.
                    RequestUpdate::Progress(_) => continue,
                    RequestUpdate::Started(blob) => json!({
                        "event": "started",
                        "index": blob.index,
                        "hash": blob.hash,
                        "size": blob.size,
                    }),
                    RequestUpdate::Completed(end) => ended("completed", &end.stats),
                    RequestUpdate::Aborted(end) => ended("aborted", &end.stats),
                };
                if log.send(of(ids, event)).is_err() {
                    return;
                }
            }
        });
    }

    fn throttle(&mut self, leaf: &Throttle, reply: oneshot::Sender<EventResult>) {
        let ids = (leaf.connection_id, leaf.request_id);
        let sent = self.sent.entry(ids).or_default();
        *sent += leaf.size;
        let bytes = *sent;
        match &self.policy.throttle {
            Some(brake) if bytes >= brake.after_bytes => {
                self.tell(of(ids, json!({ "event": "braked", "bytes": bytes })));
                answer(reply, brake.verdict, Duration::from_millis(brake.delay_ms));
            }
            _ => answer(reply, Verdict::Allow, Duration::ZERO),
        }
    }
}

fn of((connection, request): (u64, u64), mut event: Value) -> Value {
    event["connection"] = json!(connection);
    event["request"] = json!(request);
    event
}

fn ended(event: &str, stats: &TransferStats) -> Value {
    json!({
        "event": event,
        "payloadBytesSent": stats.payload_bytes_sent,
        "otherBytesSent": stats.other_bytes_sent,
        "otherBytesRead": stats.other_bytes_read,
    })
}

fn answer(reply: oneshot::Sender<EventResult>, verdict: Verdict, delay: Duration) {
    tokio::spawn(async move {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let result = match verdict {
            Verdict::Gone => return,
            Verdict::Silent => std::future::pending().await,
            Verdict::Permission | Verdict::Disabled => Err(AbortReason::Permission),
            Verdict::Limit => Err(AbortReason::RateLimited),
            Verdict::None
            | Verdict::Notify
            | Verdict::NotifyLog
            | Verdict::Allow
            | Verdict::AllowLog => Ok(()),
        };
        // Nobody waits for it any more if the connection ended meanwhile.
        let _ = reply.send(result).await;
    });
}

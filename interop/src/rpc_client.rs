//! Rust clients of the services: which method is called how.

use irpc::channel::none::{NoReceiver, NoSender};
use irpc::channel::{mpsc, oneshot};
use irpc::rpc::RemoteService;
use irpc::{Channels, Client, Request, RpcMessage, WithChannels};
use irpc_iroh::IrohRemoteConnection;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::connection::Link;
use crate::fault::Fault;
use crate::gossip_topic::Near;
use crate::rpc_call::{Call, NoAnswer, OneAnswer, OneUpdate, Unary, from_json};
use crate::rpc_fault::{any, request, write};
use crate::rpc_hard::{self as hard, HardProtocol};
use crate::rpc_tea::{self as tea, SpanTeaProtocol, TeaProtocol};
use crate::table::Table;

/// Of local channels, which a remote client has none of.
const CAPACITY: usize = 16;

/// Which service, and over what: one given connection, or `to`, dialed at the first call and again when lost.
#[derive(Deserialize)]
pub struct Open {
    service: Name,
    connection: Option<u32>,
    endpoint: Option<u32>,
    to: Option<Near>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
enum Name {
    Tea,
    Span,
    Hard,
}

/// A typed client.
pub enum AnyClient {
    Tea(Client<TeaProtocol>),
    Span(Client<SpanTeaProtocol>),
    Hard(Client<HardProtocol>),
}

/// Makes a client: `{client}`.
pub fn open(table: &Table, open: Open) -> Result<Value, Fault> {
    let client = match open.service {
        Name::Tea => AnyClient::Tea(reach(table, &open, tea::ALPN)?),
        Name::Span => AnyClient::Span(reach(table, &open, tea::SPAN_ALPN)?),
        Name::Hard => AnyClient::Hard(reach(table, &open, hard::ALPN)?),
    };
    Ok(json!({ "client": table.add_client(client) }))
}

fn reach<S: irpc::Service>(table: &Table, open: &Open, alpn: &[u8]) -> Result<Client<S>, Fault> {
    match (open.connection, open.endpoint, &open.to) {
        (Some(connection), None, None) => match &*table.connection(connection)? {
            Link::Full(connection) => {
                Ok(Client::boxed(IrohRemoteConnection::new(connection.clone())))
            }
            Link::EarlyOut(_) | Link::EarlyIn(_) => Err(Fault::usage("an early connection")),
        },
        (None, Some(endpoint), Some(to)) => {
            let endpoint = table.endpoint(endpoint)?.endpoint();
            Ok(irpc_iroh::client(endpoint, to.addr(), alpn))
        }
        _ => Err(Fault::usage("a client needs a connection, or an endpoint and whom to dial")),
    }
}

/// The variants of the tea service, for either of its protocols.
macro_rules! tea {
    ($client:expr, $method:expr, $value:expr) => {
        match $method {
            "Get" => unary::<_, tea::Get, _>($client, $value).await,
            "Set" => unary::<_, tea::Set, _>($client, $value).await,
            "List" => server_stream::<_, tea::List, _>($client, $value).await,
            "SetMany" => client_stream::<_, tea::SetMany, _, _>($client, $value).await,
            "Sum" => bidi_stream::<_, tea::Sum, _, _>($client, $value).await,
            "Log" => notify::<_, tea::Log>($client, $value).await,
            "Div" => unary::<_, tea::Div, _>($client, $value).await,
            "Push" => notify_stream::<_, tea::Push, _>($client, $value).await,
            "Late" => single_update::<_, tea::Late, _, _>($client, $value).await,
            "Misbehave" => server_stream::<_, tea::Misbehave, _>($client, $value).await,
            "First" => client_stream::<_, tea::First, _, _>($client, $value).await,
            other => Err(Fault::usage(format!("no method {other}"))),
        }
    };
}

impl AnyClient {
    /// Starts a call. A notify is done when this returns.
    pub async fn call(&self, method: &str, value: Value) -> Result<Call, Fault> {
        match self {
            Self::Tea(client) => tea!(client, method, value),
            Self::Span(client) => tea!(client, method, value),
            Self::Hard(client) => match method {
                "Echo" => unary::<_, hard::Echo, _>(client, value).await,
                "Judge" => unary::<_, hard::Judge, _>(client, value).await,
                "Each" => server_stream::<_, hard::Each, _>(client, value).await,
                "Gather" => client_stream::<_, hard::Gather, _, _>(client, value).await,
                "Mirror" => bidi_stream::<_, hard::Mirror, _, _>(client, value).await,
                "Tell" => notify::<_, hard::Tell>(client, value).await,
                "Pour" => notify_stream::<_, hard::Pour, _>(client, value).await,
                "Wait" => single_update::<_, hard::Wait, _, _>(client, value).await,
                other => Err(Fault::usage(format!("no method {other}"))),
            },
        }
    }
}

async fn unary<S, Q, A>(client: &Client<S>, value: Value) -> Result<Call, Fault>
where
    S: irpc::Service + From<Q>,
    S::Message: From<WithChannels<Q, S>>,
    Q: Channels<S, Tx = oneshot::Sender<A>, Rx = NoReceiver> + RpcMessage,
    A: RpcMessage,
{
    let answer = tokio::spawn(client.rpc(from_json::<Q>(value)?));
    Ok(Call::new(None, Some(Box::new(Unary(Some(answer))))))
}

async fn server_stream<S, Q, A>(client: &Client<S>, value: Value) -> Result<Call, Fault>
where
    S: irpc::Service + From<Q>,
    S::Message: From<WithChannels<Q, S>>,
    Q: Channels<S, Tx = mpsc::Sender<A>, Rx = NoReceiver> + RpcMessage,
    A: RpcMessage,
{
    let answers = client.server_streaming(from_json::<Q>(value)?, CAPACITY).await.map_err(any)?;
    Ok(Call::new(None, Some(Box::new(answers))))
}

async fn client_stream<S, Q, U, A>(client: &Client<S>, value: Value) -> Result<Call, Fault>
where
    S: irpc::Service + From<Q>,
    S::Message: From<WithChannels<Q, S>>,
    Q: Channels<S, Tx = oneshot::Sender<A>, Rx = mpsc::Receiver<U>> + RpcMessage,
    U: RpcMessage,
    A: RpcMessage,
{
    let started = client.client_streaming(from_json::<Q>(value)?, CAPACITY).await;
    let (updates, answer) = started.map_err(any)?;
    Ok(Call::new(Some(Box::new(updates)), Some(Box::new(OneAnswer(Some(answer))))))
}

async fn bidi_stream<S, Q, U, A>(client: &Client<S>, value: Value) -> Result<Call, Fault>
where
    S: irpc::Service + From<Q>,
    S::Message: From<WithChannels<Q, S>>,
    Q: Channels<S, Tx = mpsc::Sender<A>, Rx = mpsc::Receiver<U>> + RpcMessage,
    U: RpcMessage,
    A: RpcMessage,
{
    let started = client.bidi_streaming(from_json::<Q>(value)?, CAPACITY, CAPACITY).await;
    let (updates, answers) = started.map_err(any)?;
    Ok(Call::new(Some(Box::new(updates)), Some(Box::new(answers))))
}

async fn notify<S, Q>(client: &Client<S>, value: Value) -> Result<Call, Fault>
where
    S: irpc::Service + From<Q>,
    S::Message: From<WithChannels<Q, S>>,
    Q: Channels<S, Tx = NoSender, Rx = NoReceiver> + RpcMessage,
{
    client.notify(from_json::<Q>(value)?).await.map_err(any)?;
    Ok(Call::new(None, None))
}

/// irpc has no named call for it (irpc#64), so the halves of the stream are taken by hand.
async fn notify_stream<S, Q, U>(client: &Client<S>, value: Value) -> Result<Call, Fault>
where
    S: RemoteService + From<Q>,
    Q: Channels<S, Tx = NoSender, Rx = mpsc::Receiver<U>> + RpcMessage,
    U: RpcMessage,
{
    let Request::Remote(remote) = client.request().await.map_err(request)? else {
        return Err(Fault::usage("a local client"));
    };
    let (send, recv) = remote.write(from_json::<Q>(value)?).await.map_err(write)?;
    let updates: mpsc::Sender<U> = send.into();
    Ok(Call::new(Some(Box::new(updates)), Some(Box::new(NoAnswer(Some(recv))))))
}

/// The same for a single update.
async fn single_update<S, Q, U, A>(client: &Client<S>, value: Value) -> Result<Call, Fault>
where
    S: RemoteService + From<Q>,
    Q: Channels<S, Tx = oneshot::Sender<A>, Rx = oneshot::Receiver<U>> + RpcMessage,
    U: RpcMessage,
    A: RpcMessage,
{
    let Request::Remote(remote) = client.request().await.map_err(request)? else {
        return Err(Fault::usage("a local client"));
    };
    let (send, recv) = remote.write(from_json::<Q>(value)?).await.map_err(write)?;
    let updates = OneUpdate::<U>(Some(send.into()));
    let answer = OneAnswer::<A>(Some(recv.into()));
    Ok(Call::new(Some(Box::new(updates)), Some(Box::new(answer))))
}

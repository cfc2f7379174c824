//! Commands on connections.

use bytes::Bytes;
use iroh::endpoint::{
    Connection, ConnectionError, IncomingZeroRttConnection, OutgoingZeroRttConnection, RecvStream,
    SendStream, Side, VarInt, ZeroRttStatus,
};
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::table::Table;

/// A connection in one of its three states.
#[derive(Clone)]
pub enum Link {
    Full(Connection),
    /// Dialed with 0-RTT; its handshake may still run.
    EarlyOut(OutgoingZeroRttConnection),
    /// Accepted before its handshake is done.
    EarlyIn(IncomingZeroRttConnection),
}

/// Runs the same call whatever the state.
macro_rules! each {
    ($link:expr, $connection:ident => $call:expr) => {
        match $link {
            Link::Full($connection) => $call,
            Link::EarlyOut($connection) => $call,
            Link::EarlyIn($connection) => $call,
        }
    };
}

impl Link {
    pub async fn open_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        each!(self, connection => connection.open_bi().await)
    }

    pub async fn open_uni(&self) -> Result<SendStream, ConnectionError> {
        each!(self, connection => connection.open_uni().await)
    }

    pub async fn accept_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        each!(self, connection => connection.accept_bi().await)
    }

    pub async fn accept_uni(&self) -> Result<RecvStream, ConnectionError> {
        each!(self, connection => connection.accept_uni().await)
    }

    pub async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        each!(self, connection => connection.read_datagram().await)
    }

    pub fn send_datagram(&self, bytes: Vec<u8>) -> Result<(), Fault> {
        Ok(each!(self, connection => connection.send_datagram(bytes.into()))?)
    }

    pub fn max_datagram(&self) -> Option<usize> {
        each!(self, connection => connection.max_datagram_size())
    }

    pub fn close(&self, code: VarInt, reason: &[u8]) {
        each!(self, connection => connection.close(code, reason));
    }

    pub async fn closed(&self) -> ConnectionError {
        each!(self, connection => connection.closed().await)
    }

    /// RFC 5705 exporter.
    pub fn export(&self, label: &[u8], context: &[u8], length: usize) -> Result<Vec<u8>, Fault> {
        let mut output = vec![0; length];
        each!(self, connection => connection.export_keying_material(&mut output, label, context))
            .map_err(|error| Fault::usage(format!("export: {error:?}")))?;
        Ok(output)
    }
}

/// What a full connection knows: `{remoteId, alpn, side}`.
pub fn facts(connection: &Connection) -> Value {
    json!({
        "remoteId": connection.remote_id().to_string(),
        "alpn": String::from_utf8_lossy(connection.alpn()),
        "side": match connection.side() { Side::Client => "client", Side::Server => "server" },
    })
}

/// Waits for the handshake: `{accepted, remoteId, alpn, side}`, `accepted` is null at the acceptor.
pub async fn handshake(table: &Table, handle: u32) -> Result<Value, Fault> {
    let (connection, accepted) = match &*table.connection(handle)? {
        Link::Full(connection) => (connection.clone(), json!(false)),
        Link::EarlyOut(early) => match early.handshake_completed().await? {
            ZeroRttStatus::Accepted(connection) => (connection, json!(true)),
            ZeroRttStatus::Rejected(connection) => (connection, json!(false)),
        },
        Link::EarlyIn(early) => (early.handshake_completed().await?, Value::Null),
    };
    let mut answer = facts(&connection);
    answer["accepted"] = accepted;
    table.set_connection(handle, Link::Full(connection));
    Ok(answer)
}

/// Opens a stream: `{send, recv?}`.
pub async fn open(table: &Table, handle: u32, bi: bool) -> Result<Value, Fault> {
    let link = table.connection(handle)?;
    if bi {
        let (send, recv) = link.open_bi().await?;
        Ok(json!({ "send": table.add_send(send), "recv": table.add_recv(recv) }))
    } else {
        Ok(json!({ "send": table.add_send(link.open_uni().await?) }))
    }
}

/// Waits for a stream of the other side: `{send?, recv, early}`.
pub async fn accept(table: &Table, handle: u32, bi: bool) -> Result<Value, Fault> {
    let link = table.connection(handle)?;
    if bi {
        Ok(add_bi(table, link.accept_bi().await?))
    } else {
        let recv = link.accept_uni().await?;
        let early = recv.is_0rtt();
        Ok(json!({ "recv": table.add_recv(recv), "early": early }))
    }
}

/// Keeps an accepted stream: `{send, recv, early}`.
pub fn add_bi(table: &Table, (send, recv): (SendStream, RecvStream)) -> Value {
    let early = recv.is_0rtt();
    json!({ "send": table.add_send(send), "recv": table.add_recv(recv), "early": early })
}

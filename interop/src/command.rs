//! The commands: their JSON shape, and which function runs each.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::connection;
use crate::endpoint::{self, Bind, Dial, Policy};
use crate::fault::{Code, Fault};
use crate::stream;
use crate::table::Table;

/// One line of stdin without its `id`; those whose name starts with `blobs` are in `blobs.rs`. Handles are numbers that earlier answers gave; codes are
/// decimal strings, since they reach 2^62 - 1; bytes are lowercase hex.
#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Opens an endpoint on 127.0.0.1: `{endpoint, id, address}`.
    Bind(Bind),
    /// Closes all connections of an endpoint with code 0, then its socket: `null`.
    CloseEndpoint { endpoint: u32 },
    /// Replaces the ALPNs for later attempts: `null`.
    SetAlpns { endpoint: u32, alpns: Vec<String> },
    /// Says what the accept loop does from now on, and starts it: `null`.
    Accept(Policy),
    /// Waits for the outcome of the next attempt: `{validated, verdict, connection?, first?, …}`.
    Attempt { endpoint: u32 },
    /// Dials: `{connection, attempted, remoteId?, alpn?, side}`.
    Connect(Dial),
    /// Waits for the handshake of an early connection: `{accepted, remoteId, alpn, side}`.
    Handshake { connection: u32 },
    /// Opens a stream: `{send, recv?}`.
    Open { connection: u32, bi: bool },
    /// Waits for a stream of the other side: `{send?, recv, early}`.
    AcceptStream { connection: u32, bi: bool },
    /// Sends one datagram, which must fit: `null`.
    SendDatagram { connection: u32, hex: String },
    /// Waits for a datagram: hex.
    ReadDatagram { connection: u32 },
    /// The largest datagram in bytes, or `null`.
    MaxDatagram { connection: u32 },
    /// Exports keying material (RFC 5705): hex.
    Export { connection: u32, label: String, context: String, length: usize },
    /// Closes with an application code and a reason: `null`.
    Close { connection: u32, code: Code, reason: String },
    /// Waits for the end of a connection: `{by, code?, reason?}`.
    Closed { connection: u32 },
    /// Writes bytes given as hex: `null`.
    Write { send: u32, hex: String },
    /// Writes `bytes` of the pattern: `{bytes, sha256}` of what was written.
    WritePattern { send: u32, bytes: u64, seed: u8 },
    /// Ends a stream well: `null`.
    Finish { send: u32 },
    /// Gives a stream up, and cuts off a write that waits: `null`.
    Reset { send: u32, code: Code },
    /// Waits until the other side has it all (`null`) or stopped reading (its code).
    Stopped { send: u32 },
    /// Drops a sending half, which the reference takes for `finish`: `null`.
    Drop { send: u32 },
    /// Reads some bytes: hex, or `null` at the end.
    Read { recv: u32, max_bytes: usize },
    /// Reads and hashes everything: `{bytes, sha256}`.
    ReadToEnd { recv: u32 },
    /// Tells the other side to send no more: `null`.
    Stop { recv: u32, code: Code },
    /// Waits for a reset: its code, or `null` if the stream ended well.
    ResetReceived { recv: u32 },
}

/// Runs one command to its answer.
pub async fn run(table: &Table, command: Command) -> Result<Value, Fault> {
    match command {
        Command::Bind(bind) => endpoint::bind(table, bind).await,
        Command::CloseEndpoint { endpoint } => {
            table.take_endpoint(endpoint)?.close().await;
            Ok(Value::Null)
        }
        Command::SetAlpns { endpoint, alpns } => {
            table.endpoint(endpoint)?.set_alpns(alpns);
            Ok(Value::Null)
        }
        Command::Accept(policy) => {
            table.endpoint(policy.endpoint)?.accept(policy)?;
            Ok(Value::Null)
        }
        Command::Attempt { endpoint } => {
            let endpoint = table.endpoint(endpoint)?;
            endpoint.attempt(table).await
        }
        Command::Connect(dial) => endpoint::connect(table, dial).await,
        Command::Handshake { connection } => connection::handshake(table, connection).await,
        Command::Open { connection, bi } => connection::open(table, connection, bi).await,
        Command::AcceptStream { connection, bi } => connection::accept(table, connection, bi).await,
        Command::SendDatagram { connection, hex } => {
            table.connection(connection)?.send_datagram(from_hex(&hex)?)?;
            Ok(Value::Null)
        }
        Command::ReadDatagram { connection } => {
            let bytes = table.connection(connection)?.read_datagram().await?;
            Ok(json!(to_hex(&bytes)))
        }
        Command::MaxDatagram { connection } => {
            Ok(json!(table.connection(connection)?.max_datagram()))
        }
        Command::Export { connection, label, context, length } => {
            let connection = table.connection(connection)?;
            let bytes = connection.export(label.as_bytes(), context.as_bytes(), length)?;
            Ok(json!(to_hex(&bytes)))
        }
        Command::Close { connection, code, reason } => {
            table.connection(connection)?.close(code.0, reason.as_bytes());
            Ok(Value::Null)
        }
        Command::Closed { connection } => {
            Ok(json!(Fault::from(table.connection(connection)?.closed().await)))
        }
        Command::Write { send, hex } => {
            stream::write(&*table.send(send)?, &from_hex(&hex)?).await?;
            Ok(Value::Null)
        }
        Command::WritePattern { send, bytes, seed } => {
            stream::write_pattern(&*table.send(send)?, bytes, seed).await
        }
        Command::Finish { send } => {
            table.send(send)?.stream.lock().await.finish().map_err(Fault::closed_stream)?;
            Ok(Value::Null)
        }
        Command::Reset { send, code } => {
            stream::reset(&*table.send(send)?, code.0).await?;
            Ok(Value::Null)
        }
        Command::Stopped { send } => stream::stopped(&*table.send(send)?).await,
        Command::Drop { send } => {
            table.drop_send(send)?;
            Ok(Value::Null)
        }
        Command::Read { recv, max_bytes } => stream::read(&*table.recv(recv)?, max_bytes).await,
        Command::ReadToEnd { recv } => stream::read_to_end(&*table.recv(recv)?).await,
        Command::Stop { recv, code } => {
            stream::stop(&*table.recv(recv)?, code.0).await?;
            Ok(Value::Null)
        }
        Command::ResetReceived { recv } => stream::reset_received(&*table.recv(recv)?).await,
    }
}

pub fn to_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

pub fn from_hex(text: &str) -> Result<Vec<u8>, Fault> {
    data_encoding::HEXLOWER
        .decode(text.as_bytes())
        .map_err(|error| Fault::usage(format!("hex: {error}")))
}

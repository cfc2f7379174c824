//! The commands on rpc: their JSON shape, and which function runs each.
//!
//! Values are JSON as serde makes it, except what `rpc_json.rs` says.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::rpc_client::{self, Open};
use crate::rpc_node;
use crate::rpc_storm::{self, Storm};
use crate::table::Table;

/// A command whose name is `rpc` and the name of a variant, as `rpcServe`.
#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all_fields = "camelCase")]
pub enum Command {
    /// Serves all services on an endpoint, whose accept loop it takes over: `{rpc}`.
    Serve { endpoint: u32 },
    /// Waits for the next line that a handler noted.
    Heard { rpc: u32 },
    /// Ends the services and closes their endpoint: `null`.
    Shutdown { rpc: u32 },
    /// A client over a connection, or one that dials: `{client}`.
    Client(Open),
    /// Starts a call: `{call}`.
    Call { client: u32, method: String, request: Value },
    /// Sends an update: `null`.
    Send { call: u32, update: Value },
    /// Waits for the next answer: `{item}`, or `null` at the end.
    Next { call: u32 },
    /// No more updates: `null`.
    Finish { call: u32 },
    /// Drops the receiver of answers: `null`.
    Leave { call: u32 },
    /// Drops the whole call: `null`.
    Drop { call: u32 },
    /// Drops a client, and with it the connection that it dialed: `null`.
    Release { client: u32 },
    /// Many calls at once, some of them cancelled at random points: see `rpc_storm.rs`.
    Storm(Storm),
}

/// Runs one command to its answer.
pub async fn run(table: &Table, command: Command) -> Result<Value, Fault> {
    match command {
        Command::Serve { endpoint } => rpc_node::serve(table, endpoint),
        Command::Heard { rpc } => Ok(json!(table.rpc(rpc)?.heard().await?)),
        Command::Shutdown { rpc } => {
            table.take_rpc(rpc)?.shutdown().await?;
            Ok(Value::Null)
        }
        Command::Client(open) => rpc_client::open(table, open),
        Command::Call { client, method, request } => {
            let call = table.client(client)?.call(&method, request).await?;
            Ok(json!({ "call": table.add_call(call) }))
        }
        Command::Send { call, update } => {
            table.call(call)?.send(update).await?;
            Ok(Value::Null)
        }
        Command::Next { call } => {
            let item = table.call(call)?.next().await?;
            Ok(item.map_or(Value::Null, |item| json!({ "item": item })))
        }
        Command::Finish { call } => {
            table.call(call)?.finish().await;
            Ok(Value::Null)
        }
        Command::Leave { call } => {
            table.call(call)?.leave().await;
            Ok(Value::Null)
        }
        Command::Drop { call } => {
            drop(table.take_call(call)?);
            Ok(Value::Null)
        }
        Command::Release { client } => {
            drop(table.take_client(client)?);
            Ok(Value::Null)
        }
        Command::Storm(storm) => rpc_storm::run(table, storm).await,
    }
}

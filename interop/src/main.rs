//! A peer on the real `iroh` crates, driven by JSON lines.
//!
//! One command a line on stdin, `{"id": 1, "cmd": "bind", …}`; one answer a line on stdout,
//! `{"id": 1, "ok": …}` or `{"id": 1, "error": {"kind": …}}`. Commands run side by side, and a
//! command that waits answers when what it waits for has come, so answers may come out of order.
//! The process ends when stdin does. It binds and dials 127.0.0.1 only: no relay, no lookup.
//!
//! `gaiwan-interop-peer blobs-bench …`, `… gossip-bench …`, `… rpc-bench …` and `… storage …` are other programs, see
//! `blobs_bench.rs`, `gossip_bench.rs`, `rpc_bench.rs` and `storage.rs`.

mod automerge;
mod automerge_05;
mod automerge_16;
mod automerge_document;
mod automerge_frames;
mod automerge_repo;
mod automerge_storage;
mod automerge_sync;
mod blobs;
mod blobs_add;
mod blobs_bench;
mod blobs_directory;
mod blobs_download;
mod blobs_events;
mod blobs_fault;
mod blobs_get;
mod blobs_look;
mod blobs_raw;
mod blobs_request;
mod blobs_serve;
mod blobs_store;
mod blobs_ticket;
mod command;
mod connection;
mod endpoint;
mod fault;
mod gossip;
mod gossip_bench;
mod gossip_node;
mod gossip_topic;
mod pattern;
mod rpc;
mod rpc_bench;
mod rpc_call;
mod rpc_client;
mod rpc_fault;
mod rpc_hard;
mod rpc_json;
mod rpc_node;
mod rpc_storm;
mod rpc_tea;
mod rpc_tea_serve;
mod serve;
mod storage;
mod stream;
mod table;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

use crate::command::Command;
use crate::fault::Fault;
use crate::table::Table;

/// A command and the number its answer carries.
struct Request {
    id: u64,
    command: Either,
}

enum Either {
    Core(Command),
    Automerge(automerge::Command),
    Blobs(blobs::Command),
    Gossip(gossip::Command),
    Rpc(rpc::Command),
}

impl Request {
    /// Reads a line; a fault comes with the `id` if there is one, else with 0.
    fn parse(line: &str) -> Result<Self, (u64, Fault)> {
        let mut value: Value =
            serde_json::from_str(line).map_err(|error| (0, Fault::usage(error)))?;
        let id = value["id"].as_u64().unwrap_or(0);
        let name = value["cmd"].as_str().unwrap_or_default().to_owned();
        let command = if let Some(name) = name.strip_prefix("automerge") {
            value["cmd"] = name.into();
            automerge::Command::deserialize(value).map(Either::Automerge)
        } else if let Some(name) = name.strip_prefix("blobs") {
            value["cmd"] = name.into();
            blobs::Command::deserialize(value).map(Either::Blobs)
        } else if let Some(name) = name.strip_prefix("gossip") {
            value["cmd"] = name.into();
            gossip::Command::deserialize(value).map(Either::Gossip)
        } else if let Some(name) = name.strip_prefix("rpc") {
            value["cmd"] = name.into();
            rpc::Command::deserialize(value).map(Either::Rpc)
        } else {
            Command::deserialize(value).map(Either::Core)
        };
        let command = command.map_err(|error| (id, Fault::usage(error)))?;
        Ok(Self { id, command })
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => serve_commands().await,
        Some("gossip-bench") => gossip_bench::run(arguments.collect()).await,
        Some("blobs-bench") => blobs_bench::run(arguments.collect()).await,
        Some("rpc-bench") => rpc_bench::run(arguments.collect()).await,
        Some("storage") => storage::run(arguments.collect()).await,
        Some(other) => anyhow::bail!("unknown argument {other}"),
    }
}

async fn serve_commands() -> anyhow::Result<()> {
    let (answers, outbox) = mpsc::unbounded_channel();
    let writer = tokio::spawn(write_answers(outbox));
    let table = Arc::new(Table::default());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line.trim().is_empty() {
            continue;
        }
        match Request::parse(&line) {
            Ok(Request { id, command }) => {
                let (table, answers) = (table.clone(), answers.clone());
                tokio::spawn(async move {
                    let result = match command {
                        Either::Core(command) => command::run(&table, command).await,
                        Either::Automerge(command) => automerge::run(&table, command).await,
                        Either::Blobs(command) => blobs::run(&table, command).await,
                        Either::Gossip(command) => gossip::run(&table, command).await,
                        Either::Rpc(command) => rpc::run(&table, command).await,
                    };
                    // The writer is gone only when the process ends.
                    let _ = answers.send(to_line(id, result));
                });
            }
            Err((id, fault)) => {
                let _ = answers.send(to_line(id, Err(fault)));
            }
        }
    }
    table.stop_repos().await;
    table.close_endpoints().await;
    table.close_stores().await;
    // Nobody listens any more: commands that still wait are dropped with their answers.
    writer.abort();
    Ok(())
}

fn to_line(id: u64, result: Result<Value, Fault>) -> String {
    let answer = match result {
        Ok(value) => json!({ "id": id, "ok": value }),
        Err(fault) => json!({ "id": id, "error": fault }),
    };
    format!("{answer}\n")
}

async fn write_answers(mut outbox: mpsc::UnboundedReceiver<String>) -> std::io::Result<()> {
    let mut stdout = tokio::io::stdout();
    while let Some(line) = outbox.recv().await {
        stdout.write_all(line.as_bytes()).await?;
        stdout.flush().await?;
    }
    Ok(())
}

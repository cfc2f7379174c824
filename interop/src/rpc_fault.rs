//! How irpc's errors cross to the tests.
//!
//! `rpc-io`: an I/O error, whatever its cause, which the message names. `rpc-too-large`: over 16 MiB, or the other side
//! said so. `rpc-closed`: the receiver is gone. `rpc-request`: no connection or no stream.

use irpc::channel::{SendError, mpsc, oneshot};
use irpc::rpc::WriteError;
use irpc::{Error, RequestError};

use crate::fault::Fault;

pub fn any(error: Error) -> Fault {
    match error {
        Error::Request { source, .. } => request(source),
        Error::Send { source, .. } => send(source),
        Error::MpscRecv { source, .. } => many(source),
        Error::OneshotRecv { source, .. } => one(source),
        Error::Write { source, .. } => write(source),
    }
}

pub fn request(error: RequestError) -> Fault {
    Fault::new("rpc-request", format!("{error:#}"))
}

pub fn send(error: SendError) -> Fault {
    let kind = match &error {
        SendError::ReceiverClosed { .. } => "rpc-closed",
        SendError::MaxMessageSizeExceeded { .. } => "rpc-too-large",
        SendError::Io { .. } => "rpc-io",
    };
    Fault::new(kind, format!("{error:#}"))
}

pub fn write(error: WriteError) -> Fault {
    let kind = match &error {
        WriteError::MaxMessageSizeExceeded { .. } => "rpc-too-large",
        WriteError::Noq { .. } | WriteError::Io { .. } => "rpc-io",
    };
    Fault::new(kind, format!("{error:#}"))
}

pub fn many(error: mpsc::RecvError) -> Fault {
    let kind = match &error {
        mpsc::RecvError::MaxMessageSizeExceeded { .. } => "rpc-too-large",
        mpsc::RecvError::Io { .. } => "rpc-io",
    };
    Fault::new(kind, format!("{error:#}"))
}

pub fn one(error: oneshot::RecvError) -> Fault {
    let kind = match &error {
        oneshot::RecvError::MaxMessageSizeExceeded { .. } => "rpc-too-large",
        oneshot::RecvError::SenderClosed { .. } => "rpc-closed",
        oneshot::RecvError::Io { .. } => "rpc-io",
    };
    Fault::new(kind, format!("{error:#}"))
}

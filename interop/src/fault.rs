//! How things end: the JSON of an error and of a closed connection.

use iroh::endpoint::{
    ClosedStream, ConnectError, ConnectWithOptsError, ConnectingError, ConnectionError, ReadError,
    ResetError, SendDatagramError, StoppedError, VarInt, WriteError,
};
use serde::{Deserialize, Deserializer, Serialize};

/// An application code from a decimal string, 0 to 2^62 - 1.
#[derive(Clone, Copy)]
pub struct Code(pub VarInt);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let number: u64 = text.parse().map_err(serde::de::Error::custom)?;
        VarInt::from_u64(number).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Why a command failed, or how a connection ended.
///
/// `kind` of a connection's end: `local`, `remote` (an application close), `transport-local` and
/// `transport-remote` (which side detected it), `timeout`, `reset`, `version`. Of a stream:
/// `stopped`, `stream-reset`, `stream-closed`, `early-rejected`. Of a dial: `self`, `no-address`,
/// `dial-timeout`, `dial`. Of a datagram: `datagram-*`. Of a call: `rpc-*`, see `rpc_fault.rs`. `usage`: the test is wrong.
#[derive(Debug, Serialize)]
pub struct Fault {
    kind: &'static str,
    /// Decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    message: String,
}

impl Fault {
    pub fn new(kind: &'static str, message: impl ToString) -> Self {
        Self { kind, code: None, reason: None, message: message.to_string() }
    }

    /// The test asked for something that cannot be.
    pub fn usage(message: impl ToString) -> Self {
        Self::new("usage", message)
    }

    pub fn closed_stream(error: ClosedStream) -> Self {
        Self::new("stream-closed", error)
    }

    fn code(mut self, code: u64) -> Self {
        self.code = Some(code.to_string());
        self
    }

    fn reason(mut self, reason: &[u8]) -> Self {
        self.reason = Some(String::from_utf8_lossy(reason).into_owned());
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.kind, self.message)
    }
}

impl From<ConnectionError> for Fault {
    fn from(error: ConnectionError) -> Self {
        let message = error.to_string();
        match error {
            ConnectionError::LocallyClosed => Self::new("local", message),
            ConnectionError::ApplicationClosed(close) => Self::new("remote", message)
                .code(close.error_code.into_inner())
                .reason(&close.reason),
            ConnectionError::ConnectionClosed(close) => Self::new("transport-remote", message)
                .code(close.error_code.into())
                .reason(&close.reason),
            ConnectionError::TransportError(error) => Self::new("transport-local", message)
                .code(error.code.into())
                .reason(error.reason.as_bytes()),
            ConnectionError::TimedOut => Self::new("timeout", message),
            ConnectionError::Reset => Self::new("reset", message),
            ConnectionError::VersionMismatch => Self::new("version", message),
            ConnectionError::CidsExhausted => Self::new("cids", message),
        }
    }
}

impl From<ConnectingError> for Fault {
    fn from(error: ConnectingError) -> Self {
        match error {
            ConnectingError::ConnectionError { source, .. } => source.into(),
            other => Self::new("dial", other),
        }
    }
}

impl From<ConnectWithOptsError> for Fault {
    fn from(error: ConnectWithOptsError) -> Self {
        match &error {
            ConnectWithOptsError::SelfConnect { .. } => Self::new("self", error),
            ConnectWithOptsError::NoAddress { .. } => Self::new("no-address", error),
            _ => Self::new("dial", error),
        }
    }
}

impl From<ConnectError> for Fault {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Connect { source, .. } => source.into(),
            ConnectError::Connecting { source, .. } => source.into(),
            ConnectError::Connection { source, .. } => source.into(),
            other => Self::new("dial", other),
        }
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::new("stopped", "stopped").code(code.into_inner()),
            WriteError::ConnectionLost(end) => end.into(),
            WriteError::ClosedStream => Self::new("stream-closed", "closed stream"),
            WriteError::ZeroRttRejected => Self::new("early-rejected", "0-RTT rejected"),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::new("stream-reset", "reset").code(code.into_inner()),
            ReadError::ConnectionLost(end) => end.into(),
            ReadError::ClosedStream => Self::new("stream-closed", "closed stream"),
            ReadError::ZeroRttRejected => Self::new("early-rejected", "0-RTT rejected"),
        }
    }
}

impl From<StoppedError> for Fault {
    fn from(error: StoppedError) -> Self {
        WriteError::from(error).into()
    }
}

impl From<ResetError> for Fault {
    fn from(error: ResetError) -> Self {
        ReadError::from(error).into()
    }
}

impl From<SendDatagramError> for Fault {
    fn from(error: SendDatagramError) -> Self {
        let message = error.to_string();
        match error {
            SendDatagramError::UnsupportedByPeer => Self::new("datagram-unsupported", message),
            SendDatagramError::Disabled => Self::new("datagram-disabled", message),
            SendDatagramError::TooLarge => Self::new("datagram-too-large", message),
            SendDatagramError::ConnectionLost(end) => end.into(),
        }
    }
}

//! The one shape of a failed operation.
//!
//! quinn has an enum for each operation already; every failure of those maps to one code here, with the facts that
//! code may carry. Mirroring the enums once more would add types and no knowledge.

use std::fmt;

use bytes::Bytes;
use gaiwan_base::{Coded, ErrorCode};
use quinn::{ConnectionError, ReadError, SendDatagramError, StoppedError, WriteError};

use crate::{
    close::{CloseInfo, ClosedBy, printable},
    connection::Side,
};

/// TLS alert `no_application_protocol` (RFC 7301, section 3.2).
pub(crate) const ALERT_NO_ALPN: u8 = 120;
/// TLS alert `unknown_ca` (RFC 8446, section 6.2): how the dialer's verifier refuses a key other than the dialed one.
pub(crate) const ALERT_UNKNOWN_CA: u8 = 48;
/// QUIC transport code CONNECTION_REFUSED (RFC 9000, section 20.1).
const CONNECTION_REFUSED: u64 = 0x2;
/// QUIC transport code APPLICATION_ERROR (RFC 9000, section 20.1): an application's close that had to travel before
/// the handshake was confirmed, without its code and reason (section 10.2.3).
const APPLICATION_ERROR: u64 = 0xc;

/// Why an operation failed: a stable code, a text for people, and the facts that belong to the code.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Stable, see [`ErrorCode`].
    pub code: ErrorCode,
    /// For people; never parsed.
    pub message: String,
    /// The peer's own code, where it sent one.
    pub application_code: Option<u64>,
    /// The peer's text, untrusted.
    pub reason: Option<String>,
    /// How the connection ended, with `CONNECTION_LOST`.
    pub by: Option<ClosedBy>,
    /// The TLS alert, with `HANDSHAKE_FAILED`.
    pub alert: Option<u8>,
    /// How far a read came, with `STREAM_ENDED_EARLY`.
    pub bytes_read: Option<u64>,
}

impl Failure {
    /// A failure with nothing but a code and a text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            application_code: None,
            reason: None,
            by: None,
            alert: None,
            bytes_read: None,
        }
    }

    fn with_application_code(mut self, code: u64) -> Self {
        self.application_code = Some(code);
        self
    }

    /// What a dial or an accept, seen from `side`, reports when the handshake did not end well.
    pub fn handshake(error: &ConnectionError, side: Side) -> Self {
        use ErrorCode as Code;
        let text = printable(error.to_string().as_bytes());
        match error {
            ConnectionError::TimedOut => {
                Self::new(Code::HandshakeTimeout, "no answer within the idle timeout")
            }
            ConnectionError::ConnectionClosed(close) => {
                let code = u64::from(close.error_code);
                if code == CONNECTION_REFUSED {
                    Self::new(Code::ConnectionRefused, "the peer refused the connection")
                } else if code == APPLICATION_ERROR {
                    Self::new(Code::ConnectionClosed, "the peer closed during the handshake")
                } else {
                    Self::alert(code).unwrap_or_else(|| Self::new(Code::HandshakeFailed, text))
                }
            }
            ConnectionError::TransportError(error) => {
                let code = u64::from(error.code);
                // An acceptor takes any key; it sends this alert to a dialer that shows more than one.
                if code == 0x100 + u64::from(ALERT_UNKNOWN_CA) && side == Side::Client {
                    return Self::new(
                        Code::PeerKeyMismatch,
                        "whoever answered does not hold the key of the endpoint id that was dialed",
                    );
                }
                Self::alert(code).unwrap_or_else(|| Self::new(Code::HandshakeFailed, text))
            }
            ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => {
                Self::new(Code::HandshakeFailed, text)
            }
            ConnectionError::ApplicationClosed(_)
            | ConnectionError::Reset
            | ConnectionError::LocallyClosed => Self::connection(error),
        }
    }

    /// A CRYPTO_ERROR transport code carries a TLS alert in its low byte (RFC 9001, section 4.8).
    fn alert(code: u64) -> Option<Self> {
        let alert = u8::try_from(code.checked_sub(0x100)?).ok()?;
        Some(if alert == ALERT_NO_ALPN {
            Self::new(ErrorCode::AlpnMismatch, "the peer speaks none of the offered ALPNs")
        } else {
            let text = format!("the TLS handshake failed with alert {alert}");
            Self { alert: Some(alert), ..Self::new(ErrorCode::HandshakeFailed, text) }
        })
    }

    /// What a call on an established connection reports once that has ended.
    pub fn connection(error: &ConnectionError) -> Self {
        let info = CloseInfo::from(error);
        let reason = (!info.reason.is_empty()).then(|| info.reason_text());
        match info.by {
            ClosedBy::Local => {
                Self::new(ErrorCode::LocallyClosed, "the connection was closed by this side")
            }
            ClosedBy::Remote => {
                let code = info.code.unwrap_or(0);
                let text = format!("the peer closed the connection with code {code}");
                Self { reason, ..Self::new(ErrorCode::ConnectionClosed, text) }
                    .with_application_code(code)
            }
            by => {
                let text =
                    format!("the connection was lost: {}", printable(error.to_string().as_bytes()));
                Self { reason, by: Some(by), ..Self::new(ErrorCode::ConnectionLost, text) }
            }
        }
    }

    /// What `write` and `finish` report.
    pub fn write(error: &WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::stopped(code.into_inner()),
            WriteError::ConnectionLost(error) => Self::connection(error),
            WriteError::ClosedStream => Self::stream_closed(),
            WriteError::ZeroRttRejected => Self::early_rejected(),
        }
    }

    /// What a read reports.
    pub fn read(error: &ReadError) -> Self {
        match error {
            ReadError::Reset(code) => {
                let code = code.into_inner();
                Self::new(
                    ErrorCode::StreamReset,
                    format!("the peer reset the stream with code {code}"),
                )
                .with_application_code(code)
            }
            ReadError::ConnectionLost(error) => Self::connection(error),
            ReadError::ClosedStream => {
                Self::new(ErrorCode::StreamClosed, "the stream was stopped by this side")
            }
            ReadError::ZeroRttRejected => Self::early_rejected(),
            ReadError::IllegalOrderedRead => {
                Self::new(ErrorCode::Internal, "ordered read after an unordered one")
            }
        }
    }

    /// What waiting for `stopped` reports when it can't be known any more.
    pub fn stopped_error(error: &StoppedError) -> Self {
        match error {
            StoppedError::ConnectionLost(error) => Self::connection(error),
            StoppedError::ZeroRttRejected => Self::early_rejected(),
        }
    }

    /// What sending a datagram reports.
    pub fn datagram(error: &SendDatagramError) -> Self {
        match error {
            SendDatagramError::UnsupportedByPeer => {
                Self::new(ErrorCode::DatagramUnsupported, "the peer takes no datagrams")
            }
            SendDatagramError::Disabled => {
                Self::new(ErrorCode::DatagramDisabled, "datagrams are switched off at this side")
            }
            SendDatagramError::TooLarge => Self::new(
                ErrorCode::DatagramTooLarge,
                "the datagram is larger than maxDatagramBytes",
            ),
            SendDatagramError::ConnectionLost(error) => Self::connection(error),
        }
    }

    /// The peer reads no more of a stream (STOP_SENDING, RFC 9000, section 19.5).
    pub fn stopped(code: u64) -> Self {
        Self::new(ErrorCode::StreamStopped, format!("the peer stopped the stream with code {code}"))
            .with_application_code(code)
    }

    /// A write or finish after finish or reset.
    pub fn stream_closed() -> Self {
        Self::new(ErrorCode::StreamClosed, "the stream is finished or reset")
    }

    /// More bytes than the caller's limit.
    pub fn too_long(limit: u64) -> Self {
        Self::new(ErrorCode::StreamTooLong, format!("the stream holds more than {limit} bytes"))
    }

    /// A call after the endpoint was closed.
    pub fn endpoint_closed() -> Self {
        Self::new(ErrorCode::EndpointClosed, "the endpoint is closed")
    }

    fn early_rejected() -> Self {
        Self::new(ErrorCode::EarlyDataRejected, "the peer did not take the early data")
    }
}

impl Coded for Failure {
    fn code(&self) -> ErrorCode {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Failure {}

/// The reason that a `close` sends: at most 1 KiB, so that it fits a packet on every path.
pub(crate) fn cut_reason(reason: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&reason[..reason.len().min(1024)])
}

#[cfg(test)]
mod tests {
    use quinn::{ConnectionClose, TransportErrorCode};

    use super::*;

    fn closed(code: TransportErrorCode) -> ConnectionError {
        let reason = Bytes::from_static(b"\x1b[31mred");
        ConnectionError::ConnectionClosed(ConnectionClose {
            error_code: code,
            frame_type: None,
            reason,
        })
    }

    #[test]
    fn every_end_of_a_handshake_has_its_code_at_both_sides() {
        let cases = [
            (closed(TransportErrorCode::CONNECTION_REFUSED), ErrorCode::ConnectionRefused, None),
            (closed(TransportErrorCode::crypto(ALERT_NO_ALPN)), ErrorCode::AlpnMismatch, None),
            (closed(TransportErrorCode::crypto(48)), ErrorCode::HandshakeFailed, Some(48)),
            (closed(TransportErrorCode::crypto(116)), ErrorCode::HandshakeFailed, Some(116)),
            (closed(TransportErrorCode::crypto(0)), ErrorCode::HandshakeFailed, Some(0)),
            (closed(TransportErrorCode::APPLICATION_ERROR), ErrorCode::ConnectionClosed, None),
            (closed(TransportErrorCode::INTERNAL_ERROR), ErrorCode::HandshakeFailed, None),
            (ConnectionError::VersionMismatch, ErrorCode::HandshakeFailed, None),
            (ConnectionError::CidsExhausted, ErrorCode::HandshakeFailed, None),
            (ConnectionError::TimedOut, ErrorCode::HandshakeTimeout, None),
            (ConnectionError::Reset, ErrorCode::ConnectionLost, None),
            (ConnectionError::LocallyClosed, ErrorCode::LocallyClosed, None),
        ];
        for (error, code, alert) in cases {
            for side in [Side::Client, Side::Server] {
                let failure = Failure::handshake(&error, side);
                assert_eq!((failure.code, failure.alert), (code, alert), "{error:?}");
                assert!(!failure.to_string().contains('\x1b'), "{failure}");
            }
        }
    }

    #[test]
    fn a_reason_is_cut_and_never_grows() {
        for length in [0, 1, 1023, 1024, 1025, 100_000] {
            assert_eq!(cut_reason(&vec![7; length]).len(), length.min(1024));
        }
    }
}

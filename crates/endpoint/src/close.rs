//! How a connection ended.

use bytes::Bytes;
use quinn::ConnectionError;

/// Who or what ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// This side, by `close` or by dropping the last handle.
    Local,
    /// The peer's application (CONNECTION_CLOSE of type 0x1d, RFC 9000, section 19.19).
    Remote,
    /// Silence for longer than the idle timeout.
    Timeout,
    /// A stateless reset (RFC 9000, section 10.3): the peer lost its state.
    Reset,
    /// A transport error found by either side; the code is a transport code.
    Transport,
}

impl ClosedBy {
    /// The published text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Transport => "transport",
        }
    }
}

/// The end of a connection.
#[derive(Debug, Clone)]
pub struct CloseInfo {
    /// Who ended it.
    pub by: ClosedBy,
    /// An application code by `Local` and `Remote`, a transport code by `Transport`, else none.
    pub code: Option<u64>,
    /// The text that came with it, untrusted.
    pub reason: Bytes,
}

impl CloseInfo {
    /// The reason with control characters escaped, fit for logs and terminals.
    pub fn reason_text(&self) -> String {
        printable(&self.reason)
    }
}

impl From<&ConnectionError> for CloseInfo {
    fn from(error: &ConnectionError) -> Self {
        let (by, code, reason) = match error {
            ConnectionError::LocallyClosed => (ClosedBy::Local, Some(0), Bytes::new()),
            ConnectionError::ApplicationClosed(close) => {
                (ClosedBy::Remote, Some(close.error_code.into_inner()), close.reason.clone())
            }
            ConnectionError::ConnectionClosed(close) => {
                (ClosedBy::Transport, Some(close.error_code.into()), close.reason.clone())
            }
            ConnectionError::TransportError(error) => {
                (ClosedBy::Transport, Some(error.code.into()), Bytes::from(error.reason.clone()))
            }
            ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => {
                (ClosedBy::Transport, Some(0x1), Bytes::from(error.to_string()))
            }
            ConnectionError::TimedOut => (ClosedBy::Timeout, None, Bytes::new()),
            ConnectionError::Reset => (ClosedBy::Reset, None, Bytes::new()),
        };
        Self { by, code, reason }
    }
}

/// Text of a peer with control characters escaped, so that it can't steer a terminal or forge log lines.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() || steers_layout(c) {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// Line separators and the marks of the bidirectional algorithm (UAX 9): no control characters to Rust, yet they
/// break lines and turn text around.
fn steers_layout(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use quinn::{ApplicationClose, TransportErrorCode, VarInt};

    use super::*;

    #[test]
    fn a_peers_text_cannot_steer_a_terminal() {
        assert_eq!(printable(b"a\x1b[31m\nb\xff"), "a\\u{1b}[31m\\nb\u{fffd}");
        assert_eq!(printable("\u{202e}abc\u{2028}\u{9b}31m".as_bytes()), {
            "\\u{202e}abc\\u{2028}\\u{9b}31m"
        });
        for plain in ["", "enough", "C:\\tea \"hot\"", "茶碗 🍵"] {
            assert_eq!(printable(plain.as_bytes()), plain);
        }
    }

    /// Numbers from a fixed seed (xorshift), so that a failure comes again.
    fn random(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    /// Bytes of all kinds: arbitrary, ASCII with controls, and characters from the planes where the troublesome live.
    fn random_text(state: &mut u64) -> Vec<u8> {
        let (kind, length) = (random(state) % 3, random(state) % 200);
        let mut bytes = Vec::new();
        for _ in 0..length {
            let n = random(state);
            match kind {
                0 => bytes.push(n as u8),
                1 => bytes.push(n as u8 % 128),
                _ => {
                    let c = char::from_u32(0x2000 + n as u32 % 0x80).expect("no surrogate");
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        bytes
    }

    #[test]
    fn no_bytes_make_a_text_that_steers_and_nothing_else_is_changed() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..5_000 {
            let bytes = random_text(&mut state);
            let text = printable(&bytes);
            assert!(!text.chars().any(|c| c.is_control() || steers_layout(c)), "{bytes:?}");
            let decoded = String::from_utf8_lossy(&bytes);
            let harmless = |c: &char| !c.is_control() && !steers_layout(*c);
            if decoded.chars().all(|c| harmless(&c)) {
                assert_eq!(text, decoded);
            }
            // What was harmless is there in its order; only escapes were put in between.
            let mut rest = text.chars();
            assert!(decoded.chars().filter(harmless).all(|c| rest.any(|other| other == c)));
            assert_eq!(printable(text.as_bytes()), text, "escaping twice adds nothing");
        }
    }

    #[test]
    fn an_end_keeps_the_code_and_the_bytes_that_the_peer_sent() {
        let mut state = 7;
        for _ in 0..1_000 {
            let reason = Bytes::from(random_text(&mut state));
            let code = random(&mut state) >> 2;
            let error_code = VarInt::from_u64(code).expect("62 bits");
            let close = ApplicationClose { error_code, reason: reason.clone() };
            let info = CloseInfo::from(&ConnectionError::ApplicationClosed(close));
            assert_eq!((info.by, info.code), (ClosedBy::Remote, Some(code)));
            assert_eq!(info.reason, reason);
            assert_eq!(info.reason_text(), printable(&reason));

            let alert = random(&mut state) as u8;
            let close = quinn::ConnectionClose {
                error_code: TransportErrorCode::crypto(alert),
                frame_type: None,
                reason: reason.clone(),
            };
            let info = CloseInfo::from(&ConnectionError::ConnectionClosed(close));
            assert_eq!((info.by, info.code), (ClosedBy::Transport, Some(0x100 + u64::from(alert))));
            assert_eq!(info.reason, reason);
        }
    }

    #[test]
    fn an_end_without_a_peers_word_has_no_code() {
        for (error, by) in [
            (ConnectionError::TimedOut, ClosedBy::Timeout),
            (ConnectionError::Reset, ClosedBy::Reset),
        ] {
            let info = CloseInfo::from(&error);
            assert_eq!((info.by, info.code, info.reason.len()), (by, None, 0));
            assert_eq!(info.by.as_str(), format!("{by:?}").to_lowercase());
        }
        let info = CloseInfo::from(&ConnectionError::LocallyClosed);
        assert_eq!((info.by, info.code), (ClosedBy::Local, Some(0)));
        for error in [ConnectionError::VersionMismatch, ConnectionError::CidsExhausted] {
            assert_eq!(CloseInfo::from(&error).by, ClosedBy::Transport);
        }
    }
}

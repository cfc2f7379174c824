//! The list of error codes, the contract between this package and its users.

use std::fmt;

/// Declares [`ErrorCode`] with its texts, so that no variant can miss one.
macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// What went wrong, as a name that never changes once it is published.
        ///
        /// Messages may be reworded at any time, codes may not. The variants are those that the
        /// endpoint and its streams can give; a protocol adds its own when it arrives.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl ErrorCode {
            /// Every code once, in the order of declaration.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The published text, such as `ALPN_MISMATCH`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $text,)+
                }
            }
        }
    };
}

error_codes! {
    /// A Rust task panicked; only its connection or store is gone.
    Internal = "INTERNAL",
    /// No native binary fits this platform.
    NativeNotFound = "NATIVE_NOT_FOUND",
    /// The peer broke the rules of an application protocol.
    ProtocolViolation = "PROTOCOL_VIOLATION",
    /// An exchange made no progress within its time limit.
    Timeout = "TIMEOUT",
    /// A socket could not be opened or the TLS identity not set up.
    BindFailed = "BIND_FAILED",
    /// A call after the endpoint was closed.
    EndpointClosed = "ENDPOINT_CLOSED",
    /// Nothing to dial: no address was given and no lookup is set.
    NoAddress = "NO_ADDRESS",
    /// Every lookup failed.
    LookupFailed = "LOOKUP_FAILED",
    /// The id to dial is our own.
    SelfDial = "SELF_DIAL",
    /// A hook said no before the dial.
    DialRejected = "DIAL_REJECTED",
    /// As many connections are open as the endpoint may have.
    LimitReached = "LIMIT_REACHED",
    /// The handshake did not end within its limit.
    HandshakeTimeout = "HANDSHAKE_TIMEOUT",
    /// The peer refused before the handshake (RFC 9000, section 20.1, code 2).
    ConnectionRefused = "CONNECTION_REFUSED",
    /// No ALPN in common (TLS alert 120).
    AlpnMismatch = "ALPN_MISMATCH",
    /// Whoever answered does not hold the key of the id that was dialled.
    PeerKeyMismatch = "PEER_KEY_MISMATCH",
    /// Any other TLS or version failure.
    HandshakeFailed = "HANDSHAKE_FAILED",
    /// The peer showed no usable key, or its id is not known yet (0-RTT).
    PeerUnauthenticated = "PEER_UNAUTHENTICATED",
    /// Retry of an attempt whose address is validated already.
    RetryNotAllowed = "RETRY_NOT_ALLOWED",
    /// A second decision on one incoming attempt.
    IncomingDecided = "INCOMING_DECIDED",
    /// A handler, a hook or a switched-off feature says no.
    NotAllowed = "NOT_ALLOWED",
    /// The peer's application closed the connection.
    ConnectionClosed = "CONNECTION_CLOSED",
    /// Timeout, reset or transport failure after the handshake.
    ConnectionLost = "CONNECTION_LOST",
    /// We closed the connection.
    LocallyClosed = "LOCALLY_CLOSED",
    /// The peer reads no more of this stream.
    StreamStopped = "STREAM_STOPPED",
    /// The peer reset this stream.
    StreamReset = "STREAM_RESET",
    /// Write or finish after finish or reset.
    StreamClosed = "STREAM_CLOSED",
    /// More bytes than the reader's limit.
    StreamTooLong = "STREAM_TOO_LONG",
    /// The stream ended before an exact read had its bytes.
    StreamEndedEarly = "STREAM_ENDED_EARLY",
    /// The peer did not take our early data; streams opened before are dead.
    EarlyDataRejected = "EARLY_DATA_REJECTED",
    /// The peer takes no datagrams.
    DatagramUnsupported = "DATAGRAM_UNSUPPORTED",
    /// Datagrams are switched off at our side.
    DatagramDisabled = "DATAGRAM_DISABLED",
    /// Over the size that the path carries now.
    DatagramTooLarge = "DATAGRAM_TOO_LARGE",
    /// Over what one message can be.
    MessageTooLarge = "MESSAGE_TOO_LARGE",
    /// The store can't be read or written; the message says what failed.
    StoreFailed = "STORE_FAILED",
    /// Another owner has the directory.
    StoreLocked = "STORE_LOCKED",
    /// A call after the store was closed.
    StoreClosed = "STORE_CLOSED",
    /// The store's limit or the disk is full.
    StoreFull = "STORE_FULL",
    /// Too many blobs are being filled at once.
    StoreBusy = "STORE_BUSY",
    /// Nothing of the blob is here, or at the peer.
    BlobNotFound = "BLOB_NOT_FOUND",
    /// Only a part of the blob is here.
    BlobIncomplete = "BLOB_INCOMPLETE",
    /// What is stored no longer matches its hash.
    BlobCorrupt = "BLOB_CORRUPT",
    /// A tag, a batch or a running operation holds the blob.
    BlobProtected = "BLOB_PROTECTED",
    /// Over a limit of bytes.
    BlobTooLarge = "BLOB_TOO_LARGE",
    /// A peer sent bytes that do not match the hash.
    HashMismatch = "HASH_MISMATCH",
    /// A blob is no collection.
    CollectionInvalid = "COLLECTION_INVALID",
    /// A name that must not become a path.
    UnsafeName = "UNSAFE_NAME",
    /// Something lies where the export should go.
    TargetExists = "TARGET_EXISTS",
    /// There is no tag of that name.
    TagNotFound = "TAG_NOT_FOUND",
    /// No provider is left to ask.
    NoProvider = "NO_PROVIDER",
    /// The provider answered with code 1: not allowed.
    ProviderRefused = "PROVIDER_REFUSED",
    /// The provider answered with code 2: over a limit of its own.
    ProviderBusy = "PROVIDER_BUSY",
    /// The provider answered with code 3, or with one that means nothing: its own trouble.
    ProviderFailed = "PROVIDER_FAILED",
    /// No neighbor within the time given.
    JoinTimeout = "JOIN_TIMEOUT",
    /// A call on a topic that was left.
    TopicClosed = "TOPIC_CLOSED",
    /// A call after the gossip instance was shut down.
    GossipClosed = "GOSSIP_CLOSED",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error that knows its code.
pub trait Coded {
    /// The code under which users can tell this failure from others.
    fn code(&self) -> ErrorCode;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_the_screaming_form_of_its_variant() {
        for code in ErrorCode::ALL {
            let mut expected = String::new();
            for (at, letter) in format!("{code:?}").char_indices() {
                if at > 0 && letter.is_ascii_uppercase() {
                    expected.push('_');
                }
                expected.push(letter.to_ascii_uppercase());
            }
            assert_eq!(code.as_str(), expected);
        }
    }

    #[test]
    fn no_text_names_two_codes() {
        let texts: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
    }
}

//! The name of an application protocol.

use std::fmt;

/// Why bytes are no ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an ALPN has 1 to 255 bytes, this one has {length}")]
pub struct AlpnError {
    /// Bytes that were given.
    pub length: usize,
}

/// A protocol name as it stands in the TLS handshake (RFC 7301, section 3.1): 1 to 255 bytes,
/// compared byte by byte. It travels readable by anyone on the path, so it holds no secret.
///
/// ```
/// use gaiwan_base::Alpn;
///
/// let alpn = Alpn::new(b"example/echo/0").unwrap();
/// assert_eq!(alpn.to_string(), "example/echo/0");
/// assert!(Alpn::new(b"").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alpn(Box<[u8]>);

impl Alpn {
    /// Most bytes a name can have: its length is one byte on the wire.
    pub const MAX_LENGTH: usize = 255;

    /// Takes a copy of `name`; fails with [`AlpnError`] unless it has 1 to 255 bytes.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, AlpnError> {
        let name = name.as_ref();
        match name.len() {
            1..=Self::MAX_LENGTH => Ok(Self(name.into())),
            length => Err(AlpnError { length }),
        }
    }

    /// The name as it goes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Alpn {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Alpn> for Vec<u8> {
    fn from(alpn: Alpn) -> Self {
        alpn.0.into_vec()
    }
}

impl TryFrom<Vec<u8>> for Alpn {
    type Error = AlpnError;

    fn try_from(name: Vec<u8>) -> Result<Self, AlpnError> {
        match name.len() {
            1..=Self::MAX_LENGTH => Ok(Self(name.into())),
            length => Err(AlpnError { length }),
        }
    }
}

/// Printable ASCII as it is, a backslash doubled, any other byte as `\xNN`. A peer chooses these
/// bytes, so nothing of them may reach a log or terminal raw.
impl fmt::Display for Alpn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in &self.0 {
            match byte {
                b'\\' => f.write_str("\\\\")?,
                b' '..=b'~' => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Alpn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alpn({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_255_bytes() {
        for length in [1, 255] {
            assert_eq!(Alpn::new(vec![7; length]).unwrap().as_bytes().len(), length);
            assert_eq!(Alpn::try_from(vec![7; length]).unwrap().as_bytes().len(), length);
        }
        for length in [0, 256, 70_000] {
            assert_eq!(Alpn::new(vec![7; length]), Err(AlpnError { length }));
            assert_eq!(Alpn::try_from(vec![7; length]), Err(AlpnError { length }));
        }
    }

    #[test]
    fn names_are_compared_by_their_bytes() {
        assert_ne!(Alpn::new("Echo").unwrap(), Alpn::new("echo").unwrap());
        assert_eq!(Vec::from(Alpn::new("echo").unwrap()), b"echo");
    }

    #[test]
    fn a_printed_name_is_plain_ascii_and_tells_names_apart() {
        let text = |name: &[u8]| Alpn::new(name).unwrap().to_string();
        assert_eq!(text(b"/iroh-bytes/4"), "/iroh-bytes/4");
        assert_eq!(text(b"a\x1b[31m\n\xff"), "a\\x1b[31m\\x0a\\xff");
        assert_ne!(text(b"\\x0a"), text(b"\n"));
    }
}

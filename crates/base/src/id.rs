//! The public half of an identity, in every form it is written in.

use std::{fmt, str::FromStr};

use data_encoding::{BASE32_DNSSEC, BASE32_NOPAD, HEXLOWER};

use crate::key::{KeyError, SIGNATURE_LENGTH, parse_32_bytes};

/// Bytes of an id as SubjectPublicKeyInfo.
pub const SPKI_LENGTH: usize = SPKI_PREFIX.len() + EndpointId::LENGTH;

/// DER of an Ed25519 SubjectPublicKeyInfo up to the key itself (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What follows the id in the name that the TLS verifier sees; agrees with iroh 1.4.1, `src/tls/name.rs`.
const SERVER_NAME_SUFFIX: &str = ".iroh.invalid";

/// Names an endpoint: its Ed25519 public key, a compressed point of 32 bytes.
///
/// A value always decompresses. It may still have small order, and then no signature is ever by it:
/// such an id can be named and not connected to. Ordered by its bytes.
///
/// ```
/// use gaiwan_base::{EndpointId, SecretKey};
///
/// let id = SecretKey::from_bytes(&[0; 32]).id();
/// assert_eq!(id.to_hex(), "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29");
/// assert_eq!(EndpointId::parse(&id.to_hex()), Ok(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(iroh_base::EndpointId);

/// Ids that a thread remembers; few enough that looking through them costs less than one check.
const REMEMBERED: usize = 16;

thread_local! {
    static RECENT: std::cell::RefCell<Vec<EndpointId>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl EndpointId {
    /// Bytes of an id.
    pub const LENGTH: usize = 32;

    /// Takes 32 bytes that are a compressed point; else [`KeyError::NotAPoint`].
    ///
    /// Decompressing costs microseconds and one handshake names the same id several times, so each thread remembers
    /// the last ones that were points.
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Result<Self, KeyError> {
        RECENT.with_borrow_mut(|recent| {
            if let Some(id) = recent.iter().find(|id| id.as_bytes() == bytes) {
                return Ok(*id);
            }
            let id = iroh_base::EndpointId::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
            recent.truncate(REMEMBERED - 1);
            recent.insert(0, Self(id));
            Ok(Self(id))
        })
    }

    /// Reads 64 lowercase hex digits or 52 base32 characters (RFC 4648, no padding) in either case.
    ///
    /// Fails with [`KeyError::Length`], [`KeyError::Hex`], [`KeyError::Base32`] or
    /// [`KeyError::NotAPoint`]. Z-base-32 also has 52 characters, so it is never guessed: see
    /// [`EndpointId::from_z32`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(&*parse_32_bytes(text)?)
    }

    /// The compressed point.
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        self.0.as_bytes()
    }

    /// 64 lowercase hex digits, the form shown to users. `Display` gives the same.
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(self.as_bytes())
    }

    /// The first 10 hex digits, for logs. No parser takes them.
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.as_bytes()[..5])
    }

    /// 52 lowercase base32 characters, as in mDNS instance names.
    pub fn to_base32(&self) -> String {
        let mut text = BASE32_NOPAD.encode(self.as_bytes());
        text.make_ascii_lowercase();
        text
    }

    /// 52 z-base-32 characters, as pkarr and the DNS names of endpoints use them.
    pub fn to_z32(&self) -> String {
        self.0.to_z32()
    }

    /// Reads 52 z-base-32 characters, for pkarr and DNS only.
    ///
    /// Fails with [`KeyError::Length`], [`KeyError::Base32`] or [`KeyError::NotAPoint`].
    pub fn from_z32(text: &str) -> Result<Self, KeyError> {
        if text.len() != 52 {
            return Err(KeyError::Length);
        }
        iroh_base::EndpointId::from_z32(text).map(Self).map_err(|error| match error {
            iroh_base::KeyParsingError::InvalidKeyData { .. } => KeyError::NotAPoint,
            _ => KeyError::Base32,
        })
    }

    /// The id as SubjectPublicKeyInfo, which is the whole certificate of RFC 7250.
    pub fn spki(&self) -> [u8; SPKI_LENGTH] {
        let mut spki = [0; SPKI_LENGTH];
        let (prefix, key) = spki.split_at_mut(SPKI_PREFIX.len());
        prefix.copy_from_slice(&SPKI_PREFIX);
        key.copy_from_slice(self.as_bytes());
        spki
    }

    /// Reads exactly the bytes that [`EndpointId::spki`] gives.
    ///
    /// Fails with [`KeyError::Spki`] for another length, algorithm or encoding, and with
    /// [`KeyError::NotAPoint`].
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let key = spki.strip_prefix(&SPKI_PREFIX).ok_or(KeyError::Spki)?;
        Self::from_bytes(key.try_into().map_err(|_| KeyError::Spki)?)
    }

    /// The server name under which the dialer's TLS verifier knows this peer. It is never sent.
    pub fn server_name(&self) -> String {
        let mut name = BASE32_DNSSEC.encode(self.as_bytes());
        name.push_str(SERVER_NAME_SUFFIX);
        name
    }

    /// Reads what [`EndpointId::server_name`] gives, exactly three labels.
    ///
    /// Fails with [`KeyError::ServerName`] or [`KeyError::NotAPoint`].
    pub fn from_server_name(name: &str) -> Result<Self, KeyError> {
        let label = name.strip_suffix(SERVER_NAME_SUFFIX).ok_or(KeyError::ServerName)?;
        if label.len() != 52 {
            return Err(KeyError::ServerName);
        }
        let bytes = BASE32_DNSSEC.decode(label.as_bytes()).map_err(|_| KeyError::ServerName)?;
        Self::try_from(bytes.as_slice())
    }

    /// Checks that `signature` over `message` is by this id, by the strict rules: keys of small
    /// order and non-canonical signatures are refused.
    ///
    /// Fails with [`KeyError::Signature`], also when `signature` has not [`SIGNATURE_LENGTH`] bytes.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let signature: &[u8; SIGNATURE_LENGTH] =
            signature.try_into().map_err(|_| KeyError::Signature)?;
        let signature = iroh_base::Signature::from_bytes(signature);
        self.0.verify(message, &signature).map_err(|_| KeyError::Signature)
    }
}

impl TryFrom<&[u8]> for EndpointId {
    type Error = KeyError;

    /// Fails with [`KeyError::Length`] or [`KeyError::NotAPoint`].
    fn try_from(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::from_bytes(bytes.try_into().map_err(|_| KeyError::Length)?)
    }
}

impl FromStr for EndpointId {
    type Err = KeyError;

    /// The same as [`EndpointId::parse`].
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl From<iroh_base::EndpointId> for EndpointId {
    fn from(id: iroh_base::EndpointId) -> Self {
        Self(id)
    }
}

impl From<EndpointId> for iroh_base::EndpointId {
    fn from(id: EndpointId) -> Self {
        id.0
    }
}

impl fmt::Debug for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointId({})", self.short())
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    fn id() -> EndpointId {
        SecretKey::from_bytes(&[42; 32]).id()
    }

    #[test]
    fn an_id_that_is_printed_in_any_form_is_read_back() {
        assert_eq!(EndpointId::parse(&id().to_string()), Ok(id()));
        assert_eq!(EndpointId::parse(&id().to_base32()), Ok(id()));
        assert_eq!(EndpointId::from_z32(&id().to_z32()), Ok(id()));
        assert_eq!(EndpointId::from_spki(&id().spki()), Ok(id()));
        assert_eq!(EndpointId::from_server_name(&id().server_name()), Ok(id()));
        assert_eq!(EndpointId::try_from(&id().as_bytes()[..]), Ok(id()));
        assert_eq!(format!("{:?}", id()), "EndpointId(197f6b23e1)");
    }

    #[test]
    fn z_base_32_is_read_by_its_own_function_only() {
        assert_eq!(EndpointId::parse(&id().to_z32()), Err(KeyError::Base32));
        assert_eq!(EndpointId::from_z32(&id().to_hex()), Err(KeyError::Length));
        assert_eq!(EndpointId::from_z32(&"l".repeat(52)), Err(KeyError::Base32));
    }

    #[test]
    fn a_certificate_with_one_byte_changed_is_not_read_as_the_same_id() {
        let spki = id().spki();
        for at in 0..SPKI_LENGTH {
            let mut changed = spki;
            changed[at] ^= 1;
            assert_ne!(EndpointId::from_spki(&changed), Ok(id()), "byte {at}");
        }
        assert_eq!(EndpointId::from_spki(&spki[..43]), Err(KeyError::Spki));
        assert_eq!(EndpointId::from_spki(&[&spki[..], &[0]].concat()), Err(KeyError::Spki));
        assert_eq!(EndpointId::from_spki(&[]), Err(KeyError::Spki));
    }

    #[test]
    fn a_server_name_of_another_shape_is_refused() {
        let name = id().server_name();
        let cases = [
            format!("{name}."),
            format!("a.{name}"),
            name.replace("invalid", "example"),
            name.replacen(".iroh", "", 1),
            name[1..].to_string(),
            name.replacen('3', "z", 1),
            SERVER_NAME_SUFFIX.to_string(),
            String::new(),
        ];
        for name in cases {
            assert_eq!(EndpointId::from_server_name(&name), Err(KeyError::ServerName), "{name}");
        }
    }

    #[test]
    fn only_the_untouched_signature_of_the_same_message_verifies() {
        let key = SecretKey::from_bytes(&[42; 32]);
        let signature = key.sign(b"oolong");
        assert_eq!(id().verify(b"oolong", &signature), Ok(()));
        assert_eq!(id().verify(b"sencha", &signature), Err(KeyError::Signature));
        assert_eq!(id().verify(b"oolong", &signature[..63]), Err(KeyError::Signature));
        for at in 0..SIGNATURE_LENGTH {
            let mut changed = signature;
            changed[at] ^= 1;
            assert_eq!(id().verify(b"oolong", &changed), Err(KeyError::Signature), "byte {at}");
        }
    }

    #[test]
    fn a_key_of_small_order_verifies_nothing() {
        // The neutral element as key and R with s = 0 satisfies the plain equation for any message.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let small = EndpointId::from_bytes(&neutral).unwrap();
        let mut forged = [0; SIGNATURE_LENGTH];
        forged[0] = 1;
        assert_eq!(small.verify(b"anything", &forged), Err(KeyError::Signature));
    }

    #[test]
    fn a_signature_with_an_unreduced_scalar_is_refused() {
        // The order of the group, little endian (RFC 8032, section 5.1); s + L is the same scalar.
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut signature = SecretKey::from_bytes(&[42; 32]).sign(b"oolong");
        let mut carry = 0;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + add + carry;
            *byte = (sum & 0xff) as u8;
            carry = sum >> 8;
        }
        assert_eq!(carry, 0);
        assert_eq!(id().verify(b"oolong", &signature), Err(KeyError::Signature));
    }
}

//! The secret half of an identity.

use std::{fmt, str::FromStr};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

use crate::EndpointId;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_LENGTH: usize = 64;

/// Why bytes or text are no key, no id, or no signature of one.
///
/// The messages name the accepted form and never quote what was given: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither 64 nor 52 characters, or not 32 bytes.
    #[error("wrong length: expected 64 lowercase hex digits, 52 base32 characters or 32 bytes")]
    Length,
    /// 64 characters that are not all lowercase hex digits.
    #[error("64 characters that are not all lowercase hex digits")]
    Hex,
    /// 52 characters that are not 32 bytes in base32 (RFC 4648, no padding, last bits zero).
    #[error("52 characters that are not the base32 form of 32 bytes")]
    Base32,
    /// 32 bytes that do not decompress to a point of the curve.
    #[error("the 32 bytes are not an Ed25519 public key")]
    NotAPoint,
    /// A TLS server name of another form than `<52 characters>.iroh.invalid`.
    #[error("the server name does not carry an endpoint id")]
    ServerName,
    /// A certificate entry that is not the 44-byte Ed25519 public key info of RFC 8410.
    #[error("the certificate is not a raw Ed25519 public key")]
    Spki,
    /// The signature is malformed, or not by this key over this message.
    #[error("the signature is not valid")]
    Signature,
}

/// An Ed25519 key pair (RFC 8032), kept as its 32-byte seed.
///
/// The seed is wiped from memory on drop and is never printed: `Debug` and `Display` say
/// `SecretKey(redacted)`, and there is no serde form.
///
/// ```
/// use gaiwan_base::SecretKey;
///
/// let key = SecretKey::generate();
/// let signature = key.sign(b"tea at five");
/// assert!(key.id().verify(b"tea at five", &signature).is_ok());
/// ```
#[derive(Clone)]
pub struct SecretKey(iroh_base::SecretKey);

impl SecretKey {
    /// Bytes of the seed.
    pub const LENGTH: usize = 32;

    /// Makes a new key from the random source of the operating system.
    ///
    /// # Panics
    /// If the system has no random source; nothing that needs a key could go on.
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0; Self::LENGTH]);
        getrandom::fill(&mut *seed).expect("the operating system gives no random bytes");
        Self::from_bytes(&seed)
    }

    /// Takes 32 bytes as the seed; every value is a valid one.
    pub fn from_bytes(seed: &[u8; Self::LENGTH]) -> Self {
        Self(iroh_base::SecretKey::from_bytes(seed))
    }

    /// Reads 64 lowercase hex digits or 52 base32 characters in either case, and nothing else.
    ///
    /// Fails with [`KeyError::Length`], [`KeyError::Hex`] or [`KeyError::Base32`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Ok(Self::from_bytes(&*parse_32_bytes(text)?))
    }

    /// Copies the seed out; the copy is wiped on drop.
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LENGTH]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn id(&self) -> EndpointId {
        self.0.public().into()
    }

    /// Signs `message` with plain Ed25519: no context, no prehash.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LENGTH] {
        self.0.sign(message).to_bytes()
    }
}

impl TryFrom<&[u8]> for SecretKey {
    type Error = KeyError;

    /// Fails with [`KeyError::Length`] unless there are 32 bytes.
    fn try_from(seed: &[u8]) -> Result<Self, KeyError> {
        let seed = seed.try_into().map_err(|_| KeyError::Length)?;
        Ok(Self::from_bytes(seed))
    }
}

impl FromStr for SecretKey {
    type Err = KeyError;

    /// The same as [`SecretKey::parse`].
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Reads the two text forms of 32 bytes that keys and ids share.
///
/// Agrees with `decode_base32_hex` in iroh-base 1.4.1, `src/key.rs`; written anew because that one
/// leaves copies of a secret behind.
pub(crate) fn parse_32_bytes(text: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    match text.len() {
        64 => HEXLOWER.decode_mut(text.as_bytes(), &mut *bytes).map_err(|_| KeyError::Hex)?,
        52 => {
            let mut upper = Zeroizing::new([0; 52]);
            upper.copy_from_slice(text.as_bytes());
            upper.make_ascii_uppercase();
            BASE32_NOPAD.decode_mut(&*upper, &mut *bytes).map_err(|_| KeyError::Base32)?
        }
        _ => return Err(KeyError::Length),
    };
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_survives_its_bytes_and_its_text() {
        let key = SecretKey::generate();
        let bytes = key.to_bytes();
        assert_eq!(SecretKey::from_bytes(&bytes).id(), key.id());
        assert_eq!(SecretKey::parse(&HEXLOWER.encode(&*bytes)).unwrap().id(), key.id());
        assert_eq!(SecretKey::parse(&BASE32_NOPAD.encode(&*bytes)).unwrap().id(), key.id());
        assert_ne!(SecretKey::generate().id(), key.id());
    }

    #[test]
    fn no_printed_form_of_a_key_shows_its_bytes() {
        let key = SecretKey::from_bytes(&[0xab; 32]);
        for text in [format!("{key}"), format!("{key:?}"), format!("{key:#?}")] {
            assert_eq!(text, "SecretKey(redacted)");
        }
    }

    #[test]
    fn text_in_any_other_form_is_refused_without_being_quoted() {
        let hex = "ab".repeat(32);
        let base32 = BASE32_NOPAD.encode(&[0xab; 32]);
        let cases = [
            (hex.to_uppercase(), KeyError::Hex),
            (format!("0x{hex}"), KeyError::Length),
            (format!(" {hex}"), KeyError::Length),
            (format!("{hex}\n"), KeyError::Length),
            (format!("{base32}===="), KeyError::Length),
            (format!("1{}", &base32[1..]), KeyError::Base32),
            (format!("{}B", &base32[..51]), KeyError::Base32),
            ("é".repeat(26), KeyError::Base32),
            ("é".repeat(32), KeyError::Hex),
            (String::new(), KeyError::Length),
        ];
        for (text, expected) in cases {
            let error = SecretKey::parse(&text).unwrap_err();
            assert_eq!(error, expected, "{text:?}");
            assert!(!error.to_string().contains("abab"));
        }
        assert!(matches!(SecretKey::try_from(&[0; 31][..]), Err(KeyError::Length)));
    }

    #[test]
    fn base32_is_read_in_either_case_and_mixed() {
        let upper = BASE32_NOPAD.encode(&[0xab; 32]);
        let mixed = format!("{}{}", &upper[..26], upper[26..].to_lowercase());
        for text in [upper.to_lowercase(), mixed, upper] {
            assert_eq!(*SecretKey::parse(&text).unwrap().to_bytes(), [0xab; 32]);
        }
    }
}

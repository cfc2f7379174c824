//! The hash of a blob, and what kind of blob it names.

use std::{fmt, str::FromStr};

use data_encoding::{BASE32_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};

use crate::key::{KeyError, parse_32_bytes};

/// Why a text or bytes are no hash. Quotes nothing: whoever knows a hash can ask for its blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Neither 64 nor 52 characters, or not 32 bytes.
    #[error("wrong length: expected 64 lowercase hex digits, 52 base32 characters or 32 bytes")]
    Length,
    /// 64 characters that are not all lowercase hex digits.
    #[error("64 characters that are not all lowercase hex digits")]
    Hex,
    /// 52 characters that are not 32 bytes in base32 (RFC 4648, no padding, last bits zero).
    #[error("52 characters that are not the base32 form of 32 bytes")]
    Base32,
    /// Not 64 hex digits with at most an `s` in front, or not 33 bytes that end in 0 or 1.
    #[error("expected 64 hex digits, with an 's' in front for a hash sequence")]
    Format,
}

/// BLAKE3 of a blob's bytes, in its plain mode: 32 bytes, ordered by them.
///
/// This crate names hashes and computes none. In postcard a hash is its 32 bytes without a length.
/// Agrees with iroh-blobs 0.104.0, `src/hash.rs`.
///
/// ```
/// use gaiwan_base::Hash;
///
/// let text = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
/// assert_eq!(Hash::parse(text), Ok(Hash::EMPTY));
/// assert_eq!(Hash::EMPTY.to_string(), text);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Bytes of a hash.
    pub const LENGTH: usize = 32;

    /// The hash of no bytes at all. Its blob is everywhere and never needs to be stored.
    pub const EMPTY: Self = Self([
        0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9,
        0x49, 0x9b, 0xcb, 0x25, 0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f,
        0x32, 0x62,
    ]);

    /// Takes any 32 bytes: there is no hash that cannot be asked for.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// Reads 64 lowercase hex digits or 52 base32 characters (RFC 4648, no padding) in either case.
    ///
    /// Fails with [`HashError::Length`], [`HashError::Hex`] (upper case too) or [`HashError::Base32`].
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let bytes = parse_32_bytes(text).map_err(|error| match error {
            KeyError::Hex => HashError::Hex,
            KeyError::Base32 => HashError::Base32,
            _ => HashError::Length,
        })?;
        Ok(Self(*bytes))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// 64 lowercase hex digits, the form shown to users. `Display` gives the same.
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// 52 lowercase base32 characters.
    pub fn to_base32(&self) -> String {
        let mut text = BASE32_NOPAD.encode(&self.0);
        text.make_ascii_lowercase();
        text
    }

    /// The first 10 hex digits, for logs. No parser takes them.
    pub fn fmt_short(&self) -> String {
        HEXLOWER.encode(&self.0[..5])
    }
}

impl From<[u8; Hash::LENGTH]> for Hash {
    fn from(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = HashError;

    /// Fails with [`HashError::Length`].
    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        bytes.try_into().map(Self).map_err(|_| HashError::Length)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Hash {
    type Err = HashError;

    /// The same as [`Hash::parse`].
    fn from_str(text: &str) -> Result<Self, HashError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({})", self.fmt_short())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// Whether a hash names one blob, or a list of hashes with their blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum BlobFormat {
    /// The blob alone; 0 on the wire.
    #[default]
    Raw,
    /// The blob is read as hashes of 32 bytes each, and those blobs belong to it; 1 on the wire.
    HashSeq,
}

impl BlobFormat {
    /// The number on the wire, a postcard varint of one byte.
    pub const fn to_byte(self) -> u8 {
        self as u8
    }

    /// Reads the number; `None` above 1.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Raw),
            1 => Some(Self::HashSeq),
            _ => None,
        }
    }
}

/// A hash and what it is a hash of.
///
/// Text: 64 lowercase hex digits, with an `s` in front for a hash sequence. Postcard: the hash's
/// bytes, then the format's. Agrees with iroh-blobs 0.104.0, `src/hash.rs`.
///
/// ```
/// use gaiwan_base::{Hash, HashAndFormat};
///
/// let list = HashAndFormat::hash_seq(Hash::EMPTY);
/// assert_eq!(list.to_string(), format!("s{}", Hash::EMPTY));
/// assert_eq!(list.to_string().parse(), Ok(list));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashAndFormat {
    /// Which blob.
    pub hash: Hash,
    /// How it is read.
    pub format: BlobFormat,
}

impl HashAndFormat {
    /// Bytes of a value in postcard.
    pub const LENGTH: usize = Hash::LENGTH + 1;

    /// One blob.
    pub const fn raw(hash: Hash) -> Self {
        Self { hash, format: BlobFormat::Raw }
    }

    /// A list of hashes with their blobs.
    pub const fn hash_seq(hash: Hash) -> Self {
        Self { hash, format: BlobFormat::HashSeq }
    }

    /// The postcard form.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [self.format.to_byte(); Self::LENGTH];
        bytes[..Hash::LENGTH].copy_from_slice(&self.hash.0);
        bytes
    }
}

impl TryFrom<&[u8]> for HashAndFormat {
    type Error = HashError;

    /// Reads exactly what [`HashAndFormat::to_bytes`] gives; else [`HashError::Format`].
    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        let (format, hash) = bytes.split_last().ok_or(HashError::Format)?;
        let hash = Hash::try_from(hash).map_err(|_| HashError::Format)?;
        let format = BlobFormat::from_byte(*format).ok_or(HashError::Format)?;
        Ok(Self { hash, format })
    }
}

impl FromStr for HashAndFormat {
    type Err = HashError;

    /// Reads hex and the `s` in either case, as the reference does; no base32.
    ///
    /// Fails with [`HashError::Format`].
    fn from_str(text: &str) -> Result<Self, HashError> {
        let (format, hex) = match text.strip_prefix(['s', 'S']) {
            Some(hex) => (BlobFormat::HashSeq, hex),
            None => (BlobFormat::Raw, text),
        };
        let mut hash = [0; Hash::LENGTH];
        if hex.len() != 2 * Hash::LENGTH
            || HEXLOWER_PERMISSIVE.decode_mut(hex.as_bytes(), &mut hash).is_err()
        {
            return Err(HashError::Format);
        }
        Ok(Self { hash: Hash(hash), format })
    }
}

impl fmt::Display for HashAndFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.format {
            BlobFormat::Raw => "",
            BlobFormat::HashSeq => "s",
        };
        write!(f, "{prefix}{}", self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash() -> Hash {
        Hash::from_bytes(std::array::from_fn(|at| at as u8 * 8 + 3))
    }

    #[test]
    fn a_hash_that_is_printed_in_any_form_is_read_back() {
        assert_eq!(Hash::parse(&hash().to_string()), Ok(hash()));
        assert_eq!(Hash::parse(&hash().to_base32()), Ok(hash()));
        assert_eq!(Hash::parse(&hash().to_base32().to_uppercase()), Ok(hash()));
        assert_eq!(Hash::try_from(hash().as_ref()), Ok(hash()));
        assert_eq!(format!("{:?}", hash()), "Hash(030b131b23)");
        assert_eq!(hash().fmt_short(), hash().to_hex()[..10]);
    }

    #[test]
    fn a_text_of_another_shape_is_refused() {
        let hex = hash().to_hex();
        // The last of 52 characters carries one bit of the hash, so four of its five must be zero.
        let loose_bits = format!("{}b", "a".repeat(51));
        let cases = [
            (hex.to_uppercase(), HashError::Hex),
            (hex.replacen('0', "g", 1), HashError::Hex),
            (hex[1..].to_string(), HashError::Length),
            (format!("{hex}0"), HashError::Length),
            (String::new(), HashError::Length),
            (hash().to_base32().replacen('a', "1", 1).replacen('b', "1", 1), HashError::Base32),
            (loose_bits, HashError::Base32),
            (hash().to_base32()[1..].to_string(), HashError::Length),
            ("é".repeat(32), HashError::Hex),
            ("é".repeat(26), HashError::Base32),
        ];
        for (text, error) in cases {
            assert_eq!(Hash::parse(&text), Err(error), "{text}");
        }
        assert_eq!(Hash::try_from(&[0; 31][..]), Err(HashError::Length));
    }

    #[test]
    fn hashes_are_ordered_by_their_bytes() {
        let mut hashes = [[2; 32], [0; 32], [255; 32], [1; 32]].map(Hash::from);
        hashes.sort();
        assert_eq!(hashes.map(|hash| hash.as_bytes()[0]), [0, 1, 2, 255]);
    }

    #[test]
    fn hash_and_format_come_back_from_text_and_bytes() {
        for content in [HashAndFormat::raw(hash()), HashAndFormat::hash_seq(hash())] {
            assert_eq!(content.to_string().parse(), Ok(content));
            assert_eq!(content.to_string().to_uppercase().parse(), Ok(content));
            assert_eq!(HashAndFormat::try_from(&content.to_bytes()[..]), Ok(content));
        }
    }

    #[test]
    fn another_shape_of_hash_and_format_is_refused() {
        let hex = hash().to_hex();
        for text in [format!("ss{hex}"), format!("x{hex}"), hex[1..].into(), hash().to_base32()] {
            assert_eq!(text.parse::<HashAndFormat>(), Err(HashError::Format), "{text}");
        }
        let mut bytes = HashAndFormat::raw(hash()).to_bytes();
        bytes[32] = 2;
        for bytes in [&bytes[..], &bytes[..32], &[], &[0; 34]] {
            assert_eq!(HashAndFormat::try_from(bytes), Err(HashError::Format));
        }
    }
}

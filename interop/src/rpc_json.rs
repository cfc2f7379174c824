//! Values that JSON cannot carry as they are: one form for the commands, serde's own for the wire.
//!
//! serde tells the two apart: JSON is human readable, postcard is not.

use std::fmt::Display;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An integer: decimal text in JSON, which would round it beyond 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Big<T>(pub T);

impl<T: Display + Serialize> Serialize for Big<T> {
    fn serialize<S: Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
        if target.is_human_readable() {
            target.collect_str(&self.0)
        } else {
            self.0.serialize(target)
        }
    }
}

impl<'de, T: FromStr<Err: Display> + Deserialize<'de>> Deserialize<'de> for Big<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        if source.is_human_readable() {
            String::deserialize(source)?.parse().map(Self).map_err(D::Error::custom)
        } else {
            T::deserialize(source).map(Self)
        }
    }
}

/// A `Vec<u8>`: hex in JSON, or a number of zero bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
        if target.is_human_readable() {
            target.serialize_str(&HEXLOWER.encode(&self.0))
        } else {
            self.0.serialize(target)
        }
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        if !source.is_human_readable() {
            return Vec::deserialize(source).map(Self);
        }
        match Form::deserialize(source)? {
            Form::Zeros(count) => Ok(Self(vec![0; count])),
            Form::Text(hex) => HEXLOWER.decode(hex.as_bytes()).map(Self).map_err(D::Error::custom),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Zeros(usize),
    Text(String),
}

/// `[u8; 4]` with the attribute `serde_bytes`, which puts a count before it on the wire; hex in JSON.
pub mod counted {
    use serde::de::Error as _;

    use super::{Deserialize, Deserializer, HEXLOWER, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8; 4], target: S) -> Result<S::Ok, S::Error> {
        if target.is_human_readable() {
            target.serialize_str(&HEXLOWER.encode(bytes))
        } else {
            serde_bytes::serialize(bytes, target)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<[u8; 4], D::Error> {
        if source.is_human_readable() {
            super::four(&String::deserialize(source)?).map_err(D::Error::custom)
        } else {
            serde_bytes::deserialize(source)
        }
    }
}

/// `[u8; 4]` as it is, four bytes without a count; hex in JSON.
pub mod raw {
    use serde::de::Error as _;

    use super::{Deserialize, Deserializer, HEXLOWER, Serialize, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8; 4], target: S) -> Result<S::Ok, S::Error> {
        if target.is_human_readable() {
            target.serialize_str(&HEXLOWER.encode(bytes))
        } else {
            bytes.serialize(target)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<[u8; 4], D::Error> {
        if source.is_human_readable() {
            super::four(&String::deserialize(source)?).map_err(D::Error::custom)
        } else {
            <[u8; 4]>::deserialize(source)
        }
    }
}

/// `Option<Option<u8>>`: in JSON `null`, `{"some": null}` or `{"some": 5}`.
pub mod nested {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Outer {
        some: Option<u8>,
    }

    pub fn serialize<S: Serializer>(
        value: &Option<Option<u8>>,
        target: S,
    ) -> Result<S::Ok, S::Error> {
        if target.is_human_readable() {
            value.map(|some| Outer { some }).serialize(target)
        } else {
            value.serialize(target)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        source: D,
    ) -> Result<Option<Option<u8>>, D::Error> {
        if source.is_human_readable() {
            Ok(Option::<Outer>::deserialize(source)?.map(|outer| outer.some))
        } else {
            Option::deserialize(source)
        }
    }
}

fn four(hex: &str) -> Result<[u8; 4], String> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).map_err(|error| error.to_string())?;
    bytes.try_into().map_err(|_| "not four bytes".to_owned())
}

//! Faces `ts/endpoint/key.ts`.
//!
//! What can be wrong here is an argument, so the errors are plain ones: the facade turns them into
//! a `TypeError`. None quotes its argument.

use gaiwan_base::{EndpointId, KeyError, SecretKey, Zeroizing};
use napi::{Env, Error, Result, Status, bindgen_prelude::Uint8ArraySlice};
use napi_derive::napi;

/// An Ed25519 key pair. The seed stays in Rust and is wiped when the object is collected.
#[napi]
pub struct NativeSecretKey {
    key: SecretKey,
}

#[napi]
impl NativeSecretKey {
    /// A new key from the random source of the operating system.
    #[napi(factory, catch_unwind)]
    pub fn generate() -> Self {
        Self { key: SecretKey::generate() }
    }

    /// Copies 32 bytes as the seed; throws a plain Error when there are more or fewer.
    #[napi(factory)]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self { key: SecretKey::try_from(bytes).map_err(invalid)? })
    }

    /// Reads 64 lowercase hex digits or 52 base32 characters; throws a plain Error otherwise.
    #[napi(factory)]
    pub fn parse(text: String) -> Result<Self> {
        Ok(Self { key: SecretKey::parse(&Zeroizing::new(text)).map_err(invalid)? })
    }

    /// The public half, 64 lowercase hex digits.
    #[napi(getter)]
    pub fn id(&self) -> String {
        self.key.id().to_hex()
    }

    /// A copy of the 32 secret bytes, in memory of the JavaScript engine.
    #[napi]
    pub fn to_bytes<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>> {
        Uint8ArraySlice::copy_from(env, self.key.to_bytes().as_slice())
    }

    /// The 64 bytes of an Ed25519 signature.
    #[napi]
    pub fn sign<'env>(&self, env: &'env Env, message: &[u8]) -> Result<Uint8ArraySlice<'env>> {
        Uint8ArraySlice::copy_from(env, self.key.sign(message))
    }
}

impl NativeSecretKey {
    /// The key, for `bind`; the clone is wiped on its own drop.
    pub(crate) fn key(&self) -> SecretKey {
        self.key.clone()
    }
}

/// Reads an id as hex or base32 and answers lowercase hex; throws a plain Error when malformed.
#[napi]
pub fn parse_endpoint_id(text: String) -> Result<String> {
    Ok(EndpointId::parse(&text).map_err(invalid)?.to_hex())
}

/// Lowercase hex of a 32-byte id; throws a plain Error when the bytes are none.
#[napi]
pub fn endpoint_id_from_bytes(bytes: &[u8]) -> Result<String> {
    Ok(EndpointId::try_from(bytes).map_err(invalid)?.to_hex())
}

/// Whether `signature` over `message` is by `id`, by strict rules; a signature that has not 64
/// bytes is not. Throws a plain Error when the id is malformed.
#[napi]
pub fn verify_signature(id: String, message: &[u8], signature: &[u8]) -> Result<bool> {
    let id = EndpointId::parse(&id).map_err(invalid)?;
    Ok(id.verify(message, signature).is_ok())
}

fn invalid(error: KeyError) -> Error {
    Error::new(Status::InvalidArg, error.to_string())
}

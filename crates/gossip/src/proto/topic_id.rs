//! The name of a topic.

use std::fmt;

use data_encoding::HEXLOWER;

/// 32 bytes that name a topic. Whoever knows them can listen and speak: a capability, not access control.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 32]);

impl fmt::Display for TopicId {
    /// 64 lowercase hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({})", HEXLOWER.encode(&self.0[..5]))
    }
}

#[cfg(test)]
mod tests {
    use super::TopicId;

    #[test]
    fn a_topic_prints_as_64_hex_digits() {
        assert_eq!(TopicId([0xab; 32]).to_string(), "ab".repeat(32));
    }
}

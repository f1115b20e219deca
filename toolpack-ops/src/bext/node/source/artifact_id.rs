//! Which artifact: the hash of its content.

/// The hash of an artifact's content, as 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ArtifactId(pub(crate) String);

impl ArtifactId {
    /// Whether it is a hash: anything else, such as a path, names no artifact.
    pub(super) fn is_hash(&self) -> bool {
        self.0.len() == 64 && self.0.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

//! Whose share of the server's limits a request counts against.

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv6Addr},
};

use crate::principal::{Principal, PrincipalKind};

/// Whose share of the server's limits a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caller<'a> {
    /// A caller that is known by name.
    Principal {
        /// What sort of caller.
        kind: PrincipalKind,
        /// Its name, unique within its kind.
        subject: &'a str,
    },
    /// Whoever comes from there: an address of IPv4, or the first of the 2⁶⁴ that one customer of IPv6 has at the least.
    Network(IpAddr),
}

impl<'a> Caller<'a> {
    /// Who is behind a request of this principal from this address: the principal or, where it is nobody in particular, the
    /// address. Without one all who are nobody in particular are one caller.
    pub fn of(principal: &'a Principal, peer: Option<IpAddr>) -> Self {
        match (principal.kind(), peer) {
            (PrincipalKind::Anonymous, Some(peer)) => Self::from_address(peer),
            (kind, _) => Self::Principal { kind, subject: principal.subject() },
        }
    }

    /// Whoever comes from this address. An address of IPv4 in the form of IPv6 is the one that it stands for.
    pub fn from_address(peer: IpAddr) -> Self {
        Self::Network(match peer.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address => address,
        })
    }

    /// Whether it is a process of the same user on the same machine.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Principal { kind: PrincipalKind::Local, .. })
    }
}

/// In as few pieces as can be: it is done for each call.
impl Hash for Caller<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Principal { kind, subject } => {
                state.write(subject.as_bytes());
                // As no byte of a text is, so that it tells where the text ends.
                state.write_u8(0xf8 | *kind as u8);
            }
            // Nor does a text begin so.
            Self::Network(IpAddr::V4(address)) => state.write_u64(u64::from(address.to_bits()) << 8 | 0xff),
            Self::Network(IpAddr::V6(address)) => state.write_u128(address.to_bits() | 0xff),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn from(address: &str) -> Caller<'static> {
        Caller::from_address(address.parse().unwrap())
    }

    #[test]
    fn the_addresses_of_one_customer_are_one_caller() {
        assert_eq!(from("2001:db8:1:2::1"), from("2001:db8:1:2:ffff::9"));
        assert_ne!(from("2001:db8:1:2::1"), from("2001:db8:1:3::1"));
        assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
        assert_ne!(from("::ffff:192.0.2.1"), from("::ffff:192.0.2.2"));
    }

    #[test]
    fn callers_that_differ_are_hashed_differently() {
        /// What is hashed, as it is.
        #[derive(Default)]
        struct Written(Vec<u8>);

        impl Hasher for Written {
            fn finish(&self) -> u64 {
                0
            }

            fn write(&mut self, bytes: &[u8]) {
                self.0.extend(bytes);
            }
        }

        let kinds = [PrincipalKind::Local, PrincipalKind::Anonymous, PrincipalKind::User];
        let kinds = kinds.into_iter().chain([PrincipalKind::Client, PrincipalKind::Service]);
        let names = ["", "a", "ab", "ab\0", "abcdef", "abcdefg", "abcdefg\0", "abcdefgh", "abcdefghabcdefg"];
        let named = kinds.flat_map(|kind| names.map(|subject| Caller::Principal { kind, subject }));
        let addresses = ["0.0.0.0", "0.0.0.1", "255.255.255.255", "::", "2001:db8:1:2::", "2001:db8:1:3::"];
        let all: Vec<_> = named.chain(addresses.map(from)).collect();
        let written: HashSet<_> = all
            .iter()
            .map(|caller| {
                let mut written = Written::default();
                caller.hash(&mut written);
                written.0
            })
            .collect();
        assert_eq!(written.len(), all.len());
    }

    #[test]
    fn nobody_in_particular_goes_by_address_and_everybody_else_by_name() {
        let peer = Some("192.0.2.1".parse().unwrap());
        assert_eq!(Caller::of(&Principal::anonymous(), peer), from("192.0.2.1"));
        let ada = Principal::new(PrincipalKind::User, "ada");
        assert_eq!(Caller::of(&ada, peer), Caller::of(&ada, None));
        let client = Principal::new(PrincipalKind::Client, "ada");
        assert_ne!(Caller::of(&ada, peer), Caller::of(&client, peer));
        assert!(Caller::of(&Principal::local(), None).is_local());
    }
}

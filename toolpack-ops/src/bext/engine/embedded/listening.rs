//! Where the gateways of instances listen: as `instances.toml` says, at ports that were chosen once.
//!
//! A port that was chosen is kept in `instances/ID/gateway.port`, which no person writes.

#![allow(dead_code, reason = "until the parts are put together")]

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::files;
use super::registry::{Registry, invalid, not_found, unavailable};
use crate::bext::engine::{InstanceId, InstanceUrl};
use crate::error::{Error, ErrorKind};

impl Registry {
    /// Where the gateway of an instance listens. Port 0, if any free one will do and none was kept so far.
    pub(in crate::bext) fn listen(&self, id: &InstanceId) -> Result<SocketAddr, Error> {
        let known = self.known()?;
        let position = known.instances.iter().position(|instance| instance.id == *id);
        let mut address = position
            .and_then(|position| known.listens.get(position).copied())
            .ok_or_else(|| not_found(id, &known.instances))?;
        if address.port() == 0 {
            address.set_port(self.kept_port(id)?.unwrap_or(0));
        }
        Ok(address)
    }

    /// Keeps the port that was chosen for the gateway of an instance, durably, in place of one that was kept earlier.
    pub(in crate::bext) fn keep_port(&self, id: &InstanceId, port: u16) -> Result<(), Error> {
        if self.kept_port(id).ok().flatten() == Some(port) {
            return Ok(());
        }
        let path = self.port_file(id);
        let make = || {
            // The directory of the instance and what it lies in, from the root down.
            let made: Vec<&Path> = path.ancestors().skip(1).take(2).collect();
            for directory in made.into_iter().rev() {
                files::make_dir(directory)?;
                files::sync_dir(&directory.join(".."))?;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            // Killed right here, the next start chooses another one: nothing depends on this very port.
            files::make_file_of(&path, format!("{port}\n").as_bytes())
        };
        make().map_err(|error| {
            let message = format!("the port of the gateway of \"{id}\" cannot be kept");
            Error::new(ErrorKind::Unavailable, "registry_unavailable", message).with_source(error)
        })
    }

    fn kept_port(&self, id: &InstanceId) -> Result<Option<u16>, Error> {
        let text = match fs::read_to_string(self.port_file(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(unavailable)?,
        };
        match text.trim().parse() {
            Ok(port) if port > 0 => Ok(Some(port)),
            _ => {
                let message =
                    format!("instances/{id}/gateway.port has no port in it; remove it, and one is chosen");
                Err(invalid(message))
            }
        }
    }

    fn instances(&self) -> PathBuf {
        self.path.with_file_name("instances")
    }

    fn port_file(&self, id: &InstanceId) -> PathBuf {
        self.instances().join(id.as_str()).join("gateway.port")
    }
}

/// Where a gateway answers that listens at this address: on this machine, if it is every address.
pub(in crate::bext) fn url_of(listen: SocketAddr) -> Option<InstanceUrl> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    // Made anew, so that an address of IPv6 loses its scope, which no URL can say.
    format!("http://{}", SocketAddr::new(ip, listen.port())).parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn a_port_that_was_chosen_is_kept_and_the_file_is_not_rewritten() {
        let root = tempfile::tempdir().unwrap();
        let registry = Registry::open(root.path()).unwrap();
        let text = fs::read_to_string(&registry.path).unwrap();
        let local: InstanceId = "local".parse().unwrap();
        assert_eq!(registry.listen(&local).unwrap(), SocketAddr::from(([127, 0, 0, 1], 0)));
        for port in [4711, 4711, 4712] {
            registry.keep_port(&local, port).unwrap();
            let again = Registry::open(root.path()).unwrap();
            assert_eq!(again.listen(&local).unwrap(), SocketAddr::from(([127, 0, 0, 1], port)));
        }
        assert_eq!(fs::read_to_string(&registry.path).unwrap(), text);
        // One that a person wrote goes before.
        fs::write(&registry.path, "[[instance]]\nid=\"local\"\nlisten=\"127.0.0.1:99\"").unwrap();
        assert_eq!(registry.listen(&local).unwrap().port(), 99);
        fs::write(&registry.path, &text).unwrap();
        for bad in ["", "x", "0", "65536", "-1"] {
            fs::write(registry.port_file(&local), bad).unwrap();
            let error = registry.listen(&local).unwrap_err();
            assert!(error.message().contains("instances/local/gateway.port"), "{}", error.message());
        }
        registry.keep_port(&local, 5).unwrap();
        assert_eq!(registry.listen(&local).unwrap().port(), 5);
        assert_eq!(registry.listen(&"other".parse().unwrap()).unwrap_err().code(), "instance_not_found");
    }

    #[test]
    fn a_gateway_answers_where_it_listens() {
        for (listen, url) in [
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("0.0.0.0:81", "http://127.0.0.1:81"),
            ("[::]:82", "http://[::1]:82"),
            ("[fe80::1%3]:83", "http://[fe80::1]:83"),
        ] {
            assert_eq!(url_of(listen.parse().unwrap()).unwrap().as_str(), url);
        }
    }
}

//! `instances.toml`: the instances that this data directory holds.
//!
//! ```toml
//! [[instance]]
//! id = "local"
//! name = "local" # optional
//! listen = "127.0.0.1:0" # optional: where its gateway listens; port 0: a free one is chosen once, and kept
//! listen_beyond_loopback = false # optional: whether that may be an address that other machines reach
//! url = "http://127.0.0.1:3000" # optional: where its gateway answers, without user info
//! ```
//!
//! A port that was chosen is kept in `instances/ID/gateway.port`, and not here: what a person wrote is never rewritten.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
#[cfg(feature = "bext-node")]
use std::{fs, io, net::Ipv6Addr};

use serde::Deserialize;

use super::files;
use crate::bext::engine::{Instance, InstanceId, InstanceUrl};
use crate::error::{Error, ErrorKind};

const HEADER: &str = "\
# The instances of this directory; the data of one lies in instances/ID/. All but the id may be left out:
#
# [[instance]]
# id = \"staging-1\"                # 1 to 64 characters of a-z, 0-9, - and _
# name = \"Staging\"                # for people; by default the id
# listen = \"127.0.0.1:0\"          # where its gateway listens. Port 0: a free one is chosen once, and kept in
#                                 # instances/ID/gateway.port
# listen_beyond_loopback = false  # true, if other machines may reach that address
# url = \"https://example.com\"     # where its gateway answers, if that is not where it listens
#
# A node that runs sees an instance that is added or removed here when it is started again.
";
const FIRST: &str = "local";
const MAX_BYTES: u64 = 1 << 20;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[derive(Debug)]
pub(in crate::bext) struct Registry {
    path: PathBuf,
    // What was read last. The file may change under us at any time, also twice within one tick of its time stamp, so the
    // text itself is compared.
    cache: Mutex<Option<(String, Known)>>,
}

/// What the file says, ordered by id.
#[derive(Clone, Debug)]
struct Known {
    instances: Arc<[Instance]>,
    // Where each listens, in the same order.
    #[cfg_attr(not(feature = "bext-node"), allow(dead_code, reason = "only a node listens"))]
    listens: Arc<[SocketAddr]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    instance: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: InstanceId,
    name: Option<String>,
    url: Option<InstanceUrl>,
    listen: Option<String>,
    #[serde(default)]
    listen_beyond_loopback: bool,
}

impl Registry {
    /// The registry of a data directory; makes its file on first start.
    pub(in crate::bext) fn open(root: &Path) -> Result<Self, Error> {
        Self::open_with(root, &[])
    }

    /// As [`open`](Self::open), with these instances on first start, in this order. Later, the file counts: other ones than
    /// it has are refused, and none are whichever it has.
    ///
    /// Errors: `instances_differ`; `invalid_argument` for one that is given twice.
    pub(in crate::bext) fn open_with(root: &Path, first: &[InstanceId]) -> Result<Self, Error> {
        if let Some(twice) = first.iter().enumerate().find(|(n, id)| first[..*n].contains(id)) {
            let message = format!("the instance \"{}\" is given twice", twice.1);
            return Err(Error::new(ErrorKind::InvalidInput, "invalid_argument", message));
        }
        let path = root.join("instances.toml");
        if files::file_id(&path).map_err(unavailable)?.is_none() {
            files::make_file_of(&path, first_text(first).as_bytes()).map_err(unavailable)?;
        }
        let registry = Self { path, cache: Mutex::new(None) };
        let all = registry.all()?;
        // Another process may have made the file meanwhile: it counts as well.
        if first.is_empty() || (all.len() == first.len() && all.iter().all(|known| first.contains(&known.id)))
        {
            Ok(registry)
        } else {
            Err(differ(&all))
        }
    }

    /// All instances, ordered by id.
    pub(in crate::bext) fn all(&self) -> Result<Arc<[Instance]>, Error> {
        self.known().map(|known| known.instances)
    }

    pub(in crate::bext) fn resolve(&self, id: &InstanceId) -> Result<Instance, Error> {
        let all = self.all()?;
        all.iter().find(|instance| instance.id == *id).cloned().ok_or_else(|| not_found(id, &all))
    }

    fn known(&self) -> Result<Known, Error> {
        let mut text = String::new();
        let file = File::open(&self.path).map_err(unavailable)?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unavailable)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(invalid(format!("instances.toml is larger than {MAX_BYTES} bytes")));
        }
        // What is cached is complete at any moment, so a panic elsewhere leaves it good.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, known)) = &*cache
            && *read == text
        {
            return Ok(known.clone());
        }
        let known = parse(&text)?;
        *cache = Some((text, known.clone()));
        Ok(known)
    }
}

/// What only a node asks for.
#[cfg(feature = "bext-node")]
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
            // The directory of the instance and the one it lies in, from the root down.
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

    fn port_file(&self, id: &InstanceId) -> PathBuf {
        self.path.with_file_name("instances").join(id.as_str()).join("gateway.port")
    }
}

/// Where a gateway answers that listens at this address: on this machine, if it is every address.
#[cfg(feature = "bext-node")]
pub(in crate::bext) fn url_of(listen: SocketAddr) -> Option<InstanceUrl> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    // Made anew, so that an address of IPv6 loses its scope, which no URL can say.
    format!("http://{}", SocketAddr::new(ip, listen.port())).parse().ok()
}

fn first_text(instances: &[InstanceId]) -> String {
    let mut text = HEADER.to_owned();
    let ids = instances.iter().map(InstanceId::as_str);
    for id in ids.chain(instances.is_empty().then_some(FIRST)) {
        text.push_str(&format!("\n[[instance]]\nid = \"{id}\"\n"));
    }
    text
}

fn parse(text: &str) -> Result<Known, Error> {
    let document: Document = toml::from_str(text).map_err(|error| {
        // Only its message: as a whole, it shows the line at fault, and that may be an address with a password in it.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        invalid(format!("line {line} of instances.toml is not good: {}", error.message().replace('\n', " ")))
    })?;
    let mut rows = document.instance.into_iter().map(listening).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].0.id == pair[1].0.id) {
        return Err(invalid(format!("instances.toml has the id \"{}\" twice", pair[0].0.id)));
    }
    for (n, (one, listen)) in rows.iter().enumerate() {
        if let Some((other, _)) = rows[..n].iter().find(|(_, other)| meet(listen, other)) {
            let message =
                format!("the instances \"{}\" and \"{}\" listen at the same address", other.id, one.id);
            return Err(invalid(format!("{message}; give one of them another port, or port 0")));
        }
    }
    let (instances, listens): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    Ok(Known { instances: instances.into(), listens: listens.into() })
}

/// The instance of a row, and where it listens.
fn listening(row: Row) -> Result<(Instance, SocketAddr), Error> {
    let Row { id, name, url, listen, listen_beyond_loopback } = row;
    let listen = match listen.map(|text| text.parse::<SocketAddr>()) {
        None => DEFAULT_LISTEN,
        Some(Ok(address)) => address,
        Some(Err(_)) => {
            return Err(invalid(format!(
                "listen of the instance \"{id}\" is no address; it is an IP address and a port, such as 127.0.0.1:8080 or \
                 [::1]:0"
            )));
        }
    };
    if !listen.ip().is_loopback() && !listen_beyond_loopback {
        return Err(invalid(format!(
            "the instance \"{id}\" is to listen where other machines may reach it; if that is meant, add \
             listen_beyond_loopback = true to it, or else listen at 127.0.0.1"
        )));
    }
    Ok((Instance { name: name.unwrap_or_else(|| id.to_string()), id, url }, listen))
}

/// Whether two gateways want the same port of the same address.
fn meet(a: &SocketAddr, b: &SocketAddr) -> bool {
    let is_same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && is_same_ip
}

fn not_found(id: &InstanceId, all: &[Instance]) -> Error {
    let message = format!("there is no instance \"{id}\"; known: {}", listed(all));
    Error::new(ErrorKind::NotFound, "instance_not_found", message)
}

fn differ(all: &[Instance]) -> Error {
    let message = format!(
        "instances.toml is there already, and has other instances than these: {}; to change them edit that file, or name \
         none",
        listed(all)
    );
    Error::new(ErrorKind::Conflict, "instances_differ", message)
}

/// The ids of the first few.
fn listed(all: &[Instance]) -> String {
    const SHOWN: usize = 10;
    let known: Vec<&str> = all.iter().take(SHOWN).map(|instance| instance.id.as_str()).collect();
    match known.len() {
        0 => "none".to_owned(),
        _ if all.len() > SHOWN => format!("{} and more", known.join(", ")),
        _ => known.join(", "),
    }
}

fn unavailable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "registry_unavailable", "the list of instances cannot be read")
        .with_source(error)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, "registry_invalid", message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use std::fs;

    use super::*;

    #[test]
    fn the_first_start_makes_one_instance_and_changes_are_seen() {
        let root = tempfile::tempdir().unwrap();
        let registry = Registry::open(root.path()).unwrap();
        let local: InstanceId = "local".parse().unwrap();
        assert_eq!(registry.resolve(&local).unwrap().name, "local");
        std::fs::write(&registry.path, "[[instance]]\nid = \"b\"\n[[instance]]\nid = \"a\"\nname = \"A\"")
            .unwrap();
        let names: Vec<String> = registry.all().unwrap().iter().map(|i| i.name.clone()).collect();
        assert_eq!(names, ["A", "b"]);
        let error = registry.resolve(&local).unwrap_err();
        assert_eq!(error.message(), "there is no instance \"local\"; known: a, b");
    }

    #[test]
    fn a_bad_file_is_refused() {
        for bad in [
            "[[instance]]",
            "[[instance]]\nid = \"../x\"",
            "x = 1",
            "[[instance]]\nid=\"a\"\naddress=\"b\"",
            "[[instance]]\nid=\"a\"\nurl=\"http://admin:secret@a\"",
            "\0",
            "[[instance]]\nid=\"a\"\nlisten=\"127.0.0.1\"",
            "[[instance]]\nid=\"a\"\nlisten=\"localhost:80\"",
            "[[instance]]\nid=\"a\"\nlisten=8080",
            "[[instance]]\nid=\"a\"\nlisten=\"0.0.0.0:80\"",
            "[[instance]]\nid=\"a\"\nlisten=\"192.0.2.1:80\"\nlisten_beyond_loopback=false",
            "[[instance]]\nid=\"a\"\nlisten=\"[::]:0\"",
        ] {
            assert_eq!(parse(bad).unwrap_err().code(), "registry_invalid", "{bad:?}");
        }
        let twice = parse("[[instance]]\nid = \"a\"\n[[instance]]\nid = \"a\"").unwrap_err();
        assert_eq!(twice.message(), "instances.toml has the id \"a\" twice");
        let text = "# one\n\n[[instance]]\nid=\"a\"\nurl=\"http://admin:hunter2@a\"";
        let error = parse(text).unwrap_err();
        assert!(error.message().starts_with("line 5 of instances.toml is not good: "), "{}", error.message());
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    fn ids(texts: &[&str]) -> Vec<InstanceId> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_instances_of_a_first_start_are_written_in_their_order() {
        let root = tempfile::tempdir().unwrap();
        let wanted = ids(&["staging-1", "prod-1", "prod-2"]);
        Registry::open_with(root.path(), &wanted).unwrap();
        let text = fs::read_to_string(root.path().join("instances.toml")).unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("id = ")).collect();
        assert_eq!(rows, ["id = \"staging-1\"", "id = \"prod-1\"", "id = \"prod-2\""]);
        // The same ones are fine at any later start, in whatever order, and none are too; the file stays as it is.
        for again in [&["staging-1", "prod-1", "prod-2"][..], &["prod-2", "staging-1", "prod-1"], &[]] {
            assert_eq!(Registry::open_with(root.path(), &ids(again)).unwrap().all().unwrap().len(), 3);
        }
        for other in
            [&["prod-1"][..], &["staging-1", "prod-1", "prod-3"], &["a", "prod-1", "prod-2", "staging-1"]]
        {
            let error = Registry::open_with(root.path(), &ids(other)).unwrap_err();
            assert_eq!((error.code(), error.kind()), ("instances_differ", ErrorKind::Conflict));
            assert!(error.message().contains("prod-1, prod-2, staging-1"), "{}", error.message());
        }
        assert_eq!(fs::read_to_string(root.path().join("instances.toml")).unwrap(), text);
        let other = tempfile::tempdir().unwrap();
        let error = Registry::open_with(other.path(), &ids(&["a", "b", "a"])).unwrap_err();
        assert_eq!(
            (error.code(), error.message()),
            ("invalid_argument", "the instance \"a\" is given twice")
        );
        assert!(!other.path().join("instances.toml").exists());
    }

    #[test]
    fn the_comments_of_the_file_are_an_example_that_works() {
        let example: String = HEADER
            .lines()
            .filter(|line| line.contains("[[instance]]") || line.contains(" = "))
            .map(|line| format!("{}\n", line.trim_start_matches("# ")))
            .collect();
        assert_eq!(example.matches('=').count(), 5);
        let known = parse(&example).unwrap();
        assert_eq!(known.instances[0].name, "Staging");
        assert_eq!(known.listens[0], DEFAULT_LISTEN);
    }

    #[test]
    fn a_gateway_listens_on_loopback_unless_the_file_says_otherwise() {
        for (row, expected) in [
            ("", "127.0.0.1:0"),
            ("listen=\"127.0.0.1:8080\"", "127.0.0.1:8080"),
            ("listen=\"127.3.2.1:1\"", "127.3.2.1:1"),
            ("listen=\"[::1]:0\"", "[::1]:0"),
            ("listen=\"0.0.0.0:80\"\nlisten_beyond_loopback=true", "0.0.0.0:80"),
            ("listen=\"127.0.0.1:80\"\nlisten_beyond_loopback=true", "127.0.0.1:80"),
        ] {
            let known = parse(&format!("[[instance]]\nid=\"a\"\n{row}")).unwrap();
            assert_eq!(known.listens[0].to_string(), expected);
        }
        let error = parse("[[instance]]\nid=\"a\"\nlisten=\"0.0.0.0:80\"").unwrap_err();
        assert!(error.message().contains("listen_beyond_loopback = true"), "{}", error.message());
    }

    #[test]
    fn two_gateways_cannot_have_one_port() {
        let two = |a: &str, b: &str| {
            let row = |id: &str, listen: &str| {
                format!("[[instance]]\nid=\"{id}\"\nlisten=\"{listen}\"\nlisten_beyond_loopback=true\n")
            };
            parse(&format!("{}{}", row("b", a), row("a", b)))
        };
        for (a, b) in
            [("127.0.0.1:80", "127.0.0.1:80"), ("0.0.0.0:80", "127.0.0.1:80"), ("[::1]:80", "[::]:80")]
        {
            let error = two(a, b).unwrap_err();
            assert!(
                error.message().starts_with("the instances \"a\" and \"b\" listen"),
                "{}",
                error.message()
            );
        }
        for (a, b) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("127.0.0.1:80", "127.0.0.2:80"),
            ("127.0.0.1:80", "127.0.0.1:81"),
        ] {
            two(a, b).unwrap();
        }
    }

    #[cfg(feature = "bext-node")]
    #[test]
    fn a_port_that_was_chosen_is_kept_and_the_file_is_not_rewritten() {
        let root = tempfile::tempdir().unwrap();
        let registry = Registry::open(root.path()).unwrap();
        let text = fs::read_to_string(&registry.path).unwrap();
        let local: InstanceId = "local".parse().unwrap();
        assert_eq!(registry.listen(&local).unwrap(), DEFAULT_LISTEN);
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

    #[cfg(feature = "bext-node")]
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

//! `--http`: what is listened on, with which keys, and what is said of it.

use std::{net::ToSocketAddrs, path::Path};

use serde_json::json;
use toolpack::{
    Endpoint, bext,
    http::{ApiKeys, Http, HttpServer},
};

use crate::{
    Failure, NAME,
    args::HttpArgs,
    keys::{self, Beginning},
};

/// A server that listens, and what to tell whoever asked for it.
pub(crate) struct Listening {
    pub(crate) server: HttpServer,
    pub(crate) said: String,
}

/// Listens. What is to be said of keys is asked for by whoever prints it.
pub(crate) async fn listen(http: &HttpArgs, endpoint: Endpoint, data: &Path) -> Result<Listening, Failure> {
    let keys = if http.no_auth { None } else { Some(keys::open(data)?) };
    let server = options(http, keys)?.bind(endpoint, &http.address).await?;
    let figures = server.metrics_url().map(|url| format!("figures at {url}\n")).unwrap_or_default();
    let said = format!("{figures}listening on {}", server.url());
    Ok(Listening { server, said })
}

/// Makes the first key where there never was any, and says what there is to say of keys; with a line break at its end.
///
/// To be called by the process that prints it, once it is sure that there is a server: no key is made for nobody.
pub(crate) async fn said_of_keys(url: &str, data: &Path) -> Result<String, Failure> {
    Ok(match keys::begin(&keys::open(data)?, data).await? {
        Beginning::FirstKey(key) => welcome(url, key.expose()),
        Beginning::Keys => String::new(),
        Beginning::NoneGood => {
            format!("No key is good any more, so nobody is let in; `{NAME} keys create` makes one.\n")
        }
    })
}

/// How HTTP is served.
fn options(args: &HttpArgs, keys: Option<ApiKeys>) -> Result<Http, Failure> {
    let mut options = match keys {
        Some(keys) => Http::new().keys(keys),
        None => Http::new().without_auth(),
    };
    for network in &args.trusted_proxies {
        options = options.trust_proxy(network)?;
    }
    for host in &args.hosts {
        options = options.allow_host(host);
    }
    Ok(match &args.metrics {
        Some(address) => options.metrics_at(address),
        None => options.metrics(bext::scopes::ADMIN),
    })
}

/// What is said of the key that a first start makes.
fn welcome(url: &str, key: &str) -> String {
    let header = json!({ "Authorization": format!("Bearer {key}") });
    let configuration =
        json!({ "mcpServers": { "bext": { "type": "http", "url": url, "headers": header } } });
    format!(
        "There was no key yet, so here is one that may do everything. It is not shown again:\n\n  {key}\n\n\
         A client's configuration with it:\n\n  {configuration}\n\n\
         `{NAME} keys` makes others, lists them, and takes them back.\n"
    )
}

/// Nothing is encrypted, so nobody but this machine reaches the server.
pub(crate) fn check(http: &HttpArgs) -> Result<(), String> {
    check_address("--http", &http.address)?;
    for network in &http.trusted_proxies {
        Http::new().trust_proxy(network).map_err(|error| format!("--trust-proxy {network}: {error}"))?;
    }
    http.metrics.as_ref().map_or(Ok(()), |address| check_address("--metrics", address))
}

fn check_address(flag: &str, address: &str) -> Result<(), String> {
    let found = address.to_socket_addrs().ok().and_then(|mut found| found.next());
    match found {
        Some(found) if found.ip().to_canonical().is_loopback() => Ok(()),
        Some(_) => Err(format!(
            "{flag} {address}: other machines could reach that, and nothing is encrypted; take a loopback address \
             such as 127.0.0.1:8080, and put a proxy with TLS in front"
        )),
        None => Err(format!(
            "{flag} {address}: no address of the form HOST:PORT that this machine knows, such as 127.0.0.1:8080"
        )),
    }
}

//! Whether an instance answers: asked over its gateway as anybody else would, and of its stores and apps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::hosted::Hosted;
use super::running::{Condition, Place};
use super::store::blocking;
use crate::bext::engine::embedded::Embedded;
use crate::bext::engine::{AppName, HealthReport, InstanceHealth, Instances};

/// How long a gateway may take to answer before it counts as one that does not.
const LIMIT: Duration = Duration::from_secs(2);

/// How much room a disk has at least that counts as well, in MiB.
const LITTLE_ROOM: u64 = 64;

/// Checks an instance now, and remembers what was found.
pub(crate) async fn probe(hosted: &Hosted, data: &Embedded) -> HealthReport {
    let began = Instant::now();
    let (gateway, data, state, disk, ()) = tokio::join!(
        gateway(hosted),
        data.health(&hosted.id),
        state(hosted),
        disk(hosted),
        look_at_files(hosted)
    );
    let mut details = Vec::new();
    let mut troubles = Vec::new();
    let mut note = |found: Result<String, String>| match found {
        Ok(detail) => details.push(detail),
        Err(trouble) => {
            details.push(trouble.clone());
            troubles.push(trouble);
        }
    };
    let (reached, uptime) = match gateway {
        Ok((took, since)) => {
            note(Ok(format!("the gateway answers in {} ms", took.as_millis())));
            if took > hosted.config().slow_after {
                note(Err("the gateway is slow to answer".to_owned()));
            }
            (true, Some(since.elapsed().as_secs()))
        }
        Err(trouble) => {
            note(Err(trouble));
            (false, None)
        }
    };
    note(match data {
        Ok(report) if report.status == InstanceHealth::Healthy => Ok("the stores of apps answer".to_owned()),
        Ok(report) => Err(report.error.unwrap_or_else(|| "the stores of apps are slow to answer".to_owned())),
        Err(error) => Err(error.message().to_owned()),
    });
    note(state.map(|()| "the state of the instance answers".to_owned()));
    note(disk);
    for (app, condition) in hosted.traffic.conditions() {
        let of = |what: &str, condition: Condition| match condition {
            Condition::Well => Ok(format!("{what} runs")),
            Condition::Starting => Ok(format!("{what} is being started")),
            Condition::Troubled(why) => Err(format!("{what} does not run: {why}")),
        };
        note(of(&format!("the app {app}"), condition.stable));
        if let Some(canary) = condition.canary {
            note(of(&format!("the canary of the app {app}"), canary));
        }
    }
    let report = HealthReport {
        instance_id: hosted.id.clone(),
        status: match (reached, troubles.is_empty()) {
            (false, _) => InstanceHealth::Unreachable,
            (true, false) => InstanceHealth::Degraded,
            (true, true) => InstanceHealth::Healthy,
        },
        latency_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        checked_at: hosted.now(),
        uptime_s: uptime,
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        details,
        error: (!troubles.is_empty()).then(|| troubles.join("; ")),
    };
    hosted.last_probe.set(report.clone());
    report
}

async fn gateway(hosted: &Hosted) -> Result<(Duration, Instant), String> {
    let (address, since) = hosted.traffic.gateway()?;
    let began = Instant::now();
    let why = match tokio::time::timeout(LIMIT, ask(reachable(address))).await {
        Ok(Ok(StatusCode::OK)) => return Ok((began.elapsed(), since)),
        Ok(Ok(status)) => format!("the gateway answers its own check with {status}"),
        Ok(Err(error)) => {
            tracing::warn!(instance = %hosted.id, error, "the gateway does not answer");
            "the gateway does not answer".to_owned()
        }
        Err(_) => format!("the gateway does not answer within {} seconds", LIMIT.as_secs()),
    };
    Err(why)
}

async fn state(hosted: &Hosted) -> Result<(), String> {
    let answer = hosted.store.read(|connection| {
        Ok(connection.query_row("SELECT count(*) FROM apps", [], |row| row.get::<_, i64>(0))?)
    });
    match tokio::time::timeout(LIMIT, answer).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.message().to_owned()),
        Err(_) => {
            Err(format!("the state of the instance does not answer within {} seconds", LIMIT.as_secs()))
        }
    }
}

/// How much room there is for what the instance writes.
async fn disk(hosted: &Hosted) -> Result<String, String> {
    let root = hosted.layout.root().to_owned();
    let room = blocking(move || {
        let disk = rustix::fs::statvfs(&root).map_err(std::io::Error::from)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize) >> 20)
    });
    match room.await {
        Ok(room) if room < LITTLE_ROOM => {
            Err(format!("the disk has {room} MiB of room left, so releases and changes may fail"))
        }
        Ok(room) => Ok(format!("the disk has {room} MiB of room left")),
        Err(error) => {
            tracing::warn!(instance = %hosted.id, %error, "the room on the disk was not found out");
            Err("how much room the disk has cannot be found out".to_owned())
        }
    }
}

/// Looks whether the files of all sites are there still. A process whose files are gone is found out when it ends.
async fn look_at_files(hosted: &Hosted) {
    let sites = hosted.traffic.files();
    let looked = blocking(move || {
        let look = |(app, place, files): (AppName, Place, PathBuf)| (app, place, !files.is_dir());
        Ok(sites.into_iter().map(look).collect::<Vec<_>>())
    });
    match looked.await {
        Ok(sites) => sites.iter().for_each(|(app, place, lost)| hosted.traffic.set_lost(app, *place, *lost)),
        Err(error) => tracing::warn!(instance = %hosted.id, %error, "the files of sites were not looked at"),
    }
}

/// An address to reach a listener at: one that listens everywhere is reached over the loopback.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn ask(address: SocketAddr) -> Result<StatusCode, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|error| said(&error))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| said(&error))?;
    let request = Request::get("/__bext/health")
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|error| said(&error))?;
    tokio::select! {
        response = sender.send_request(request) => match response {
            Ok(response) => Ok(response.status()),
            Err(error) => Err(said(&error)),
        },
        ended = connection => Err(ended.err().map_or_else(|| "it closed the connection".to_owned(), |error| said(&error))),
    }
}

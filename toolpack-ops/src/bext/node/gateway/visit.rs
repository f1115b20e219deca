//! What the stages know of a request besides what it says; it goes with it from one to the next.

use std::net::IpAddr;
use std::sync::Arc;

use super::activity::Activity;
use super::routes::Entry;
use super::settings::GatewaySettings;

/// Where a request came from, and how it is to be treated. The connection says so.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// The address of the client.
    pub(super) from: IpAddr,
    /// What the request is held to.
    pub(super) settings: Arc<GatewaySettings>,
    /// That of the connection it came over.
    pub(super) activity: Arc<Activity>,
}

/// Where a request was led. The stage that leads says so.
#[derive(Clone, Debug)]
pub(super) struct Led(pub(super) Arc<Entry>);

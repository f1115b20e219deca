//! Access that only the engine knows: the owner is looked up first, then held against the caller.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use mcp_core::{
    Access, Action, Annotations, Call, Contents, Decision, Denied, Policy, Principal, PrincipalKind,
    RequestError, Resource, Revision, Server, Tool, ToolError,
    testing::{Client, Options},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A service, and whose it is.
#[derive(Debug)]
struct Service {
    team: &'static str,
    restarts: AtomicU32,
}

/// The services by their names, which say nothing of their teams.
#[derive(Debug)]
struct Services(BTreeMap<&'static str, Service>);

impl Services {
    /// A service that the caller may touch.
    fn of_caller(&self, name: &str, call: &Call) -> Result<&Service, ToolError> {
        let service = self.0.get(name).ok_or_else(|| {
            ToolError::new("service_not_found", format!("There is no service `{name}`")).at("/service")
        })?;
        call.require(Access::tenant(service.team))?;
        Ok(service)
    }
}

/// Restarts a service.
#[derive(Deserialize, JsonSchema)]
struct RestartService {
    /// Service to restart, such as `shop`.
    service: String,
}

/// A service that was restarted.
#[derive(Serialize, JsonSchema)]
struct Restarted {
    /// How often it was restarted so far.
    restarts: u32,
}

impl Tool<Services> for RestartService {
    const NAME: &'static str = "mctl_restart_service";
    const ANNOTATIONS: Annotations = Annotations::write();
    type Output = Restarted;

    async fn call(self, services: &Services, call: &Call) -> Result<Restarted, ToolError> {
        let service = services.of_caller(&self.service, call)?;
        Ok(Restarted { restarts: service.restarts.fetch_add(1, Ordering::Relaxed) + 1 })
    }
}

/// How a service is doing.
#[derive(Deserialize, JsonSchema)]
struct ServiceStatus {
    /// Its name.
    service: String,
}

impl Resource<Services> for ServiceStatus {
    const URI: &'static str = "mctl://services/{service}";
    const NAME: &'static str = "service-status";

    async fn read(self, services: &Services, call: &Call) -> Result<Contents, RequestError> {
        let service = services.of_caller(&self.service, call)?;
        Contents::json(&json!({"team": service.team, "restarts": service.restarts.load(Ordering::Relaxed)}))
    }
}

fn server() -> Server<Services> {
    let service = |team| Service { team, restarts: AtomicU32::new(0) };
    let services = Services(BTreeMap::from([("shop", service("acme")), ("lab", service("umbrella"))]));
    Server::new("mctl", "1.0.0").over(services).tool::<RestartService>().resource::<ServiceStatus>()
}

fn ada() -> Principal {
    Principal::new(PrincipalKind::User, "ada").with_tenants(["acme"])
}

#[tokio::test]
async fn the_owner_is_held_against_the_caller_once_it_is_known() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = Client::with(server(), Options::new().revision(revision).principal(ada())).await;
        let own = client.call("mctl_restart_service", json!({"service": "shop"})).await;
        assert_eq!(own.structured(), &json!({"restarts": 1}));

        let params = json!({"name": "mctl_restart_service", "arguments": {"service": "lab"}});
        let refused =
            json!({"code": 403, "message": "Forbidden: you have no access to the tenant `umbrella`"});
        assert_eq!(client.request("tools/call", params).await.error(), &refused);
        // Its URI names the service, and with it the team: there is none, as far as Ada is to know.
        let missing = if revision.is_modern() { -32602 } else { -32002 };
        let not_found =
            json!({"code": missing, "message": "Resource not found", "data": {"uri": "mctl://services/lab"}});
        assert_eq!(client.read("mctl://services/lab").await.error(), &not_found);

        let unknown = client.call("mctl_restart_service", json!({"service": "nope"})).await;
        assert_eq!(unknown.error_code(), "service_not_found");
        let read = client.read("mctl://services/shop").await;
        assert_eq!(read.result()["contents"][0]["text"], r#"{"restarts":1,"team":"acme"}"#);
    }
}

/// A policy of the host's own, which knows more than grants do: nothing is restarted in a freeze.
#[derive(Debug)]
struct Freeze(Arc<std::sync::atomic::AtomicBool>);

impl Policy for Freeze {
    fn decide(&self, _: &Principal, action: &Action<'_>) -> Decision {
        let is_write = action.annotations.is_some_and(|annotations| !annotations.read_only);
        match is_write && self.0.load(Ordering::Relaxed) {
            true => Decision::Deny(Denied::because("Forbidden: nothing is changed before Monday")),
            false => Decision::Allow,
        }
    }
}

#[tokio::test]
async fn a_host_may_have_a_policy_of_its_own() {
    let frozen = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let server = server().policy(Freeze(Arc::clone(&frozen)));
    let client = Client::with(server, Options::new().principal(ada())).await;
    let params = json!({"name": "mctl_restart_service", "arguments": {"service": "lab"}});
    let refused = client.request("tools/call", params.clone()).await;
    assert_eq!(refused.error()["message"], "Forbidden: nothing is changed before Monday");
    client.read("mctl://services/lab").await.result();
    frozen.store(false, Ordering::Relaxed);
    client.request("tools/call", params).await.result();
}
